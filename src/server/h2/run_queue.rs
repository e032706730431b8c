//! The accepted calls of a connection that wait to be processed by its task, and the waker of that task.

use super::POLL_BUDGET;
use hyper::rt::Executor;
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

/// A waker that wakes the task of a connection only if it sleeps. A response that the task itself produces would wake it needlessly, and
/// with it another thread of the runtime, every time.
#[derive(Default)]
pub(super) struct TaskWaker {
    is_awake: AtomicBool,
    is_notified: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl TaskWaker {
    /// Marks the task as awake, and stores the waker for later.
    pub(super) fn set_awake(&self, task: &Waker) {
        self.is_awake.store(true, Ordering::SeqCst);
        self.is_notified.store(false, Ordering::SeqCst);
        let mut stored = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *stored {
            Some(stored) => stored.clone_from(task),
            none => *none = Some(task.clone()),
        }
    }

    /// Returns true if no wake-up arrived since this or `set_awake` was last called: then the task may sleep.
    pub(super) fn may_sleep(&self) -> bool {
        // A later wake-up wakes the task; an earlier one is seen here.
        self.is_awake.store(false, Ordering::SeqCst);
        let may = !self.is_notified.swap(false, Ordering::SeqCst);
        if !may {
            self.is_awake.store(true, Ordering::SeqCst);
        }
        may
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_notified.store(true, Ordering::SeqCst);
        if !self.is_awake.load(Ordering::SeqCst)
            && let Some(task) = &*self.task.lock().unwrap_or_else(PoisonError::into_inner)
        {
            task.wake_by_ref();
        }
    }
}

thread_local! {
    /// Set while a call is polled only to learn whether its client has reset it.
    static IS_PROBE: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if a call must return `Pending` even if it has a response. HTTP/2 looks for a reset only then.
pub(super) fn is_probe() -> bool {
    IS_PROBE.get()
}

/// A call that was accepted, up to the end of its response.
struct StreamTask(Pin<Box<dyn Future<Output = ()> + Send>>);

impl StreamTask {
    /// Answers the call at once, or spawns a task if it has to wait.
    fn begin(mut self, context: &mut Context<'_>) {
        // A panic ends this call only, as in a task of its own: the other calls of the connection must not suffer from it.
        if let Ok(Poll::Pending) = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context))) {
            tokio::spawn(self.0);
        }
    }

    /// Returns true if the client has reset it, or its connection has ended: no client would read a response.
    fn is_reset(&mut self) -> bool {
        IS_PROBE.set(true);
        // Nothing waits on this waker: the call is polled with the right one before anything else is awaited.
        let context = &mut Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(context)));
        IS_PROBE.set(false);
        !matches!(polled, Ok(Poll::Pending))
    }
}

/// The calls that were accepted and not processed yet, the oldest first.
#[derive(Default)]
pub(super) struct RunQueue {
    calls: Arc<Mutex<VecDeque<StreamTask>>>,
    /// True if one of them may have been reset.
    may_be_reset: bool,
}

impl RunQueue {
    pub(super) fn executor(&self) -> QueueExecutor {
        QueueExecutor(Arc::downgrade(&self.calls))
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.calls).is_empty()
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.calls).len()
    }

    /// Records that the client has reset a call, perhaps one of these.
    pub(super) const fn record_reset(&mut self) {
        self.may_be_reset = true;
    }

    /// Begins calls in order, until none is left or the turn that started at `began` is over. Reset calls are dropped before they cost
    /// anything.
    pub(super) fn run(&mut self, context: &mut Context<'_>, began: Instant) {
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

    /// Drops the calls that were reset, and begins none.
    pub(super) fn drop_reset(&mut self) {
        if std::mem::take(&mut self.may_be_reset) {
            let mut kept = std::mem::take(&mut *lock(&self.calls));
            kept.retain_mut(|call| !call.is_reset());
            // None arrived meanwhile: only the connection's task, which runs this, accepts calls.
            *lock(&self.calls) = kept;
        }
    }

    /// Removes the oldest call. A separate function, so that the lock is free while a call begins: others may arrive meanwhile.
    fn next(&self) -> Option<StreamTask> {
        lock(&self.calls).pop_front()
    }
}

/// The executor to which HTTP/2 hands accepted calls. Each call holds one. It must not own the calls: they would stay for ever if the
/// connection ended in a panic.
#[derive(Clone)]
pub(super) struct QueueExecutor(Weak<Mutex<VecDeque<StreamTask>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for QueueExecutor {
    fn execute(&self, call: F) {
        // Otherwise its connection is over, and no client waits for it.
        if let Some(queue) = self.0.upgrade() {
            lock(&queue).push_back(StreamTask(Box::pin(call)));
        }
    }
}

fn lock(calls: &Mutex<VecDeque<StreamTask>>) -> MutexGuard<'_, VecDeque<StreamTask>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}
