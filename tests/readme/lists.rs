//! Lists of the pages are those of the code: reason codes with their statuses, metrics with their types and labels.

use super::blocks::rows;
use super::root;
use modgud_core::reason::{Class, Reason};
use serde::Deserialize;
use std::fs;

fn page(name: &str) -> Vec<Vec<String>> {
    rows(&fs::read_to_string(root().join("docs").join(name)).unwrap())
}

/// The text in a cell that is one inline code.
fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`').filter(|text| !text.contains('`'))
}

/// The rows of a table with this many columns whose first cell is a code.
fn entries(rows: &[Vec<String>], columns: usize) -> impl Iterator<Item = (&str, &[String])> {
    rows.iter().filter_map(move |row| match row.split_first() {
        Some((first, rest)) if row.len() == columns => Some((code(first)?, rest)),
        _ => None,
    })
}

/// The status of a class, unless the configuration changes it.
fn status(reason: Reason) -> &'static str {
    match reason.class() {
        Class::BadRequest if reason == Reason::UriTooLong => "414",
        Class::BadRequest if reason == Reason::RequestTooLarge => "413",
        Class::Unauthenticated => "401",
        Class::Forbidden => "403",
        Class::BadRequest => "400",
        Class::Unavailable => "503",
    }
}

/// Each code once, in the order of the code, with its status, a meaning, who mends it and how.
#[test]
fn reasons_are_those_of_the_code() {
    let rows = page("reasons.md");
    let mut listed = Vec::new();
    for (reason, cells) in entries(&rows, 5) {
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{reason} has an empty cell");
        listed.push((reason, cells.first().unwrap().as_str()));
    }
    let expected: Vec<_> = Reason::ALL.iter().map(|reason| (reason.code(), status(*reason))).collect();
    assert_eq!(listed, expected);
}

/// A family of `/metrics`; `tests/services/metrics.rs` compares this table with what modgud serves.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    labels: Vec<String>,
}

/// Each metric once, with the name of its samples, its type and its labels, and a meaning.
#[test]
fn metrics_are_those_of_the_code() {
    let table = fs::read_to_string(root().join("tests/data/metrics.yaml")).unwrap();
    let families: Vec<Family> = serde_saphyr::from_str(&table).unwrap();
    let mut expected: Vec<(String, String, String)> = families
        .into_iter()
        .map(|Family { name, kind, labels }| {
            let suffix = match kind.as_str() {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            (format!("{name}{suffix}"), kind, labels.join(", "))
        })
        .collect();
    let rows = page("metrics.md");
    let mut listed = Vec::new();
    for (name, cells) in entries(&rows, 5) {
        let [kind, labels, meaning, to_do] = cells else { panic!("{name}") };
        assert!(!meaning.is_empty() && !to_do.is_empty(), "{name} has no meaning, or nothing to do");
        listed.push((name.to_owned(), kind.clone(), labels.clone()));
    }
    expected.sort();
    listed.sort();
    assert_eq!(listed, expected);
}

/// Only a row whose first cell is one code is an entry.
#[test]
fn an_entry_is_a_row_with_a_code() {
    let rows = rows("| a | b |\n|---|---|\n| `x` | y |\n| x | y |\n| `x` and `y` | z |\n| `x` | y | z |\n");
    let found: Vec<&str> = entries(&rows, 2).map(|(name, _)| name).collect();
    assert_eq!(found, ["x"]);
}
