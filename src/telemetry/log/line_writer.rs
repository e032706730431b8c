//! A thread that writes log lines, so that a full disk or a slow reader never delays a check. Its queue is limited; lines beyond it are
//! dropped and counted. Batched lines that follow each other closely are written together: a write for each would cost more than most denials.

use super::output::Output;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Maximum number of lines that wait to be written. Beyond it lines are dropped and counted.
const QUEUED_LINES: usize = 16 * 1024;
/// Time for which batched lines are collected, and so the longest that one waits in this process for a reader that keeps up.
const WRITE_INTERVAL: Duration = Duration::from_millis(50);
/// Time for which the end of the process waits for a slow reader.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// The time at which a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// At once, with the lines that wait.
    Now,
    /// Within [`WRITE_INTERVAL`].
    Batched,
}

#[derive(Debug)]
enum Message {
    Line(Vec<u8>, Urgency),
    /// Only ends a wait for lines.
    Wake,
}

/// The state that the thread shares with those who send lines.
#[derive(Debug, Default)]
struct Shared {
    /// True if an urgent line is in the queue.
    has_urgent: AtomicBool,
    /// True if the thread ends when the queue is empty.
    is_ending: AtomicBool,
    /// True if the output is to be opened again.
    is_reopening: AtomicBool,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// The handle with which lines are queued. Clones share the queue.
#[derive(Debug, Clone)]
pub(super) struct LineSender {
    queue: SyncSender<Message>,
    thread: Thread,
    shared: Arc<Shared>,
}

/// A guard of the thread; on drop, the waiting lines are written.
#[derive(Debug)]
pub(super) struct WriterGuard {
    sender: LineSender,
    ended: Receiver<()>,
}

impl Drop for WriterGuard {
    fn drop(&mut self) {
        self.sender.shared.is_ending.store(true, Ordering::Release);
        self.sender.wake();
        // Also returns if the thread has ended.
        let _ = self.ended.recv_timeout(END_TIMEOUT);
    }
}

/// Starts a thread that writes lines to this output.
///
/// # Errors
/// `io::Error` if the system creates no thread.
pub(super) fn start(name: &str, output: Output) -> io::Result<(LineSender, WriterGuard)> {
    let (queue, lines) = mpsc::sync_channel(QUEUED_LINES);
    let (end, ended) = mpsc::channel();
    let shared = Arc::new(Shared::default());
    let writer = Writer { lines, output, shared: Arc::clone(&shared), idle_since: None };
    let run = move || {
        writer.run();
        // The guard may be gone: it waits for a limited time.
        let _ = end.send(());
    };
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run)?.thread().clone();
    let sender = LineSender { queue, thread, shared };
    Ok((sender.clone(), WriterGuard { sender, ended }))
}

impl LineSender {
    /// Queues a whole line; drops and counts it if the queue is full.
    pub(super) fn send(&self, line: Vec<u8>, urgency: Urgency) {
        if self.queue.try_send(Message::Line(line, urgency)).is_err() {
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if urgency == Urgency::Now {
            // After the line: who sees the mark finds the line in the queue.
            self.shared.has_urgent.store(true, Ordering::Release);
            self.thread.unpark();
        }
    }

    /// Has the output opened again, before the next line is written.
    pub(super) fn reopen(&self) {
        self.shared.is_reopening.store(true, Ordering::Release);
        self.wake();
    }

    /// Ends a wait of the thread. A full queue needs no wake-up: the thread does not wait for lines.
    fn wake(&self) {
        let _ = self.queue.try_send(Message::Wake);
        self.shared.has_urgent.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Returns how many lines were dropped because the queue was full.
    pub(super) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Returns how many lines could not be written.
    pub(super) fn failed(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

/// The thread's own state.
struct Writer {
    lines: Receiver<Message>,
    output: Output,
    shared: Arc<Shared>,
    /// The time at which the queue was last empty; `None` before the first line.
    idle_since: Option<Instant>,
}

impl Writer {
    fn run(mut self) {
        while let Ok(first) = self.lines.recv() {
            if matches!(first, Message::Line(_, Urgency::Batched)) {
                self.collect();
            }
            self.shared.has_urgent.store(false, Ordering::Relaxed);
            self.take(&first);
            let end = loop {
                match self.lines.try_recv() {
                    Ok(message) => self.take(&message),
                    Err(end) => break end,
                }
            };
            let failed = self.output.send();
            self.count(failed);
            self.idle_since = Some(Instant::now());
            if end == TryRecvError::Disconnected || self.shared.is_ending.load(Ordering::Acquire) {
                return;
            }
        }
    }

    /// Waits while the queue collects lines, until an urgent one is among them. The first line after a pause does not wait.
    fn collect(&self) {
        let Some(since) = self.idle_since else { return };
        loop {
            let left = WRITE_INTERVAL.saturating_sub(since.elapsed());
            if left.is_zero() || self.shared.has_urgent.load(Ordering::Acquire) {
                return;
            }
            thread::park_timeout(left);
        }
    }

    fn take(&mut self, message: &Message) {
        if self.shared.is_reopening.load(Ordering::Relaxed) && self.shared.is_reopening.swap(false, Ordering::Acquire) {
            let failed = self.output.reopen();
            self.count(failed);
        }
        if let Message::Line(line, _) = message {
            let failed = self.output.add(line);
            self.count(failed);
        }
    }

    fn count(&self, failed: u64) {
        self.shared.failed.fetch_add(failed, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Urgency::{self, Batched, Now};
    use super::{END_TIMEOUT, LineSender, QUEUED_LINES, WRITE_INTERVAL, WriterGuard, start};
    use crate::telemetry::log::output::Output;
    use std::fs::File;
    use std::io::{BufRead, BufReader, PipeReader, Read, pipe};
    use std::os::fd::OwnedFd;
    use std::thread;
    use std::time::{Duration, Instant};

    fn writer() -> (PipeReader, LineSender, WriterGuard) {
        let (reader, writer) = pipe().unwrap();
        let output = Output::new(Some(File::from(OwnedFd::from(writer))));
        let (sender, guard) = start("test", output).unwrap();
        (reader, sender, guard)
    }

    fn read(reader: &mut PipeReader) -> String {
        let mut buffer = [0; 4_096];
        let read = reader.read(&mut buffer).unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    }

    fn send(sender: &LineSender, line: &str, urgency: Urgency) {
        sender.send(format!("{line}\n").into_bytes(), urgency);
    }

    #[test]
    fn batched_lines_are_written_together_and_in_order() {
        let (mut reader, sender, _guard) = writer();
        let began = Instant::now();
        send(&sender, "the first is not delayed", Batched);
        assert_eq!(read(&mut reader), "the first is not delayed\n");
        for line in ["one", "two", "three"] {
            send(&sender, line, Batched);
        }
        assert_eq!(read(&mut reader), "one\ntwo\nthree\n");
        assert!(began.elapsed() >= WRITE_INTERVAL / 2, "{:?}", began.elapsed());
    }

    /// Twenty lines that wait would take a second.
    #[test]
    fn urgent_lines_do_not_wait_and_bring_those_before_them() {
        const ROUNDS: u32 = 20;
        let (mut reader, sender, _guard) = writer();
        let began = Instant::now();
        for _ in 0..ROUNDS {
            send(&sender, "serving", Now);
            assert_eq!(read(&mut reader), "serving\n");
        }
        assert!(began.elapsed() < WRITE_INTERVAL * ROUNDS / 2, "{:?}", began.elapsed());
        let began = Instant::now();
        for _ in 0..ROUNDS {
            send(&sender, "check", Batched);
            send(&sender, "stopped", Now);
            let mut taken = read(&mut reader);
            if !taken.contains("stopped") {
                taken += &read(&mut reader);
            }
            assert_eq!(taken, "check\nstopped\n");
        }
        assert!(began.elapsed() < WRITE_INTERVAL * ROUNDS / 2, "{:?}", began.elapsed());
    }

    /// A pause for each batch would fill the queue, and lines would be lost.
    #[test]
    fn a_flood_loses_no_line_that_its_reader_keeps_up_with() {
        const LINES: usize = 5 * QUEUED_LINES;
        let (reader, sender, guard) = writer();
        let reading =
            thread::spawn(move || BufReader::new(reader).lines().map(|line| line.unwrap().len()).sum::<usize>());
        let line = "a".repeat(299);
        for number in 0..LINES {
            send(&sender, &line, Batched);
            if number % 1_000 == 0 {
                // A tenth of a second for as many lines as fit into the queue: a pause for each 4 KiB would take a minute.
                thread::sleep(Duration::from_millis(6));
            }
        }
        drop(guard);
        assert_eq!((sender.dropped(), sender.failed()), (0, 0));
        drop(sender);
        assert_eq!(reading.join().unwrap(), LINES * 299);
    }

    #[test]
    fn lines_beyond_the_queue_are_dropped_and_counted_and_the_end_does_not_wait_for_them() {
        const MORE: usize = 1_000;
        let (reader, sender, guard) = writer();
        let line = "a".repeat(4_095);
        // More than the pipe, the thread and the queue hold.
        let sent = QUEUED_LINES + MORE;
        let began = Instant::now();
        (0..sent).for_each(|_| send(&sender, &line, Batched));
        drop(guard);
        assert!(began.elapsed() < END_TIMEOUT * 3, "{:?}", began.elapsed());
        let dropped = usize::try_from(sender.dropped()).unwrap();
        assert!((MORE - 100..=MORE).contains(&dropped), "{dropped}");
        let lines = BufReader::new(reader).lines().take(sent - dropped);
        assert!(lines.map(|line| line.unwrap().len()).all(|length| length == 4_095));
    }
}
