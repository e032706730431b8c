//! Leaves a server alone that does not answer: after several failures in a row nobody asks for a while, then one question is the
//! trial. Pure: knows no server, and is told the time.

use modgud_core::time::Timestamp;
use std::time::Duration;

/// How many failures in a row open the breaker.
const FAILURE_THRESHOLD: u32 = 5;
/// How long it is open first.
const INITIAL_OPEN_TIME: Duration = Duration::from_secs(1);
/// How long it is open at most.
const MAX_OPEN_TIME: Duration = Duration::from_secs(30);

/// Whether a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaker {
    /// It is, and this many failures in a row there have been.
    Closed(u32),
    /// It is not, for a span of time from a point on.
    Open { since: Timestamp, span: Duration },
    /// It is asked once, after it was left alone for a span.
    Trial { span: Duration },
}

/// A question that may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Permit {
    /// One like any other.
    Usual,
    /// One upon which it depends whether there are others.
    Trial,
}

/// What the end of a question says of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    /// It answers.
    Up,
    /// It does not, or nothing that can be used.
    Down,
    /// Nothing: the end may come from the question.
    Unknown,
}

/// What has changed, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The server is left alone from now on.
    Opened,
    /// It is asked again.
    Closed,
}

impl Breaker {
    /// A breaker for a server that has not failed.
    pub(super) const fn new() -> Self {
        Self::Closed(0)
    }

    /// Whether somebody may ask now; `None`: nobody.
    pub(super) fn permit(&mut self, now: Timestamp) -> Option<Permit> {
        match *self {
            Self::Closed(_) => Some(Permit::Usual),
            // A clock that went back opens it for no longer.
            Self::Open { since, span } if since <= now && now < since.plus(span) => None,
            Self::Open { since: _, span } => {
                *self = Self::Trial { span };
                Some(Permit::Trial)
            }
            Self::Trial { .. } => None,
        }
    }

    /// A question has ended.
    pub(super) fn ended(&mut self, permit: Permit, health: Health, now: Timestamp) -> Option<Change> {
        match (*self, permit, health) {
            (Self::Closed(_), _, Health::Up) => {
                *self = Self::Closed(0);
                None
            }
            // Also from one that was asked before it was left alone.
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
            // A trial that tried nothing: the next question is one, at once.
            (Self::Trial { span }, Permit::Trial, Health::Unknown) => {
                *self = Self::Open { since: now.minus(span), span };
                None
            }
            (Self::Closed(_), _, Health::Unknown)
            | (Self::Open { .. }, _, Health::Down | Health::Unknown)
            | (Self::Trial { .. }, Permit::Usual, Health::Down | Health::Unknown) => None,
        }
    }

    /// Whether the server is left alone, but for a trial.
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

    /// A breaker that has just opened, at [`START`].
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
