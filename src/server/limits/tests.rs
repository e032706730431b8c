use super::super::check::CheckHandler;
use super::super::connection_slots::ConnectionActivity;
use super::{
    ConnectionState, FEW_UNREAD_BYTES, InFlight, Limits, MAX_IN_FLIGHT_BYTES, MAX_UNFINISHED_BYTES, MAX_UNREAD_BYTES,
    OWN_UNFINISHED_BYTES, Reported, is_fair,
};
use crate::clock::{Clock, ManualClock};
use crate::config::{Environment, Overrides, load};
use crate::server::authorizer::Authorizer;
use crate::telemetry::metrics::Metrics;
use modgud_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// Creates a handler with a configuration that allows nothing.
pub(crate) fn checks() -> Arc<CheckHandler> {
    let overrides = Overrides { profile: Some(crate::config::ProfileName::None), ..Overrides::default() };
    let config = load(None, &overrides, &Environment::fixed([("", "")])).unwrap().config;
    let clock = Clock::Manual(ManualClock::new(Timestamp::from_secs(1)));
    Arc::new(CheckHandler::new(Authorizer::new(config.snapshot, Vec::new(), Vec::new(), clock), Metrics::default()))
}

/// Creates connections under these limits.
fn connections(limits: Limits, count: usize) -> Vec<Arc<ConnectionState>> {
    let (checks, limits) = (checks(), Arc::new(limits));
    let state = || {
        ConnectionState::new(
            Arc::clone(&checks),
            Arc::clone(&limits),
            ConnectionActivity::default(),
            Waker::noop().clone(),
        )
    };
    (0..count).map(|_| Arc::new(state())).collect()
}

/// Takes as many slots as a connection gets.
fn all_slots(of: &Arc<ConnectionState>) -> Vec<InFlight> {
    std::iter::from_fn(|| of.try_acquire(0)).collect()
}

#[test]
fn one_connection_alone_gets_most_slots_and_leaves_some_for_the_next() {
    for (limit, expected) in [(1, 1), (2, 2), (3, 2), (9, 6), (16, 11), (4_096, 2_731)] {
        let all = connections(Limits::new(limit, 1 << 20), 2);
        let held = all_slots(&all[0]);
        assert_eq!(held.len(), expected, "of {limit}");
        assert_eq!(all[1].try_acquire(0).is_some(), expected < limit, "of {limit}");
        drop(held);
        assert_eq!(all_slots(&all[1]).len(), expected, "of {limit}, again");
    }
}

#[test]
fn a_connection_gets_a_quarter_while_another_has_a_check_under_way() {
    let all = connections(Limits::new(4_096, 1 << 20), 2);
    let _one = all[0].try_acquire(0).unwrap();
    assert_eq!(all_slots(&all[1]).len(), 1_024);
}

/// Each takes all it can, in turn: the last one still gets some.
#[test]
fn several_connections_that_take_all_they_can_leave_some_for_one_more() {
    for attackers in [1, 2, 5] {
        let all = connections(Limits::new(4_096, 1 << 20), attackers + 1);
        let held: Vec<_> = all[..attackers].iter().map(all_slots).collect();
        let last = all_slots(&all[attackers]).len();
        assert!(last > 0, "{attackers} connections leave nothing: {:?}", held.iter().map(Vec::len).collect::<Vec<_>>());
    }
}

#[test]
fn messages_that_are_unfinished_are_bounded_and_every_connection_may_have_some() {
    const PART: usize = 4_096;
    let all = connections(Limits::new(1, 1 << 20), 50);
    let fill = |of: &ConnectionState| std::iter::from_fn(|| of.hold_unfinished(PART).then_some(PART)).sum::<usize>();
    let held: Vec<usize> = all.iter().map(|one| fill(one)).collect();
    let sum: usize = held.iter().sum();
    assert!(sum <= MAX_UNFINISHED_BYTES + all.len() * OWN_UNFINISHED_BYTES, "{held:?}");
    assert!(held.iter().all(|held| *held >= OWN_UNFINISHED_BYTES), "{held:?}");
    for (one, held) in all.iter().zip(&held) {
        one.release_unfinished(*held);
    }
    assert!(all[0].hold_unfinished(MAX_UNFINISHED_BYTES), "all of it is free again");
}

#[test]
fn a_share_is_fair_only_within_the_bound() {
    assert!(!is_fair(0, 10, 1, 10));
    assert!(!is_fair(0, usize::MAX, 1, 10));
    assert!(is_fair(0, 9, 1, 10));
    assert!(!is_fair(0, 9, 2, 10));
    assert!(!is_fair(usize::MAX, usize::MAX, usize::MAX, usize::MAX));
}

struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_connection_is_woken_when_its_client_reads_again() {
    let woken = Arc::new(Woken(AtomicUsize::new(0)));
    let state = ConnectionState::new(
        checks(),
        Arc::new(Limits::new(1, 1 << 20)),
        ConnectionActivity::default(),
        Waker::from(Arc::clone(&woken)),
    );
    let first = state.hold_unread(MAX_UNREAD_BYTES);
    let second = state.hold_unread(1);
    let third = state.hold_unread(1);
    assert!(state.unread() > MAX_UNREAD_BYTES);
    state.release_unread(&second);
    assert_eq!(woken.0.load(Ordering::Relaxed), 0, "there is as much as before");
    state.release_unread(&first);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    state.release_unread(&third);
    assert_eq!((woken.0.load(Ordering::Relaxed), state.unread()), (1, 0));
}

#[test]
fn large_checks_that_wait_for_the_network_are_bounded_by_their_bytes() {
    const LARGE: usize = 1024 * 1024;
    let all = connections(Limits::new(4_096, 1 << 20), 3);
    let fill = |of: &Arc<ConnectionState>| std::iter::from_fn(|| of.try_acquire(LARGE)).collect::<Vec<_>>();
    let held: Vec<_> = all.iter().map(fill).collect();
    let count: usize = held.iter().map(Vec::len).sum();
    assert!(count * LARGE <= MAX_IN_FLIGHT_BYTES, "{count}");
    assert!(held.iter().all(|held| !held.is_empty()), "{count}");
    drop(held);
    assert!(!fill(&all[2]).is_empty());
}

#[test]
fn a_response_that_stays_unread_is_known_after_a_whole_period() {
    let all = connections(Limits::new(1, 1 << 20), 1);
    let state = &all[0];
    state.begin_period();
    let first = state.hold_unread(1);
    assert!(!state.has_old_unread(), "it came in this period");
    state.begin_period();
    let second = state.hold_unread(1);
    assert!(state.has_old_unread());
    state.release_unread(&second);
    assert!(state.has_old_unread(), "the client reads others, but not this one");
    state.release_unread(&first);
    assert!(!state.has_old_unread());
    assert_eq!(state.unread(), 0);
}

#[test]
fn a_connection_may_have_little_unread_while_all_have_too_much() {
    let limits = Arc::new(Limits::new(1, 1 << 20));
    assert_eq!(limits.unread_bytes(), MAX_UNREAD_BYTES);
    let mut reported = Reported::new(Arc::clone(&limits), ConnectionActivity::default());
    assert!(reported.update(0, 100 * MAX_UNREAD_BYTES, 100 * MAX_UNREAD_BYTES), "with what waits because of it");
    assert_eq!(limits.unread_bytes(), FEW_UNREAD_BYTES);
    assert!(!reported.update(0, 0, 200 * MAX_UNREAD_BYTES), "calls alone are bounded as activity");
    assert_eq!(limits.unread_bytes(), MAX_UNREAD_BYTES);
}
