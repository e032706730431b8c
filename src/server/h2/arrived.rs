//! The calls of a connection that have arrived and are not processed yet.

use super::POLL_BUDGET;
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use hyper::rt::Executor;

thread_local! {
    /// Set while a call is polled only to learn whether its client has reset it.
    static IS_PROBE: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if a call must answer `Pending` whatever it could answer. HTTP/2 looks for a reset only then.
pub(super) fn is_probe() -> bool {
    IS_PROBE.get()
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

    /// Returns true if its client has reset it, or its connection has ended: then nobody reads an answer.
    fn is_reset(&mut self) -> bool {
        IS_PROBE.set(true);
        // Nothing waits on this waker: the call is polled with the right one before anything else is awaited.
        let context = &mut Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)));
        IS_PROBE.set(false);
        !matches!(polled, Ok(Poll::Pending))
    }
}

/// The calls that were taken and not looked at yet, the oldest first.
#[derive(Default)]
pub(super) struct Arrived {
    calls: Arc<Mutex<VecDeque<Call>>>,
    /// Whether one of them may have been reset.
    may_be_reset: bool,
}

impl Arrived {
    pub(super) fn door(&self) -> Door {
        Door(Arc::downgrade(&self.calls))
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.calls).is_empty()
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.calls).len()
    }

    /// Notes that the client has reset a call, perhaps one of these.
    pub(super) const fn note_reset(&mut self) {
        self.may_be_reset = true;
    }

    /// Begins one after the other, until none is left or the turn that began then is over. Those that were reset are dropped before they
    /// cost anything.
    pub(super) fn answer(&mut self, context: &mut Context<'_>, began: Instant) {
        while let Some(mut call) = self.next() {
            if self.may_be_reset && call.is_reset() {
                drop(call);
            } else {
                call.begin(context);
            }
            if began.elapsed() >= POLL_BUDGET {
                return;
            }
        }
        self.may_be_reset = false;
    }

    /// Drops those that were reset, and begins none.
    pub(super) fn drop_reset(&mut self) {
        if std::mem::take(&mut self.may_be_reset) {
            let mut kept = std::mem::take(&mut *lock(&self.calls));
            kept.retain_mut(|call| !call.is_reset());
            // None came in meanwhile: only the connection's task, which is here, takes calls.
            *lock(&self.calls) = kept;
        }
    }

    /// Its own step: calls may come in while one is begun.
    fn next(&self) -> Option<Call> {
        lock(&self.calls).pop_front()
    }
}

/// Where HTTP/2 leaves the calls that it takes. Each holds one of these: it must not hold the calls, which would then stay for ever
/// if the connection came to an end in a panic.
#[derive(Clone)]
pub(super) struct Door(Weak<Mutex<VecDeque<Call>>>);

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
