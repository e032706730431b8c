//! Adding a rule that denies never lets anything through that was not let through before.

use super::{runner, snapshot};
use crate::support::{NOW, STRANGER, claims, token};
use modgud_core::authz::{
    Access, Enforcement, Fallback, PathPattern, Requirement, RouteReference, Rule, RuleName, Rules,
};
use modgud_core::decide::{Snapshot, decide};
use modgud_core::http::method::Method;
use modgud_core::http::request::{Field, Headers, Request};
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};

const SEGMENTS: [&str; 4] = ["a", "b", "admin", "{}"];
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

/// A rule as a few words.
#[derive(Debug, Clone)]
struct Draft {
    methods: Vec<&'static str>,
    pattern: String,
    access: Access,
}

fn pattern() -> impl Strategy<Value = String> {
    let segments = prop::collection::vec(prop::sample::select(SEGMENTS.to_vec()), 0..4);
    (segments, any::<bool>()).prop_map(|(segments, rest)| {
        let mut pattern = String::new();
        for (number, segment) in segments.iter().enumerate() {
            let name = format!("{{p{number}}}");
            pattern.extend(["/", if *segment == "{}" { &name } else { segment }]);
        }
        pattern.push_str(if rest { "/{*rest}" } else { "/" });
        pattern
    })
}

fn draft(access: impl Strategy<Value = Access>) -> impl Strategy<Value = Draft> {
    (prop::sample::subsequence(METHODS.to_vec(), 0..=2), pattern(), access)
        .prop_map(|(methods, pattern, access)| Draft { methods, pattern, access })
}

fn any_access() -> impl Strategy<Value = Access> {
    prop::sample::select(vec![Access::Authenticated, Access::Optional, Access::Public, Access::Denied])
}

/// Adds a rule, unless one is there already for the same requests.
fn add(rules: &mut Rules, name: &str, draft: &Draft) -> bool {
    let methods: Vec<Method<'_>> = draft.methods.iter().map(|method| Method::parse(method).unwrap()).collect();
    let rule = Rule {
        name: RuleName::new(name),
        access: draft.access,
        require: Requirement::default(),
        constraints: None,
        pattern: draft.pattern.as_str().into(),
        enforcement: Enforcement::Enforced,
        by_name: RouteReference::Require,
    };
    rules.add(rule, None, &methods, &PathPattern::parse(&draft.pattern).unwrap()).is_ok()
}

fn rules(drafts: &[Draft], fallback: Fallback) -> Rules {
    let mut rules = Rules::new(fallback);
    for (number, draft) in drafts.iter().enumerate() {
        add(&mut rules, &format!("rule-{number}"), draft);
    }
    rules
}

/// What became of a request: let through, or the reason why not.
fn outcome(snapshot: &Snapshot, method: &str, path: &str, credential: Option<&str>) -> Option<Reason> {
    let field = credential.map(|value| Field { name: b"authorization", value: value.as_bytes() });
    let headers = Headers::new(field.into_iter().collect());
    let request = Request::parse(method.as_bytes(), path.as_bytes(), b"", headers).unwrap();
    decide(&request, snapshot, Timestamp::from_secs(NOW)).reason()
}

#[test]
fn a_rule_that_denies_only_takes_away() {
    let snapshot = RefCell::new(snapshot(""));
    let good = format!("JWT {}", token());
    let forged = format!("JWT {}", STRANGER.sign(&claims()).unwrap());
    let (same, taken) = (Cell::new(0), Cell::new(0));
    let path = prop::collection::vec(prop::sample::select(vec!["a", "b", "admin", "c"]), 0..4)
        .prop_map(|segments| format!("/{}", segments.join("/")));
    let cases = (
        prop::collection::vec(draft(any_access()), 0..8),
        prop::sample::select(vec![Fallback::Authenticated, Fallback::Denied]),
        draft(Just(Access::Denied)),
        path,
        prop::sample::select(METHODS.to_vec()),
    );
    let property = |(drafts, fallback, denying, path, method): (Vec<Draft>, Fallback, Draft, String, &str)| {
        let mut snapshot = snapshot.borrow_mut();
        let credentials = [None, Some(good.as_str()), Some(forged.as_str())];
        snapshot.rules = rules(&drafts, fallback);
        let before = credentials.map(|credential| outcome(&snapshot, method, &path, credential));
        let added = add(&mut snapshot.rules, "denying", &denying);
        let after = credentials.map(|credential| outcome(&snapshot, method, &path, credential));
        for (before, after) in before.into_iter().zip(after) {
            let denied_now = added && after == Some(Reason::RuleDenied);
            prop_assert!(after == before || denied_now, "{method} {path}: {before:?}, and then {after:?}");
            let counter = if after == before { &same } else { &taken };
            counter.set(counter.get() + 1);
        }
        Ok(())
    };
    runner(5_000).run(&cases, property).unwrap();
    assert!(same.get() > 500 && taken.get() > 500, "{} same, {} taken: too one-sided", same.get(), taken.get());
}
