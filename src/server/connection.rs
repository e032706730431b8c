//! One accepted connection: its bytes, its end when it has to give way to another, and the time by which it must have come to
//! something. Knows nothing of what is spoken on it.

#[cfg(test)]
mod tests;

use super::places::{Calls, Place};
use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How many bytes are gathered before they are sent, if nobody says so before: some ten answers. HTTP/2 writes each by itself,
/// and sending costs more than deciding.
const WRITTEN: usize = 16 * 1024;

/// How many bytes are read before what they ask for is looked at: hundreds of checks. A few bytes can stand for thousands of headers
/// (RFC 7541 §6.1), and all of them are in memory until then.
const READ: usize = 128 * 1024;

/// Bytes both ways: TCP, a socket in the file system, either of them under TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// What a connection has to have come to in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// So many bytes from the client.
    Bytes(usize),
    /// Its end.
    End,
}

/// A connection, which ends in an error when its time is over or it has to give way.
pub(super) struct Connection {
    stream: BufWriter<Box<dyn Stream>>,
    alarm: Option<(Due, Pin<Box<Sleep>>)>,
    place: Place,
    unread: Allowance,
}

/// How many bytes may still be read on a connection: as many as there are, until it is renewed for the first time.
#[derive(Clone)]
pub(super) struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    /// All that was read has been looked at.
    pub(super) fn renew(&self) {
        self.0.store(READ, Ordering::Relaxed);
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Connection {
    /// A connection on which something is due at a time.
    pub(super) fn new(stream: Box<dyn Stream>, place: Place, due: Due, at: Instant) -> Self {
        let stream = BufWriter::with_capacity(WRITTEN, stream);
        let unread = Allowance(Arc::new(AtomicUsize::new(usize::MAX)));
        Self { stream, alarm: Some((due, Box::pin(sleep_until(at)))), place, unread }
    }

    /// What bounds how much is read.
    pub(super) fn allowance(&self) -> Allowance {
        self.unread.clone()
    }

    /// The calls on it.
    pub(super) fn calls(&self) -> Calls {
        self.place.calls()
    }

    /// Fails when the time is over, or the place is another's.
    fn in_time(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.place.poll_give_way(context).is_ready() {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        let Some((_, alarm)) = &mut self.alarm else { return Ok(()) };
        match alarm.as_mut().poll(context) {
            Poll::Ready(()) => Err(ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }

    /// Notes that bytes have come.
    fn heard(&mut self, bytes: usize) {
        self.alarm = match self.alarm.take() {
            Some((Due::Bytes(missing), _)) if missing <= bytes => None,
            Some((Due::Bytes(missing), alarm)) => Some((Due::Bytes(missing.saturating_sub(bytes)), alarm)),
            other @ (Some((Due::End, _)) | None) => other,
        };
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.in_time(context)?;
        let left = self.unread.left();
        if left == 0 {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let bytes = buffer.filled().len().saturating_sub(before);
        self.unread.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
        self.heard(bytes);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_time(context)?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
