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
/// Time between two writes, and so the longest that a line waits in this process for a reader that keeps up.
const WRITE_INTERVAL: Duration = Duration::from_millis(50);
/// Bytes of lines that are written at once, whatever the time.
const WRITE_BYTES: usize = 64 * 1024;

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
    lines: u64,
    /// The time of the last write; `None` before the first.
    written: Option<Instant>,
}

impl Output {
    fn stdout() -> Self {
        Self::new(io::stdout().as_fd().try_clone_to_owned().ok().map(File::from))
    }

    const fn new(file: Option<File>) -> Self {
        Self { file, batch: Vec::new(), lines: 0, written: None }
    }

    fn send(&mut self) {
        let is_written = self.file.as_mut().is_some_and(|file| file.write_all(&self.batch).is_ok());
        if !is_written {
            FAILED.fetch_add(self.lines, Ordering::Relaxed);
        }
        self.batch.clear();
        self.lines = 0;
        self.written = Some(Instant::now());
    }
}

impl Write for Output {
    /// Takes one line, as the writer of the queue passes it. The first one of a batch waits, and meanwhile the queue collects others.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.batch.is_empty()
            && let Some(written) = self.written
        {
            thread::sleep(WRITE_INTERVAL.saturating_sub(written.elapsed()));
        }
        self.batch.extend_from_slice(line);
        self.lines = self.lines.saturating_add(1);
        if self.batch.len() >= WRITE_BYTES {
            self.send();
        }
        Ok(line.len())
    }

    /// Writes the batch. Called when the queue is empty.
    fn flush(&mut self) -> io::Result<()> {
        if !self.batch.is_empty() {
            self.send();
        }
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
    use super::{Output, WRITE_BYTES, WRITE_INTERVAL, failed_lines};
    use std::fs::File;
    use std::io::{PipeReader, Read, Write, pipe};
    use std::os::fd::OwnedFd;
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
        let mut buffer = vec![0; WRITE_BYTES];
        assert_eq!(read(&mut buffer), 25);
        for line in ["one\n", "two\n", "three\n"] {
            output.write_all(line.as_bytes()).unwrap();
        }
        assert!(began.elapsed() >= WRITE_INTERVAL / 2, "{:?}", began.elapsed());
        output.flush().unwrap();
        let length = read(&mut buffer);
        assert_eq!(&buffer[..length], b"one\ntwo\nthree\n");
        // A full batch needs no flush.
        output.write_all(&vec![b'a'; WRITE_BYTES]).unwrap();
        assert_eq!(read(&mut buffer), WRITE_BYTES);
    }
}
