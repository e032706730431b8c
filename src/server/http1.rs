//! Checks over HTTP/1.1, for proxies without gRPC (`server.http`). They get the decisions, limits and deadlines of the gRPC server, and
//! always an HTTP response. `forward_auth` converts the messages.

mod request_heads;

use self::request_heads::{MAX_HEAD_BYTES, RequestHeads};
use super::accept::Listener;
use super::check::CheckHandler;
use super::connection::Connection;
use super::limits::{ConnectionState, Limits};
use crate::envoy::Check;
use crate::envoy::proto::CheckResponse;
use crate::forward_auth::{Proxy, check_request, governed_headers, not_expressible, response};
use crate::log_throttle::LogThrottle;
use crate::telemetry::metrics::Closing;
use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use modgud_core::decide::DecisionError;
use modgud_core::http::request::RequestError;
use prost::Message;
use std::convert::Infallible;
use std::future::{Future, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Time that a connection without a request has for its first one when modgud stops. The proxy may have sent it already.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// The state that all connections share.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// The handler of checks.
    pub(super) checks: Arc<CheckHandler>,
    /// The limits of all checks, those over gRPC included.
    pub(super) limits: Arc<Limits>,
    /// The proxy whose headers are believed.
    pub(super) proxy: Proxy,
    /// Cancelled when modgud begins to stop: each response then ends its connection, so that none is closed while the proxy uses it.
    pub(super) draining: CancellationToken,
}

impl Server {
    /// Serves until `stop` completes and the requests under way are answered.
    pub(super) async fn serve(self, mut listener: Listener, stop: impl Future<Output = ()>) {
        let closing = CancellationToken::new();
        let malformed = Arc::new(Mutex::new(LogThrottle::default()));
        // Not a `TaskTracker`: a `JoinSet` also aborts its tasks when it is dropped.
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        let serve = |connection| self.clone().serve_connection(connection, closing.clone(), Arc::clone(&malformed));
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => drop(connections.spawn(serve(accepted.plain()))),
                // Removes connections that have ended.
                Some(_) = connections.join_next() => {}
            }
        }
        // The proxy has connected to those in the system's queue, and would see a reset.
        loop {
            tokio::select! {
                biased;
                accepted = listener.accept() => drop(connections.spawn(serve(accepted.plain()))),
                () = ready(()) => break,
            }
        }
        drop(listener);
        closing.cancel();
        while connections.join_next().await.is_some() {}
    }

    /// Serves a connection to its end. Once `closing` is cancelled, it ends after the request under way.
    async fn serve_connection(
        self,
        connection: Connection,
        closing: CancellationToken,
        malformed: Arc<Mutex<LogThrottle>>,
    ) {
        let (activity, peers) = (connection.activity(), connection.peers());
        let waker = Waker::noop().clone();
        let state = ConnectionState::new(Arc::clone(&self.checks), self.limits, activity.clone(), waker);
        let (state, proxy, draining) = (Arc::new(state), self.proxy, self.draining);
        let service = service_fn(|request| answer(request, Arc::clone(&state), proxy, draining.clone()));
        let mut served = pin!(
            Builder::new()
                // `RequestHeads` has the limit: this one would also close connections that wait for the next request.
                .header_read_timeout(None)
                .max_buf_size(MAX_HEAD_BYTES)
                .max_header_size(MAX_HEAD_BYTES)
                .auto_date_header(false)
                .serve_connection(TokioIo::new(RequestHeads::new(connection)), service)
        );
        let mut ended = tokio::select! {
            ended = &mut served => Some(ended),
            () = closing.cancelled() => None,
        };
        if ended.is_none() && !activity.has_call() {
            ended = timeout(FIRST_REQUEST_TIMEOUT, &mut served).await.ok();
        }
        let ended = if let Some(ended) = ended {
            ended
        } else {
            served.as_mut().graceful_shutdown();
            served.await
        };
        // Any other error is the end of the connection, which the proxy sees too.
        if let Err(error) = ended
            && error.is_parse()
        {
            peers.count(Closing::Malformed);
            if let Some(before) = malformed.lock().unwrap_or_else(PoisonError::into_inner).tick() {
                tracing::warn!(%error, before, "malformed HTTP request of the proxy");
            }
        }
    }
}

/// Answers one request. Its body is never read: no check needs it.
async fn answer(
    request: Request<Incoming>,
    state: Arc<ConnectionState>,
    proxy: Proxy,
    draining: CancellationToken,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let started = Instant::now();
    let _open = state.activity.record_open();
    let checks = &state.checks;
    let (request, body) = request.into_parts();
    let snapshot = checks.authorizer.snapshot();
    let governed = governed_headers(&snapshot, proxy);
    let answered = match check_request(&request, proxy) {
        Err(error) => checks.deny_with(DecisionError::Request(error.into()), started),
        Ok(check) => {
            state.activity.record_check();
            let try_acquire = |bytes| state.try_acquire(bytes);
            let objection = |mutations: &_| {
                not_expressible(mutations, &request.headers, &governed, proxy).map(RequestError::Forwarded)
            };
            let message = || check.encode_to_vec().into();
            let began = (started, checks.traces.of_request());
            let check = checks.check_by(&snapshot, Check::of(&check), message, began, try_acquire, objection);
            fail_closed(check, checks, snapshot.deadline, started).await
        }
    };
    let mut response = response(answered, &request.headers, &governed, proxy);
    // A connection on which a body was not read can't be used again.
    if !body.is_end_stream() || draining.is_cancelled() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Waits for the response to a check. A panic and the end of the deadline are denials.
async fn fail_closed(
    check: impl Future<Output = CheckResponse>,
    checks: &CheckHandler,
    deadline: Duration,
    started: Instant,
) -> CheckResponse {
    let mut check = pin!(check);
    let polled = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| check.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(response)) => Poll::Ready(Ok(response)),
        Err(_) => Poll::Ready(Err(DecisionError::Internal)),
    });
    let answered = timeout(deadline, polled).await.unwrap_or(Err(DecisionError::Deadline));
    answered.unwrap_or_else(|error| checks.deny_with(error, started))
}
