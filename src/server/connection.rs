//! One accepted connection: its bytes, its deadline, and its end when it is evicted.

#[cfg(test)]
mod tests;

use super::connection_slots::{ConnectionActivity, ListenerConnections, Slot};
use super::frames::{Counted, FrameCounter};
use super::protocol::PrefaceCheck;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Size of the write buffer: some forty responses are sent together, unless a flush comes first. HTTP/2 writes each of them separately, and
/// sending costs more than deciding.
pub(super) const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// A byte stream: TCP or a Unix socket, either of them with or without TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// The progress that a connection must make by its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadDeadline {
    /// This number of bytes from the client.
    Bytes(usize),
    /// Its end.
    End,
}

/// The bytes of a connection, which it shares with its [`Flusher`]. Only the connection's task uses them, so the lock is always free.
type SharedStream = Arc<Mutex<BufWriter<Box<dyn Stream>>>>;

/// A connection, which fails when its deadline has passed or it is evicted.
pub(super) struct Connection {
    stream: SharedStream,
    /// True once a [`Flusher`] sends what is written.
    has_flusher: bool,
    deadline: Option<(ReadDeadline, Pin<Box<Sleep>>)>,
    slot: Slot,
    /// `None` once the preface has arrived, and on a listener for HTTP/1.1.
    preface: Option<PrefaceCheck>,
    frames: FrameCounter,
    budget: ReadBudget,
}

/// The read budget of a connection, and the counts of what was read and written. Clones share them; only the connection's task uses them.
#[derive(Debug, Clone)]
pub(super) struct ReadBudget(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    /// Bytes that may be read.
    bytes: AtomicUsize,
    /// Calls that may be read.
    calls: AtomicUsize,
    /// True if a read was refused for lack of budget.
    was_refused: AtomicBool,
    /// Bytes that were read.
    read: AtomicUsize,
    /// Calls that were opened.
    streams: AtomicUsize,
    /// Calls that were reset.
    resets: AtomicUsize,
    /// `SETTINGS` frames that were read.
    settings: AtomicUsize,
    /// Bytes of trailers that were read.
    trailer_bytes: AtomicUsize,
    /// Number of the header block that has not ended; [`NONE`] if there is none.
    open_block: AtomicUsize,
    /// True while the client does not take what is written.
    is_write_blocked: AtomicBool,
}

const NONE: usize = usize::MAX;

impl Default for ReadBudget {
    /// Returns a budget without limits.
    fn default() -> Self {
        Self(Arc::new(Counts {
            bytes: AtomicUsize::new(usize::MAX),
            calls: AtomicUsize::new(usize::MAX),
            was_refused: AtomicBool::new(false),
            read: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            resets: AtomicUsize::new(0),
            settings: AtomicUsize::new(0),
            trailer_bytes: AtomicUsize::new(0),
            open_block: AtomicUsize::new(NONE),
            is_write_blocked: AtomicBool::new(false),
        }))
    }
}

// Relaxed, and without exchanges: a single task reads and writes them.
impl ReadBudget {
    /// Sets how many bytes and calls may be read from now on.
    pub(super) fn allow(&self, bytes: usize, calls: usize) {
        self.0.bytes.store(bytes, Relaxed);
        self.0.calls.store(calls, Relaxed);
        self.0.was_refused.store(false, Relaxed);
    }

    /// Returns true if a read was refused for lack of budget; no wake-up follows when more data arrives.
    pub(super) fn was_refused(&self) -> bool {
        self.0.was_refused.load(Relaxed)
    }

    /// Returns how many bytes were read.
    pub(super) fn read_bytes(&self) -> usize {
        self.0.read.load(Relaxed)
    }

    /// Returns how many calls were opened since this was last called.
    pub(super) fn take_streams(&self) -> usize {
        take(&self.0.streams)
    }

    /// Returns how many calls were reset since this was last called.
    pub(super) fn take_resets(&self) -> usize {
        take(&self.0.resets)
    }

    /// Returns how many `SETTINGS` frames were read since this was last called.
    pub(super) fn take_settings(&self) -> usize {
        take(&self.0.settings)
    }

    /// Returns how many bytes of trailers were read.
    pub(super) fn trailer_bytes(&self) -> usize {
        self.0.trailer_bytes.load(Relaxed)
    }

    /// Returns the number of the header block that has not ended; `None` if there is none.
    pub(super) fn open_block(&self) -> Option<usize> {
        Some(self.0.open_block.load(Relaxed)).filter(|number| *number != NONE)
    }

    /// Returns true while the client does not take what is written.
    pub(super) fn is_write_blocked(&self) -> bool {
        self.0.is_write_blocked.load(Relaxed)
    }

    /// Returns how many bytes may be read at once without exceeding the budget of calls. `None` if nothing may be read.
    fn left(&self, frames: &FrameCounter) -> Option<usize> {
        let (bytes, calls) = (self.0.bytes.load(Relaxed), self.0.calls.load(Relaxed));
        if bytes == 0 || calls == 0 {
            self.0.was_refused.store(true, Relaxed);
            return None;
        }
        Some(frames.bytes_for(calls).min(bytes))
    }

    /// Records what was read.
    pub(super) fn record_read(&self, bytes: usize, counted: Counted, open_block: Option<usize>) {
        let less = |cell: &AtomicUsize, by: usize| cell.store(cell.load(Relaxed).saturating_sub(by), Relaxed);
        less(&self.0.bytes, bytes);
        self.0.read.store(self.0.read.load(Relaxed).wrapping_add(bytes), Relaxed);
        let Counted { headers, resets, settings, trailer_bytes } = counted;
        if headers > 0 {
            less(&self.0.calls, headers);
            self.0.streams.store(self.0.streams.load(Relaxed).saturating_add(headers), Relaxed);
        }
        let rare = [(&self.0.resets, resets), (&self.0.settings, settings), (&self.0.trailer_bytes, trailer_bytes)];
        for (cell, more) in rare {
            if more > 0 {
                cell.store(cell.load(Relaxed).saturating_add(more), Relaxed);
            }
        }
        self.0.open_block.store(open_block.unwrap_or(NONE), Relaxed);
    }

    /// Records whether a write is blocked.
    fn record_write<T>(&self, polled: &Poll<io::Result<T>>) {
        self.0.is_write_blocked.store(polled.is_pending(), Relaxed);
    }
}

/// Returns a counter's value and resets it.
fn take(cell: &AtomicUsize) -> usize {
    let counted = cell.load(Relaxed);
    if counted > 0 {
        cell.store(0, Relaxed);
    }
    counted
}

impl Connection {
    /// Creates a connection that must have made this progress at this time.
    pub(super) fn new(
        stream: Box<dyn Stream>,
        slot: Slot,
        due: ReadDeadline,
        at: Instant,
        preface: Option<PrefaceCheck>,
    ) -> Self {
        let stream = Arc::new(Mutex::new(BufWriter::with_capacity(WRITE_BUFFER_BYTES, stream)));
        let deadline = Some((due, Box::pin(sleep_until(at))));
        let (frames, budget) = (FrameCounter::default(), ReadBudget::default());
        Self { stream, has_flusher: false, deadline, slot, preface, frames, budget }
    }

    /// Returns the flusher. From now on only it sends what is written, unless the write buffer is full or the connection shuts down.
    pub(super) fn flusher(&mut self) -> Flusher {
        self.has_flusher = true;
        Flusher { stream: Arc::clone(&self.stream), budget: self.budget() }
    }

    /// Returns the read budget and the counts.
    pub(super) fn budget(&self) -> ReadBudget {
        self.budget.clone()
    }

    /// Returns all connections of its listener.
    pub(super) fn peers(&self) -> ListenerConnections {
        self.slot.peers()
    }

    /// Returns the activity of this connection.
    pub(super) fn activity(&self) -> ConnectionActivity {
        self.slot.activity()
    }

    /// Fails if the deadline has passed or the connection is evicted.
    fn check_deadline(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.slot.poll_evicted(context).is_ready() {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let Some((_, deadline)) = &mut self.deadline else { return Ok(()) };
        match deadline.as_mut().poll(context) {
            Poll::Ready(()) => Err(ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    /// Records received bytes, which may meet the deadline.
    fn on_read(&mut self, bytes: usize) {
        self.deadline = match self.deadline.take() {
            Some((ReadDeadline::Bytes(missing), _)) if missing <= bytes => None,
            Some((ReadDeadline::Bytes(missing), deadline)) => {
                Some((ReadDeadline::Bytes(missing.saturating_sub(bytes)), deadline))
            }
            other @ (Some((ReadDeadline::End, _)) | None) => other,
        };
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_deadline(context)?;
        let this = &mut *self;
        let Some(left) = this.budget.left(&this.frames) else { return Poll::Pending };
        let before = buffer.filled().len();
        if buffer.remaining() <= left {
            ready!(Pin::new(&mut *lock(&this.stream)).poll_read(context, buffer))?;
        } else {
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(left));
            ready!(Pin::new(&mut *lock(&this.stream)).poll_read(context, &mut part))?;
            let read = part.filled().len();
            buffer.advance(read);
        }
        let read = buffer.filled().get(before..).unwrap_or_default();
        let bytes = read.len();
        if let Some(check) = &mut this.preface {
            check.check(read)?;
            if check.is_complete() {
                this.preface = None;
            }
        }
        let counted = this.frames.count(read);
        this.budget.record_read(bytes, counted, this.frames.open_block());
        this.on_read(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_deadline(context)?;
        let polled = Pin::new(&mut *lock(&self.stream)).poll_write(context, bytes);
        self.budget.record_write(&polled);
        polled
    }

    /// Flushes, unless that is left to the flusher: HTTP/2 flushes for each response that it does not copy.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_deadline(context)?;
        if self.has_flusher {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut *lock(&self.stream)).poll_flush(context);
        self.budget.record_write(&polled);
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_deadline(context)?;
        Pin::new(&mut *lock(&self.stream)).poll_shutdown(context)
    }
}

/// Sends what is written to a connection, once for many responses.
pub(super) struct Flusher {
    stream: SharedStream,
    budget: ReadBudget,
}

impl Flusher {
    /// Sends what is written. `Pending` while the client does not take it.
    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut *lock(&self.stream)).poll_flush(context);
        self.budget.record_write(&polled);
        polled
    }
}

fn lock(stream: &SharedStream) -> MutexGuard<'_, BufWriter<Box<dyn Stream>>> {
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}
