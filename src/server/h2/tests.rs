mod sending;

use super::super::connection::ReadBudget;
use super::super::connection_slots::ConnectionSlots;
use super::super::frames::Counted;
use super::super::limits::{ConnectionState, Limits};
use super::backpressure::{
    Action, Backpressure, FrameLimits, HEADERS_TIMEOUT, MAX_SETTINGS, MAX_TRAILER_BYTES, SETTINGS_WINDOW,
    UNREAD_TIMEOUT,
};
use super::run_queue::{QueueExecutor, RunQueue, TaskWaker};
use super::{MAX_PATH_BYTES, POLL_BUDGET, path_of};
use crate::server::connection::{Connection, ReadDeadline};
use crate::server::connection_slots::ConnectionActivity;
use crate::server::limits::tests::checks;
use crate::server::limits::{FEW_QUEUED_CALLS, MAX_QUEUED_CALLS, MAX_QUEUED_CALLS_IN_ALL, Reported};
use crate::telemetry::metrics::ConnectionCounters;
use bytes::Bytes;
use http::{Response, Uri};
use http_body_util::Full;
use hyper::rt::Executor as _;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt, duplex};
use tokio::sync::oneshot;
use tokio::time::advance;

/// A counter of wake-ups.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_task_is_woken_when_it_sleeps_and_only_then() {
    let (woken, task_waker) = (Arc::new(Woken::default()), Arc::new(TaskWaker::default()));
    let (task, waker) = (Waker::from(Arc::clone(&woken)), Waker::from(Arc::clone(&task_waker)));
    let count = || woken.0.load(Ordering::Relaxed);
    for round in 0..3 {
        task_waker.set_awake(&task);
        waker.wake_by_ref();
        assert!(!task_waker.may_sleep(), "what has come up is looked at first");
        waker.wake_by_ref();
        assert!(!task_waker.may_sleep());
        assert_eq!(count(), round, "a task that is awake is not woken");
        assert!(task_waker.may_sleep());
        waker.wake_by_ref();
        assert_eq!(count(), round + 1);
    }
}

#[test]
fn the_last_task_is_woken() {
    let (first, second, task_waker) =
        (Arc::new(Woken::default()), Arc::new(Woken::default()), Arc::new(TaskWaker::default()));
    for task in [&first, &second] {
        task_waker.set_awake(&Waker::from(Arc::clone(task)));
        assert!(task_waker.may_sleep());
    }
    Waker::from(task_waker).wake();
    assert_eq!((first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)), (0, 1));
}

/// No wake-up is lost while the task goes to sleep: in every round each side waits for the other.
#[test]
fn no_wake_up_is_lost() {
    const ROUNDS: usize = 20_000;
    let task_waker = Arc::new(TaskWaker::default());
    let waker = Waker::from(Arc::clone(&task_waker));
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
            task_waker.set_awake(&task);
            loop {
                taken.store(ready.load(Ordering::Relaxed), Ordering::Relaxed);
                if task_waker.may_sleep() {
                    break;
                }
            }
            if taken.load(Ordering::Relaxed) < ROUNDS {
                std::thread::park();
            }
        }
    });
}

/// A waker that unparks a thread.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[tokio::test]
async fn a_call_that_panics_is_dropped_and_one_that_waits_becomes_a_task() {
    let mut queue = RunQueue::default();
    let executor = queue.executor();
    let (sender, receiver) = oneshot::channel();
    let (done, is_done) = oneshot::channel();
    let at_once = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&at_once);
    executor.execute(async { panic!("a defect in one call") });
    executor.execute(async move {
        receiver.await.unwrap();
        done.send(()).unwrap();
    });
    executor.execute(async move {
        count.fetch_add(1, Ordering::Relaxed);
    });
    turns_until_empty(&mut queue).await;
    assert_eq!(at_once.load(Ordering::Relaxed), 1);
    sender.send(()).unwrap();
    is_done.await.unwrap();
}

/// Returns the number of turns until all calls were begun.
async fn turns_until_empty(queue: &mut RunQueue) -> usize {
    let mut turn = |context: &mut Context<'_>| (!queue.is_empty()).then(|| queue.run(context, Instant::now()));
    poll_fn(|context: &mut Context<'_>| Poll::Ready(std::iter::from_fn(|| turn(context)).count())).await
}

#[tokio::test]
async fn calls_that_take_long_have_a_turn_each_in_order() {
    let mut queue = RunQueue::default();
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..3 {
        let order = Arc::clone(&order);
        queue.executor().execute(async move {
            sleep(POLL_BUDGET);
            order.lock().unwrap().push(number);
        });
    }
    assert_eq!(turns_until_empty(&mut queue).await, 3);
    assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
}

/// The state after a connection panics.
#[test]
fn calls_of_a_closed_connection_are_dropped() {
    let queue = RunQueue::default();
    let executor = queue.executor();
    let held = Arc::new(());
    let call = |executor, held| async move { drop::<(QueueExecutor, Arc<()>)>((executor, held)) };
    executor.execute(call(executor.clone(), Arc::clone(&held)));
    assert_eq!(Arc::strong_count(&held), 2);
    drop(queue);
    assert_eq!(Arc::strong_count(&held), 1);
    executor.execute(call(executor.clone(), Arc::clone(&held)));
    assert_eq!(Arc::strong_count(&held), 1);
}

/// Builds a frame of a client (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Builds calls that are each reset at once, so that no limit on open streams applies (CVE-2023-44487, "Rapid Reset").
fn calls_that_are_reset(count: u32) -> Vec<u8> {
    // `:method: POST`, `:scheme: http` and `:path: /` of the static table (RFC 7541, appendix A).
    let call = |stream| [frame(1, 5, stream, &[0x83, 0x86, 0x84]), frame(3, 0, stream, &8_u32.to_be_bytes())].concat();
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(4, 0, 0, &[])].concat();
    [hello, (0..count).flat_map(|number| call(number.saturating_mul(2).saturating_add(1))).collect()].concat()
}

/// Nothing is processed here: the calls that have arrived are all that was read from the connection.
#[tokio::test]
async fn no_more_calls_arrive_than_may_wait_on_a_connection() {
    // Fewer than the limit that ends the connection, many more than may wait.
    const SENT: u32 = 5_000;
    for (others, limit) in [
        (0, MAX_QUEUED_CALLS),
        (MAX_QUEUED_CALLS_IN_ALL, MAX_QUEUED_CALLS),
        (MAX_QUEUED_CALLS_IN_ALL + 1, FEW_QUEUED_CALLS),
    ] {
        let limits = Arc::new(Limits::new(16, 1 << 20));
        let mut peers = Reported::new(Arc::clone(&limits), ConnectionActivity::default());
        peers.update(others, 0, 0);
        let (near, mut far) = duplex(1 << 20);
        far.write_all(&calls_that_are_reset(SENT)).await.unwrap();
        let slot = ConnectionSlots::new(1, ConnectionCounters::default()).try_take().unwrap();
        let due = tokio::time::Instant::now() + Duration::from_secs(600);
        let connection = Connection::new(Box::new(near), slot, ReadDeadline::Bytes(0), due, None);
        let state = Arc::new(ConnectionState::new(checks(), limits, connection.activity(), Waker::noop().clone()));
        let mut queue = RunQueue::default();
        let mut backpressure = Backpressure::new(connection.budget(), state, connection.peers());
        let never = service_fn(|_| pending::<Result<Response<Full<Bytes>>, Infallible>>());
        let mut served = pin!(
            Builder::new(queue.executor())
                .max_pending_accept_reset_streams(2 * MAX_QUEUED_CALLS)
                .serve_connection(TokioIo::new(connection), never)
        );
        poll_fn(|context| {
            for _ in 0..100 {
                backpressure.set_budget(&queue, false);
                assert!(served.as_mut().poll(context).is_pending());
                assert_eq!(backpressure.check(&mut queue, context), Action::Serve);
                assert!(queue.len() <= limit, "{} calls wait besides {others}", queue.len());
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!((queue.len(), backpressure.can_read_more(&queue)), (limit, false), "beside {others}");
    }
}

#[test]
fn only_the_path_of_a_uri_is_kept() {
    for (address, kept) in [
        ("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Check"),
        ("http://modgud/grpc.health.v1.Health/Check?query", "/grpc.health.v1.Health/Check"),
    ] {
        assert_eq!(path_of(&address.parse().unwrap()), kept, "{address}");
    }
    let long = |bytes: usize| format!("/{}", "a".repeat(bytes - 1)).parse::<Uri>().unwrap();
    assert_eq!(path_of(&long(MAX_PATH_BYTES)), long(MAX_PATH_BYTES));
    assert_eq!(path_of(&long(MAX_PATH_BYTES + 1)), "/");
}

/// Checks these counts, with or without an open header block.
fn look(frame_limits: &mut FrameLimits, counted: Counted, open_block: Option<usize>) -> bool {
    let budget = ReadBudget::default();
    budget.record_read(0, counted, open_block);
    frame_limits.check(&budget, &mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn settings_are_too_many_within_a_window() {
    let mut frame_limits = FrameLimits::default();
    let settings = |settings| Counted { settings, ..Counted::default() };
    for _ in 0..3 {
        assert!(!look(&mut frame_limits, settings(MAX_SETTINGS), None));
        advance(SETTINGS_WINDOW).await;
    }
    assert!(!look(&mut frame_limits, settings(MAX_SETTINGS), None));
    assert!(look(&mut frame_limits, settings(1), None));
}

#[tokio::test]
async fn trailers_are_few() {
    let trailers = |trailer_bytes| Counted { trailer_bytes, ..Counted::default() };
    assert!(!look(&mut FrameLimits::default(), trailers(MAX_TRAILER_BYTES), None));
    assert!(look(&mut FrameLimits::default(), trailers(MAX_TRAILER_BYTES + 1), None));
}

#[tokio::test(start_paused = true)]
async fn a_header_block_has_to_end_in_time() {
    let mut frame_limits = FrameLimits::default();
    let mut look = |block| look(&mut frame_limits, Counted::default(), block);
    assert!(!look(Some(1)));
    advance(HEADERS_TIMEOUT / 2).await;
    assert!(!look(Some(1)));
    // Another block has the full time.
    assert!(!look(Some(2)));
    advance(HEADERS_TIMEOUT / 2).await;
    assert!(!look(Some(2)));
    advance(HEADERS_TIMEOUT).await;
    assert!(!look(None));
    assert!(!look(Some(3)));
    advance(HEADERS_TIMEOUT + Duration::from_millis(1)).await;
    assert!(look(Some(3)));
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_when_a_response_stays_unread_however_small() {
    let slot = ConnectionSlots::new(1, ConnectionCounters::default()).try_take().unwrap();
    let limits = Arc::new(Limits::new(1, 1 << 20));
    let state = Arc::new(ConnectionState::new(checks(), limits, slot.activity(), Waker::noop().clone()));
    let mut backpressure = Backpressure::new(ReadBudget::default(), Arc::clone(&state), slot.peers());
    let mut look = || backpressure.check(&mut RunQueue::default(), &mut Context::from_waker(Waker::noop()));
    let almost = UNREAD_TIMEOUT.saturating_sub(Duration::from_secs(1));
    // Each is read in time.
    for _ in 0..5 {
        let held = state.hold_unread(1);
        assert_eq!(look(), Action::Serve);
        advance(almost).await;
        assert_eq!(look(), Action::Serve);
        state.release_unread(&held);
        assert_eq!(look(), Action::Serve);
    }
    // One is not, although others are.
    let _held = state.hold_unread(1);
    assert_eq!(look(), Action::Serve);
    let other = state.hold_unread(1);
    advance(UNREAD_TIMEOUT + Duration::from_millis(1)).await;
    state.release_unread(&other);
    assert_eq!(look(), Action::Close);
}
