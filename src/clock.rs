//! The system clock, which only this file reads.

use modgud_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of the present time.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The system's wall clock.
    System,
    /// A clock that changes only when it is set, for tests.
    Manual(ManualClock),
}

impl Clock {
    /// Returns the present time. A system clock before 1970 reads as the epoch.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the one owner of the system's clock")]
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(Timestamp::EPOCH, |since| Timestamp::EPOCH.plus(since)),
            Self::Manual(clock) => Timestamp::from_millis(clock.0.load(Ordering::Relaxed)),
        }
    }

    /// Returns the present time in nanoseconds since 1970, for spans: checks take microseconds.
    #[must_use]
    pub fn now_nanos(&self) -> u64 {
        let since = match self {
            #[expect(clippy::disallowed_methods, reason = "this is the one owner of the system's clock")]
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            Self::Manual(_) => Duration::from_millis(self.now().as_millis()),
        };
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// The handle of a [`Clock::Manual`]; clones share it.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Creates a clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(AtomicU64::new(now.as_millis())))
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_millis(), Ordering::Relaxed);
    }
}
