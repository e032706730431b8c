//! The rate limit on refreshes for unknown `kid`s, over the single flight of one provider. All callers share one limit, because an
//! unverified token deserves no trust. A refresh beyond the limit runs at the end of the window. So a key rotation is found within
//! [`UNKNOWN_KID_INTERVAL`], however many invented `kid`s arrive.

use crate::clock::Clock;
use crate::single_flight::{Flight, Waiter};
use modgud_core::time::Timestamp;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// Minimum interval between refreshes for unknown `kid`s: at most twelve a minute. Beyond it a refresh is deferred.
pub(super) const UNKNOWN_KID_INTERVAL: Duration = Duration::from_secs(5);

/// Polling interval of the clock while a refresh is deferred, because the clock may jump.
const CLOCK_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The outcome of a request; a failure has been logged already.
pub(super) type Outcome = Result<(), ()>;

/// The requests to one provider.
#[derive(Debug)]
pub(super) struct RefreshLimit {
    state: Mutex<State>,
    requested: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The time of the last refresh for an unknown `kid`.
    last_refresh: Option<Timestamp>,
    /// True if a refresh was deferred since the last request began.
    is_deferred: bool,
}

/// The time of the next refresh for an unknown `kid`.
enum Next {
    Now,
    In(Duration),
    Unknown,
}

#[derive(Debug)]
enum Phase {
    /// No request is in flight.
    Idle,
    /// A scheduled request is in flight; no caller waited for it at its start.
    Scheduled { began: Timestamp, flight: Flight<Outcome> },
    /// A request is in flight, or about to start, because a caller waits for it.
    Requested { flight: Flight<Outcome> },
}

/// The role of a caller that needs the current JWKS.
pub(super) enum Join {
    /// The request starts after the call.
    Leader(Waiter<Outcome>),
    /// A request was in flight before the call.
    Follower {
        /// The start of that request.
        began: Timestamp,
        /// A receiver of its outcome.
        waiter: Waiter<Outcome>,
    },
    /// The rate limit applies. The next request is deferred; no caller waits for it.
    RateLimited,
}

impl Default for RefreshLimit {
    fn default() -> Self {
        let state = State { phase: Phase::Idle, last_refresh: None, is_deferred: false };
        Self { state: Mutex::new(state), requested: Notify::new() }
    }
}

impl State {
    /// Returns the rest of the window; `None` if a refresh may start. A clock that went back never extends it.
    fn left(&self, now: Timestamp) -> Option<Duration> {
        let last = self.last_refresh.filter(|last| *last <= now)?;
        let left = last.plus(UNKNOWN_KID_INTERVAL).as_millis().saturating_sub(now.as_millis());
        (left > 0).then(|| Duration::from_millis(left))
    }

    fn next(&mut self, now: Timestamp) -> Next {
        match (&self.phase, self.left(now)) {
            (Phase::Requested { .. }, _) => Next::Now,
            (Phase::Idle, Some(left)) if self.is_deferred => Next::In(left),
            (Phase::Idle, None) if self.is_deferred => {
                self.last_refresh = Some(now);
                self.is_deferred = false;
                Next::Now
            }
            (Phase::Idle | Phase::Scheduled { .. }, _) => Next::Unknown,
        }
    }
}

impl RefreshLimit {
    /// Assigns a role to a caller that needs the current JWKS.
    pub(super) fn join(&self, now: Timestamp) -> Join {
        let mut state = self.state();
        match &state.phase {
            Phase::Requested { flight } => Join::Leader(flight.waiter()),
            Phase::Scheduled { began, flight } => Join::Follower { began: *began, waiter: flight.waiter() },
            Phase::Idle if state.left(now).is_some() => {
                if !state.is_deferred {
                    state.is_deferred = true;
                    self.requested.notify_one();
                }
                Join::RateLimited
            }
            Phase::Idle => {
                let flight = Flight::default();
                let waiter = flight.waiter();
                state.last_refresh = Some(now);
                state.phase = Phase::Requested { flight };
                self.requested.notify_one();
                Join::Leader(waiter)
            }
        }
    }

    /// Records the start of a request.
    pub(super) fn started(&self, now: Timestamp) {
        let mut state = self.state();
        state.is_deferred = false;
        match &mut state.phase {
            Phase::Idle => state.phase = Phase::Scheduled { began: now, flight: Flight::default() },
            Phase::Scheduled { began, .. } => *began = now,
            Phase::Requested { .. } => {}
        }
    }

    /// Records the end of a request, and sends its outcome to the waiting callers.
    pub(super) fn ended(&self, outcome: Outcome) {
        match mem::replace(&mut self.state().phase, Phase::Idle) {
            Phase::Scheduled { flight, .. } | Phase::Requested { flight } => flight.end(outcome),
            Phase::Idle => {}
        }
    }

    /// Waits until a caller needs the JWKS, or for a deferred refresh until the end of the window.
    pub(super) async fn requested(&self, clock: &Clock) {
        loop {
            let next = self.state().next(clock.now());
            match next {
                Next::Now => return,
                Next::In(left) => {
                    tokio::select! {
                        () = sleep(left.min(CLOCK_POLL_INTERVAL)) => {}
                        () = self.requested.notified() => {}
                    }
                }
                Next::Unknown => self.requested.notified().await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Code under the lock never panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Join, RefreshLimit, UNKNOWN_KID_INTERVAL};
    use crate::clock::{Clock, ManualClock};
    use modgud_core::time::Timestamp;
    use std::time::Duration;
    use tokio::time::{Instant, sleep, timeout};

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn clock_at(now: Timestamp) -> (ManualClock, Clock) {
        let hands = ManualClock::new(now);
        (hands.clone(), Clock::Manual(hands))
    }

    #[tokio::test]
    async fn one_request_serves_all_waiters_and_the_next_is_rate_limited() {
        let limit = RefreshLimit::default();
        let Join::Leader(first) = limit.join(NOW) else { panic!("the first one leads") };
        limit.requested(&clock_at(NOW).1).await;
        limit.started(NOW);
        let Join::Leader(second) = limit.join(NOW) else { panic!("the second one waits for the same request") };
        limit.ended(Ok(()));
        assert_eq!((first.outcome().await, second.outcome().await), (Some(Ok(())), Some(Ok(()))));

        let almost = Timestamp::from_millis(NOW.plus(UNKNOWN_KID_INTERVAL).as_millis() - 1);
        assert!(matches!(limit.join(NOW), Join::RateLimited));
        assert!(matches!(limit.join(almost), Join::RateLimited));
        assert!(matches!(limit.join(NOW.plus(UNKNOWN_KID_INTERVAL)), Join::Leader(_)));
        limit.started(NOW);
        limit.ended(Err(()));
        assert!(matches!(limit.join(NOW), Join::Leader(_)), "the clock went back");
    }

    #[tokio::test]
    async fn a_scheduled_request_is_joined_and_does_not_count() {
        let limit = RefreshLimit::default();
        limit.started(NOW);
        let Join::Follower { began, waiter } = limit.join(NOW.plus(UNKNOWN_KID_INTERVAL)) else { panic!("it joins") };
        assert_eq!(began, NOW);
        limit.ended(Err(()));
        assert_eq!(waiter.outcome().await, Some(Err(())));
        assert!(matches!(limit.join(NOW), Join::Leader(_)));
    }

    /// Uses tokio's clock, which does not advance while tasks are ready.
    #[tokio::test(start_paused = true)]
    async fn a_request_beyond_the_limit_is_deferred_to_the_end_of_the_window() {
        let limit = RefreshLimit::default();
        let (hands, clock) = clock_at(NOW);
        assert!(matches!(limit.join(NOW), Join::Leader(_)));
        limit.started(NOW);
        limit.ended(Ok(()));
        let hour = Duration::from_secs(3_600);
        assert!(timeout(hour, limit.requested(&clock)).await.is_err(), "no caller has come");

        let began = Instant::now();
        let moved = async {
            for second in 0..20 {
                // Any number of callers.
                assert!(second >= 5 || matches!(limit.join(clock.now()), Join::RateLimited), "{second}");
                sleep(Duration::from_secs(1)).await;
                hands.set(NOW.plus(began.elapsed()));
            }
        };
        tokio::select! {
            () = limit.requested(&clock) => {}
            () = moved => panic!("it is deferred for ever"),
        }
        assert!(
            (UNKNOWN_KID_INTERVAL..=UNKNOWN_KID_INTERVAL.saturating_add(Duration::from_secs(2)))
                .contains(&began.elapsed()),
            "{:?}",
            began.elapsed()
        );
        limit.started(clock.now());
        assert!(matches!(limit.join(clock.now()), Join::Follower { .. }));
        limit.ended(Ok(()));
        assert!(matches!(limit.join(clock.now()), Join::RateLimited), "it began a window of its own");
        // Any later request serves as well.
        limit.started(clock.now());
        limit.ended(Ok(()));
        assert!(timeout(hour, limit.requested(&clock)).await.is_err());
    }

    /// Checks that no load causes more than twelve requests a minute.
    #[tokio::test(start_paused = true)]
    async fn a_flood_causes_at_most_twelve_requests_a_minute() {
        const MINUTES: u64 = 10;
        let limit = RefreshLimit::default();
        let (hands, clock) = clock_at(NOW);
        let began = Instant::now();
        let flood = async {
            while began.elapsed() < Duration::from_secs(MINUTES * 60) {
                drop(limit.join(clock.now()));
                sleep(Duration::from_millis(10)).await;
                hands.set(NOW.plus(began.elapsed()));
            }
        };
        let mut requests = 0_u64;
        let provider = async {
            loop {
                limit.requested(&clock).await;
                limit.started(clock.now());
                sleep(Duration::from_millis(3)).await;
                limit.ended(Ok(()));
                requests += 1;
            }
        };
        tokio::select! {
            () = flood => {}
            () = provider => {}
        }
        assert!((MINUTES * 10..=MINUTES * 12 + 1).contains(&requests), "{requests}");
    }
}
