//! The golden matrix, principals × rules × requests, as a table that a person can read: `data/matrix/matrix.md`.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use crate::support::{KEY, NOW, STRANGER};
use modgud::config::{Environment, Overrides, load};
use modgud_core::decide::Verdict;
use modgud_core::decide::{Snapshot, decide};
use modgud_core::http::request::{Context, Field, Headers, Peer, Request};
use modgud_core::reason::{Class, Reason};
use modgud_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Principal {
    name: String,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    key: bool,
}

/// The key of the partner, whose digest is in `api-keys.yaml`.
const API_KEY: &str = "a-key-of-the-partner-that-nobody-else-has";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/matrix")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

fn snapshot() -> Snapshot {
    let file = folder().join("modgud.yaml");
    let keys = [("JWT_PUBLIC_KEY_RSA_BIFROST", &KEY), ("TENANT_KEY", &STRANGER)];
    let keys = keys.map(|(name, key)| (name, key.public_pem().unwrap()));
    let environment = Environment::fixed(keys.each_ref().map(|(name, pem)| (*name, pem.as_str())));
    load(Some(&file), &Overrides::default(), &environment).unwrap().config.snapshot
}

/// The headers of a principal.
fn headers(principal: &Principal) -> Vec<(&'static str, String)> {
    let Principal { name: _, claims, key } = principal;
    if *key {
        return vec![("x-api-key", API_KEY.to_owned())];
    }
    if claims.is_empty() {
        return Vec::new();
    }
    let mut all: Vec<(String, Value)> =
        [("iss", json!("main")), ("iat", json!(NOW - 10)), ("exp", json!(NOW + 60)), ("sub", json!("somebody"))]
            .into_iter()
            .filter(|(name, _)| !claims.contains_key(*name))
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
    all.extend(claims.clone());
    let key = if claims.get("iss") == Some(&json!("tenant")) { &*STRANGER } else { &*KEY };
    vec![("authorization", format!("Bearer {}", key.sign(&all).unwrap()))]
}

/// What becomes of a request of a principal: the rule that decides it, and `yes` or the reason.
fn outcome(snapshot: &Snapshot, request: &str, principal: &Principal) -> (String, String) {
    let (request, adjacent) =
        request.split_once(" (").map_or((request, ""), |(line, adjacent)| (line, adjacent.trim_end_matches(')')));
    let (method, target) = request.split_once(' ').unwrap();
    let (host, path) = target.split_at(target.find('/').unwrap());
    let mut all = headers(principal);
    let (mut context, mut client) = (Vec::new(), None);
    for one in adjacent.split(", ") {
        match one {
            "" => {}
            "preflight" => {
                all.push(("origin", "https://app.example.com".to_owned()));
                all.push(("access-control-request-method", "PUT".to_owned()));
            }
            named => match named.split_once('=').unwrap() {
                ("client", address) => client = Some(address.as_bytes()),
                extension => context.push(extension),
            },
        }
    }
    let fields = all.iter().map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() });
    let host = if host.is_empty() { "api.example.com" } else { host };
    let fields = Headers::new(fields.collect());
    let mut read = match Request::parse(method.as_bytes(), path.as_bytes(), host.as_bytes(), fields) {
        Ok(read) => read,
        Err(fault) => return ("none".to_owned(), fault.reason().code().to_owned()),
    };
    read.context = Context::new(context);
    read.peer = Peer { address: client, ..Peer::default() };
    let decision = decide(&read, snapshot, Timestamp::from_secs(NOW));
    let rule = decision.rule.as_ref().map_or("none", |rule| rule.as_str()).to_owned();
    let cell = match &decision.verdict {
        Verdict::Allow(_) => "yes".to_owned(),
        Verdict::Deny(fault) => fault.reason().code().to_owned(),
    };
    (rule, cell)
}

/// The rows of the table, each with the text of its request.
fn rows(text: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    text.lines().filter(|line| line.starts_with("| ")).map(cells).collect()
}

#[test]
fn decisions_are_those_of_the_matrix() {
    let snapshot = snapshot();
    let principals: Vec<Principal> = serde_saphyr::from_str(&read("principals.yaml")).unwrap();
    let text = read("matrix.md");
    let rows = rows(&text);
    let requests = rows.iter().skip(1).map(|row| row[0].as_str());
    let names: Vec<&str> = principals.iter().map(|principal| principal.name.as_str()).collect();
    let mut output = format!("| request | rule | {} |\n|---|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    for request in requests {
        let outcomes: Vec<(String, String)> =
            principals.iter().map(|principal| outcome(&snapshot, request, principal)).collect();
        let rules: BTreeSet<&str> = outcomes.iter().map(|(rule, _)| rule.as_str()).collect();
        let rules: Vec<&str> = rules.into_iter().collect();
        let cells: Vec<&str> = outcomes.iter().map(|(_, cell)| cell.as_str()).collect();
        writeln!(output, "| {request} | {} | {} |", rules.join(", "), cells.join(" | ")).unwrap();
    }
    let head = text.split("| request").next().unwrap();
    assert_eq!(text, format!("{head}{output}"), "the table would be:\n{output}");
}

/// Every rule decides a request, and allows one if it can; every reason for a denial by a rule occurs.
#[test]
fn no_rule_and_no_reason_is_missing() {
    #[derive(Deserialize)]
    struct Policy {
        rules: Vec<Named>,
        modules: Vec<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        name: String,
        #[serde(default)]
        access: Value,
    }
    let policy: Policy = serde_saphyr::from_str(&read("modgud.yaml")).unwrap();
    let rows = rows(&read("matrix.md"));
    let cells = |row: &[String]| row.iter().skip(2).map(String::as_str).map(str::to_owned).collect::<BTreeSet<_>>();
    let modules = policy.modules.iter().map(|module| (format!("module:{}", module.name), &module.access));
    for (rule, access) in policy.rules.iter().map(|rule| (rule.name.clone(), &rule.access)).chain(modules) {
        let of_rule: BTreeSet<String> = rows
            .iter()
            .skip(1)
            .filter(|row| row[1].split(", ").any(|one| one == rule))
            .flat_map(|row| cells(row))
            .collect();
        assert!(!of_rule.is_empty(), "the rule {rule} is missing");
        assert_eq!(of_rule.contains("yes"), *access != json!("denied"), "{rule}: {of_rule:?}");
    }
    let reported: BTreeSet<String> = rows.iter().skip(1).flat_map(|row| cells(row)).collect();
    // That of custom authenticators is no rule's.
    let is_of_rules = |reason: &&Reason| reason.class() == Class::Forbidden && **reason != Reason::CallerRefused;
    let of_rules = Reason::ALL.iter().filter(is_of_rules);
    let others = [
        Reason::AudienceMismatch,
        Reason::ClaimInvalid,
        Reason::ClaimNotAllowed,
        Reason::CredentialMissing,
        Reason::TokenExpired,
        Reason::IssuerUnknown,
        Reason::PathAmbiguous,
    ];
    for reason in of_rules.chain(&others) {
        assert!(reported.contains(reason.code()), "the reason {} is missing", reason.code());
    }
}
