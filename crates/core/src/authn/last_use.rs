//! The time at which a key was last used, for operators who want to remove it.

use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The last use of a key, in whole seconds. Clones share it, so that a reload keeps it.
#[derive(Debug, Clone, Default)]
pub struct LastUse(Arc<AtomicU64>);

impl LastUse {
    /// Records a use. Writes once a second at most: threads that use the same key would wait for one another.
    ///
    /// A later time than the next second is from before the clock was set back, and is replaced. That of the next second may be from
    /// a thread that was faster.
    pub(crate) fn record(&self, now: Timestamp) {
        let now = now.as_secs();
        let last = self.0.load(Ordering::Relaxed);
        if last < now {
            self.0.fetch_max(now, Ordering::Relaxed);
        } else if last > now.saturating_add(1) {
            self.0.store(now, Ordering::Relaxed);
        }
    }

    /// Returns the time of the last use; [`Timestamp::EPOCH`] before the first.
    #[must_use]
    pub fn get(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::LastUse;
    use crate::time::Timestamp;

    #[test]
    fn a_time_in_the_future_is_replaced() {
        let last_use = LastUse::default();
        for (now, expected) in [(100, 100), (101, 101), (100, 101), (90, 90), (95, 95)] {
            last_use.record(Timestamp::from_secs(now));
            assert_eq!(last_use.get(), Timestamp::from_secs(expected), "{now}");
        }
    }
}
