//! Follows the list of revocations while modgud serves: a change takes effect within a second, for known tokens too, and without a
//! new configuration. A list that can't be read changes nothing: the one before goes on counting.

use crate::authn::{RevocationList, Revocations};
use crate::config::{Change, RevocationsError, Watched, read_revocations};
use crate::server::Checks;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};

/// How often the file is looked at. A change is read when a second look finds no further one: what is being written is left to be
/// finished.
const LOOK: Duration = Duration::from_millis(200);

/// Follows the list of whichever configuration serves, until the process ends.
pub async fn follow(checks: Arc<Checks>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut follower = Follower::default();
    loop {
        looks.tick().await;
        let revocations = checks.driver.snapshot().authenticators.revocations().cloned();
        if let Some(revocations) = revocations {
            follower = follower.look(&checks, revocations).await;
        }
    }
}

/// The file that is followed, as it was when it was last looked at.
#[derive(Debug, Default)]
struct Follower {
    file: PathBuf,
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
    async fn look(self, checks: &Checks, revocations: Revocations) -> Self {
        let file = revocations.file.clone();
        // Not on a thread that answers checks: a file system that is away does not answer, and a long list takes its time.
        let looked = spawn_blocking(move || self.look_now(&file)).await;
        let Ok((follower, look)) = looked else { return Self::default() };
        match look {
            Look::Wait => {}
            Look::Read(Ok(list)) => {
                tracing::info!(file = %revocations.file.display(), entries = list.len(), "the changed list of revocations counts");
                revocations.replace(list);
                checks.metrics.revocations_replaced(checks.driver.now());
            }
            Look::Read(Err(error)) => {
                checks.metrics.revocations_refused();
                tracing::error!(%error, "the changed list of revocations is refused; the one before goes on counting");
            }
        }
        follower
    }

    fn look_now(mut self, file: &Path) -> (Self, Look) {
        if self.file != file {
            // Another configuration's: read once more, since it may have changed between then and now.
            self = Self { file: file.to_path_buf(), watched: Watched::default(), changed: true };
            self.watched.add(file);
            return (self, Look::Wait);
        }
        match (self.watched.look(), self.changed) {
            (Change::Some, _) => {
                self.changed = true;
                (self, Look::Wait)
            }
            (Change::None, false) => (self, Look::Wait),
            (Change::None, true) => {
                self.changed = false;
                let read = read_revocations(file);
                (self, Look::Read(read))
            }
        }
    }
}
