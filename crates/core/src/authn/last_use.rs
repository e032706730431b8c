//! The time at which a key was last used, for operators who want to remove it.

use crate::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The last use of a key, in whole seconds. Clones share it, so that a reload keeps it.
#[derive(Debug, Clone, Default)]
pub struct LastUse(Arc<AtomicU64>);

impl LastUse {
    /// Records a use. Writes once a second at most: threads that use the same key would wait for one another.
    pub(crate) fn record(&self, now: Timestamp) {
        let now = now.as_secs();
        if self.0.load(Ordering::Relaxed) < now {
            self.0.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// Returns the time of the last use; [`Timestamp::EPOCH`] before the first.
    #[must_use]
    pub fn get(&self) -> Timestamp {
        Timestamp::from_secs(self.0.load(Ordering::Relaxed))
    }
}
