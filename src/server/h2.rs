//! HTTP/2 on one connection: what is asked there, and who answers it. A call that can be answered at once is answered by the
//! connection's own task: handing it to another one costs more than most checks do. One that has to wait, for the rest of its message or
//! for the network, gets a task of its own.

mod alarm;
mod arrived;
mod excess;
mod pace;
#[cfg(test)]
mod tests;

use self::alarm::Alarm;
use self::arrived::{Arrived, is_probe};
use self::pace::{Next, Pace};
use super::body::{RequestBody, ResponseBody};
use super::check::CheckHandler;
use super::connection::Connection;
use super::fail_closed::{CHECK_PATH, FailClosed, Watch};
use super::limits::{ConnectionState, Limits, MAX_ARRIVED_CALLS};
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
use tokio::sync::watch;
use tokio::task::yield_now;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service as _};
use tonic::service::Routes;

/// How many checks one connection may have under way. Envoy opens another connection beyond it.
const STREAMS_PER_CONNECTION: u32 = 1_024;
/// How large the headers of one call may be. Envoy hands on what clients say about tracing, up to its limit for all headers of a
/// request (60 KiB); more than this is refused by the transport, which is a gRPC error: no client must be able to cause it.
const HEADER_BYTES: u32 = 128 * 1024;
/// How many calls may be reset between being read and being taken, which is in the same poll: never so many, since no more are read
/// ([`MAX_ARRIVED_CALLS`]). HTTP/2's own guard (20) would end the connection, and with it the checks of all clients of Envoy.
const MAX_UNTAKEN_RESETS: usize = 2 * MAX_ARRIVED_CALLS;
/// How many calls modgud itself may reset in the life of a connection: as many as it likes. A check that is answered before its
/// message has come, at the deadline or on overload, is one, so that their number is the clients' choice.
const RESETS_OF_OUR_OWN: Option<usize> = None;
/// How often a silent connection is asked whether anybody is there, and how long the answer may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));
/// The header that says how messages are compressed.
const ENCODING: &str = "grpc-encoding";
/// The longest path of a call that is looked up; those of the services here are shorter.
const MAX_PATH_BYTES: usize = 128;
/// How long the task of a connection reads and answers before others have their turn: some hundred checks. It may find a thousand at once, and
/// as long as it is at it, its thread does not look at any other connection, and the runtime may have nobody else who does.
const POLL_BUDGET: Duration = Duration::from_millis(1);

/// Who answers the calls of a connection.
#[derive(Debug, Clone)]
pub(super) struct Services {
    /// CheckHandler.
    pub(super) checks: Arc<CheckHandler>,
    /// What bounds them.
    pub(super) limits: Arc<Limits>,
    /// Health, reflection, and that there is nothing else.
    pub(super) others: Routes,
}

/// Serves a connection to its end. Once `closing` is closed, no new calls are taken, and those under way are answered.
pub(super) async fn serve(connection: Connection, services: Services, mut closing: watch::Receiver<()>) {
    let Services { checks, limits, others } = services;
    let mut arrived = Arrived::default();
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let state = Arc::new(ConnectionState::new(checks, limits, connection.calls(), waker.clone()));
    let mut pace = Pace::new(connection.flow(), Arc::clone(&state), connection.neighbours());
    let answering = Answering { checks: FailClosed::new(&state), others, state };
    let mut served = pin!(
        Builder::new(arrived.door())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .max_header_list_size(HEADER_BYTES)
            .max_pending_accept_reset_streams(MAX_UNTAKEN_RESETS)
            .max_local_error_reset_streams(RESETS_OF_OUR_OWN)
            .keep_alive_interval(KEEPALIVE.0)
            .keep_alive_timeout(KEEPALIVE.1)
            // gRPC has no use for it.
            .auto_date_header(false)
            .serve_connection(TokioIo::new(connection), answering)
    );
    let mut closing = pin!(async move { while closing.changed().await.is_ok() {} });
    let mut is_closing = false;
    poll_fn(|task| {
        let began = Instant::now();
        let mut is_over = false;
        alarm.awake(task.waker());
        let context = &mut Context::from_waker(&waker);
        if !is_closing && closing.as_mut().poll(context).is_ready() {
            is_closing = true;
            served.as_mut().graceful_shutdown();
        }
        loop {
            pace.allow(&arrived, is_over);
            // Takes what is asked, and sends what was answered. Whoever asked is gone when it is over; how it ended makes no
            // difference to anybody: the other side sees it too.
            if served.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            match pace.look(&mut arrived, context) {
                Next::Serve => {}
                // Sent by the next poll.
                Next::GoAway => {
                    served.as_mut().graceful_shutdown();
                    continue;
                }
                Next::Close => return Poll::Ready(()),
            }
            let waits = pace.is_stalled() || arrived.is_empty();
            if waits && !is_over && !pace.may_read_on(&arrived) && alarm.may_sleep() {
                pace.report(&arrived);
                return Poll::Pending;
            }
            if is_over {
                pace.report(&arrived);
                // Wakes the task once the runtime has looked at everybody else.
                return pin!(yield_now()).poll(task);
            }
            if !pace.is_stalled() {
                // At least one, however long it took to read it.
                arrived.answer(context, began);
            }
            is_over = began.elapsed() >= POLL_BUDGET;
        }
    })
    .await;
}

/// The services on one connection.
struct Answering {
    checks: FailClosed,
    others: Routes,
    state: Arc<ConnectionState>,
}

impl Service<Request<Incoming>> for Answering {
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = OnItsWay;

    fn call(&self, mut request: Request<Incoming>) -> OnItsWay {
        let Self { checks, others, state } = self;
        forget_headers(request.headers_mut());
        *request.method_mut() = Method::POST;
        let uri = std::mem::take(request.uri_mut());
        let is_check = uri.path() == CHECK_PATH;
        if !is_check {
            *request.uri_mut() = path_of(&uri);
            request.extensions_mut().insert(state.calls.clone());
        }
        let request = request.map(|body| RequestBody::new(body, Arc::clone(state)));
        let answer = if is_check {
            Answer::Check(checks.answer(request))
        } else {
            Answer::Other(Box::pin(others.clone().call(request)))
        };
        OnItsWay { answer, state: Some(Arc::clone(state)) }
    }
}

/// Keeps the one header that is read: how the message is compressed, which it must not be. The others would be held until the message
/// has come, and a few bytes can stand for thousands of them (RFC 7541 §6.1).
fn forget_headers(headers: &mut HeaderMap) {
    if let Some(encoding) = std::mem::take(headers).remove(ENCODING) {
        headers.insert(ENCODING, encoding);
    }
}

/// A copy of the path alone. The rest would be held until the message has come, as headers would: a query and an authority of 60 KB each.
fn path_of(uri: &Uri) -> Uri {
    let path = Some(uri.path()).filter(|path| path.len() <= MAX_PATH_BYTES);
    path.and_then(|path| path.parse().ok()).unwrap_or_default()
}

/// The answer to one call, on its way.
struct OnItsWay {
    answer: Answer,
    /// `None` once it was given.
    state: Option<Arc<ConnectionState>>,
}

enum Answer {
    Check(Watch),
    Other(BoxFuture<Response<Body>, Infallible>),
}

impl Future for OnItsWay {
    type Output = Result<Response<ResponseBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { answer, state } = &mut *self;
        // Asked again after its answer, which no caller does.
        let Some(shared) = state.as_ref() else { return Poll::Pending };
        if is_probe() {
            return Poll::Pending;
        }
        let response = match answer {
            Answer::Check(watch) => ready!(watch.poll(shared, context)),
            Answer::Other(answer) => match ready!(answer.as_mut().poll(context)) {
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
