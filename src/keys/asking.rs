//! Who asks a provider when: one question at a time, whose end everybody who waits hears of; and only so often because of a key
//! that is not known, whoever brings it.

use crate::clock::Timestamp;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How long after one question for the sake of an unknown key the next may be asked.
pub(super) const WINDOW: Duration = Duration::from_secs(30);

/// The questions to one provider.
#[derive(Debug)]
pub(super) struct Asking {
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
pub(super) enum Part {
    /// The question is asked after they came.
    Asks(Waiting),
    /// They hear the end of one that was under way before.
    Joins {
        /// Since when.
        began: Timestamp,
        /// Its end.
        waiting: Waiting,
    },
    /// The last question of this kind was too short a time ago.
    TooSoon,
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

impl Default for Asking {
    fn default() -> Self {
        Self {
            state: Mutex::new(State { phase: Phase::Idle, asked: None }),
            ends: watch::Sender::new(Err(())),
            wanted: Notify::new(),
        }
    }
}

impl Asking {
    /// Somebody wants the keys of now.
    pub(super) fn begin(&self, now: Timestamp) -> Part {
        let mut state = self.state();
        // Under the lock: an end that comes after it is heard.
        let waiting = Waiting(self.ends.subscribe());
        match state.phase {
            Phase::Wanted => Part::Asks(waiting),
            Phase::Usual { began } => Part::Joins { began, waiting },
            // A clock that went back makes nobody wait for longer.
            Phase::Idle if state.asked.is_some_and(|asked| asked <= now && now < asked.plus(WINDOW)) => Part::TooSoon,
            Phase::Idle => {
                state.asked = Some(now);
                state.phase = Phase::Wanted;
                self.wanted.notify_one();
                Part::Asks(waiting)
            }
        }
    }

    /// A question begins.
    pub(super) fn started(&self, now: Timestamp) {
        let mut state = self.state();
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

    /// Waits until somebody wants the keys of now.
    pub(super) async fn wanted(&self) {
        loop {
            if matches!(self.state().phase, Phase::Wanted) {
                return;
            }
            self.wanted.notified().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that could panic is done under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Asking, Part, WINDOW};
    use crate::clock::Timestamp;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    #[tokio::test]
    async fn one_question_serves_all_who_wait_and_the_next_must_wait() {
        let asking = Asking::default();
        let Part::Asks(first) = asking.begin(NOW) else { panic!("the first one asks") };
        asking.wanted().await;
        asking.started(NOW);
        let Part::Asks(second) = asking.begin(NOW) else { panic!("the second one waits for the same") };
        asking.ended(Ok(()));
        assert_eq!((first.ended().await, second.ended().await), (Ok(()), Ok(())));

        let almost = Timestamp::from_millis(NOW.plus(WINDOW).as_millis() - 1);
        assert!(matches!(asking.begin(NOW), Part::TooSoon));
        assert!(matches!(asking.begin(almost), Part::TooSoon));
        assert!(matches!(asking.begin(NOW.plus(WINDOW)), Part::Asks(_)));
        asking.started(NOW);
        asking.ended(Err(()));
        assert!(matches!(asking.begin(NOW), Part::Asks(_)), "the clock went back");
    }

    #[tokio::test]
    async fn a_usual_question_is_joined_and_does_not_count() {
        let asking = Asking::default();
        asking.started(NOW);
        let Part::Joins { began, waiting } = asking.begin(NOW.plus(WINDOW)) else { panic!("it joins") };
        assert_eq!(began, NOW);
        asking.ended(Err(()));
        assert_eq!(waiting.ended().await, Err(()));
        assert!(matches!(asking.begin(NOW), Part::Asks(_)));
    }
}
