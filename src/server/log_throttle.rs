//! Throttles a repeated log message to one per 10 s. An attacker could otherwise fill the log, and operators would stop reading it.

use std::time::Duration;
use tokio::time::Instant;

/// Minimum time between two messages about the same event.
const BETWEEN: Duration = Duration::from_secs(10);

/// The throttle of one message.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    said: Option<Instant>,
    unsaid: u64,
}

impl LogThrottle {
    /// Records one more event. Returns how many events were not logged since the last message; `None` if it is too early for another one.
    pub(super) fn now(&mut self) -> Option<u64> {
        if self.said.is_some_and(|said| said.elapsed() < BETWEEN) {
            self.unsaid = self.unsaid.saturating_add(1);
            return None;
        }
        self.said = Some(Instant::now());
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::{BETWEEN, LogThrottle};
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn once_in_a_while_and_with_the_number_of_those_unsaid() {
        let mut seldom = LogThrottle::default();
        assert_eq!(seldom.now(), Some(0));
        for _ in 0..3 {
            assert_eq!(seldom.now(), None);
        }
        advance(BETWEEN).await;
        assert_eq!(seldom.now(), Some(3));
        assert_eq!(seldom.now(), None);
        advance(BETWEEN).await;
        assert_eq!(seldom.now(), Some(1));
    }
}
