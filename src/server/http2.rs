//! HTTP/2 on one connection: what is asked there, and who answers it. A call that can be answered at once is answered by the
//! connection's own task: handing it to another one costs more than most checks do. One that has to wait, for the rest of its message or
//! for the network, gets a task of its own.

#[cfg(test)]
mod tests;

use super::connection::Connection;
use super::guard::{Answer, CHECK_PATH, Guarded};
use super::places::Calls;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2::Builder;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
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
/// How many calls of one connection may be given up before modgud has looked at them. Envoy sends the checks of all its clients over
/// one connection, and gives one up when its client does: who opens and gives up hundreds of requests in one go must not cause more
/// than those to fail. HTTP/2's own guard (20) would end the connection, and with it everybody's checks. What is read
/// before it is looked at holds fewer than this many.
const GIVEN_UP_UNSEEN: usize = 65_536;
/// How many calls modgud itself may reset in the life of a connection: as many as it likes. A check that is answered before its
/// message has come, at the deadline or on overload, is one, so that their number is the clients' choice.
const RESETS_OF_OUR_OWN: Option<usize> = None;
/// How often a silent connection is asked whether anybody is there, and how long the answer may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));
/// The header that says how messages are compressed.
const ENCODING: &str = "grpc-encoding";
/// How long the task of a connection answers before others have their turn: some hundred checks. It may find a thousand at once, and
/// as long as it answers, its thread does not look at any other connection, and the runtime may have nobody else who does.
const TURN: Duration = Duration::from_millis(1);

/// Who answers the calls of a connection.
#[derive(Debug, Clone)]
pub(super) struct Services {
    /// Checks.
    pub(super) checks: Guarded,
    /// Health, reflection, and that there is nothing else.
    pub(super) others: Routes,
}

/// Serves a connection to its end. Once `closing` is closed, no new calls are taken, and those under way are answered.
pub(super) async fn serve(connection: Connection, services: Services, mut closing: watch::Receiver<()>) {
    let mut arrived = Arrived::default();
    let allowance = connection.allowance();
    let answering = Answering { services, calls: connection.calls() };
    let mut served = pin!(
        Builder::new(arrived.door())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_PER_CONNECTION)
            .max_header_list_size(HEADER_BYTES)
            .max_pending_accept_reset_streams(GIVEN_UP_UNSEEN)
            .max_local_error_reset_streams(RESETS_OF_OUR_OWN)
            .keep_alive_interval(KEEPALIVE.0)
            .keep_alive_timeout(KEEPALIVE.1)
            // gRPC has no use for it.
            .auto_date_header(false)
            .serve_connection(TokioIo::new(connection), answering)
    );
    let mut closing = pin!(async move { while closing.changed().await.is_ok() {} });
    let mut is_closing = false;
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    poll_fn(|task| {
        let mut began = None;
        alarm.awake(task.waker());
        let context = &mut Context::from_waker(&waker);
        if !is_closing && closing.as_mut().poll(context).is_ready() {
            is_closing = true;
            served.as_mut().graceful_shutdown();
        }
        loop {
            allowance.renew();
            // Takes what is asked, and sends what was answered. Whoever asked is gone when it is over; how it ended makes no
            // difference to anybody: the other side sees it too.
            if served.as_mut().poll(context).is_ready() {
                return Poll::Ready(());
            }
            if arrived.is_empty() && alarm.may_sleep() {
                return Poll::Pending;
            }
            // From the first answer: however much there was to read, some are given.
            let began = *began.get_or_insert_with(Instant::now);
            if began.elapsed() >= TURN {
                // Wakes the task once the runtime has looked at everybody else.
                return pin!(yield_now()).poll(task);
            }
            arrived.answer(context, began);
        }
    })
    .await;
}

/// Wakes the task of a connection, unless it is awake: an answer that is given by that very task wakes it for nothing, and with it
/// another thread of the runtime, every time.
#[derive(Default)]
struct Alarm {
    is_awake: AtomicBool,
    has_rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Alarm {
    /// The task is awake, and this is what wakes it later.
    fn awake(&self, task: &Waker) {
        self.is_awake.store(true, Ordering::SeqCst);
        self.has_rung.store(false, Ordering::SeqCst);
        let mut known = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *known {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
    }

    /// Whether nothing has come up since it was last asked: then the task may go to sleep.
    fn may_sleep(&self) -> bool {
        // Whoever rings from here on wakes the task. Whoever has rung before is seen here.
        self.is_awake.store(false, Ordering::SeqCst);
        let may = !self.has_rung.swap(false, Ordering::SeqCst);
        if !may {
            self.is_awake.store(true, Ordering::SeqCst);
        }
        may
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Ordering::SeqCst);
        if !self.is_awake.load(Ordering::SeqCst)
            && let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner)
        {
            task.wake_by_ref();
        }
    }
}

/// A call that was taken, up to the end of its answer.
struct Call(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Call {
    /// Answers it, if that can be done at once.
    fn begin(mut self, context: &mut Context<'_>) {
        // One that panics is given up as if it had been a task: the other calls of the connection are not to suffer from it.
        if let Ok(Poll::Pending) = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            tokio::spawn(self.0);
        }
    }
}

/// The calls that were taken and not looked at yet, the oldest first.
#[derive(Default)]
struct Arrived(Arc<Mutex<VecDeque<Call>>>);

impl Arrived {
    fn door(&self) -> Door {
        Door(Arc::downgrade(&self.0))
    }

    fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// Begins one after the other, until none is left or the turn that began then is over.
    fn answer(&mut self, context: &mut Context<'_>, began: Instant) {
        while let Some(call) = self.next() {
            call.begin(context);
            if began.elapsed() >= TURN {
                return;
            }
        }
    }

    /// Its own step: calls may come in while one is begun.
    fn next(&self) -> Option<Call> {
        lock(&self.0).pop_front()
    }
}

/// Where HTTP/2 leaves the calls that it takes. Each holds one of these: it must not hold the calls, which would then stay for ever
/// if the connection came to an end in a panic.
#[derive(Clone)]
struct Door(Weak<Mutex<VecDeque<Call>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Door {
    fn execute(&self, call: F) {
        // Otherwise its connection is over, and nobody waits for it.
        if let Some(arrived) = self.0.upgrade() {
            lock(&arrived).push_back(Call(Box::pin(call)));
        }
    }
}

fn lock(calls: &Mutex<VecDeque<Call>>) -> MutexGuard<'_, VecDeque<Call>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The services on one connection.
struct Answering {
    services: Services,
    calls: Calls,
}

impl Service<Request<Incoming>> for Answering {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = OnItsWay;

    fn call(&self, mut request: Request<Incoming>) -> OnItsWay {
        forget_headers(request.headers_mut());
        let Services { checks, others } = &self.services;
        if request.uri().path() == CHECK_PATH {
            self.calls.one();
            return OnItsWay::Check(checks.answer(request));
        }
        request.extensions_mut().insert(self.calls.clone());
        OnItsWay::Other(Box::pin(others.clone().call(request)))
    }
}

/// Keeps the one header that is read: how the message is compressed, which it must not be. The others would be held until the message
/// has come, and a few bytes can stand for thousands of them (RFC 7541 §6.1).
fn forget_headers(headers: &mut HeaderMap) {
    if let Some(encoding) = std::mem::take(headers).remove(ENCODING) {
        headers.insert(ENCODING, encoding);
    }
}

/// The answer to one call, on its way.
enum OnItsWay {
    Check(Answer),
    Other(BoxFuture<Response<Body>, Infallible>),
}

impl Future for OnItsWay {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Check(answer) => Pin::new(answer).poll(context).map(Ok),
            Self::Other(answer) => answer.as_mut().poll(context),
        }
    }
}
