//! Whatever a token claims and whatever headers a client sends: what is written is visible ASCII, nothing is both written and
//! removed, and every header that a server could take for one of ours is one or the other.

use super::{runner, snapshot};
use crate::support::{KEY, NOW, claims};
use modgud_core::decide::Verdict;
use modgud_core::decide::decide;
use modgud_core::http::request::{Field, Headers, Request, RequestError};
use modgud_core::time::Timestamp;
use modgud_core::upstream::Mutations;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};

const OURS: [&str; 10] = [
    "x-core-user-uuid",
    "x-organization-uuid",
    "x-scope",
    "x-username",
    "x-roles",
    "x-groups",
    "x-name",
    "x-address",
    "x-deep",
    "x-computed",
];
const PREFIXES: [&str; 2] = ["x-core-", "x-organization-"];
const PATHS: [&str; 3] = ["/crm/1/", "/docs/", "/news/"];
const RULES: &str = r#"
rules:
  - { name: docs, match: { paths: ["/docs/{*rest}"] }, access: public }
  - { name: news, match: { paths: ["/news/{*rest}"] }, access: optional }
upstream:
  headers:
    x-core-user-uuid: { principal: subject }
    x-roles: { principal: roles }
    x-groups: { claim: groups, as: list }
    x-name: { claim: name, encode: percent }
    x-address: { claim: address, as: json }
    x-deep: { claim: address.deep.down }
    x-computed: { cel: "has(claims.name) ? claims.name : claims.groups" }
"#;

type ClientHeaders = Vec<(String, Vec<u8>)>;

fn claim() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => any::<String>().prop_map(Value::from),
        4 => "[ -~]{0,40}".prop_map(Value::from),
        1 => "[ -~]{1000,1100}".prop_map(Value::from),
        1 => "[a-z]{0,3}[\\r\\n\\t\\x00\\x7f\\u{80}-\\u{ff}][a-z]{0,3}".prop_map(Value::from),
        1 => prop::sample::select(vec!["None", "", "none"]).prop_map(Value::from),
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        2 => prop::collection::vec(any::<String>(), 0..3).prop_map(Value::from),
        1 => prop::collection::vec("[ -~]{0,900}", 0..8).prop_map(Value::from),
        1 => any::<String>().prop_map(|text| json!({ "value": text })),
        1 => (any::<String>(), any::<f64>()).prop_map(|(text, number)| json!({ "deep": { "down": [text, number, null] } })),
    ]
}

pub(super) fn changed_claims() -> impl Strategy<Value = BTreeMap<&'static str, Value>> {
    let names = vec!["core_user_uuid", "organization_uuid", "scope", "username", "roles", "groups", "name", "address"];
    prop::collection::btree_map(prop::sample::select(names), claim(), 0..5)
}

/// A name in some case and with some of its `-` as `_`.
fn spelled(name: String) -> impl Strategy<Value = String> {
    prop::collection::vec(any::<(bool, bool)>(), name.len()).prop_map(move |choices| {
        let spell = |(letter, (upper, underscore)): (char, (bool, bool))| match letter {
            '-' if underscore => '_',
            _ if upper => letter.to_ascii_uppercase(),
            _ => letter,
        };
        name.chars().zip(choices).map(spell).collect()
    })
}

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let ours = prop::sample::select(OURS.to_vec()).prop_map(str::to_owned);
    let by_prefix = (prop::sample::select(PREFIXES.to_vec()), "[a-z0-9-]{0,8}")
        .prop_map(|(prefix, rest)| format!("{prefix}{rest}"));
    let name = prop_oneof![
        6 => ours.prop_flat_map(spelled),
        3 => by_prefix.prop_flat_map(spelled),
        2 => "[A-Za-z0-9_.-]{1,12}",
        1 => Just("connection".to_owned()),
    ];
    (name, prop::collection::vec(any::<u8>(), 0..20))
}

/// Returns true if a server could treat a header as one of ours: an independent implementation, not the tested one.
fn could_be_ours(name: &str) -> bool {
    let folded = name.to_ascii_lowercase().replace('_', "-");
    OURS.contains(&folded.as_str()) || PREFIXES.iter().any(|prefix| folded.starts_with(prefix))
}

fn check(mutations: &Mutations, headers: &ClientHeaders) -> Result<(), TestCaseError> {
    let mut set = HashSet::new();
    for (name, value) in &mutations.set {
        let name = name.as_str().to_ascii_lowercase();
        let visible = value.bytes().iter().all(|byte| matches!(byte, 0x20..=0x7e));
        prop_assert!(visible && !value.bytes().is_empty(), "{name}: {value:?}");
        prop_assert!(!value.as_str().starts_with(' ') && !value.as_str().ends_with(' '), "{name}: {value:?}");
        prop_assert!(set.insert(name), "written twice: {mutations:?}");
    }
    let mut removed = HashSet::new();
    for name in &mutations.remove {
        let name = std::str::from_utf8(name).unwrap().to_ascii_lowercase();
        prop_assert!(!set.contains(&name), "in both lists: {mutations:?}");
        prop_assert!(removed.insert(name), "removed twice: {mutations:?}");
    }
    let spoken_for = |name: &str| set.contains(name) || removed.contains(name);
    for ours in OURS {
        prop_assert!(spoken_for(ours), "{ours} is neither written nor removed: {mutations:?}");
    }
    for (name, _) in headers {
        let lower = name.to_ascii_lowercase();
        prop_assert!(!could_be_ours(name) || spoken_for(&lower), "{name} reaches the module: {mutations:?}");
        prop_assert!(could_be_ours(name) || !spoken_for(&lower), "{name} is none of ours: {mutations:?}");
    }
    Ok(())
}

#[test]
fn identity_headers_are_ours() {
    let snapshot = snapshot(RULES);
    let (allowed, denied) = (Cell::new(0), Cell::new(0));
    let cases = (
        changed_claims(),
        prop::collection::vec(header(), 0..10),
        prop::sample::select(PATHS.to_vec()),
        prop::bool::weighted(0.8),
    );
    let property = |(changed, headers, path, with_token): (BTreeMap<&str, Value>, ClientHeaders, &str, bool)| {
        let mut claims = claims();
        for (name, value) in changed {
            claims.retain(|(known, _)| known != name);
            claims.push((name.to_owned(), value));
        }
        let credential = format!("JWT {}", KEY.sign(&claims).unwrap());
        let mut fields: Vec<Field<'_>> =
            headers.iter().map(|(name, value)| Field { name: name.as_bytes(), value }).collect();
        if with_token {
            fields.push(Field { name: b"authorization", value: credential.as_bytes() });
        }
        let request = match Request::parse(b"GET", path.as_bytes(), b"api.example.com", Headers::new(fields)) {
            Ok(request) => request,
            Err(error) => {
                // Another value of `connection` than a handshake needs is no request.
                prop_assert_eq!(error, RequestError::Connection);
                prop_assert!(headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")));
                denied.set(denied.get() + 1);
                return Ok(());
            }
        };
        match decide(&request, &snapshot, Timestamp::from_secs(NOW)).verdict {
            Verdict::Allow(mutations) => {
                allowed.set(allowed.get() + 1);
                check(&mutations, &headers)
            }
            Verdict::Deny(_) => {
                denied.set(denied.get() + 1);
                Ok(())
            }
        }
    };
    runner(2_000).run(&cases, property).unwrap();
    assert!(
        allowed.get() > 500 && denied.get() > 100,
        "{} allowed, {} denied: too one-sided",
        allowed.get(),
        denied.get()
    );
}
