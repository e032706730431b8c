//! HTTP/2 on one connection. The connection's own task answers calls that need not wait: handing them to another task costs more than most
//! checks. A call that waits, for the rest of its message or for the network, gets a task of its own (docs/decisions/0007).

mod backpressure;
mod run_queue;
#[cfg(test)]
mod tests;

use self::backpressure::{Action, Backpressure};
use self::run_queue::{RunQueue, TaskWaker, is_probe};
use super::body::{RequestBody, ResponseBody};
use super::check::CheckHandler;
use super::connection::Connection;
use super::fail_closed::{CHECK_PATH, CheckFuture, FailClosed};
use super::limits::{ConnectionState, Limits, MAX_QUEUED_CALLS};
use http::{HeaderMap, Method, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http2::Builder;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service as _};
use tonic::service::Routes;

/// Maximum number of concurrent calls on one connection. Beyond it Envoy opens another connection.
const MAX_CONCURRENT_STREAMS: u32 = 1_024;
/// Maximum size of a call's headers. Envoy forwards what clients send about tracing, up to its limit for all headers of a request (60 KiB).
/// Beyond it the transport fails with a gRPC error, which no client must be able to cause.
const MAX_HEADER_LIST_BYTES: u32 = 128 * 1024;
/// Maximum number of calls that are reset between being read and being accepted, which happens in the same poll. It is never reached, since
/// fewer are read ([`MAX_QUEUED_CALLS`]). HTTP/2's own limit (20) would end the connection, and with it the checks of all clients of
/// Envoy.
const MAX_PENDING_ACCEPT_RESETS: usize = 2 * MAX_QUEUED_CALLS;
/// Interval of keepalive pings on a silent connection, and the time that their answer may take. Beyond it the connection is closed.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));
/// The header that names the compression of messages.
const ENCODING: &str = "grpc-encoding";
/// Maximum length of a path that is looked up: those of the services here are shorter. Beyond it the call is unknown.
const MAX_PATH_BYTES: usize = 128;
/// Time that a connection's task reads and answers before it yields: some hundred checks. It may find a thousand at once. Meanwhile its
/// thread serves no other connection, and the runtime may have no other thread that does.
const POLL_BUDGET: Duration = Duration::from_millis(1);

/// The services that answer the calls of a connection.
#[derive(Debug, Clone)]
pub(super) struct Services {
    /// The handler of checks.
    pub(super) checks: Arc<CheckHandler>,
    /// The limits that all connections share.
    pub(super) limits: Arc<Limits>,
    /// Health, reflection, and the response to unknown calls.
    pub(super) others: Routes,
}

/// Serves a connection to its end. Once `closing` is cancelled, no new calls are accepted, and those under way are answered.
pub(super) async fn serve(mut connection: Connection, services: Services, closing: CancellationToken) {
    let Services { checks, limits, others } = services;
    let mut queue = RunQueue::default();
    let task_waker = Arc::new(TaskWaker::default());
    let waker = Waker::from(Arc::clone(&task_waker));
    let state = Arc::new(ConnectionState::new(checks, limits, connection.activity(), waker.clone()));
    let mut backpressure = Backpressure::new(connection.budget(), Arc::clone(&state), connection.peers());
    let flusher = connection.flusher();
    let service = ConnectionService { checks: FailClosed::new(&state), others, state };
    let mut served = pin!(
        Builder::new(queue.executor())
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
            .max_header_list_size(MAX_HEADER_LIST_BYTES)
            .max_pending_accept_reset_streams(MAX_PENDING_ACCEPT_RESETS)
            // No limit on calls that modgud itself resets. A check that is answered before its message has arrived, at the deadline or on
            // overload, counts as one. Clients control how often that happens.
            .max_local_error_reset_streams(None)
            .keep_alive_interval(KEEPALIVE.0)
            .keep_alive_timeout(KEEPALIVE.1)
            // gRPC has no use for it.
            .auto_date_header(false)
            .serve_connection(TokioIo::new(connection), service)
    );
    let mut closing = pin!(closing.cancelled());
    let mut is_closing = false;
    poll_fn(|task| {
        let began = Instant::now();
        let mut is_turn_over = false;
        task_waker.set_awake(task.waker());
        let context = &mut Context::from_waker(&waker);
        if !is_closing && closing.as_mut().poll(context).is_ready() {
            is_closing = true;
            served.as_mut().graceful_shutdown();
        }
        loop {
            backpressure.set_budget(&queue, is_turn_over);
            // Drives the connection. `Ready` means it is closed; the result is ignored because the peer saw the same close.
            if served.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            // Sends all responses that the poll has written.
            if let Poll::Ready(Err(_)) = flusher.poll(context) {
                return Poll::Ready(());
            }
            match backpressure.check(&mut queue, context) {
                Action::Serve => {}
                // The next poll sends it.
                Action::GoAway => {
                    served.as_mut().graceful_shutdown();
                    continue;
                }
                Action::Close => return Poll::Ready(()),
            }
            let waits = backpressure.is_stalled() || queue.is_empty();
            if waits && !is_turn_over && !backpressure.can_read_more(&queue) && task_waker.may_sleep() {
                backpressure.report(&queue);
                return Poll::Pending;
            }
            if is_turn_over {
                backpressure.report(&queue);
                // Wakes the task once the runtime has polled all others.
                return pin!(yield_now()).poll(task);
            }
            if !backpressure.is_stalled() {
                // Answers at least one call, however long reading took.
                queue.run(context, began);
            }
            is_turn_over = began.elapsed() >= POLL_BUDGET;
        }
    })
    .await;
}

/// The services on one connection.
struct ConnectionService {
    checks: FailClosed,
    others: Routes,
    state: Arc<ConnectionState>,
}

impl Service<Request<Incoming>> for ConnectionService {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn call(&self, mut request: Request<Incoming>) -> ResponseFuture {
        let Self { checks, others, state } = self;
        let trace = state.checks.traces.of_call(request.headers());
        strip_headers(request.headers_mut());
        *request.method_mut() = Method::POST;
        let uri = std::mem::take(request.uri_mut());
        let is_check = uri.path() == CHECK_PATH;
        if !is_check {
            *request.uri_mut() = path_of(&uri);
            request.extensions_mut().insert(state.activity.clone());
        }
        // Other services limit their messages.
        let max_message = if is_check { state.max_message() } else { usize::MAX };
        let request = request.map(|body| RequestBody::new(body, Arc::clone(state), max_message));
        let handler = if is_check {
            HandlerFuture::Check(checks.call(request, trace))
        } else {
            HandlerFuture::Other(Box::pin(others.clone().call(request)))
        };
        ResponseFuture { handler, state: Some(Arc::clone(state)) }
    }
}

/// Removes all headers but the one that is read later: the message's compression, which must be none. The others would be held until the message
/// has arrived, and a few bytes can represent thousands of them (RFC 7541 §6.1).
fn strip_headers(headers: &mut HeaderMap) {
    if let Some(encoding) = std::mem::take(headers).remove(ENCODING) {
        headers.insert(ENCODING, encoding);
    }
}

/// Returns a copy of the path alone. The rest would be held until the message has arrived, as headers would: 60 KB of query, and as much of
/// authority.
fn path_of(uri: &Uri) -> Uri {
    let path = Some(uri.path()).filter(|path| path.len() <= MAX_PATH_BYTES);
    path.and_then(|path| path.parse().ok()).unwrap_or_default()
}

/// The future of a response.
struct ResponseFuture {
    handler: HandlerFuture,
    /// `None` once the response was returned.
    state: Option<Arc<ConnectionState>>,
}

enum HandlerFuture {
    Check(CheckFuture),
    Other(BoxFuture<Response<Body>, Infallible>),
}

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { handler, state } = &mut *self;
        // Polled again after its response, which no caller does.
        let Some(shared) = state.as_ref() else { return Poll::Pending };
        if is_probe() {
            return Poll::Pending;
        }
        let response = match handler {
            HandlerFuture::Check(check) => ready!(check.poll(shared, context)),
            HandlerFuture::Other(other) => match ready!(other.as_mut().poll(context)) {
                Ok(response) => response,
                Err(never) => match never {},
            },
        };
        match state.take() {
            Some(state) => Poll::Ready(Ok(response.map(|body| ResponseBody::new(body, state)))),
            None => Poll::Pending,
        }
    }
}
