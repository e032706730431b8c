//! Any document loads, or is refused with a place that lies in it: documents made of the known keys with any values, and the
//! README's example and the profiles, changed at random. Never a panic, never without end.

use super::bad::{Located, place};
use super::load_file;
use crate::properties::runner;
use crate::readme::example;
use proptest::collection::{btree_map, vec};
use proptest::prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);

/// Every key of the configuration, and two that are none.
const KEYS: [&str; 42] = [
    "profile",
    "server",
    "authenticators",
    "principal",
    "rules",
    "fallback",
    "upstream",
    "denials",
    "telemetry",
    "grpc",
    "admin",
    "deadline",
    "drain",
    "name",
    "from",
    "jwt",
    "header",
    "schemes",
    "issuer",
    "algorithms",
    "keys",
    "audiences",
    "require",
    "leeway",
    "max_lifetime",
    "types",
    "pem",
    "env",
    "file",
    "value",
    "absent",
    "match",
    "access",
    "methods",
    "paths",
    "headers",
    "strip",
    "credential",
    "claim",
    "forward",
    "nope",
    "",
];

/// Values that are right somewhere, and some that are right nowhere.
fn scalar() -> BoxedStrategy<Value> {
    let texts = [
        "bifrost",
        "none",
        "127.0.0.1:0",
        "150ms",
        "20s",
        "authorization",
        "Bearer",
        "RS256",
        "GOOD_KEY",
        "any",
        "GET",
        "/a/{id}",
        "/{*rest}",
        "public",
        "denied",
        "authenticated",
        "optional",
        "x-user",
        "x-user-*",
        "keep",
        "remove",
        "problem",
        "detail",
        "json",
        "all",
        "sub",
        "",
        "\u{0}",
        "*",
        "/dev/null",
        "a b",
    ];
    prop_oneof![
        6 => select(texts.to_vec()).prop_map(Value::from),
        1 => any::<String>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
    ]
    .boxed()
}

fn tree() -> BoxedStrategy<Value> {
    let key = || select(KEYS.to_vec()).prop_map(str::to_owned);
    let inner = scalar().prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(key(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    btree_map(key(), inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())).boxed()
}

/// One change to a text, by bytes: what comes of it need not be UTF-8.
#[derive(Debug, Clone)]
enum Change {
    CutOff(Index),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, Index),
    /// A line, written a second time elsewhere.
    Copy(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let signs = select(vec![
        "\t", " ", "\n", ":", ": ", "- ", "{", "}", "[", "]", "\"", "'", "#", "&a ", "*a", "!x ", "|", ">", "%",
        "---\n", "<<: ", "? ", "\0", "\u{feff}",
    ]);
    let signs = prop_oneof![signs.prop_map(|sign| sign.as_bytes().to_vec()), vec(any::<u8>(), 1..4)];
    prop_oneof![
        any::<Index>().prop_map(Change::CutOff),
        (any::<Index>(), 1..40_usize).prop_map(|(at, many)| Change::Remove(at, many)),
        (any::<Index>(), signs).prop_map(|(at, what)| Change::Insert(at, what)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Copy(from, to)),
    ]
}

fn changed(text: &str, changes: &[Change]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for change in changes {
        let len = bytes.len();
        match change {
            Change::CutOff(at) => bytes.truncate(at.index(len + 1)),
            Change::Remove(at, many) => {
                let at = at.index(len + 1);
                bytes.drain(at..len.min(at + many));
            }
            Change::Insert(at, what) => {
                let at = at.index(len + 1);
                bytes.splice(at..at, what.iter().copied());
            }
            Change::Repeat(from, to) => {
                let (from, to) = (from.index(len + 1), to.index(len + 1));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(part);
            }
            Change::Copy(from, to) => {
                let mut lines: Vec<Vec<u8>> =
                    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                if !lines.is_empty() {
                    let line = lines[from.index(lines.len())].clone();
                    lines.insert(to.index(lines.len()), line);
                    bytes = lines.concat();
                }
            }
        }
    }
    bytes
}

/// Loads a document, and checks the form of its errors.
fn assert_loads_or_is_refused_with_a_place(document: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    fs::write(&file, document).unwrap();
    let start = Instant::now();
    let loaded = load_file(&file);
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
    let Err(error) = loaded else { return };
    let error = error.to_string();
    let text = String::from_utf8_lossy(document);
    let name = file.display().to_string();
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        assert_eq!(
            error,
            format!("{name}: the file is empty; to serve the profile as it is, leave out --config [file-empty]")
        );
        return;
    }
    // YAML ends a line with CR, too.
    let lines: Vec<&str> = text.split('\n').flat_map(|line| line.split('\r')).collect();
    for error in error.lines().filter(|line| !line.starts_with("there may be more errors: ")) {
        let Located { origin, at: (line, column), what } =
            place(error).unwrap_or_else(|| panic!("no location: {error}"));
        assert!(!what.is_empty(), "no message: {error}");
        if origin.starts_with("profile ") || origin == "default" {
            continue;
        }
        assert_eq!(origin, name, "{error}");
        let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(
            (1..=lines.len() + 1).contains(&line) && (1..=longest + 1).contains(&column),
            "not in the document: {error}"
        );
    }
}

#[test]
fn documents_of_the_known_keys() {
    runner(600)
        .run(&tree(), |tree| {
            assert_loads_or_is_refused_with_a_place(serde_json::to_string_pretty(&tree).unwrap().as_bytes());
            Ok(())
        })
        .unwrap();
}

#[test]
fn documents_that_were_good_and_have_been_changed() {
    let good = [
        example(),
        include_str!("../../src/config/profiles/bifrost.yaml").to_owned(),
        include_str!("../../src/config/profiles/none.yaml").to_owned(),
        include_str!("../data/configuration/good/anchors-and-merges.yaml").to_owned(),
    ];
    runner(600)
        .run(&(select(good.to_vec()), vec(change(), 1..4)), |(text, changes)| {
            assert_loads_or_is_refused_with_a_place(&changed(&text, &changes));
            Ok(())
        })
        .unwrap();
}
