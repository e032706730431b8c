//! A token is decided on alike whether it was just verified or is in the cache, and a cache is inherited only where this holds.

use super::identity::changed_claims;
use super::{runner, snapshot};
use crate::support::{KEY, NOW, STRANGER, claims};
use modgud_core::authn::CacheStats;
use modgud_core::decide::{Decision, Snapshot, Verdict, decide};
use modgud_core::http::request::{Field, Headers, Request};
use modgud_core::time::Timestamp;
use proptest::prelude::*;
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeMap;

/// Everything that reads claims.
const READING: &str = r#"
principal: { roles: [roles, groups], permissions: [scope, permissions], grants: { admin: ["*"], "a": [write] }, absent: ["None", ""] }
rules:
  - { name: roles, match: { paths: ["/roles/{*rest}"] }, require: { any: { roles: [admin, a], permissions: [write] } } }
  - { name: all, match: { paths: ["/all/{*rest}"] }, when: "has(claims.address) || size(claims) > 7" }
  - { name: some, match: { paths: ["/some/{*rest}"] }, when: "has(claims.name) && claims.name == claims.groups" }
  - { name: own, match: { paths: ["/own/{*rest}"] }, when: "principal.roles == claims.roles || 'read' in principal.permissions" }
upstream:
  headers:
    x-core-user-uuid: { principal: subject }
    x-organization-uuid: { principal: organization }
    x-roles: { principal: roles }
    x-permissions: { principal: permissions }
    x-groups: { claim: groups, as: list }
    x-name: { claim: name, encode: percent }
    x-address: { claim: address, as: json }
    x-deep: { claim: address.deep.down }
    x-computed: { cel: "has(claims.name) ? claims.name : claims.groups" }
  metadata: { subject: { principal: subject }, roles: { principal: roles }, address: { claim: address }, all: { cel: claims } }
"#;

/// Decides on a request with this token.
fn decided(snapshot: &Snapshot, path: &str, token: &str) -> Decision {
    let credential = format!("JWT {token}");
    let field = Field { name: b"authorization", value: credential.as_bytes() };
    let request = Request::parse(b"GET", path.as_bytes(), b"api.example.com", Headers::new(vec![field])).unwrap();
    decide(&request, snapshot, Timestamp::from_secs(NOW))
}

fn stats(snapshot: &Snapshot) -> CacheStats {
    snapshot.authenticators.token_cache().stats()
}

#[test]
fn a_cached_token_is_decided_on_as_a_new_one() {
    let snapshot = snapshot(READING);
    let (hits, allowed) = (Cell::new(0_u64), Cell::new(0_u64));
    let cases = (changed_claims(), prop::sample::select(vec!["/roles/a", "/all/a", "/some/a", "/own/a", "/crm/a"]));
    let property = |(changed, path): (BTreeMap<&str, Value>, &str)| {
        let mut claims = claims();
        for (name, value) in changed {
            claims.retain(|(known, _)| known != name);
            claims.push((name.to_owned(), value));
        }
        let token = KEY.sign(&claims).unwrap();
        let [new, cached] = [(); 2].map(|()| {
            let decision = decided(&snapshot, path, &token);
            let metadata = snapshot.upstream.metadata.entries(decision.principal.as_deref(), &decision.computed);
            let metadata: Vec<_> = metadata.map(|(name, value)| (name.to_owned(), value.to_json())).collect();
            if matches!(decision.verdict, Verdict::Allow(_)) {
                allowed.set(allowed.get().saturating_add(1));
            }
            (format!("{decision:?}"), metadata)
        });
        prop_assert_eq!(new, cached);
        hits.set(stats(&snapshot).hits);
        Ok(())
    };
    runner(1_500).run(&cases, property).unwrap();
    // A token whose claims are rejected is never cached.
    assert!(hits.get() > 500 && allowed.get() > 500, "{hits:?} hits and {allowed:?} allowed: too one-sided");
}

#[test]
fn tokens_are_inherited_only_if_everything_that_they_depend_on_is_equal() {
    let pem = |key: &modgud_core::jose::SigningKey| serde_json::to_string(&key.public_pem().unwrap()).unwrap();
    let authenticator = |jwt: &str| {
        format!(
            "authenticators:\n  - name: bifrost\n    from: [{{ header: authorization, schemes: [JWT] }}]\n    \
             jwt: {{ issuer: bifrost, algorithms: [RS256], keys: [{{ pem: {{ value: {} }} }}]{jwt} }}\n",
            pem(&KEY)
        )
    };
    let base = authenticator("");
    let own = |principal: &str| base.replace("    jwt:", &format!("    principal: {{ {principal} }}\n    jwt:"));
    let rows = [
        ("nothing", base.clone(), true),
        (
            "a rule",
            format!("{base}rules: [{{ name: a, match: {{ paths: [/a] }}, require: {{ roles: [a] }} }}]\n"),
            true,
        ),
        ("headers", format!("{base}upstream: {{ headers: {{ x-a: {{ claim: scope }} }} }}\n"), true),
        ("limits of the server", format!("{base}server: {{ max_token: 32KiB, deadline: 1s }}\n"), true),
        ("places", base.replace("schemes: [JWT]", "schemes: [JWT, Bearer]"), true),
        ("the size of the cache", format!("{base}server: {{ token_cache: 65MiB }}\n"), false),
        ("the name", base.replace("name: bifrost", "name: other"), false),
        ("the issuer", base.replace("issuer: bifrost", "issuer: other"), false),
        ("the algorithms", base.replace("[RS256]", "[RS256, RS384]"), false),
        ("the key", base.replace(&pem(&KEY), &pem(&STRANGER)), false),
        (
            "a second key",
            base.replace("keys: [", &format!("keys: [{{ pem: {{ value: {} }} }}, ", pem(&STRANGER))),
            false,
        ),
        ("audiences", authenticator(", audiences: any"), false),
        ("required claims", authenticator(", require: [scope]"), false),
        (
            "values of claims",
            authenticator(", require: [{ claim: scope, values: [x] }]").replace("scope", "username"),
            false,
        ),
        ("leeway", authenticator(", leeway: 1s"), false),
        ("the longest lifetime", authenticator(", max_lifetime: 20h"), false),
        ("types", authenticator(", types: [JWT]"), false),
        ("the sender", authenticator(", sender_constraint: certificate"), false),
        ("the subject", format!("{base}principal: {{ subject: username }}\n"), false),
        ("the organization", format!("{base}principal: {{ organization: scope }}\n"), false),
        ("roles", format!("{base}principal: {{ roles: scope }}\n"), false),
        ("permissions", format!("{base}principal: {{ permissions: [username] }}\n"), false),
        ("scopes", format!("{base}principal: {{ scopes: [username] }}\n"), false),
        ("grants", format!("{base}principal: {{ grants: {{ a: [b] }} }}\n"), false),
        ("absent values", format!("{base}principal: {{ absent: [admin] }}\n"), false),
        ("its own subject", own("subject: username"), false),
        ("its own roles", own("roles: scope"), false),
        ("its own roles by members", own("roles: { members: scope }"), false),
        ("its own permissions", own("permissions: []"), false),
        ("its own grants", own("grants: { a: [b] }"), false),
        ("its own absent values", own("absent: [admin]"), false),
        ("its own principal that says the same", own("subject: core_user_uuid, absent: [\"None\", \"\"]"), true),
        ("its own principal that says nothing", own(""), true),
        (
            "another authenticator before it",
            base.replace("authenticators:\n", "authenticators:\n  - { name: mesh, mtls: { principals: [a] } }\n"),
            false,
        ),
    ];
    let token = KEY.sign(&claims()).unwrap();
    for (changed, yaml, is_inherited) in rows {
        let before = snapshot(&base);
        assert!(matches!(decided(&before, "/crm/a", &token).verdict, Verdict::Allow(_)));
        let mut after = snapshot(&yaml);
        after.authenticators.inherit_tokens(&before.authenticators);
        assert_eq!(stats(&after).entries == 1, is_inherited, "{changed} changed");
        // Afterwards both decide by their own configuration.
        let fresh = snapshot(&yaml);
        let [inheriting, fresh] = [&after, &fresh].map(|snapshot| format!("{:?}", decided(snapshot, "/crm/a", &token)));
        assert_eq!(inheriting, fresh, "{changed} changed");
    }
}

/// What a check with a known token allocates on the heap: above all, a text for each of the headers that are set.
#[test]
fn a_known_token_costs_few_allocations() {
    const ALLOCATIONS: u64 = 12;
    let snapshot = snapshot("");
    let token = KEY.sign(&claims()).unwrap();
    let credential = format!("JWT {token}");
    let decide_once = || {
        let fields = vec![Field { name: b"authorization", value: credential.as_bytes() }];
        let request = Request::parse(b"GET", b"/crm/a", b"api.example.com", Headers::new(fields)).unwrap();
        let decision = decide(&request, &snapshot, Timestamp::from_secs(NOW));
        assert!(matches!(decision.verdict, Verdict::Allow(_)));
    };
    decide_once();
    let counted = allocation_counter::measure(decide_once);
    assert_eq!((stats(&snapshot).hits, counted.count_current), (1, 0));
    assert!(counted.count_total <= ALLOCATIONS, "{counted:?}");
}
