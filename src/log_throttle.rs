//! Throttles a repeated log message. An attacker could otherwise fill the log, and operators would stop reading it. Messages about a change of
//! state (`jwks`, circuit breaker) need no throttle: the state does not change with each event.

use std::time::Duration;
use tokio::time::Instant;

/// Minimum time between two messages about the same event.
const INTERVAL: Duration = Duration::from_secs(10);

/// The throttle of one message.
#[derive(Debug)]
pub(crate) struct LogThrottle {
    interval: Duration,
    last: Option<Instant>,
    suppressed: u64,
}

impl Default for LogThrottle {
    /// Creates a throttle to one message per 10 s.
    fn default() -> Self {
        Self::new(INTERVAL)
    }
}

impl LogThrottle {
    /// Creates a throttle to one message per interval.
    pub(crate) const fn new(interval: Duration) -> Self {
        Self { interval, last: None, suppressed: 0 }
    }

    /// Records one more event. Returns how many events were not logged since the last message; `None` if it is too early for another one.
    pub(crate) fn tick(&mut self) -> Option<u64> {
        if self.last.is_some_and(|last| last.elapsed() < self.interval) {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.last = Some(Instant::now());
        Some(self.take_suppressed())
    }

    /// Returns how many events were not logged since the last message or the last call.
    pub(crate) fn take_suppressed(&mut self) -> u64 {
        std::mem::take(&mut self.suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::{INTERVAL, LogThrottle};
    use std::time::Duration;
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn one_message_per_interval_counts_those_between() {
        let mut throttle = LogThrottle::default();
        assert_eq!(throttle.tick(), Some(0));
        for _ in 0..3 {
            assert_eq!(throttle.tick(), None);
        }
        advance(INTERVAL).await;
        assert_eq!(throttle.tick(), Some(3));
        assert_eq!(throttle.tick(), None);
        advance(INTERVAL).await;
        assert_eq!(throttle.tick(), Some(1));
        let mut slower = LogThrottle::new(Duration::from_secs(60));
        assert_eq!(slower.tick(), Some(0));
        advance(Duration::from_secs(59)).await;
        assert_eq!(slower.tick(), None);
        advance(Duration::from_secs(1)).await;
        assert_eq!(slower.tick(), Some(1));
    }
}
