//! Reloads the revocation list at runtime: a change takes effect within a second, for cached tokens too, and without a new configuration. A
//! list that can't be read is rejected, and the active one stays.

use super::file_reads::{FileReads, READ_TIMEOUT, ReadOutcome, polls};
use crate::config::{FileWatcher, RevocationsError, read_revocations};
use modgud_core::authn::{RevocationList, Revocations};
use std::path::Path;
use std::time::Duration;

/// Interval at which the file is polled.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The outcome of a changed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListReload {
    /// The list is active.
    Replaced,
    /// The list is rejected, and the previous one stays active.
    Rejected,
}

/// Watches the revocation list of the active configuration, and reports each outcome. Runs until it is dropped.
pub async fn watch(active: impl Fn() -> Option<Revocations>, report: impl Fn(ListReload)) {
    let mut polls = polls(POLL_INTERVAL);
    let mut watcher: Option<ListWatcher> = None;
    loop {
        polls.tick().await;
        let Some(list) = active() else {
            watcher = None;
            continue;
        };
        let same = watcher.take().filter(|watcher| watcher.list.ptr_eq(&list));
        let watcher = watcher.insert(same.unwrap_or_else(|| ListWatcher::new(list)));
        if let Some(outcome) = watcher.poll().await {
            report(outcome);
        }
    }
}

/// The watcher of one list.
#[derive(Debug)]
struct ListWatcher {
    list: Revocations,
    /// `None` before the first poll, and after one that was late or panicked: the file is read again then.
    files: Option<FileWatcher>,
    reads: FileReads<Polled>,
}

/// The watcher after a poll, and the list if it was read.
type Polled = (FileWatcher, Option<Result<RevocationList, RevocationsError>>);

impl ListWatcher {
    const fn new(list: Revocations) -> Self {
        Self { list, files: None, reads: FileReads::new() }
    }

    /// Polls the file, and replaces the list if it was read. Returns the outcome of a change.
    async fn poll(&mut self) -> Option<ListReload> {
        let (path, files) = (self.list.file.clone(), self.files.take());
        let file = self.list.file.display();
        let (files, read) = match self.reads.run(move || poll(files, &path)).await {
            ReadOutcome::Done(polled) => polled,
            ReadOutcome::Failed | ReadOutcome::Late { is_first: false } => return None,
            ReadOutcome::Late { is_first: true } => {
                tracing::error!(%file, timeout_s = READ_TIMEOUT.as_secs(), "revocation list not read in time; active list stays in use");
                return Some(ListReload::Rejected);
            }
        };
        self.files = Some(files);
        match read? {
            Ok(list) => {
                tracing::info!(%file, entries = list.len(), "revocation list reloaded");
                self.list.replace(list);
                Some(ListReload::Replaced)
            }
            Err(error) => {
                tracing::error!(%error, "revocation list rejected; the active one stays in use");
                Some(ListReload::Rejected)
            }
        }
    }
}

/// Polls the file. A list that has just begun to be watched is read once more: it may have changed since it was loaded.
fn poll(files: Option<FileWatcher>, file: &Path) -> Polled {
    let mut files = files.unwrap_or_else(|| {
        let mut files = FileWatcher::default();
        files.add(file);
        files.mark_changed();
        files
    });
    let read = files.has_settled().then(|| read_revocations(file));
    if let Some(Err(RevocationsError::Read { error, .. })) = &read {
        // A temporary failure, such as too few descriptors, leaves no trace in the file.
        files.retry_after(error);
    }
    (files, read)
}
