//! Tests that need no configuration: limits, panics, hangs, and what counts as a difference.

use super::{CheckRecord, Difference, EnforcedOutcome, MAX_QUEUED, MAX_QUEUED_BYTES, Queue, ShadowDecision, queue};
use super::{Comparison, run};
use crate::telemetry::metrics::ShadowConfigMetrics;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use modgud_core::authz::RuleName;
use modgud_core::decide::{Decision, DecisionError, Verdict};
use modgud_core::http::header::{HeaderName, HeaderText};
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use modgud_core::upstream::Mutations;
use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;
use std::sync::Arc;
use tokio::task::{LocalSet, yield_now};

fn offer(queue: &Queue, path: &str) {
    let message = Bytes::copy_from_slice(path.as_bytes());
    let memory = message.len();
    queue.offer(message, memory, EnforcedOutcome::of(&Decision::denied(DecisionError::Internal)), Timestamp::EPOCH);
}

#[test]
fn what_there_is_no_room_for_is_dropped_and_counted() {
    let metrics = Arc::new(ShadowConfigMetrics::default());
    let (queue, mut other_end) = queue(Arc::clone(&metrics));
    for _ in 0..MAX_QUEUED + 3 {
        offer(&queue, "/");
    }
    assert_eq!(metrics.counts(), (0, 3, 0));
    // Large checks fill the queue sooner, and one that is taken out releases its bytes.
    while other_end.try_recv().is_ok() {}
    let large = "a".repeat(MAX_QUEUED_BYTES / 4);
    for _ in 0..5 {
        offer(&queue, &large);
    }
    assert_eq!(metrics.counts(), (0, 5, 0));
    drop(other_end.try_recv().unwrap());
    offer(&queue, &large);
    offer(&queue, &large);
    assert_eq!(metrics.counts(), (0, 6, 0));
    drop(other_end);
    offer(&queue, "/");
    assert_eq!(metrics.counts(), (0, 7, 0));
}

#[tokio::test]
async fn one_that_panics_or_hangs_keeps_no_other_from_being_compared() {
    let metrics = Arc::new(ShadowConfigMetrics::default());
    let (queue, other_end) = queue(Arc::clone(&metrics));
    let hanging = Rc::new(Cell::new(0));
    let counted = Rc::clone(&hanging);
    let decide = move |answered: CheckRecord| {
        let hanging = Rc::clone(&counted);
        async move {
            match &*answered.message {
                b"/panics" => panic!("as it is to"),
                b"/hangs" => {
                    hanging.set(hanging.get() + 1);
                    pending::<()>().await;
                }
                _ => {}
            }
            Comparison { answered, difference: None }
        }
    };
    for _ in 0..20 {
        for path in ["/", "/panics", "/hangs"] {
            offer(&queue, path);
        }
    }
    let local = LocalSet::new();
    let working = local.spawn_local(run(other_end, Arc::clone(&metrics), decide));
    local
        .run_until(async {
            while metrics.counts() != (20, 0, 20) {
                yield_now().await;
            }
            // The worker ends with the last sender, even if decisions hang.
            drop(queue);
            working.await.unwrap();
        })
        .await;
    assert_eq!(hanging.get(), 20);
}

fn allow(set: &[(&str, &str)], remove: &[&'static str], remove_query: &[&'static str]) -> Decision {
    let set = set.iter().map(|(name, value)| (HeaderName::parse(name).unwrap(), HeaderText::parse(value).unwrap()));
    let names = |names: &[&'static str]| names.iter().map(|name| (*name).into()).collect();
    let (remove, remove_query) = (names(remove), names(remove_query));
    let mutations = Mutations { set: set.collect(), remove, remove_query, dropped: Vec::new() };
    Decision { verdict: Verdict::Allow(mutations), ..Decision::denied(DecisionError::Internal) }
}

fn deny(error: DecisionError) -> Decision {
    Decision { rule: Some(RuleName::new("r")), ..Decision::denied(error) }
}

#[test]
fn when_a_token_of_ours_was_made_makes_no_difference() {
    let token = |header: &str, claims: &str, signature: &str| {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("Bearer {}.{}.{signature}", part(header), part(claims))
    };
    let minted = |value: &str| allow(&[("authorization", value)], &[], &[]);
    let done = token("{\"alg\":\"ES256\"}", r#"{"iss":"modgud","sub":"a","iat":1,"exp":2,"jti":"x"}"#, "a");
    for (would, same) in [
        (token("{\"alg\":\"ES256\"}", r#"{"iss":"modgud","sub":"a","iat":5,"exp":6,"jti":"y"}"#, "b"), true),
        (token("{\"alg\":\"ES256\"}", r#"{"iss":"modgud","sub":"b","iat":1,"exp":2,"jti":"x"}"#, "a"), false),
        (token("{\"alg\":\"EdDSA\"}", r#"{"iss":"modgud","sub":"a","iat":1,"exp":2,"jti":"x"}"#, "a"), false),
        (token("{\"alg\":\"ES256\"}", r#"{"iss":"modgud","iat":1}"#, "a"), false),
        (done.replace("Bearer", "JWT"), false),
        ("Bearer a.b.c".to_owned(), false),
        ("Bearer".to_owned(), false),
    ] {
        let found = EnforcedOutcome::of(&minted(&done)).differs(minted(&would));
        assert_eq!(found.is_none(), same, "{would}");
    }
    // Values that are no tokens differ as text.
    assert!(EnforcedOutcome::of(&minted("Bearer a.b.c")).differs(minted("Bearer a.b.d")).is_some());
}

#[test]
fn decision_reason_and_headers_make_a_difference() {
    let set = || allow(&[("x-a", "1"), ("x-b", "2")], &["x-c", "x-d"], &["q"]);
    let (overload, internal) = (Reason::Overloaded, Reason::Internal);
    for (done, would, expected) in [
        (set(), set(), None),
        (set(), allow(&[("x-b", "2"), ("x-a", "1")], &["x-d", "x-c"], &["q"]), None),
        (
            set(),
            allow(&[("x-a", "1"), ("x-b", "3")], &["x-c", "x-d"], &["q"]),
            Some((None, ShadowDecision::Headers, "x-b")),
        ),
        (set(), allow(&[("x-a", "1")], &["x-b", "x-c", "x-d"], &["q"]), Some((None, ShadowDecision::Headers, "x-b"))),
        (set(), allow(&[("x-a", "1"), ("x-b", "2")], &["x-d"], &[]), Some((None, ShadowDecision::Headers, "q, x-c"))),
        (
            set(),
            deny(DecisionError::Overload),
            Some((None, ShadowDecision::Deny(overload), "too many checks are in progress")),
        ),
        (deny(DecisionError::Overload), set(), Some((Some(overload), ShadowDecision::Allow, ""))),
        (deny(DecisionError::Overload), deny(DecisionError::Overload), None),
        (deny(DecisionError::Overload), Decision::denied(DecisionError::Overload), None),
        (
            deny(DecisionError::Overload),
            deny(DecisionError::Internal),
            Some((
                Some(overload),
                ShadowDecision::Deny(internal),
                "the check can't be read, or modgud failed internally",
            )),
        ),
    ] {
        let found = EnforcedOutcome::of(&done).differs(would).map(|found| {
            let Difference { enforced, shadow, detail, .. } = found;
            (enforced, shadow, detail.unwrap_or_default())
        });
        let expected = expected.map(|(enforced, shadow, detail)| (enforced, shadow, detail.to_owned()));
        assert_eq!(found, expected, "{done:?}");
    }
}
