//! A circuit breaker: opens after several failures in a row, then allows one probe per interval. Pure logic without
//! I/O; callers pass the time.

use crate::backoff::Backoff;
use modgud_core::time::Timestamp;
use std::time::Duration;

/// Number of failures in a row that opens the breaker.
const FAILURE_THRESHOLD: u32 = 5;
/// The longest open interval: it bounds the time until a recovered server is used again. The first one is a second, and each failed probe
/// doubles it. Without jitter, since checks probe, and those of different sidecars are not synchronized.
const MAX_OPEN_TIME: Duration = Duration::from_secs(30);

/// The state of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CircuitBreaker {
    /// Closed: requests go out. Holds the number of failures in a row.
    Closed(u32),
    /// Open: no request goes out for an interval.
    Open { since: Timestamp, backoff: Backoff },
    /// Half-open: one probe is in flight, after an open interval.
    HalfOpen { backoff: Backoff },
}

/// A permission to send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// An ordinary request.
    Request,
    /// The probe, which decides if the breaker closes.
    Probe,
}

/// Evidence about the server from a finished request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It responds.
    Up,
    /// It does not respond, or not usably.
    Down,
    /// None: the outcome may come from the request.
    Unknown,
}

/// A state change, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The breaker opened.
    Opened,
    /// The breaker closed.
    Closed,
}

impl CircuitBreaker {
    /// Creates a closed breaker.
    pub(super) const fn new() -> Self {
        Self::Closed(0)
    }

    /// Returns a permit for a request; `None` if the breaker allows none now.
    pub(super) fn permit(&mut self, now: Timestamp) -> Option<Permit> {
        match *self {
            Self::Closed(_) => Some(Permit::Request),
            // A clock that went back must not extend the open interval.
            Self::Open { since, backoff } if since <= now && now < since.plus(backoff.delay()) => None,
            Self::Open { since: _, backoff } => {
                *self = Self::HalfOpen { backoff };
                Some(Permit::Probe)
            }
            Self::HalfOpen { .. } => None,
        }
    }

    /// Records the end of a request. Returns the state change; `None` if there is none.
    pub(super) fn ended(&mut self, permit: Permit, health: Health, now: Timestamp) -> Option<Change> {
        match (*self, permit, health) {
            (Self::Closed(_), _, Health::Up) => {
                *self = Self::Closed(0);
                None
            }
            // This includes requests from before it opened.
            (Self::Open { .. } | Self::HalfOpen { .. }, _, Health::Up) => {
                *self = Self::Closed(0);
                Some(Change::Closed)
            }
            (Self::Closed(failures), _, Health::Down) => {
                let failures = failures.saturating_add(1);
                if failures < FAILURE_THRESHOLD {
                    *self = Self::Closed(failures);
                    return None;
                }
                *self = Self::Open { since: now, backoff: Backoff::new(MAX_OPEN_TIME) };
                Some(Change::Opened)
            }
            (Self::HalfOpen { backoff }, Permit::Probe, Health::Down) => {
                *self = Self::Open { since: now, backoff: backoff.doubled() };
                None
            }
            // An inconclusive probe: the next request becomes a probe at once.
            (Self::HalfOpen { backoff }, Permit::Probe, Health::Unknown) => {
                *self = Self::Open { since: now.minus(backoff.delay()), backoff };
                None
            }
            (Self::Closed(_), _, Health::Unknown)
            | (Self::Open { .. }, _, Health::Down | Health::Unknown)
            | (Self::HalfOpen { .. }, Permit::Request, Health::Down | Health::Unknown) => None,
        }
    }

    /// Returns true if the breaker is open or half-open.
    pub(super) const fn is_open(self) -> bool {
        match self {
            Self::Closed(_) => false,
            Self::Open { .. } | Self::HalfOpen { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, CircuitBreaker, FAILURE_THRESHOLD, Health, Permit};
    use modgud_core::time::Timestamp;
    use std::time::Duration;

    const START: Timestamp = Timestamp::from_secs(1_000_000);

    fn later(millis: u64) -> Timestamp {
        START.plus(Duration::from_millis(millis))
    }

    /// Returns a breaker that has just opened, at [`START`].
    fn opened() -> CircuitBreaker {
        let mut breaker = CircuitBreaker::new();
        for failure in 1..=FAILURE_THRESHOLD {
            assert_eq!(breaker.permit(START), Some(Permit::Request), "before failure {failure}");
            let change = breaker.ended(Permit::Request, Health::Down, START);
            assert_eq!(change, (failure == 5).then_some(Change::Opened), "failure {failure}");
        }
        breaker
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut breaker = CircuitBreaker::new();
        for _ in 0..10 {
            for _ in 0..4 {
                assert_eq!(breaker.ended(Permit::Request, Health::Down, START), None);
            }
            assert_eq!(breaker.ended(Permit::Request, Health::Up, START), None);
        }
        for _ in 0..100 {
            assert_eq!(breaker.ended(Permit::Request, Health::Unknown, START), None);
        }
        assert!(!breaker.is_open());
        assert!(opened().is_open());
    }

    #[test]
    fn an_open_breaker_allows_one_probe_after_twice_the_time_each_time() {
        let mut breaker = opened();
        let mut now = 0;
        for span in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert_eq!(breaker.permit(later(now)), None);
            assert_eq!(breaker.permit(later(now + span - 1)), None, "{span} ms");
            now += span;
            assert_eq!(breaker.permit(later(now)), Some(Permit::Probe), "{span} ms");
            assert_eq!(breaker.permit(later(now + 100_000)), None, "one probe at a time");
            assert_eq!(breaker.ended(Permit::Request, Health::Down, later(now)), None, "a late response is no probe");
            assert_eq!(breaker.permit(later(now)), None);
            assert_eq!(breaker.ended(Permit::Probe, Health::Down, later(now)), None);
        }
        now += 30_000;
        assert_eq!(breaker.permit(later(now)), Some(Permit::Probe));
        assert_eq!(breaker.ended(Permit::Probe, Health::Up, later(now)), Some(Change::Closed));
        assert_eq!(breaker, CircuitBreaker::new());
    }

    #[test]
    fn an_inconclusive_probe_is_no_failure() {
        let mut breaker = opened();
        assert_eq!(breaker.permit(later(1_000)), Some(Permit::Probe));
        assert_eq!(breaker.ended(Permit::Probe, Health::Unknown, later(1_000)), None);
        assert!(breaker.is_open());
        assert_eq!(breaker.permit(later(1_000)), Some(Permit::Probe));
        breaker.ended(Permit::Probe, Health::Down, later(1_000));
        assert_eq!(breaker.permit(later(2_999)), None, "the span is twice the one before");
        assert_eq!(breaker.permit(later(3_000)), Some(Permit::Probe));
    }

    #[test]
    fn a_late_answer_closes_it_and_a_clock_that_went_back_opens_it_for_no_longer() {
        let mut breaker = opened();
        assert_eq!(breaker.ended(Permit::Request, Health::Down, START), None);
        assert_eq!(breaker.ended(Permit::Request, Health::Up, START), Some(Change::Closed));
        assert!(!breaker.is_open());
        assert_eq!(opened().permit(Timestamp::EPOCH), Some(Permit::Probe));
    }
}
