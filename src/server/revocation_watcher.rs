//! Follows the list of revocations while modgud serves: a change takes effect within a second, for known tokens too, and without a
//! new configuration. A list that can't be read changes nothing: the one before goes on counting.

use crate::config::{Change, RevocationsError, Watched, read_revocations};
use modgud_core::authn::{RevocationList, Revocations};
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

/// How often the file is looked at. A change is read when a second look finds no further one: what is being written is left to be
/// finished.
const LOOK: Duration = Duration::from_millis(200);

/// What became of a list that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It counts.
    Replaced,
    /// It is refused, and the one before goes on counting.
    Refused,
}

/// Follows the list of whichever configuration serves, for as long as it is asked.
pub async fn follow(present: impl Fn() -> Option<Revocations>, told: impl Fn(Followed)) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut follower: Option<Follower> = None;
    loop {
        looks.tick().await;
        let Some(list) = present() else {
            follower = None;
            continue;
        };
        let same = follower.take().filter(|follower| follower.list.is(&list));
        follower = same.unwrap_or_else(|| Follower::new(list)).look(&told).await;
    }
}

/// The list that is followed, and its file as it was when it was last looked at.
#[derive(Debug)]
struct Follower {
    list: Revocations,
    watched: Watched,
    /// Whether a change was seen that has not been read yet.
    changed: bool,
}

/// What a look at the file comes to.
enum Look {
    /// Nothing to do, or not yet.
    Wait,
    /// It was read.
    Read(Result<RevocationList, RevocationsError>),
}

impl Follower {
    /// Whoever has just begun to follow a list reads it once more: it may have changed between then and now.
    fn new(list: Revocations) -> Self {
        let mut watched = Watched::default();
        watched.add(&list.file);
        Self { list, watched, changed: true }
    }

    async fn look(self, told: &impl Fn(Followed)) -> Option<Self> {
        // Not on a thread that answers checks: a file system that is away does not answer, and a long list takes its time.
        let (follower, look) = spawn_blocking(move || self.look_now()).await.ok()?;
        let file = follower.list.file.display();
        match look {
            Look::Wait => {}
            Look::Read(Ok(list)) => {
                tracing::info!(%file, entries = list.len(), "the changed list of revocations counts");
                follower.list.replace(list);
                told(Followed::Replaced);
            }
            Look::Read(Err(error)) => {
                told(Followed::Refused);
                tracing::error!(%error, "the changed list of revocations is refused; the one before goes on counting");
            }
        }
        Some(follower)
    }

    fn look_now(mut self) -> (Self, Look) {
        match (self.watched.look(), self.changed) {
            (Change::Some, _) => {
                self.changed = true;
                (self, Look::Wait)
            }
            (Change::None, false) => (self, Look::Wait),
            (Change::None, true) => {
                self.changed = false;
                let read = read_revocations(&self.list.file);
                if let Err(RevocationsError::Read { error, .. }) = &read {
                    // What may pass by itself, such as no descriptors left, leaves no trace in the file.
                    self.watched.unread(error);
                }
                (self, Look::Read(read))
            }
        }
    }
}
