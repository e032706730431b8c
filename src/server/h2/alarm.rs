//! The waker of a connection's task, which wakes nobody while the task runs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Wakes the task of a connection, unless it is awake: an answer that is given by that very task wakes it for nothing, and with it
/// another thread of the runtime, every time.
#[derive(Default)]
pub(super) struct Alarm {
    is_awake: AtomicBool,
    has_rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Alarm {
    /// The task is awake, and this is what wakes it later.
    pub(super) fn awake(&self, task: &Waker) {
        self.is_awake.store(true, Ordering::SeqCst);
        self.has_rung.store(false, Ordering::SeqCst);
        let mut known = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *known {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
    }

    /// Whether nothing has come up since it was last asked: then the task may go to sleep.
    pub(super) fn may_sleep(&self) -> bool {
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
