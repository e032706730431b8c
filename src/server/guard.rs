//! Sees to it that every check is answered with a `CheckResponse`, in time. A gRPC error, a panic or silence would hand the
//! decision to Envoy's `failure_mode_allow`; each becomes a 503 denial here.

use super::check::{CheckService, Checks};
use crate::decision::Fault;
use crate::envoy::proto::AuthorizationServer;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use prost::Message;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::time::{Sleep, sleep};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};

/// The path of the one method that Envoy calls.
pub const CHECK_PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// The largest check that is read: 1 MiB. Envoy's limit for all headers of a request is 60 KiB unless it is raised.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// The authorization service, with the guarantee.
#[derive(Debug, Clone)]
pub(super) struct Guarded {
    inner: AuthorizationServer<CheckService>,
    checks: Arc<Checks>,
    max_in_flight: usize,
}

impl Guarded {
    pub(super) fn new(checks: &Arc<Checks>, max_in_flight: usize) -> Self {
        let inner =
            AuthorizationServer::new(CheckService(Arc::clone(checks))).max_decoding_message_size(MAX_MESSAGE_BYTES);
        Self { inner, checks: Arc::clone(checks), max_in_flight }
    }
}

impl Guarded {
    /// The answer to a check: a call of [`CHECK_PATH`].
    pub(super) fn answer(&self, request: http::Request<Incoming>) -> Answer {
        let started = Instant::now();
        let checks = Arc::clone(&self.checks);
        if checks.enter(self.max_in_flight) {
            Answer::Watched(Watch { inner: self.inner.clone().call(request), checks, started, alarm: None })
        } else {
            Answer::Overload(Some((checks, started)))
        }
    }
}

/// The answer to one call, on its way.
pub(super) enum Answer {
    /// A check.
    Watched(Watch),
    /// A check for which there is no place.
    Overload(Option<(Arc<Checks>, Instant)>),
}

/// A check under way.
pub(super) struct Watch {
    inner: BoxFuture<http::Response<Body>, Infallible>,
    checks: Arc<Checks>,
    started: Instant,
    /// Set once the check has to wait for something, usually for its own message: most never do.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.checks.leave();
    }
}

impl Future for Answer {
    type Output = http::Response<Body>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Watched(watch) => watch.poll(context),
            Self::Overload(refused) => match refused.take() {
                Some((checks, started)) => Poll::Ready(frame(&checks.undecided(Fault::Overload, started))),
                None => Poll::Pending, // asked again after its answer, which no caller does
            },
        }
    }
}

impl Watch {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<http::Response<Body>> {
        let fault = match catch_unwind(AssertUnwindSafe(|| self.inner.as_mut().poll(context))) {
            Ok(Poll::Ready(Ok(response))) if !is_error(response.headers()) => return Poll::Ready(response),
            Ok(Poll::Ready(_)) | Err(_) => Fault::Internal,
            Ok(Poll::Pending) => {
                // It may have waited for others on its connection before it was looked at.
                let left = || self.checks.driver.snapshot().deadline.saturating_sub(self.started.elapsed());
                let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep(left())));
                match alarm.as_mut().poll(context) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => Fault::Deadline,
                }
            }
        };
        Poll::Ready(frame(&self.checks.undecided(fault, self.started)))
    }
}

/// Whether a response is a gRPC error. One that comes before any message has its status among the headers.
fn is_error(headers: &HeaderMap) -> bool {
    headers.get("grpc-status").is_some_and(|status| status != "0")
}

/// One message as a complete gRPC response: a length-prefixed frame and the trailers of success.
fn frame(message: &impl Message) -> http::Response<Body> {
    const PREFIX: usize = 5;
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(length.saturating_add(PREFIX));
    frame.put_u8(0); // not compressed
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    // Fails only when there is no room, and a `BytesMut` grows.
    let _ = message.encode(&mut frame);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(Bytes::from(frame)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = http::Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
