use super::{EVICT_BATCH, MAX_PROOFS, PER_CLIENT_SHARE, ReplayCache, ReplayError};
use crate::authn::dpop::{DpopError, DpopPolicy};
use crate::jose::Claims;
use crate::time::Timestamp;
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::Barrier;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_secs(1_000);
const C: [&str; 3] = ["a", "subject", "c"];
/// The replay window of these tests.
const WINDOW: Duration = Duration::from_secs(60);

fn remembering() -> ReplayCache {
    let spent = ReplayCache::default();
    spent.remember_for(WINDOW);
    spent
}

fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

#[test]
fn who_only_looks_spends_nothing() {
    let spent = remembering();
    assert_eq!((spent.peek(["k", "a"], NOW), spent.peek(["k", "a"], NOW)), (Ok(()), Ok(())));
    assert_eq!(spent.record(C, ["k", "a"], NOW, NOW), Ok(()));
    assert_eq!((spent.peek(["k", "a"], NOW), spent.peek(["k", "b"], NOW)), (Err(ReplayError::Replayed), Ok(())));
}

#[test]
fn a_proof_is_good_once_and_never_again_when_it_is_forgotten() {
    let spent = remembering();
    assert_eq!(spent.record(C, ["key", "a"], later(30), NOW), Ok(()));
    assert_eq!(spent.clone().record(C, ["key", "a"], later(30), NOW), Err(ReplayError::Replayed));
    assert_eq!(spent.record(["a", "subject", "other"], ["key", "a"], later(30), NOW), Err(ReplayError::Replayed));
    for other in [["key", "b"], ["keya", ""], ["", "keya"], ["other", "a"]] {
        assert_eq!(spent.record(C, other, NOW, NOW), Ok(()), "{other:?}");
    }
    let late = Timestamp::from_millis(1_089_999);
    assert_eq!(spent.record(C, ["key", "a"], later(30), late), Err(ReplayError::Replayed));
    assert_eq!(spent.0.lock().unwrap().proofs.len(), 1, "the older ones are forgotten");
    assert_eq!(spent.record(C, ["key", "b"], NOW, late), Err(ReplayError::Forgotten), "and none of them is good again");
    assert_eq!(spent.peek(["key", "c"], NOW), Err(ReplayError::Forgotten), "nor what could be one of them");
    assert_eq!(spent.record(C, ["key", "c"], later(1), late), Ok(()), "one that is newer can be none");
    assert_eq!(spent.record(C, ["key", "a"], later(30), later(90)), Err(ReplayError::Forgotten));
}

#[test]
fn a_dpop_proof_is_not_good_again_after_a_reload_that_lengthens_proof_lifetime() {
    let spent = remembering();
    assert_eq!(spent.record(C, ["key", "early"], NOW, NOW), Ok(()));
    assert_eq!(spent.record(C, ["key", "late"], later(50), later(50)), Ok(()));
    assert_eq!(spent.record(C, ["key", "other"], later(60), later(60)), Ok(()), "the early one is forgotten with this");
    spent.remember_for(Duration::from_secs(300));
    for (name, made, error) in [("early", NOW, ReplayError::Forgotten), ("late", later(50), ReplayError::Replayed)] {
        assert_eq!(spent.record(C, ["key", name], made, later(200)), Err(error), "{name}");
    }
    // A shorter window afterwards evicts nothing sooner.
    spent.remember_for(Duration::from_secs(1));
    assert_eq!(spent.record(C, ["key", "late"], later(50), later(349)), Err(ReplayError::Replayed));
}

#[test]
fn a_clock_that_went_forward_and_back_makes_no_proof_good_again() {
    let spent = remembering();
    assert_eq!(spent.record(C, ["key", "a"], NOW, NOW), Ok(()));
    assert_eq!(spent.record(C, ["key", "b"], later(5_000), later(5_000)), Ok(()), "the clock is far ahead");
    assert_eq!(spent.record(C, ["key", "a"], NOW, later(1)), Err(ReplayError::Forgotten), "and back");
    assert_eq!(spent.record(C, ["key", "c"], later(1), later(1)), Ok(()), "what is made now is as good as ever");
}

#[test]
fn what_another_process_may_have_accepted_is_refused() {
    let spent = remembering();
    spent.reject_until(Timestamp::from_millis(1_000_700));
    for made in [999_999, 1_000_000, 1_000_999] {
        let found = spent.record(C, ["key", "a"], Timestamp::from_millis(made), NOW);
        assert_eq!(found, Err(ReplayError::Forgotten), "{made}: before the start, or in its second");
    }
    assert_eq!(spent.record(C, ["key", "a"], later(1), later(1)), Ok(()));
    spent.reject_until(Timestamp::from_secs(500));
    assert_eq!(spent.record(C, ["key", "b"], Timestamp::from_secs(600), NOW), Err(ReplayError::Forgotten));
}

/// An event for a replay cache.
#[derive(Debug, Clone)]
enum Event {
    /// A proof of this number, made so many seconds from now, is presented.
    Fresh { number: u8, ahead: i64 },
    /// A proof that was presented before is presented again, unchanged.
    Again(prop::sample::Index),
    /// The clock jumps by so many seconds.
    Jump(i64),
    /// A configuration with another window becomes active.
    Reload { lifetime: u64, leeway: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..4_u8, -330..40_i64).prop_map(|(number, ahead)| Event::Fresh { number, ahead }),
        6 => any::<prop::sample::Index>().prop_map(Event::Again),
        2 => (0..30_i64).prop_map(Event::Jump),
        2 => (-700..700_i64).prop_map(Event::Jump),
        2 => (1..300_u64, 5..30_u64).prop_map(|(lifetime, leeway)| Event::Reload { lifetime, leeway }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Checks that no proof is accepted twice, whatever the proofs, clocks and configurations. The reference is the set of all accepted
    /// ones.
    #[test]
    fn no_proof_is_accepted_twice(events in prop::collection::vec(event(), 1..80)) {
        let spent = ReplayCache::default();
        let mut window = DpopPolicy { lifetime: WINDOW, leeway: Duration::from_secs(5) };
        spent.remember_for(window.span());
        let (mut now, mut shown, mut accepted) = (1_700_000_000_i64, Vec::new(), HashSet::new());
        for event in events {
            let (number, iat) = match event {
                Event::Fresh { number, ahead } => (number, now.saturating_add(ahead)),
                Event::Again(index) if !shown.is_empty() => shown[index.index(shown.len())],
                Event::Again(_) => continue,
                Event::Jump(seconds) => {
                    now = now.saturating_add(seconds);
                    continue;
                }
                Event::Reload { lifetime, leeway } => {
                    window = DpopPolicy { lifetime: Duration::from_secs(lifetime), leeway: Duration::from_secs(leeway) };
                    spent.remember_for(window.span());
                    continue;
                }
            };
            shown.push((number, iat));
            let at = Timestamp::from_secs(u64::try_from(now).unwrap());
            let proof = Claims::from_json(serde_json::json!({ "iat": iat }));
            let name = format!("{number} {iat}");
            let outcome = window.made(&proof, at).and_then(|made| Ok(spent.record(C, ["key", &name], made, at)?));
            match outcome {
                Ok(()) => prop_assert!(accepted.insert((number, iat)), "{number} of {iat} passes twice, now at {now}"),
                Err(DpopError::Replay(ReplayError::Replayed)) => prop_assert!(accepted.contains(&(number, iat))),
                Err(_) => {}
            }
        }
    }

    /// Checks that no valid proof is rejected for those of others while clock and configuration do not change.
    #[test]
    fn evicted_proofs_do_not_reject_new_ones(steps in prop::collection::vec((0..20_u64, 0..70_u64), 1..80)) {
        let spent = ReplayCache::default();
        let window = DpopPolicy { lifetime: WINDOW, leeway: Duration::from_secs(5) };
        spent.remember_for(window.span());
        let mut now = 1_700_000_000_u64;
        for (number, (seconds, ago)) in steps.into_iter().enumerate() {
            now = now.saturating_add(seconds);
            let at = Timestamp::from_secs(now);
            let proof = Claims::from_json(serde_json::json!({ "iat": now.saturating_sub(ago) }));
            if let Ok(made) = window.made(&proof, at) {
                prop_assert_eq!(spent.record(C, ["key", &number.to_string()], made, at), Ok(()));
            }
        }
    }
}

#[test]
fn of_many_at_the_same_time_one_passes() {
    const THREADS: usize = 8;
    let (spent, barrier) = (remembering(), Barrier::new(THREADS));
    for round in 0..50 {
        let name = round.to_string();
        let passed = std::thread::scope(|scope| {
            let each = |_| {
                scope.spawn(|| {
                    barrier.wait();
                    spent.record(C, ["key", &name], NOW, NOW).is_ok()
                })
            };
            let all: Vec<_> = (0..THREADS).map(each).collect();
            all.into_iter().filter_map(|one| one.join().ok()).filter(|passed| *passed).count()
        });
        assert_eq!(passed, 1);
    }
}

#[test]
fn no_client_takes_the_capacity_of_others() {
    let spent = remembering();
    let fill = |client: &str| {
        let taken = (0..MAX_PROOFS)
            .take_while(|n| spent.record(["a", "key", client], [client, &n.to_string()], NOW, NOW).is_ok());
        taken.count()
    };
    let alone = fill("greedy");
    assert!((MAX_PROOFS / (PER_CLIENT_SHARE + 1)).abs_diff(alone) <= PER_CLIENT_SHARE, "{alone}");
    assert_eq!(
        spent.record(["a", "key", "greedy"], ["greedy", "one more"], NOW, NOW),
        Err(ReplayError::CapacityExceeded)
    );
    assert_eq!(spent.record(["a", "key", "greedy"], ["greedy", "0"], NOW, NOW), Err(ReplayError::Replayed));
    // Twenty more of them leave capacity for a later client.
    let all: usize = (0..20).map(|number| fill(&format!("greedy-{number}"))).sum();
    assert!(alone + all < MAX_PROOFS);
    assert!(fill("modest") > 1_000);
    assert_eq!(spent.0.lock().unwrap().per_client.len(), 22);
    // When all have expired there is capacity at once, and soon none of them is left.
    let again =
        || (0..).map(|n: usize| spent.record(["a", "key", "new"], ["again", &n.to_string()], later(60), later(60)));
    assert!(again().take(MAX_PROOFS / EVICT_BATCH + 1).all(|taken| taken.is_ok()));
    let now = spent.0.lock().unwrap();
    let left = MAX_PROOFS / EVICT_BATCH + 1;
    assert_eq!((now.proofs.len(), now.by_time.len(), now.per_client.len()), (left, left, 1));
}
