//! The bodies of calls: each counts what it keeps in memory for a client that does not send the rest, or does not read.

use super::limits::{ConnectionState, WAITING_CALL_BYTES};
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;

/// The body of a request. Its bytes count as those of an unfinished message once more of them are waited for; a message that arrives in one
/// piece is never counted.
pub(super) struct RequestBody {
    inner: Incoming,
    state: Arc<ConnectionState>,
    /// How much has arrived.
    bytes: usize,
    /// How much of it is counted.
    counted: usize,
}

impl RequestBody {
    /// A body of which nothing has been read.
    pub(super) const fn new(inner: Incoming, state: Arc<ConnectionState>) -> Self {
        Self { inner, state, bytes: 0, counted: 0 }
    }

    /// Counts what has arrived. Returns false if there is no room for it.
    fn hold(&mut self) -> bool {
        let wanted = self.bytes.saturating_add(WAITING_CALL_BYTES);
        let more = wanted.saturating_sub(self.counted);
        if more > 0 && !self.state.hold_unfinished(more) {
            return false;
        }
        self.counted = wanted;
        true
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
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                self.bytes = self.bytes.saturating_add(bytes);
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

/// The body of a response. A message that it has given out counts as unread until the client has made room for it: HTTP/2 then asks for what
/// follows it, or drops the body.
pub(super) struct ResponseBody {
    inner: Body,
    state: Arc<ConnectionState>,
    counted: usize,
}

impl ResponseBody {
    /// A body of which nothing has been sent.
    pub(super) const fn new(inner: Body, state: Arc<ConnectionState>) -> Self {
        Self { inner, state, counted: 0 }
    }

    fn release(&mut self) {
        if self.counted > 0 {
            self.state.release_unread(std::mem::take(&mut self.counted));
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
            self.counted = self.state.hold_unread(data.len());
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
