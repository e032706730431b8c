//! Single-flight JWKS requests to one provider, with a rate limit on refreshes for unknown `kid`s. All callers share
//! one limit, because an unverified token deserves no trust. A refresh beyond the limit runs at the end of the window.
//! So a key rotation is found within [`UNKNOWN_KID_INTERVAL`], however many invented `kid`s arrive.

use crate::clock::Clock;
use modgud_core::time::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// Minimum interval between refreshes for unknown `kid`s: at most twelve a minute. Beyond it a refresh is deferred.
pub(super) const UNKNOWN_KID_INTERVAL: Duration = Duration::from_secs(5);

/// Polling interval of the clock while a refresh is deferred, because the clock may jump.
const CLOCK_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The state of requests to one provider.
#[derive(Debug)]
pub(super) struct SingleFlight {
    state: Mutex<State>,
    /// The outcome of the last request.
    ends: watch::Sender<Result<(), ()>>,
    wanted: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// The time of the last refresh for an unknown `kid`.
    asked: Option<Timestamp>,
    /// True if a refresh was deferred since the last request began.
    put_off: bool,
}

/// The time of the next refresh for an unknown `kid`.
enum Next {
    Now,
    In(Duration),
    Unknown,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// No request is in flight.
    Idle,
    /// A scheduled request is in flight; no caller waited for it at its start.
    Usual { began: Timestamp },
    /// A request is in flight, or about to start, because a caller waits for it.
    Wanted,
}

/// The role of a caller that needs the current JWKS.
pub(super) enum Join {
    /// The request starts after the call.
    Leader(Waiting),
    /// A request was in flight before the call.
    Follower {
        /// The start of that request.
        began: Timestamp,
        /// A receiver of its outcome.
        waiting: Waiting,
    },
    /// The rate limit applies. The next request is deferred; no caller waits for it.
    RateLimited,
}

/// A receiver of a request's outcome.
pub(super) struct Waiting(watch::Receiver<Result<(), ()>>);

impl Waiting {
    /// Waits for the outcome. It is an error if the refresher was dropped.
    pub(super) async fn ended(mut self) -> Result<(), ()> {
        self.0.changed().await.map_err(|_| ())?;
        *self.0.borrow()
    }
}

impl Default for SingleFlight {
    fn default() -> Self {
        Self {
            state: Mutex::new(State { phase: Phase::Idle, asked: None, put_off: false }),
            ends: watch::Sender::new(Err(())),
            wanted: Notify::new(),
        }
    }
}

impl State {
    /// Returns the rest of the window; `None` if a refresh may start. A clock that went back never extends it.
    fn left(&self, now: Timestamp) -> Option<Duration> {
        let asked = self.asked.filter(|asked| *asked <= now)?;
        let left = asked.plus(UNKNOWN_KID_INTERVAL).as_millis().saturating_sub(now.as_millis());
        (left > 0).then(|| Duration::from_millis(left))
    }

    fn next(&mut self, now: Timestamp) -> Next {
        match (self.phase, self.left(now)) {
            (Phase::Wanted, _) => Next::Now,
            (Phase::Idle, Some(left)) if self.put_off => Next::In(left),
            (Phase::Idle, None) if self.put_off => {
                self.asked = Some(now);
                self.put_off = false;
                Next::Now
            }
            (Phase::Idle | Phase::Usual { .. }, _) => Next::Unknown,
        }
    }
}

impl SingleFlight {
    /// Assigns a role to a caller that needs the current JWKS.
    pub(super) fn begin(&self, now: Timestamp) -> Join {
        let mut state = self.state();
        // Subscribes under the lock, so that no later end is missed.
        let waiting = Waiting(self.ends.subscribe());
        match state.phase {
            Phase::Wanted => Join::Leader(waiting),
            Phase::Usual { began } => Join::Follower { began, waiting },
            Phase::Idle if state.left(now).is_some() => {
                if !state.put_off {
                    state.put_off = true;
                    self.wanted.notify_one();
                }
                Join::RateLimited
            }
            Phase::Idle => {
                state.asked = Some(now);
                state.phase = Phase::Wanted;
                self.wanted.notify_one();
                Join::Leader(waiting)
            }
        }
    }

    /// Records the start of a request.
    pub(super) fn started(&self, now: Timestamp) {
        let mut state = self.state();
        state.put_off = false;
        match state.phase {
            Phase::Idle | Phase::Usual { .. } => state.phase = Phase::Usual { began: now },
            Phase::Wanted => {}
        }
    }

    /// Records the end of a request.
    pub(super) fn ended(&self, how: Result<(), ()>) {
        let mut state = self.state();
        state.phase = Phase::Idle;
        self.ends.send_modify(|last| *last = how);
    }

    /// Waits until a caller needs the JWKS, or for a deferred refresh until the end of the window.
    pub(super) async fn wanted(&self, clock: &Clock) {
        loop {
            let next = self.state().next(clock.now());
            match next {
                Next::Now => return,
                Next::In(left) => {
                    tokio::select! {
                        () = sleep(left.min(CLOCK_POLL_INTERVAL)) => {}
                        () = self.wanted.notified() => {}
                    }
                }
                Next::Unknown => self.wanted.notified().await,
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
    use super::{Join, SingleFlight, UNKNOWN_KID_INTERVAL};
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
    async fn one_question_serves_all_who_wait_and_the_next_must_wait() {
        let asking = SingleFlight::default();
        let Join::Leader(first) = asking.begin(NOW) else { panic!("the first one asks") };
        asking.wanted(&clock_at(NOW).1).await;
        asking.started(NOW);
        let Join::Leader(second) = asking.begin(NOW) else { panic!("the second one waits for the same") };
        asking.ended(Ok(()));
        assert_eq!((first.ended().await, second.ended().await), (Ok(()), Ok(())));

        let almost = Timestamp::from_millis(NOW.plus(UNKNOWN_KID_INTERVAL).as_millis() - 1);
        assert!(matches!(asking.begin(NOW), Join::RateLimited));
        assert!(matches!(asking.begin(almost), Join::RateLimited));
        assert!(matches!(asking.begin(NOW.plus(UNKNOWN_KID_INTERVAL)), Join::Leader(_)));
        asking.started(NOW);
        asking.ended(Err(()));
        assert!(matches!(asking.begin(NOW), Join::Leader(_)), "the clock went back");
    }

    #[tokio::test]
    async fn a_usual_question_is_joined_and_does_not_count() {
        let asking = SingleFlight::default();
        asking.started(NOW);
        let Join::Follower { began, waiting } = asking.begin(NOW.plus(UNKNOWN_KID_INTERVAL)) else {
            panic!("it joins")
        };
        assert_eq!(began, NOW);
        asking.ended(Err(()));
        assert_eq!(waiting.ended().await, Err(()));
        assert!(matches!(asking.begin(NOW), Join::Leader(_)));
    }

    /// Uses tokio's clock, which does not advance while tasks are ready.
    #[tokio::test(start_paused = true)]
    async fn who_comes_too_soon_puts_the_question_off_to_the_end_of_the_window() {
        let asking = SingleFlight::default();
        let (hands, clock) = clock_at(NOW);
        assert!(matches!(asking.begin(NOW), Join::Leader(_)));
        asking.started(NOW);
        asking.ended(Ok(()));
        let hour = Duration::from_secs(3_600);
        assert!(timeout(hour, asking.wanted(&clock)).await.is_err(), "nobody has come");

        let began = Instant::now();
        let moved = async {
            for second in 0..20 {
                // Any number of callers.
                assert!(second >= 5 || matches!(asking.begin(clock.now()), Join::RateLimited), "{second}");
                sleep(Duration::from_secs(1)).await;
                hands.set(NOW.plus(began.elapsed()));
            }
        };
        tokio::select! {
            () = asking.wanted(&clock) => {}
            () = moved => panic!("it is put off for ever"),
        }
        assert!(
            (UNKNOWN_KID_INTERVAL..=UNKNOWN_KID_INTERVAL.saturating_add(Duration::from_secs(2)))
                .contains(&began.elapsed()),
            "{:?}",
            began.elapsed()
        );
        asking.started(clock.now());
        assert!(matches!(asking.begin(clock.now()), Join::Follower { .. }));
        asking.ended(Ok(()));
        assert!(matches!(asking.begin(clock.now()), Join::RateLimited), "it began a window of its own");
        // Any later request serves as well.
        asking.started(clock.now());
        asking.ended(Ok(()));
        assert!(timeout(hour, asking.wanted(&clock)).await.is_err());
    }

    /// Checks that no load causes more than twelve requests a minute.
    #[tokio::test(start_paused = true)]
    async fn a_flood_asks_twelve_times_a_minute_at_most() {
        const MINUTES: u64 = 10;
        let asking = SingleFlight::default();
        let (hands, clock) = clock_at(NOW);
        let began = Instant::now();
        let flood = async {
            while began.elapsed() < Duration::from_secs(MINUTES * 60) {
                drop(asking.begin(clock.now()));
                sleep(Duration::from_millis(10)).await;
                hands.set(NOW.plus(began.elapsed()));
            }
        };
        let mut questions = 0_u64;
        let provider = async {
            loop {
                asking.wanted(&clock).await;
                asking.started(clock.now());
                sleep(Duration::from_millis(3)).await;
                asking.ended(Ok(()));
                questions += 1;
            }
        };
        tokio::select! {
            () = flood => {}
            () = provider => {}
        }
        assert!((MINUTES * 10..=MINUTES * 12 + 1).contains(&questions), "{questions}");
    }
}
