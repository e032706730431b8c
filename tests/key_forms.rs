//! Keys in every form that a configuration can hold, and tokens that other libraries have signed: `tests/data/key-forms.yaml`.

#![expect(clippy::unwrap_used, reason = "a test says what went wrong by failing")]

use crate::support::NOW;
use modgud::config::{Environment, Overrides, load};
use modgud_core::decide::{Snapshot, Verdict, decide};
use modgud_core::http::request::{Field, Headers, Request};
use modgud_core::time::Timestamp;
use serde::Deserialize;
use std::collections::{BTreeMap, HashSet};
use std::fs;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    files: BTreeMap<String, String>,
    configurations: BTreeMap<String, String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    configuration: String,
    /// `allowed`, or the reason of the denial.
    outcome: String,
    token: String,
}

/// What becomes of a request with this token.
fn outcome(snapshot: &Snapshot, token: &str) -> String {
    let value = format!("Bearer {token}");
    let headers = Headers::new(vec![Field { name: b"authorization", value: value.as_bytes() }]);
    let request = Request::parse(b"GET", b"/", b"api.example.com", headers).unwrap();
    match decide(&request, snapshot, Timestamp::from_secs(NOW)).verdict {
        Verdict::Allow(_) => "allowed".to_owned(),
        Verdict::Deny(error) => error.reason().code().to_owned(),
    }
}

#[test]
fn tokens_of_other_libraries_are_decided_as_in_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/key-forms.yaml");
    let Table { files, configurations, cases } = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let file = folder.path().join("modgud.yaml");
    let loaded = configurations.into_iter().map(|(name, yaml)| {
        fs::write(&file, yaml).unwrap();
        let loaded = load(Some(&file), &Overrides::default(), &Environment::fixed([]));
        let loaded = loaded.unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, loaded)
    });
    let loaded: BTreeMap<_, _> = loaded.collect();
    let (mut names, mut used, mut wrong) = (HashSet::new(), HashSet::new(), Vec::new());
    for Case { name, configuration, outcome: expected, token } in &cases {
        assert!(names.insert(name), "two cases are called `{name}`");
        let known = loaded.get(configuration).unwrap_or_else(|| panic!("{name}: there is no {configuration}"));
        used.insert(configuration);
        let found = outcome(&known.config.snapshot, token);
        if found != *expected {
            wrong.push(format!("{name}: {found}, expected {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(used.len(), loaded.len(), "a configuration without a case");
}
