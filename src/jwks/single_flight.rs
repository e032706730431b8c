//! Who asks a provider when: one question at a time, whose end everybody who waits hears of; and only so often because of a key
//! that is not known, whoever brings it. Nothing in a token that is not verified can be trusted, so that all of them share one
//! budget, and one that comes too soon puts a question off to the end of the window: a rotation is found within [`UNKNOWN_KID_INTERVAL`], whatever
//! made-up keys have spent before.

use crate::clock::Clock;
use modgud_core::time::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

/// How long after one question for the sake of an unknown key the next may be asked: twelve in a minute at most.
pub(super) const UNKNOWN_KID_INTERVAL: Duration = Duration::from_secs(5);

/// How often the clock is looked at while a question is put off: it may jump.
const CLOCK_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The questions to one provider.
#[derive(Debug)]
pub(super) struct SingleFlight {
    state: Mutex<State>,
    /// How the last question ended.
    ends: watch::Sender<Result<(), ()>>,
    wanted: Notify,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// When somebody last asked for the sake of an unknown key.
    asked: Option<Timestamp>,
    /// Whether somebody came too soon since the last question began.
    put_off: bool,
}

/// When the next question is to be asked for the sake of an unknown key.
enum Next {
    Now,
    In(Duration),
    Unknown,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Nothing is under way.
    Idle,
    /// A question is under way that nobody waited for when it began.
    Usual { began: Timestamp },
    /// A question is under way, or about to be, because somebody waits for its answer.
    Wanted,
}

/// What becomes of somebody who wants the keys of now.
pub(super) enum Join {
    /// The question is asked after they came.
    Leader(Waiting),
    /// They hear the end of one that was under way before.
    Follower {
        /// Since when.
        began: Timestamp,
        /// Its end.
        waiting: Waiting,
    },
    /// The last question of this kind was too short a time ago. The next one is asked without anybody waiting for it.
    RateLimited,
}

/// Waits for the end of a question.
pub(super) struct Waiting(watch::Receiver<Result<(), ()>>);

impl Waiting {
    /// How it ended. A provider that is not followed any more gives no keys.
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
    /// How much is left of the window; `None` when a question may be asked. A clock that went back makes nobody wait for longer.
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
    /// Somebody wants the keys of now.
    pub(super) fn begin(&self, now: Timestamp) -> Join {
        let mut state = self.state();
        // Under the lock: an end that comes after it is heard.
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

    /// A question begins.
    pub(super) fn started(&self, now: Timestamp) {
        let mut state = self.state();
        state.put_off = false;
        match state.phase {
            Phase::Idle | Phase::Usual { .. } => state.phase = Phase::Usual { began: now },
            Phase::Wanted => {}
        }
    }

    /// It has ended.
    pub(super) fn ended(&self, how: Result<(), ()>) {
        let mut state = self.state();
        state.phase = Phase::Idle;
        self.ends.send_modify(|last| *last = how);
    }

    /// Waits until somebody wants the keys of now, or until the end of the window if somebody wanted them too soon.
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
        // Nothing that could panic is done under the lock.
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

    /// The time here is tokio's own, which stands still while there is something to do.
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
                // As many as like.
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
        // Any question that begins after that is as good.
        asking.started(clock.now());
        asking.ended(Ok(()));
        assert!(timeout(hour, asking.wanted(&clock)).await.is_err());
    }

    /// Whatever is asked for and whenever, there are twelve questions in a minute at most.
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
