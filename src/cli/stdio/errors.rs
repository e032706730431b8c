//! Standard error, written by a thread of its own, so that a reader that is slow or absent delays no reply.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Maximum number of lines that wait to be written. Beyond it lines are dropped.
const MAX_QUEUED_LINES: usize = 1024;

/// How long the exit waits for the lines that are not yet written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// The lines that wait to be written.
pub(super) struct Errors {
    lines: SyncSender<Vec<u8>>,
    /// Disconnected when all lines are written.
    written: Receiver<()>,
}

impl Errors {
    /// Starts the thread.
    pub(super) fn start() -> Self {
        let (lines, queue) = sync_channel::<Vec<u8>>(MAX_QUEUED_LINES);
        let (writes, written) = sync_channel::<()>(0);
        thread::spawn(move || {
            for line in queue {
                // Not locked in between: the log writes there too. A closed standard error is no reason to stop.
                let _ = io::stderr().write_all(&line);
            }
            drop(writes);
        });
        Self { lines, written }
    }

    /// Waits until all lines are written, at most for [`WRITE_TIMEOUT`].
    pub(super) fn end(self) {
        let Self { lines, written } = self;
        drop(lines);
        // Nothing is ever sent: this ends with the thread, or with the time.
        let _ = written.recv_timeout(WRITE_TIMEOUT);
    }
}

impl Write for Errors {
    /// Queues one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.lines.try_send(line.to_vec());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
