//! Reloads the revocation list at runtime: a change takes effect within a second, for cached tokens too, and without a new configuration. A
//! list that can't be read is rejected, and the previous one stays active.

use crate::config::{Change, FileWatcher, RevocationsError, read_revocations};
use modgud_core::authn::{RevocationList, Revocations};
use std::path::Path;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Interval at which the file is polled. A change is read when the next poll finds no further one, so that no file is read while it is
/// being written.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Time that a poll may take. One that takes longer waits for an unavailable file system; it is reported, and tried again.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of late polls, since each holds a thread. Beyond it no further poll starts.
const MAX_LATE_READS: usize = 4;

/// The outcome of a changed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// The list is active.
    Replaced,
    /// The list is rejected, and the previous one stays active.
    Refused,
}

/// Follows the revocation list of the active configuration, and reports each outcome. Runs until it is dropped.
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
        let same = follower.take().filter(|follower| follower.list.ptr_eq(&list));
        let mut present = same.unwrap_or_else(|| Follower::new(list));
        present.look(&told, look).await;
        follower = Some(present);
    }
}

/// The follower of one list.
#[derive(Debug)]
struct Follower {
    list: Revocations,
    /// `None` before the first poll, and after one that was late or failed inside: the file is read again then.
    seen: Option<Seen>,
    /// Polls that were late and may still finish; at most [`MAX_LATE_READS`].
    late: Vec<JoinHandle<(Seen, Look)>>,
}

/// The state of the file at the last poll.
#[derive(Debug)]
struct Seen {
    watched: FileWatcher,
    /// True if a change was seen that has not been read yet.
    changed: bool,
}

/// The outcome of a poll.
#[derive(Debug)]
enum Look {
    /// Nothing to do, or not yet.
    Wait,
    /// The file was read.
    Read(Result<RevocationList, RevocationsError>),
}

impl Follower {
    const fn new(list: Revocations) -> Self {
        Self { list, seen: None, late: Vec::new() }
    }

    /// Polls the file with a function that may block.
    async fn look(
        &mut self,
        told: &impl Fn(Followed),
        look: impl FnOnce(Option<Seen>, &Path) -> (Seen, Look) + Send + 'static,
    ) {
        // A late poll that has finished by now is as good as a new one. One that hangs does not prevent further attempts, since its cause
        // may be gone. But an unavailable file system would hold a thread for each.
        let done = self.late.iter().rposition(JoinHandle::is_finished).map(|at| self.late.swap_remove(at));
        if done.is_none() && self.late.len() >= MAX_LATE_READS {
            return;
        }
        let mut looking = done.unwrap_or_else(|| {
            let (file, seen) = (self.list.file.clone(), self.seen.take());
            // On a thread that answers no checks: an unavailable file system does not answer, and a long list takes time.
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
                // Logged and counted once: the next attempts are retries.
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

/// Polls the file. A list that has just begun to be followed is read once more: it may have changed since it was loaded.
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
                // A temporary failure, such as too few descriptors, leaves no trace in the file.
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

    /// Returns a poll that blocks until the test senders it, or ends.
    fn hangs_until(released: Receiver<()>) -> impl FnOnce(Option<Seen>, &Path) -> (Seen, Look) + Send + 'static {
        move |_, _| {
            let _ = released.recv();
            (Seen { watched: FileWatcher::default(), changed: false }, Look::Read(Ok(RevocationList::default())))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_told_once_and_tried_again_a_few_times() {
        let reported = RefCell::new(Vec::new());
        let tell = |followed| reported.borrow_mut().push(followed);
        let mut follower = Follower::new(Revocations::new("list".into(), RevocationList::default()));
        let mut senders = Vec::new();
        for _ in 0..MAX_LATE_READS {
            let (release, released) = channel();
            senders.push(release);
            tokio::join!(follower.look(&tell, hangs_until(released)), advance(READ_TIMEOUT));
        }
        assert_eq!(*reported.borrow(), [Followed::Refused]);
        follower.look(&tell, |_, _| panic!("one thread more")).await;
        assert_eq!(follower.late.len(), MAX_LATE_READS);

        // The cause is removed for one of them.
        senders.remove(1).send(()).unwrap();
        while !follower.late.iter().any(tokio::task::JoinHandle::is_finished) {
            tokio::task::yield_now().await;
        }
        follower.look(&tell, |_, _| panic!("not needed")).await;
        assert_eq!(*reported.borrow(), [Followed::Refused, Followed::Replaced]);
        assert!(follower.late.is_empty());
    }
}
