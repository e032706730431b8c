//! Work that must not delay checks: on a thread of its own, to which the system gives only the time that other threads leave.
//!
//! There are two degrees. **Idle** work runs only while no other thread wants its core. So it delays no check, but on a saturated machine it
//! takes several hundred times as long. **Low** work gets about a tenth of a core even then. It delays checks, by some milliseconds each.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::sleep;

/// The niceness of low work: about a tenth of the CPU time of a thread that answers checks, if both want all of it. With less, a reload on
/// a busy machine would be late.
const NICENESS: i32 = 10;

/// Time after which idle work that has not ended is done again as low work. A machine that takes longer has no time to leave.
const IDLE_WORK_TIMEOUT: Duration = Duration::from_secs(1);

/// The name of threads of idle work.
const IDLE_THREAD: &str = "idle";

/// Interval at which [`drop_when_unused`] looks for other users.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Runs low work, and waits for it. It blocks its own thread. A panic of the work is one of the calling thread.
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

/// Idle work of one kind, which becomes low work if the machine leaves no time. Clones share the state.
#[derive(Debug, Clone, Default)]
pub(super) struct IdleWork {
    /// True while an attempt runs. One that was given up ends at some time, and until then there is no other.
    is_running: Arc<AtomicBool>,
}

/// The mark of a running attempt; removed on drop, after a panic too.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl IdleWork {
    /// Runs the work, and waits for it. It may run twice, the second time before the first has ended. So it must hold no lock that a check
    /// needs, and change nothing. A panic of the work is one of the calling thread.
    pub(super) fn run<T: Send + 'static>(&self, work: impl Fn() -> T + Clone + Send + 'static) -> T {
        self.run_within(IDLE_WORK_TIMEOUT, work)
    }

    fn run_within<T: Send + 'static>(&self, limit: Duration, work: impl Fn() -> T + Clone + Send + 'static) -> T {
        if !self.is_running.swap(true, Ordering::AcqRel) {
            let running = Running(Arc::clone(&self.is_running));
            let (handle, attempt) = (Handle::try_current(), work.clone());
            let (done, result) = mpsc::sync_channel(1);
            // Without a thread, the result is missing, too.
            let _ = thread::Builder::new().name(IDLE_THREAD.to_owned()).spawn(move || {
                let _running = running;
                let _runtime = handle.as_ref().map(Handle::enter);
                leave_time_to_others();
                // Nobody waits for a result that is late.
                let _ = done.send(attempt());
            });
            if let Ok(result) = result.recv_timeout(limit) {
                return result;
            }
        }
        run(work)
    }
}

/// Lowers the priority of this thread. Where the system refuses, the work is done all the same.
fn lower_priority() {
    // Elsewhere it would lower that of the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

/// Makes the work of this thread idle. Where the system refuses, its priority is only lowered.
fn leave_time_to_others() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::{
            NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id,
        };
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let lowest = thread_priority::ThreadPriority::Min;
        if set_thread_priority_and_policy(thread_native_id(), lowest, policy).is_err() {
            lower_priority();
        }
    }
}

/// Drops a value in the background once it has no other user: freeing a large one takes milliseconds, and a check must not be the one that
/// does so.
pub(super) fn drop_when_unused<T: Send + Sync + 'static>(value: Arc<T>) {
    tokio::spawn(async move {
        while Arc::strong_count(&value) > 1 {
            sleep(POLL_INTERVAL).await;
        }
        // Here a second attempt is neither possible nor needed: what is late is only memory that is still in use.
        let _ = thread::Builder::new().name(IDLE_THREAD.to_owned()).spawn(move || {
            leave_time_to_others();
            drop(value);
        });
    });
}

#[cfg(test)]
mod tests {
    use super::{IDLE_THREAD, IDLE_WORK_TIMEOUT, IdleWork, POLL_INTERVAL, drop_when_unused, run};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Arc, Mutex, mpsc};
    use std::thread::{self, ThreadId};
    use std::time::Duration;
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

    /// Returns the scheduling policy of this thread (proc(5), field 41 of `stat`).
    #[cfg(target_os = "linux")]
    fn policy() -> String {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        after_name.split_whitespace().nth(38).unwrap().to_owned()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn idle_work_has_the_policy_of_idle_threads() {
        const SCHED_OTHER: &str = "0";
        const SCHED_IDLE: &str = "5";
        assert_eq!(IdleWork::default().run_within(Duration::MAX, policy), SCHED_IDLE);
        assert_eq!(run(policy), SCHED_OTHER);
        assert_eq!(policy(), SCHED_OTHER);
    }

    /// Otherwise a reload on a saturated machine would never end, and its attempts would pile up.
    #[test]
    fn idle_work_that_is_late_is_done_again_and_only_one_attempt_waits() {
        let idle = IdleWork::default();
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let idle_attempts = Arc::new(AtomicU32::new(0));
        let work = {
            let idle_attempts = Arc::clone(&idle_attempts);
            move || {
                let is_idle = thread::current().name() == Some(IDLE_THREAD);
                if is_idle && idle_attempts.fetch_add(1, Ordering::SeqCst) == 0 {
                    blocked.lock().unwrap().recv().unwrap();
                }
                is_idle
            }
        };
        assert!(!idle.run_within(Duration::from_millis(1), work.clone()), "the idle attempt has not ended");
        assert!(!idle.run_within(Duration::MAX, work.clone()), "there is one already");
        release.send(()).unwrap();
        while idle.is_running.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        assert!(idle.run_within(Duration::MAX, work));
        assert_eq!(idle_attempts.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_panic_of_idle_work_is_passed_on() {
        let idle = IdleWork::default();
        let failed = catch_unwind(AssertUnwindSafe(|| idle.run_within(IDLE_WORK_TIMEOUT, || panic!("a defect"))));
        assert!(failed.is_err());
        assert_eq!(idle.run(|| 1), 1);
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
