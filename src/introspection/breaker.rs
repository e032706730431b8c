//! A circuit breaker: opens after several failures in a row, then allows one probe per interval. Pure logic without
//! I/O; callers pass the time.

use modgud_core::time::Timestamp;
use std::time::Duration;

/// Number of failures in a row that opens the breaker.
const FAILURE_THRESHOLD: u32 = 5;
/// The first open interval; it doubles after each failed probe.
const INITIAL_OPEN_TIME: Duration = Duration::from_secs(1);
/// The longest open interval: it bounds the time until a recovered server is used again.
const MAX_OPEN_TIME: Duration = Duration::from_secs(30);

/// The state of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaker {
    /// Closed: requests go out. Holds the number of failures in a row.
    Closed(u32),
    /// Open: no request goes out for an interval.
    Open { since: Timestamp, span: Duration },
    /// Half-open: one probe is in flight, after an open interval.
    Trial { span: Duration },
}

/// A permission to send a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// An ordinary request.
    Usual,
    /// The probe, which decides if the breaker closes.
    Trial,
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

impl Breaker {
    /// Creates a closed breaker.
    pub(super) const fn new() -> Self {
        Self::Closed(0)
    }

    /// Returns a permit for a request; `None` if the breaker allows none now.
    pub(super) fn permit(&mut self, now: Timestamp) -> Option<Permit> {
        match *self {
            Self::Closed(_) => Some(Permit::Usual),
            // A clock that went back must not extend the open interval.
            Self::Open { since, span } if since <= now && now < since.plus(span) => None,
            Self::Open { since: _, span } => {
                *self = Self::Trial { span };
                Some(Permit::Trial)
            }
            Self::Trial { .. } => None,
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
            (Self::Open { .. } | Self::Trial { .. }, _, Health::Up) => {
                *self = Self::Closed(0);
                Some(Change::Closed)
            }
            (Self::Closed(failures), _, Health::Down) => {
                let failures = failures.saturating_add(1);
                if failures < FAILURE_THRESHOLD {
                    *self = Self::Closed(failures);
                    return None;
                }
                *self = Self::Open { since: now, span: INITIAL_OPEN_TIME };
                Some(Change::Opened)
            }
            (Self::Trial { span }, Permit::Trial, Health::Down) => {
                *self = Self::Open { since: now, span: span.saturating_mul(2).min(MAX_OPEN_TIME) };
                None
            }
            // An inconclusive probe: the next request becomes a probe at once.
            (Self::Trial { span }, Permit::Trial, Health::Unknown) => {
                *self = Self::Open { since: now.minus(span), span };
                None
            }
            (Self::Closed(_), _, Health::Unknown)
            | (Self::Open { .. }, _, Health::Down | Health::Unknown)
            | (Self::Trial { .. }, Permit::Usual, Health::Down | Health::Unknown) => None,
        }
    }

    /// Returns true if the breaker is open or half-open.
    pub(super) const fn is_open(self) -> bool {
        match self {
            Self::Closed(_) => false,
            Self::Open { .. } | Self::Trial { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Breaker, Change, FAILURE_THRESHOLD, Health, Permit};
    use modgud_core::time::Timestamp;
    use std::time::Duration;

    const START: Timestamp = Timestamp::from_secs(1_000_000);

    fn later(millis: u64) -> Timestamp {
        START.plus(Duration::from_millis(millis))
    }

    /// Returns a breaker that has just opened, at [`START`].
    fn opened() -> Breaker {
        let mut breaker = Breaker::new();
        for failure in 1..=FAILURE_THRESHOLD {
            assert_eq!(breaker.permit(START), Some(Permit::Usual), "before failure {failure}");
            let change = breaker.ended(Permit::Usual, Health::Down, START);
            assert_eq!(change, (failure == 5).then_some(Change::Opened), "failure {failure}");
        }
        breaker
    }

    #[test]
    fn only_failures_in_a_row_open_it() {
        let mut breaker = Breaker::new();
        for _ in 0..10 {
            for _ in 0..4 {
                assert_eq!(breaker.ended(Permit::Usual, Health::Down, START), None);
            }
            assert_eq!(breaker.ended(Permit::Usual, Health::Up, START), None);
        }
        for _ in 0..100 {
            assert_eq!(breaker.ended(Permit::Usual, Health::Unknown, START), None);
        }
        assert!(!breaker.is_open());
        assert!(opened().is_open());
    }

    #[test]
    fn open_it_lets_one_through_after_twice_the_time_each_time() {
        let mut breaker = opened();
        let mut now = 0;
        for span in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            assert_eq!(breaker.permit(later(now)), None);
            assert_eq!(breaker.permit(later(now + span - 1)), None, "{span} ms");
            now += span;
            assert_eq!(breaker.permit(later(now)), Some(Permit::Trial), "{span} ms");
            assert_eq!(breaker.permit(later(now + 100_000)), None, "one trial at a time");
            assert_eq!(breaker.ended(Permit::Usual, Health::Down, later(now)), None, "a straggler is no trial");
            assert_eq!(breaker.permit(later(now)), None);
            assert_eq!(breaker.ended(Permit::Trial, Health::Down, later(now)), None);
        }
        now += 30_000;
        assert_eq!(breaker.permit(later(now)), Some(Permit::Trial));
        assert_eq!(breaker.ended(Permit::Trial, Health::Up, later(now)), Some(Change::Closed));
        assert_eq!(breaker, Breaker::new());
    }

    #[test]
    fn a_trial_that_tried_nothing_is_no_failure() {
        let mut breaker = opened();
        assert_eq!(breaker.permit(later(1_000)), Some(Permit::Trial));
        assert_eq!(breaker.ended(Permit::Trial, Health::Unknown, later(1_000)), None);
        assert!(breaker.is_open());
        assert_eq!(breaker.permit(later(1_000)), Some(Permit::Trial));
        breaker.ended(Permit::Trial, Health::Down, later(1_000));
        assert_eq!(breaker.permit(later(2_999)), None, "the span is twice the one before");
        assert_eq!(breaker.permit(later(3_000)), Some(Permit::Trial));
    }

    #[test]
    fn a_late_answer_closes_it_and_a_clock_that_went_back_opens_it_for_no_longer() {
        let mut breaker = opened();
        assert_eq!(breaker.ended(Permit::Usual, Health::Down, START), None);
        assert_eq!(breaker.ended(Permit::Usual, Health::Up, START), Some(Change::Closed));
        assert!(!breaker.is_open());
        assert_eq!(opened().permit(Timestamp::EPOCH), Some(Permit::Trial));
    }
}
