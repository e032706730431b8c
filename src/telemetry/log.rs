//! The log: one line per event on standard output, written by a thread of its own. Lines of decisions are batched; all others are written at
//! once, so that those of the start and the end are visible when they happen.

mod line_writer;
mod output;

use crate::config::LogFormat;
use line_writer::{LineSender, Urgency, WriterGuard};
use output::Output;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::OptionalWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The name of the thread that compares the shadow configuration: no response depends on it.
pub const SHADOW_THREAD: &str = "shadow";
/// The target of the lines of decisions, which clients cause: they are batched.
pub const DECISIONS: &str = "modgud::server::decision_log";

/// The queue of the log, for its counters. One per process, as the log is.
static STDOUT: OnceLock<LineSender> = OnceLock::new();

/// Returns how many lines were dropped since the log of this process was started.
#[must_use]
pub fn dropped_lines() -> u64 {
    STDOUT.get().map_or(0, LineSender::dropped)
}

/// Returns how many lines could not be written since the log of this process was started, for example because their reader is gone.
#[must_use]
pub fn failed_lines() -> u64 {
    STDOUT.get().map_or(0, LineSender::failed)
}

/// The writer of one event, which is one line.
#[derive(Debug)]
struct LineWriter<'a> {
    sender: &'a LineSender,
    urgency: Urgency,
}

impl Write for LineWriter<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.sender.send(line.to_vec(), self.urgency);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LineSender {
    type Writer = LineWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LineWriter { sender: self, urgency: Urgency::Now }
    }

    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Self::Writer {
        let urgency = if event.target() == DECISIONS { Urgency::Batched } else { Urgency::Now };
        LineWriter { sender: self, urgency }
    }
}

/// A guard of the log's writer; on drop, the waiting lines are written.
#[derive(Debug)]
pub struct LogGuard(#[expect(dead_code, reason = "held for its `Drop`")] WriterGuard);

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
///
/// # Errors
/// `io::Error` if the system creates no thread for it.
pub fn start(format: LogFormat) -> io::Result<LogGuard> {
    let (writer, guard) = line_writer::start("log", Output::stdout())?;
    let queue = writer.clone();
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
        let _ = STDOUT.set(queue);
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
    Ok(LogGuard(guard))
}
