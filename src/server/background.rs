//! Work that must not delay checks: on a thread of its own, to which the system gives mostly the time that other threads leave.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// The niceness of background work: about a tenth of the CPU time of a thread that answers checks, if both want all of it. With less, a
/// reload on a busy machine would be late.
const NICENESS: i32 = 10;

/// Interval at which [`drop_when_unused`] looks for other users.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Runs work in the background, and waits for it. It blocks its own thread. A panic of the work is one of the calling thread.
pub(super) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let handle = Handle::try_current();
    // A new thread each time: without privileges, a thread can't raise its priority again.
    let done = thread::scope(|scope| {
        let work = || {
            let _runtime = handle.as_ref().map(Handle::enter);
            lower_priority();
            work()
        };
        scope.spawn(work).join()
    });
    done.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Lowers the priority of this thread. Where the system refuses, the work is done all the same.
pub(super) fn lower_priority() {
    // Elsewhere it would lower that of the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

/// Drops a value in the background once it has no other user: freeing a large one takes milliseconds, and a check must not be the one that
/// does so.
pub(super) fn drop_when_unused<T: Send + Sync + 'static>(value: Arc<T>) {
    tokio::spawn(async move {
        while Arc::strong_count(&value) > 1 {
            sleep(POLL_INTERVAL).await;
        }
        spawn_blocking(move || run(move || drop(value)));
    });
}

#[cfg(test)]
mod tests {
    use super::{POLL_INTERVAL, drop_when_unused, run};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::{Arc, mpsc};
    use std::thread::{self, ThreadId};
    use tokio::time::timeout;

    #[test]
    fn the_work_has_its_own_thread_and_its_panic_is_passed_on() {
        assert_ne!(run(|| thread::current().id()), thread::current().id());
        assert!(catch_unwind(AssertUnwindSafe(|| run(|| panic!("a defect")))).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn only_the_work_has_a_low_priority() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let before = niceness();
        assert_eq!(run(niceness), super::NICENESS.max(before));
        assert_eq!(niceness(), before);
    }

    #[tokio::test]
    async fn a_value_is_dropped_elsewhere_once_nothing_uses_it() {
        struct Value(mpsc::Sender<ThreadId>);
        impl Drop for Value {
            fn drop(&mut self) {
                self.0.send(thread::current().id()).unwrap();
            }
        }
        let (sender, dropped) = mpsc::channel();
        let value = Arc::new(Value(sender));
        let user = Arc::clone(&value);
        drop_when_unused(value);
        let wait = async {
            while dropped.try_recv().is_err() {
                tokio::task::yield_now().await;
            }
        };
        assert!(timeout(POLL_INTERVAL * 3, wait).await.is_err(), "it is in use");
        drop(user);
        let id = loop {
            match dropped.try_recv() {
                Ok(id) => break id,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_ne!(id, thread::current().id());
    }
}
