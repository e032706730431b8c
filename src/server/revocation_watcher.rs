//! Follows the list of revocations while modgud serves: a change takes effect within a second, for known tokens too, and without a
//! new configuration. A list that can't be read changes nothing: the one before goes on counting.

use crate::config::{Change, FileWatcher, RevocationsError, read_revocations};
use modgud_core::authn::{RevocationList, Revocations};
use std::path::Path;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often the file is looked at. A change is read when a second look finds no further one: what is being written is left to be
/// finished.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long a look may take. One that takes longer waits for a file system that is away.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How many looks may be late at once.
const MAX_LATE_READS: usize = 4;

/// What became of a list that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It counts.
    Replaced,
    /// It is refused, and the one before goes on counting.
    Refused,
}

/// Follows the list of the configuration that serves, for as long as it is asked.
pub async fn follow(present: impl Fn() -> Option<Revocations>, told: impl Fn(Followed)) {
    let mut looks = interval(POLL_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut follower: Option<Follower> = None;
    loop {
        looks.tick().await;
        let Some(list) = present() else {
            follower = None;
            continue;
        };
        let same = follower.take().filter(|follower| follower.list.is(&list));
        let mut present = same.unwrap_or_else(|| Follower::new(list));
        present.look(&told, look).await;
        follower = Some(present);
    }
}

/// The list that is followed.
#[derive(Debug)]
struct Follower {
    list: Revocations,
    /// `None` before the first look, and after one that was late or failed inside: the file is read again then.
    seen: Option<Seen>,
    /// Looks that were not done in time, and may be done yet; at most [`MAX_LATE_READS`].
    late: Vec<JoinHandle<(Seen, Look)>>,
}

/// The file as it was when it was last looked at.
#[derive(Debug)]
struct Seen {
    watched: FileWatcher,
    /// Whether a change was seen that has not been read yet.
    changed: bool,
}

/// What a look at the file comes to.
#[derive(Debug)]
enum Look {
    /// Nothing to do, or not yet.
    Wait,
    /// It was read.
    Read(Result<RevocationList, RevocationsError>),
}

impl Follower {
    const fn new(list: Revocations) -> Self {
        Self { list, seen: None, late: Vec::new() }
    }

    /// Looks at the file, by a function that may take its time.
    async fn look(
        &mut self,
        told: &impl Fn(Followed),
        look: impl FnOnce(Option<Seen>, &Path) -> (Seen, Look) + Send + 'static,
    ) {
        // A late one that is done by now is as good as another. One that hangs does not keep others from being tried, since what it
        // hangs on may have been put in order; but a file system that is away would hold a thread for each.
        let done = self.late.iter().rposition(JoinHandle::is_finished).map(|at| self.late.swap_remove(at));
        if done.is_none() && self.late.len() >= MAX_LATE_READS {
            return;
        }
        let mut looking = done.unwrap_or_else(|| {
            let (file, seen) = (self.list.file.clone(), self.seen.take());
            // Not on a thread that answers checks: a file system that is away does not answer, and a long list takes its time.
            spawn_blocking(move || look(seen, &file))
        });
        let file = self.list.file.display();
        let look = match timeout(READ_TIMEOUT, &mut looking).await {
            Ok(Ok((seen, look))) => {
                self.seen = Some(seen);
                look
            }
            Ok(Err(_)) => Look::Wait,
            Err(_) => {
                // Logged and counted once: those that follow are tries of the same.
                if self.late.is_empty() {
                    told(Followed::Refused);
                    tracing::error!(
                        %file,
                        "the list of revocations could not be read in {} s; it is tried again, and the one before goes on counting",
                        READ_TIMEOUT.as_secs()
                    );
                }
                self.late.push(looking);
                return;
            }
        };
        self.late.clear();
        match look {
            Look::Wait => {}
            Look::Read(Ok(list)) => {
                tracing::info!(%file, entries = list.len(), "the changed list of revocations counts");
                self.list.replace(list);
                told(Followed::Replaced);
            }
            Look::Read(Err(error)) => {
                told(Followed::Refused);
                tracing::error!(%error, "the changed list of revocations is refused; the one before goes on counting");
            }
        }
    }
}

/// A list that has just begun to be followed is read once more: it may have changed between then and now.
fn look(seen: Option<Seen>, file: &Path) -> (Seen, Look) {
    let mut seen = seen.unwrap_or_else(|| {
        let mut watched = FileWatcher::default();
        watched.add(file);
        Seen { watched, changed: true }
    });
    match (seen.watched.look(), seen.changed) {
        (Change::Some, _) => {
            seen.changed = true;
            (seen, Look::Wait)
        }
        (Change::None, false) => (seen, Look::Wait),
        (Change::None, true) => {
            seen.changed = false;
            let read = read_revocations(file);
            if let Err(RevocationsError::Read { error, .. }) = &read {
                // What may pass by itself, such as no descriptors left, leaves no trace in the file.
                seen.watched.unread(error);
            }
            (seen, Look::Read(read))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Followed, Follower, Look, MAX_LATE_READS, READ_TIMEOUT, Seen};
    use crate::config::FileWatcher;
    use modgud_core::authn::{RevocationList, Revocations};
    use std::cell::RefCell;
    use std::path::Path;
    use std::sync::mpsc::{Receiver, channel};
    use tokio::time::advance;

    /// A look that takes until the test lets it go on, or ends.
    fn hangs_until(released: Receiver<()>) -> impl FnOnce(Option<Seen>, &Path) -> (Seen, Look) + Send + 'static {
        move |_, _| {
            let _ = released.recv();
            (Seen { watched: FileWatcher::default(), changed: false }, Look::Read(Ok(RevocationList::default())))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_told_once_and_tried_again_a_few_times() {
        let told = RefCell::new(Vec::new());
        let tell = |followed| told.borrow_mut().push(followed);
        let mut follower = Follower::new(Revocations::new("list".into(), RevocationList::default()));
        let mut releases = Vec::new();
        for _ in 0..MAX_LATE_READS {
            let (release, released) = channel();
            releases.push(release);
            tokio::join!(follower.look(&tell, hangs_until(released)), advance(READ_TIMEOUT));
        }
        assert_eq!(*told.borrow(), [Followed::Refused]);
        follower.look(&tell, |_, _| panic!("one thread more")).await;
        assert_eq!(follower.late.len(), MAX_LATE_READS);

        // What it hung on is put in order for one of them.
        releases.remove(1).send(()).unwrap();
        while !follower.late.iter().any(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        follower.look(&tell, |_, _| panic!("not needed")).await;
        assert_eq!(*told.borrow(), [Followed::Refused, Followed::Replaced]);
        assert!(follower.late.is_empty());
    }
}
