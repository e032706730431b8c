//! The waker of a connection's task, which does nothing while the task runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// A waker that wakes the task of a connection only if it sleeps. A response that the task itself produces would wake it needlessly, and
/// with it another thread of the runtime, every time.
#[derive(Default)]
pub(super) struct Alarm {
    is_awake: AtomicBool,
    has_rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Alarm {
    /// Marks the task as awake, and stores the waker for later.
    pub(super) fn awake(&self, task: &Waker) {
        self.is_awake.store(true, Ordering::SeqCst);
        self.has_rung.store(false, Ordering::SeqCst);
        let mut known = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *known {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
    }

    /// Returns true if no wake-up arrived since this or `awake` was last called: then the task may sleep.
    pub(super) fn may_sleep(&self) -> bool {
        // A later wake-up wakes the task; an earlier one is seen here.
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
