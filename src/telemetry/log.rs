//! The log: one line an event on standard output, written by a thread of its own, so that a full disk or a slow reader never
//! holds up a check. Its queue is bounded; what does not fit is dropped.

use crate::config::LogFormat;
use tracing::Level;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How many lines wait to be written, at most.
const QUEUED_LINES: usize = 16 * 1024;

/// Keeps the log's writer alive; when dropped, what waits is written.
#[derive(Debug)]
pub struct LogGuard(#[expect(dead_code, reason = "held for its `Drop`")] WorkerGuard);

/// Starts the log of this process.
#[must_use]
pub fn start(format: LogFormat) -> LogGuard {
    let (writer, guard) =
        NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUED_LINES).finish(std::io::stdout());
    let level = LevelFilter::from_level(Level::INFO);
    let registry = tracing_subscriber::registry().with(level);
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    // `try_init` fails only if this process has a log already; that one then goes on.
    let _ = match format {
        LogFormat::Json => {
            registry.with(layer.json().flatten_event(true).with_current_span(false).with_span_list(false)).try_init()
        }
        LogFormat::Text => registry.with(layer.with_ansi(false)).try_init(),
    };
    // A panic is told by its place only: its text could hold what a client sent.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "modgud failed inside; the check that it was busy with is denied");
    }));
    LogGuard(guard)
}
