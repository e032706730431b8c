//! When to say again what has been said already: not more often than every ten seconds. A log that an attacker can fill is one that
//! nobody reads.

use std::time::Duration;
use tokio::time::Instant;

/// The least time between two lines about the same.
const BETWEEN: Duration = Duration::from_secs(10);

/// One thing that is said now and then.
#[derive(Debug, Default)]
pub(super) struct LogThrottle {
    said: Option<Instant>,
    unsaid: u64,
}

impl LogThrottle {
    /// Notes that it is the case once more. If it is time to say so: how often it was since it was last said.
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
