use super::TURN;
use super::alarm::Alarm;
use super::arrived::{Arrived, Door};
use hyper::rt::Executor as _;
use std::future::poll_fn;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::sleep;
use std::time::Instant;
use tokio::sync::oneshot;

/// Counts how often a task is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_task_is_woken_when_it_sleeps_and_only_then() {
    let (woken, alarm) = (Arc::new(Woken::default()), Arc::new(Alarm::default()));
    let (task, waker) = (Waker::from(Arc::clone(&woken)), Waker::from(Arc::clone(&alarm)));
    let count = || woken.0.load(Ordering::Relaxed);
    for round in 0..3 {
        alarm.awake(&task);
        waker.wake_by_ref();
        assert!(!alarm.may_sleep(), "what has come up is looked at first");
        waker.wake_by_ref();
        assert!(!alarm.may_sleep());
        assert_eq!(count(), round, "nobody wakes a task that is awake");
        assert!(alarm.may_sleep());
        waker.wake_by_ref();
        assert_eq!(count(), round + 1);
    }
}

#[test]
fn it_is_the_last_task_that_is_woken() {
    let (first, second, alarm) = (Arc::new(Woken::default()), Arc::new(Woken::default()), Arc::new(Alarm::default()));
    for task in [&first, &second] {
        alarm.awake(&Waker::from(Arc::clone(task)));
        assert!(alarm.may_sleep());
    }
    Waker::from(alarm).wake();
    assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (0, 1));
}

/// Nothing that comes up while the task goes to sleep is lost: as many rounds as there are, each side waits for the other.
#[test]
fn nothing_is_slept_through() {
    const ROUNDS: usize = 20_000;
    let alarm = Arc::new(Alarm::default());
    let waker = Waker::from(Arc::clone(&alarm));
    let (ready, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let sleeper = std::thread::current();
        let task = Waker::from(Arc::new(Unpark(sleeper)));
        scope.spawn(|| {
            for round in 1..=ROUNDS {
                ready.store(round, Ordering::Relaxed);
                waker.wake_by_ref();
                while taken.load(Ordering::Relaxed) < round {
                    std::thread::yield_now();
                }
            }
        });
        while taken.load(Ordering::Relaxed) < ROUNDS {
            alarm.awake(&task);
            loop {
                taken.store(ready.load(Ordering::Relaxed), Ordering::Relaxed);
                if alarm.may_sleep() {
                    break;
                }
            }
            if taken.load(Ordering::Relaxed) < ROUNDS {
                std::thread::park();
            }
        }
    });
}

/// Wakes a thread.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[tokio::test]
async fn a_call_that_panics_is_given_up_and_one_that_waits_goes_on_by_itself() {
    let mut arrived = Arrived::default();
    let door = arrived.door();
    let (tell, told) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    let at_once = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&at_once);
    door.execute(async { panic!("a defect in one call") });
    door.execute(async move {
        told.await.unwrap();
        done.send(()).unwrap();
    });
    door.execute(async move {
        count.fetch_add(1, Ordering::Relaxed);
    });
    turns_until_empty(&mut arrived).await;
    assert_eq!(at_once.load(Ordering::Relaxed), 1);
    tell.send(()).unwrap();
    is_done.await.unwrap();
}

/// How many turns it takes to look at all calls.
async fn turns_until_empty(arrived: &mut Arrived) -> usize {
    let mut turn = |context: &mut Context<'_>| (!arrived.is_empty()).then(|| arrived.answer(context, Instant::now()));
    poll_fn(|context: &mut Context<'_>| Poll::Ready(std::iter::from_fn(|| turn(context)).count())).await
}

#[tokio::test]
async fn calls_that_take_long_have_a_turn_each_in_order() {
    let mut arrived = Arrived::default();
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..3 {
        let order = Arc::clone(&order);
        arrived.door().execute(async move {
            sleep(TURN);
            order.lock().unwrap().push(number);
        });
    }
    assert_eq!(turns_until_empty(&mut arrived).await, 3);
    assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
}

/// As it is left by a connection that panics.
#[test]
fn calls_that_nobody_looks_at_any_more_are_gone() {
    let arrived = Arrived::default();
    let door = arrived.door();
    let held = Arc::new(());
    let call = |door, held| async move { drop::<(Door, Arc<()>)>((door, held)) };
    door.execute(call(door.clone(), Arc::clone(&held)));
    assert_eq!(Arc::strong_count(&held), 2);
    drop(arrived);
    assert_eq!(Arc::strong_count(&held), 1);
    door.execute(call(door.clone(), Arc::clone(&held)));
    assert_eq!(Arc::strong_count(&held), 1);
}
