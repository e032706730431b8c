//! The time that a server writes into its responses (`Date`, RFC 9110 §6.6.1), and how far its clock may be from this machine's.

use crate::clock::Clock;
use http::HeaderMap;
use http::header::{AGE, DATE};
use modgud_core::time::Timestamp;
use std::time::{Duration, UNIX_EPOCH};

/// The precision of `Date`: it has whole seconds, and servers write one of up to a second before.
const PRECISION: Duration = Duration::from_secs(2);

/// The bounds of a clock's difference from another one, in milliseconds. A positive one is ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockOffset {
    least: i64,
    most: i64,
}

impl ClockOffset {
    /// The offset of this machine's own clock.
    pub const NONE: Self = Self { least: 0, most: 0 };

    /// Reads the offset of a server's clock from its response to a request that was sent at `sent`. `None` without a `Date` that can be
    /// read.
    ///
    /// A response from a cache has an `Age`, the time since the server wrote the `Date` (RFC 9111 §5.1).
    #[must_use]
    pub fn read(headers: &HeaderMap, sent: Timestamp, received: Timestamp) -> Option<Self> {
        let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
        let date = Timestamp::EPOCH.plus(date.duration_since(UNIX_EPOCH).ok()?);
        let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.trim().parse().ok()).unwrap_or_default();
        let date = date.plus(Duration::from_secs(age));
        Some(Self { least: millis(date, received), most: millis(date.plus(PRECISION), sent) })
    }

    /// Reads the offset from a response that has just arrived.
    #[must_use]
    pub fn read_now(headers: &HeaderMap, sent: Timestamp) -> Option<Self> {
        Self::read(headers, sent, Clock::System.now())
    }

    /// Returns the offset from another clock, whose own offset is given.
    #[must_use]
    pub const fn from(self, other: Self) -> Self {
        Self { least: self.least.saturating_sub(other.most), most: self.most.saturating_sub(other.least) }
    }

    /// Returns the difference that is certain: the least one, in milliseconds, and true if the clock is ahead.
    #[must_use]
    pub fn certain(self) -> (Duration, bool) {
        let ahead = self.least.max(0);
        let behind = self.most.min(0);
        (Duration::from_millis(ahead.max(behind.saturating_neg()).unsigned_abs()), ahead > 0)
    }
}

/// Returns the difference of two times.
fn millis(one: Timestamp, other: Timestamp) -> i64 {
    let [one, other] = [one, other].map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    one.saturating_sub(other)
}

#[cfg(test)]
mod tests {
    use super::ClockOffset;
    use http::HeaderMap;
    use http::header::{AGE, DATE};
    use modgud_core::time::Timestamp;
    use std::time::Duration;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const DATED: u64 = 784_111_777_000;

    fn offset(age: Option<&'static str>, sent: u64, received: u64) -> ClockOffset {
        let mut headers = HeaderMap::new();
        headers.insert(DATE, "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        if let Some(age) = age {
            headers.insert(AGE, age.parse().unwrap());
        }
        ClockOffset::read(&headers, Timestamp::from_millis(sent), Timestamp::from_millis(received)).unwrap()
    }

    #[test]
    fn only_a_difference_beyond_the_precision_is_certain() {
        for (age, sent, received, millis, is_ahead) in [
            (None, DATED, DATED, 0, false),
            (None, DATED + 1_999, DATED + 1_999, 0, false),
            (None, DATED + 5_000, DATED + 5_000, 3_000, false),
            (None, DATED - 5_000, DATED - 5_000, 5_000, true),
            // A slow response makes it less certain.
            (None, DATED + 500, DATED + 5_000, 0, false),
            (None, DATED - 5_000, DATED - 1_000, 1_000, true),
            // A cached one is older than it arrives.
            (Some("5"), DATED + 5_000, DATED + 5_000, 0, false),
            (Some("much"), DATED + 5_000, DATED + 5_000, 3_000, false),
        ] {
            let expected = (Duration::from_millis(millis), is_ahead);
            assert_eq!(offset(age, sent, received).certain(), expected, "{age:?} {sent} {received}");
        }
    }

    #[test]
    fn two_clocks_that_are_wrong_alike_do_not_differ() {
        let one = offset(None, DATED - 60_000, DATED - 60_000);
        assert_eq!(one.certain(), (Duration::from_secs(60), true));
        assert_eq!(one.from(one).certain(), (Duration::ZERO, false));
        assert_eq!(one.from(ClockOffset::NONE), one);
        assert_eq!(ClockOffset::NONE.from(one).certain(), (Duration::from_secs(60), false));
    }

    #[test]
    fn without_a_date_nothing_is_known() {
        let mut headers = HeaderMap::new();
        let read = |headers: &HeaderMap| ClockOffset::read(headers, Timestamp::EPOCH, Timestamp::EPOCH);
        assert_eq!(read(&headers), None);
        headers.insert(DATE, "yesterday".parse().unwrap());
        assert_eq!(read(&headers), None);
    }
}
