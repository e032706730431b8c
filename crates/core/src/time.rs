//! Points in time. The calling code supplies the current time.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted (RFC 7519 §2, `NumericDate`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The earliest representable point.
    pub const EPOCH: Self = Self(0);
    /// The latest representable point, used as an expiry that is never reached.
    pub const NEVER: Self = Self(u64::MAX);

    /// Creates a point from milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Creates a point from whole seconds since the epoch. Saturates.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }

    /// Returns the milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// Returns this point moved later. Saturates at [`Self::NEVER`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis(span)))
    }

    /// Returns this point moved earlier. Saturates at [`Self::EPOCH`].
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis(span)))
    }
}

/// For people: RFC 3339 up to the year 9999, otherwise seconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The end of the year 9999.
        const LAST: u64 = 253_402_300_799;
        match self.as_secs() {
            0 => f.write_str("the beginning"),
            seconds => match UNIX_EPOCH.checked_add(Duration::from_millis(self.0)) {
                Some(time) if seconds <= LAST => humantime::format_rfc3339_seconds(time).fmt(f),
                Some(_) | None => write!(f, "{seconds} s"),
            },
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
