//! The log: one line per event on standard output. A thread of its own writes it, so that a full disk or a slow reader never delays a
//! check. Its queue is limited; lines beyond it are dropped and counted. Lines that follow each other closely are written together: a write
//! for each would cost more than most denials.

use crate::config::LogFormat;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use tracing::Level;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::OptionalWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Maximum number of lines that wait to be written. Beyond it lines are dropped and counted.
const QUEUED_LINES: usize = 16 * 1024;
/// Time for which lines are collected, and so the longest that a line waits in this process for a reader that keeps up.
const WRITE_INTERVAL: Duration = Duration::from_millis(50);
/// Maximum bytes of lines that are written at once. A pipe takes as many without mixing them with those of another program (`PIPE_BUF` of Linux).
const MAX_WRITE_BYTES: usize = 4 * 1024;

/// The name of the thread that compares the shadow configuration: no response depends on it.
pub const SHADOW_THREAD: &str = "shadow";

/// The counter of dropped lines. One per process, as the log is.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Returns how many lines were dropped since the log of this process was started.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |counter| u64::try_from(counter.dropped_lines()).unwrap_or(u64::MAX))
}

/// The number of lines that could not be written.
static FAILED: AtomicU64 = AtomicU64::new(0);

/// Returns how many lines could not be written since the log of this process was started, for example because their reader is gone.
#[must_use]
pub fn failed_lines() -> u64 {
    FAILED.load(Ordering::Relaxed)
}

/// Standard output without the exception that Rust makes for a closed one: a line is written or counted as failed.
struct Output {
    /// `None` if it can't be opened.
    file: Option<File>,
    /// Whole lines that are written together.
    batch: Vec<u8>,
    /// The time at which the queue was last empty; `None` while lines are taken from it, and before the first.
    idle_since: Option<Instant>,
    /// True if the last line that was written lacks its end.
    is_torn: bool,
}

impl Output {
    fn stdout() -> Self {
        Self::new(io::stdout().as_fd().try_clone_to_owned().ok().map(File::from))
    }

    const fn new(file: Option<File>) -> Self {
        Self { file, batch: Vec::new(), idle_since: None, is_torn: false }
    }

    /// Writes the batch, and counts the lines that could not be written whole.
    fn send(&mut self) {
        FAILED.fetch_add(self.write_batch(), Ordering::Relaxed);
    }

    /// Writes the batch. Returns the number of lines that could not be written whole.
    fn write_batch(&mut self) -> u64 {
        let mut rest = self.batch.as_slice();
        while let Some(file) = self.file.as_mut().filter(|_| !rest.is_empty()) {
            match file.write(rest) {
                Ok(0) => break,
                Ok(written) => {
                    let (done, left) = rest.split_at_checked(written).unwrap_or((rest, &[]));
                    self.is_torn = !done.ends_with(b"\n");
                    rest = left;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        // A batch is made of whole lines.
        let failed = rest.split_inclusive(|byte| *byte == b'\n').count();
        self.batch.clear();
        u64::try_from(failed).unwrap_or(u64::MAX)
    }
}

impl Write for Output {
    /// Takes one line, as the writer of the queue passes it. The first one after a pause waits, and meanwhile the queue collects others.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(since) = self.idle_since.take() {
            thread::sleep(WRITE_INTERVAL.saturating_sub(since.elapsed()));
        }
        if self.batch.len().saturating_add(line.len()) > MAX_WRITE_BYTES && !self.batch.is_empty() {
            self.send();
        }
        if self.is_torn && self.batch.is_empty() {
            self.batch.push(b'\n');
            self.is_torn = false;
        }
        self.batch.extend_from_slice(line);
        Ok(line.len())
    }

    /// Writes the batch. Called when the queue is empty.
    fn flush(&mut self) -> io::Result<()> {
        self.send();
        self.idle_since = Some(Instant::now());
        Ok(())
    }
}

/// A guard of the log's writer; on drop, the waiting lines are written.
#[derive(Debug)]
pub struct LogGuard(#[expect(dead_code, reason = "held for its `Drop`")] WorkerGuard);

/// The log on standard error; on drop it ends, so that tasks that are cancelled with the process don't report that.
#[derive(Debug)]
pub struct StderrLog(Arc<AtomicBool>);

impl Drop for StderrLog {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Starts a log of warnings on standard error, for a command whose standard output holds something else. Lines that can't
/// be written are lost.
#[must_use]
pub fn start_on_stderr() -> StderrLog {
    let log = StderrLog(Arc::default());
    let has_ended = Arc::clone(&log.0);
    let writer = move || {
        if has_ended.load(Ordering::Relaxed) { OptionalWriter::none() } else { OptionalWriter::some(io::stderr()) }
    };
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(false).without_time();
    let layer = layer.with_target(false).log_internal_errors(false);
    // Fails only if this process has a log already; that one then stays in use.
    let _ = tracing_subscriber::registry().with(LevelFilter::WARN).with(layer).try_init();
    log
}

/// Starts the log of this process.
#[must_use]
pub fn start(format: LogFormat) -> LogGuard {
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUED_LINES).finish(Output::stdout());
    let dropped = writer.error_counter();
    let level = LevelFilter::from_level(Level::INFO);
    let registry = tracing_subscriber::registry().with(level);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let started = match format {
        LogFormat::Json => {
            registry.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
        }
        LogFormat::Text => registry.with(layer.with_ansi(false)).try_init(),
    };
    // Fails only if this process has a log already; that one then stays in use, and so does its counter.
    if started.is_ok() {
        let _ = DROPPED.set(dropped);
    }
    // Only the location of a panic is logged: its text could hold what a client sent.
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        if thread::current().name() == Some(SHADOW_THREAD) {
            tracing::error!(location, "internal error in the shadow configuration");
        } else {
            tracing::error!(location, "internal error; the check is denied");
        }
    }));
    LogGuard(guard)
}

#[cfg(test)]
mod tests {
    use super::{MAX_WRITE_BYTES, Output, WRITE_INTERVAL, failed_lines};
    use std::fs::File;
    use std::io::{PipeReader, Read, Write, pipe};
    use std::os::fd::OwnedFd;
    use std::thread;
    use std::time::Instant;

    fn output() -> (PipeReader, Output) {
        let (reader, writer) = pipe().unwrap();
        (reader, Output::new(Some(File::from(OwnedFd::from(writer)))))
    }

    #[test]
    fn lines_that_no_reader_takes_are_counted() {
        let (reader, mut output) = output();
        let before = failed_lines();
        output.write_all(b"a line\n").unwrap();
        output.flush().unwrap();
        assert_eq!(failed_lines(), before);
        drop(reader);
        output.write_all(b"a line\n").unwrap();
        output.write_all(b"another\n").unwrap();
        output.flush().unwrap();
        assert_eq!(failed_lines(), before + 2);
        output.flush().unwrap();
        assert_eq!(failed_lines(), before + 2);
    }

    /// A pipe hands on what one `write` put there: a read never finds a part of it.
    #[test]
    fn lines_are_written_together_and_in_order() {
        let (mut reader, mut output) = output();
        let mut read = |buffer: &mut [u8]| reader.read(buffer).unwrap();
        output.write_all(b"the first is not delayed\n").unwrap();
        output.flush().unwrap();
        let began = Instant::now();
        let mut buffer = vec![0; MAX_WRITE_BYTES];
        assert_eq!(read(&mut buffer), 25);
        for line in ["one\n", "two\n", "three\n"] {
            output.write_all(line.as_bytes()).unwrap();
        }
        assert!(began.elapsed() >= WRITE_INTERVAL / 2, "{:?}", began.elapsed());
        output.flush().unwrap();
        let length = read(&mut buffer);
        assert_eq!(&buffer[..length], b"one\ntwo\nthree\n");
    }

    /// Otherwise a flood of denials would fill the queue, and lines would be lost.
    #[test]
    fn lines_that_wait_in_the_queue_are_written_at_once_and_whole() {
        const LINES: usize = 20_000;
        let (mut reader, mut output) = output();
        let line = [&[b'a'; 299][..], b"\n"].concat();
        let reading = thread::spawn(move || {
            let (mut buffer, mut bytes) = (vec![0; MAX_WRITE_BYTES], 0);
            while bytes < LINES * 300 {
                let read = reader.read(&mut buffer).unwrap();
                bytes += read;
            }
            bytes
        });
        output.flush().unwrap();
        let began = Instant::now();
        for _ in 0..LINES {
            output.write_all(&line).unwrap();
            assert!(output.batch.len() <= MAX_WRITE_BYTES && output.batch.ends_with(b"\n"));
        }
        output.flush().unwrap();
        assert_eq!(reading.join().unwrap(), LINES * 300);
        // Six megabytes: a pause for each 4 KiB would take more than a minute.
        assert!(began.elapsed() < 200 * WRITE_INTERVAL, "{:?}", began.elapsed());
    }

    /// A pipe that does not block takes a part of a line when it is nearly full.
    #[test]
    fn after_a_torn_line_the_next_one_begins_anew() {
        let (mut reader, mut output) = output();
        rustix::io::ioctl_fionbio(output.file.as_ref().unwrap(), true).unwrap();
        // Longer than a pipe, so that only its beginning is written.
        let long = [vec![b'a'; 1 << 20], b"\n".to_vec()].concat();
        output.write_all(&long).unwrap();
        assert_eq!(output.write_batch(), 1);
        let mut buffer = vec![0; 1 << 20];
        let taken = reader.read(&mut buffer).unwrap();
        assert!(taken > 0 && buffer[..taken].iter().all(|byte| *byte == b'a'));
        output.write_all(b"whole\n").unwrap();
        output.flush().unwrap();
        let taken = reader.read(&mut buffer).unwrap();
        assert_eq!(&buffer[..taken], b"\nwhole\n");
    }
}
