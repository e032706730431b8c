//! The log: one line per event on standard output, written by a thread of its own. All lines but those of decisions are written at once, so
//! that those of the start and the end are visible when they happen. Lines of decisions are batched, and may go to a file instead.

mod file;
mod line_writer;
mod output;

use crate::config::{LogDestination, LogFormat};
pub use file::LogFileError;
use line_writer::{LineSender, Urgency, WriterGuard};
use output::Output;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::OptionalWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The name of the thread that compares the shadow configuration: no response depends on it.
pub const SHADOW_THREAD: &str = "shadow";

/// The queues of this process. One set per process, as the log is.
static QUEUES: OnceLock<Queues> = OnceLock::new();

#[derive(Debug)]
struct Queues {
    format: LogFormat,
    stdout: LineSender,
    /// `None` if the lines of decisions go to standard output, too.
    file: Option<LineSender>,
}

/// Lines that a destination lost since the log of this process was started.
#[derive(Debug, Clone, Copy)]
pub struct LostLines {
    /// `stdout`, or `file` for the file of the decisions.
    pub destination: &'static str,
    /// Lines that were dropped because the queue was full.
    pub dropped: u64,
    /// Lines that could not be written, for example because their reader is gone or the disk is full.
    pub failed: u64,
}

/// Returns the lines that were lost, for each destination.
#[must_use]
pub fn lost_lines() -> Vec<LostLines> {
    let of = |destination, queue: Option<&LineSender>| LostLines {
        destination,
        dropped: queue.map_or(0, LineSender::dropped),
        failed: queue.map_or(0, LineSender::failed),
    };
    let queues = QUEUES.get();
    let file = queues.and_then(|queues| queues.file.as_ref());
    let file = file.map(|file| of("file", Some(file)));
    [of("stdout", queues.map(|queues| &queues.stdout))].into_iter().chain(file).collect()
}

/// The writer of the lines of decisions.
#[derive(Debug, Clone, Copy)]
pub struct DecisionWriter {
    queue: &'static LineSender,
    /// The format of the lines.
    pub format: LogFormat,
}

/// Returns the writer of the lines of decisions; `None` if this process has no log.
#[must_use]
pub fn decisions() -> Option<DecisionWriter> {
    let Queues { format, stdout, file } = QUEUES.get()?;
    Some(DecisionWriter { queue: file.as_ref().unwrap_or(stdout), format: *format })
}

impl DecisionWriter {
    /// Queues a whole line, with its end.
    pub fn send(self, line: Vec<u8>) {
        self.queue.send(line, Urgency::Batched);
    }
}

/// Opens the file of the decisions again. Returns false if they go to standard output.
pub fn reopen() -> bool {
    let file = QUEUES.get().and_then(|queues| queues.file.as_ref());
    file.inspect(|file| file.reopen()).is_some()
}

/// The writer of one event, which is one line.
#[derive(Debug)]
struct LineWriter<'a>(&'a LineSender);

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.send(line.to_vec(), Urgency::Now);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LineSender {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter(self)
    }
}

/// A guard of the log's writers; on drop, the waiting lines are written.
#[derive(Debug)]
#[expect(dead_code, reason = "held for its `Drop`")]
pub struct LogGuard {
    /// First, since its errors go to the other.
    file: Option<WriterGuard>,
    stdout: WriterGuard,
}

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

/// An error that prevents a log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file of the decisions can't be opened.
    #[error("telemetry.decisions.to: the file {} can't be opened: {error}", path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// The cause.
        error: LogFileError,
    },
    /// The system creates no thread for it.
    #[error("the log can't be started: {0}")]
    Thread(#[from] io::Error),
}

/// Starts the log of this process. The lines of decisions go to their own destination.
///
/// # Errors
/// [`LogError`] if the file of the decisions can't be opened, or the system creates no thread.
pub fn start(format: LogFormat, decisions: &LogDestination) -> Result<LogGuard, LogError> {
    let file = match decisions {
        LogDestination::Stdout => None,
        LogDestination::File(path) => {
            let opened = Output::open(path.clone());
            let output = opened.map_err(|error| LogError::File { path: path.clone(), error })?;
            Some(line_writer::start("decision-log", output)?)
        }
    };
    let (writer, stdout_guard) = line_writer::start("log", Output::stdout())?;
    let (file, file_guard) = file.unzip();
    let queues = Queues { format, stdout: writer.clone(), file };
    let level = LevelFilter::from_level(Level::INFO);
    let registry = tracing_subscriber::registry().with(level);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let started = match format {
        LogFormat::Json => {
            registry.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
        }
        LogFormat::Text => registry.with(layer.with_ansi(false)).try_init(),
    };
    // Fails only if this process has a log already; that one then stays in use, and so do its queues.
    if started.is_ok() {
        let _ = QUEUES.set(queues);
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
    Ok(LogGuard { file: file_guard, stdout: stdout_guard })
}
