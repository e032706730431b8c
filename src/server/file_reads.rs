//! Reads of files on threads that answer no checks. A read that hangs, on a pipe or on an unavailable file system, is late: it is tried again,
//! and must not hold up the process.

use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

/// Time that a read may take. Beyond it the read is late, and tried again.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of late reads, since each holds a thread. Beyond it no further read starts.
pub(super) const MAX_LATE_READS: usize = 4;

/// The reads of one kind, one at a time.
#[derive(Debug)]
pub(super) struct FileReads<T> {
    /// Late reads that may still finish.
    late: Vec<JoinHandle<T>>,
}

/// The outcome of a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ReadOutcome<T> {
    /// The read has ended.
    Done(T),
    /// The read is late. The next ones are retries: only the first is reported.
    Late { is_first: bool },
    /// The read panicked.
    Failed,
}

impl<T: Send + 'static> FileReads<T> {
    /// Creates reads of which none is late.
    pub(super) const fn new() -> Self {
        Self { late: Vec::new() }
    }

    /// Runs a read, which may block. A late read that has finished by now is as good as a new one. One that hangs does not prevent further
    /// attempts, since its cause may be gone.
    pub(super) async fn run(&mut self, read: impl FnOnce() -> T + Send + 'static) -> ReadOutcome<T> {
        let finished = self.late.iter().rposition(JoinHandle::is_finished).map(|at| self.late.swap_remove(at));
        if finished.is_none() && self.late.len() >= MAX_LATE_READS {
            return ReadOutcome::Late { is_first: false };
        }
        let mut reading = finished.unwrap_or_else(|| spawn_blocking(read));
        if let Ok(ended) = timeout(READ_TIMEOUT, &mut reading).await {
            self.late.clear();
            return ended.map_or(ReadOutcome::Failed, ReadOutcome::Done);
        }
        let is_first = self.late.is_empty();
        self.late.push(reading);
        ReadOutcome::Late { is_first }
    }
}

/// Returns the times at which files are polled. A late poll delays those after it.
pub(super) fn polls(period: Duration) -> Interval {
    let mut polls = interval(period);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    polls
}

#[cfg(test)]
mod tests {
    use super::{FileReads, MAX_LATE_READS, READ_TIMEOUT, ReadOutcome};
    use std::sync::mpsc::channel;
    use tokio::task::{JoinHandle, yield_now};
    use tokio::time::advance;

    #[tokio::test(start_paused = true)]
    async fn a_read_that_hangs_is_reported_once_and_tried_again_a_few_times() {
        let mut reads = FileReads::new();
        let mut senders = Vec::new();
        for number in 0..MAX_LATE_READS {
            let (sender, receiver) = channel();
            senders.push(sender);
            let hang = move || {
                let _ = receiver.recv();
                number
            };
            let (outcome, ()) = tokio::join!(reads.run(hang), advance(READ_TIMEOUT));
            assert_eq!(outcome, ReadOutcome::Late { is_first: number == 0 });
        }
        assert_eq!(reads.run(|| panic!("one thread more")).await, ReadOutcome::Late { is_first: false });
        assert_eq!(reads.late.len(), MAX_LATE_READS);

        // The cause is removed for one of them.
        senders.remove(1).send(()).unwrap();
        while !reads.late.iter().any(JoinHandle::is_finished) {
            yield_now().await;
        }
        assert_eq!(reads.run(|| panic!("not needed")).await, ReadOutcome::Done(1));
        assert!(reads.late.is_empty());
        assert_eq!(reads.run(|| panic!("a defect")).await, ReadOutcome::Failed);
    }
}
