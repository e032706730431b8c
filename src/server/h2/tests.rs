use super::super::connection::Flow;
use super::super::connection_slots::ConnectionSlots;
use super::super::frames::Counted;
use super::super::limits::{ConnectionState, Limits};
use super::alarm::Alarm;
use super::arrived::{Arrived, Door};
use super::excess::{Excess, HEADERS_TIMEOUT, MAX_SETTINGS, MAX_TRAILER_BYTES, SETTINGS_WINDOW};
use super::pace::{Next, Pace, UNREAD_TIMEOUT};
use super::{MAX_PATH_BYTES, POLL_BUDGET, path_of};
use crate::server::connection::{Connection, Due};
use crate::server::connection_slots::Calls;
use crate::server::limits::tests::checks;
use crate::server::limits::{FEW_ARRIVED_CALLS, MAX_ARRIVED_CALLS, MAX_ARRIVED_CALLS_IN_ALL, Reported};
use crate::telemetry::metrics::Closed;
use bytes::Bytes;
use http::{Response, Uri};
use http_body_util::Full;
use hyper::rt::Executor as _;
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
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

/// No wake-up is lost while the task goes to sleep: in every round each side waits for the other.
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

/// A waker that unparks a thread.
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

/// Returns the number of turns until all calls were begun.
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
            sleep(POLL_BUDGET);
            order.lock().unwrap().push(number);
        });
    }
    assert_eq!(turns_until_empty(&mut arrived).await, 3);
    assert_eq!(*order.lock().unwrap(), [0, 1, 2]);
}

/// The state after a connection panics.
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
    for (others, most) in [
        (0, MAX_ARRIVED_CALLS),
        (MAX_ARRIVED_CALLS_IN_ALL, MAX_ARRIVED_CALLS),
        (MAX_ARRIVED_CALLS_IN_ALL + 1, FEW_ARRIVED_CALLS),
    ] {
        let limits = Arc::new(Limits::new(16));
        let mut neighbours = Reported::new(Arc::clone(&limits), Calls::default());
        neighbours.update(others, 0, 0);
        let (near, mut far) = duplex(1 << 20);
        far.write_all(&calls_that_are_reset(SENT)).await.unwrap();
        let slot = ConnectionSlots::new(1, Gauge::default(), Closed::default()).try_take().unwrap();
        let due = tokio::time::Instant::now() + Duration::from_secs(600);
        let connection = Connection::new(Box::new(near), slot, Due::Bytes(0), due);
        let state = Arc::new(ConnectionState::new(checks(), limits, connection.calls(), Waker::noop().clone()));
        let mut arrived = Arrived::default();
        let mut pace = Pace::new(connection.flow(), state, connection.neighbours());
        let never = service_fn(|_| pending::<Result<Response<Full<Bytes>>, Infallible>>());
        let mut served = pin!(
            Builder::new(arrived.door())
                .max_pending_accept_reset_streams(2 * MAX_ARRIVED_CALLS)
                .serve_connection(TokioIo::new(connection), never)
        );
        poll_fn(|context| {
            for _ in 0..100 {
                pace.allow(&arrived, false);
                assert!(served.as_mut().poll(context).is_pending());
                assert_eq!(pace.look(&mut arrived, context), Next::Serve);
                assert!(arrived.len() <= most, "{} calls wait beside {others}", arrived.len());
            }
            Poll::Ready(())
        })
        .await;
        assert_eq!((arrived.len(), pace.may_read_on(&arrived)), (most, false), "beside {others}");
    }
}

#[test]
fn of_an_address_the_path_is_kept() {
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
fn look(excess: &mut Excess, counted: Counted, open_block: Option<usize>) -> bool {
    let flow = Flow::default();
    flow.note_read(0, counted, open_block);
    excess.look(&flow, &mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn settings_are_too_many_within_a_window() {
    let mut excess = Excess::default();
    let settings = |settings| Counted { settings, ..Counted::default() };
    for _ in 0..3 {
        assert!(!look(&mut excess, settings(MAX_SETTINGS), None));
        advance(SETTINGS_WINDOW).await;
    }
    assert!(!look(&mut excess, settings(MAX_SETTINGS), None));
    assert!(look(&mut excess, settings(1), None));
}

#[tokio::test]
async fn trailers_are_few() {
    let trailers = |trailer_bytes| Counted { trailer_bytes, ..Counted::default() };
    assert!(!look(&mut Excess::default(), trailers(MAX_TRAILER_BYTES), None));
    assert!(look(&mut Excess::default(), trailers(MAX_TRAILER_BYTES + 1), None));
}

#[tokio::test(start_paused = true)]
async fn a_header_block_has_to_end_in_time() {
    let mut excess = Excess::default();
    let mut look = |block| look(&mut excess, Counted::default(), block);
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
    let slot = ConnectionSlots::new(1, Gauge::default(), Closed::default()).try_take().unwrap();
    let limits = Arc::new(Limits::new(1));
    let state = Arc::new(ConnectionState::new(checks(), limits, slot.calls(), Waker::noop().clone()));
    let mut pace = Pace::new(Flow::default(), Arc::clone(&state), slot.neighbours());
    let mut look = || pace.look(&mut Arrived::default(), &mut Context::from_waker(Waker::noop()));
    let almost = UNREAD_TIMEOUT.saturating_sub(Duration::from_secs(1));
    // Each is read in time.
    for _ in 0..5 {
        let held = state.hold_unread(1);
        assert_eq!(look(), Next::Serve);
        advance(almost).await;
        assert_eq!(look(), Next::Serve);
        state.release_unread(&held);
        assert_eq!(look(), Next::Serve);
    }
    // One is not, although others are.
    let _held = state.hold_unread(1);
    assert_eq!(look(), Next::Serve);
    let other = state.hold_unread(1);
    advance(UNREAD_TIMEOUT + Duration::from_millis(1)).await;
    state.release_unread(&other);
    assert_eq!(look(), Next::Close);
}
