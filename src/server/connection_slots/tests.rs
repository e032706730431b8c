use super::super::limits::{Limits, Reported};
use super::{ConnectionCounters, ConnectionSlots, IDLE_TIMEOUT, Slot, UNREAD_GRACE};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::time::advance;

const MAX_CONNECTIONS: usize = 4;
const MIB: usize = 1024 * 1024;

/// Creates slots, all of them taken.
fn full() -> (ConnectionSlots, Vec<Slot>) {
    let mut slots = ConnectionSlots::new(MAX_CONNECTIONS, ConnectionCounters::default());
    let held = (0..MAX_CONNECTIONS).map(|_| slots.try_take().unwrap()).collect();
    assert!(slots.try_take().is_none());
    (slots, held)
}

/// Returns the numbers of the evicted connections.
async fn evicted(held: &mut [Slot]) -> Vec<usize> {
    let mut evicted = Vec::new();
    for (number, slot) in held.iter_mut().enumerate() {
        if poll_fn(|context| Poll::Ready(slot.poll_evicted(context))).await.is_ready() {
            evicted.push(number);
        }
    }
    evicted
}

#[tokio::test]
async fn a_place_is_taken_for_as_long_as_it_is_held() {
    let counters = ConnectionCounters::default();
    let mut slots = ConnectionSlots::new(1, counters.clone());
    let slot = slots.take().await;
    assert_eq!(counters.open(), 1);
    assert!(slots.try_take().is_none());
    drop(slot);
    assert_eq!(counters.open(), 0);
    assert!(slots.try_take().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_without_a_check_gives_way_and_each_once() {
    let (slots, mut held) = full();
    held[0].activity().record_check();
    advance(Duration::from_secs(1)).await;
    // A health check keeps no slot, nor does a watch; both only delay the eviction.
    held[1].activity().record();
    let open = held[2].activity().record_open();
    for expected in [&[3][..], &[1, 3], &[1, 2, 3], &[1, 2, 3]] {
        slots.evict_idle();
        // Evicted connections stay evicted.
        assert_eq!(evicted(&mut held).await, expected);
        advance(Duration::from_secs(1)).await;
    }
    drop(open);
}

#[tokio::test(start_paused = true)]
async fn one_whose_last_call_is_long_ago_gives_way_the_longest_first() {
    let (slots, mut held) = full();
    held[0].activity().record_check();
    let _open = held[0].activity().record_open();
    let later = Duration::from_secs(1);
    for slot in &held[1..] {
        slot.activity().record_check();
        advance(later).await;
    }
    // The second connection carries another check.
    held[1].activity().record_check();
    advance(IDLE_TIMEOUT.saturating_sub(later * 3)).await;
    for expected in [&[][..], &[2], &[2, 3], &[1, 2, 3]] {
        slots.evict_idle();
        assert_eq!(evicted(&mut held).await, expected);
        advance(later).await;
    }
    // A connection with an open call is never evicted.
    advance(IDLE_TIMEOUT).await;
    slots.evict_idle();
    assert_eq!(evicted(&mut held).await, [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_open_call_counts_until_it_ends() {
    let (slots, mut held) = full();
    let open: Vec<_> = held
        .iter()
        .map(|slot| {
            slot.activity().record_check();
            slot.activity().record_open()
        })
        .collect();
    advance(IDLE_TIMEOUT * 2).await;
    drop(open);
    slots.evict_idle();
    assert_eq!(evicted(&mut held).await, Vec::<usize>::new());
    advance(IDLE_TIMEOUT).await;
    slots.evict_idle();
    assert_eq!(evicted(&mut held).await.len(), 1);
}

#[tokio::test]
async fn whoever_waits_gets_the_place_of_one_that_gave_way() {
    let (mut slots, mut held) = full();
    slots.evict_idle();
    let first = held.remove(0);
    let ((), taken) = tokio::join!(async { drop(first) }, slots.take());
    held.push(taken);
    slots.evict_idle();
    assert_eq!(evicted(&mut held).await, [0]);
}

/// Reports unread bytes, and bytes of calls that wait, for every slot.
fn with_unread(held: &[Slot], limits: &Arc<Limits>, bytes: [(usize, usize); MAX_CONNECTIONS]) -> Vec<Reported> {
    let report = |(slot, (unread, because)): (&Slot, (usize, usize))| {
        let mut reported = Reported::new(Arc::clone(limits), slot.activity());
        assert_eq!(reported.update(0, unread, because), unread > 0);
        reported
    };
    held.iter().zip(bytes).map(report).collect()
}

#[tokio::test(start_paused = true)]
async fn the_one_with_the_most_unread_is_closed_and_its_bytes_are_forgotten() {
    let (_, mut held) = full();
    let limits = Arc::new(Limits::new(1, 1 << 20));
    let mut reported = with_unread(&held, &limits, [(50 * MIB, 0), (70 * MIB, 0), (0, 0), (9 * MIB, 0)]);
    assert!(limits.has_too_much_unread());
    advance(UNREAD_GRACE).await;
    held[0].peers().close_largest(|activity| limits.forget_unread(activity));
    assert_eq!(evicted(&mut held).await, [1]);
    assert!(!limits.has_too_much_unread());
    // The closed connection reports once more, and ends.
    reported[1].update(0, 80 * MIB, 0);
    assert!(limits.has_too_much_unread());
    reported.remove(1);
    assert!(!limits.has_too_much_unread());
}

/// Many waiting calls do not make a connection the largest, and one that is slow for a moment is not closed.
#[tokio::test(start_paused = true)]
async fn one_that_reads_is_not_closed_for_those_that_do_not() {
    let (_, mut held) = full();
    let limits = Arc::new(Limits::new(1, 1 << 20));
    let mut reported = with_unread(&held, &limits, [(MIB, 0), (MIB, 0), (0, 500 * MIB), (10 * MIB, 500 * MIB)]);
    held[0].peers().close_largest(|activity| limits.forget_unread(activity));
    assert_eq!(evicted(&mut held).await, Vec::<usize>::new(), "none has been slow for long");
    advance(UNREAD_GRACE / 2).await;
    reported[3].update(0, 0, 0);
    reported[3].update(0, 20 * MIB, 500 * MIB);
    advance(UNREAD_GRACE / 2).await;
    // The first of the attackers has carried a check.
    held[0].activity().record_check();
    for expected in [&[1][..], &[0, 1], &[0, 1]] {
        held[0].peers().close_largest(|activity| limits.forget_unread(activity));
        assert_eq!(evicted(&mut held).await, expected);
    }
}
