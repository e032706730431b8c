//! The bodies of calls: each counts what it keeps in memory for a client that does not send the rest, or does not read.

#[cfg(test)]
mod tests;

use super::limits::{ConnectionState, Unread, WAITING_CALL_BYTES};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;

/// The body of a request. An unfinished message counts with its announced length while the call waits for more of it. A message that arrives in one
/// piece never counts, nor does one that is complete.
pub(super) struct RequestBody {
    inner: Incoming,
    state: Arc<ConnectionState>,
    unfinished: Unfinished,
    /// The longest message, in bytes; a longer one is not read further.
    max_message: usize,
    /// The bytes that are counted now.
    counted: usize,
}

impl RequestBody {
    /// Creates a body of which nothing has been read.
    pub(super) const fn new(inner: Incoming, state: Arc<ConnectionState>, max_message: usize) -> Self {
        Self { inner, state, unfinished: Unfinished::NONE, max_message, counted: 0 }
    }

    /// Counts what is kept. Returns false if there is no room for it.
    fn hold(&mut self) -> bool {
        let wanted = self.unfinished.kept_bytes().saturating_add(WAITING_CALL_BYTES);
        match wanted.checked_sub(self.counted) {
            Some(0) => {}
            Some(more) if !self.state.hold_unfinished(more) => return false,
            Some(_) => {}
            None => self.state.release_unfinished(self.counted.saturating_sub(wanted)),
        }
        self.counted = wanted;
        true
    }
}

/// A message of which only a part has arrived.
#[derive(Debug)]
struct Unfinished {
    /// Bytes that have arrived, including the prefix.
    bytes: usize,
    prefix: [u8; PREFIX_BYTES],
}

/// Bytes before a message: a flag for compression, and the length in four bytes (gRPC over HTTP/2, `Length-Prefixed-Message`).
const PREFIX_BYTES: usize = 5;

impl Unfinished {
    const NONE: Self = Self { bytes: 0, prefix: [0; PREFIX_BYTES] };

    /// Returns the length of the message without its prefix; `None` before the prefix has arrived.
    fn length(&self) -> Option<usize> {
        let [_, length @ ..] = self.prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        (self.bytes >= PREFIX_BYTES).then_some(length)
    }

    /// Returns the bytes that are kept for it: the decoder reserves the length that the prefix announces.
    fn kept_bytes(&self) -> usize {
        self.bytes.max(self.length().unwrap_or_default())
    }

    /// Records the bytes that follow.
    fn note(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() {
            let missing = self.prefix.get_mut(self.bytes..).unwrap_or_default();
            let (now, later) = rest.split_at(missing.len().min(rest.len()));
            missing.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            self.bytes = self.bytes.saturating_add(now.len());
            rest = later;
            if self.bytes < PREFIX_BYTES {
                return;
            }
            let [_, length @ ..] = self.prefix;
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            let missing = length.saturating_add(PREFIX_BYTES).saturating_sub(self.bytes);
            if let Some((_, next)) = rest.split_at_checked(missing) {
                self.bytes = 0;
                rest = next;
            } else {
                self.bytes = self.bytes.saturating_add(rest.len());
                return;
            }
        }
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.inner).poll_frame(context) {
            Poll::Pending if self.hold() => Poll::Pending,
            Poll::Pending => Poll::Ready(Some(Err(Status::resource_exhausted("too many messages are unfinished")))),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.unfinished.note(data);
                    if let Some(length) = self.unfinished.length().filter(|length| *length > self.max_message) {
                        return Poll::Ready(Some(Err(Status::out_of_range(length.to_string()))));
                    }
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(Status::from_error(Box::new(error))))),
            Poll::Ready(None) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if self.counted > 0 {
            self.state.release_unfinished(self.counted);
        }
    }
}

/// The body of a response. A message counts as unread until the client has made room for it: HTTP/2 then polls for more, or drops the body.
pub(super) struct ResponseBody {
    inner: Body,
    state: Arc<ConnectionState>,
    counted: Option<Unread>,
}

impl ResponseBody {
    /// Creates a body of which nothing has been sent.
    pub(super) const fn new(inner: Body, state: Arc<ConnectionState>) -> Self {
        Self { inner, state, counted: None }
    }

    fn release(&mut self) {
        if let Some(counted) = self.counted.take() {
            self.state.release_unread(&counted);
        }
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.release();
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.counted = Some(self.state.hold_unread(data.len()));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        self.release();
    }
}
