//! `docs/seeds.md` and the tests name each other.

use super::gateway::listed;
use crate::readme::rows;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The tests of the four documents, by module.
const DOCUMENTS: [&str; 4] = ["humanitec", "bifrost", "exercise", "orchescala"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The tests of this program, as the page names them: `humanitec::NAME`.
fn tests() -> BTreeSet<String> {
    let all = listed(["seeds::".to_owned()].into_iter());
    let names = all.iter().filter_map(|name| name.strip_prefix("seeds::")).map(str::to_owned);
    names.filter(|name| DOCUMENTS.iter().any(|module| name.starts_with(&format!("{module}::")))).collect()
}

/// The statements of the page: the document's module by its table's place, the statement, and the second cell.
fn statements() -> Vec<(String, String)> {
    let rows = rows(&fs::read_to_string(root().join("docs/seeds.md")).unwrap());
    let pairs = rows.into_iter().filter_map(|row| match <[String; 2]>::try_from(row) {
        Ok([statement, test]) => Some((statement, test)),
        Err(_) => None,
    });
    pairs.collect()
}

/// The names of tests in a cell.
fn named(cell: &str) -> Vec<&str> {
    let codes = cell.split('`').skip(1).step_by(2);
    codes.filter(|code| DOCUMENTS.iter().any(|module| code.starts_with(&format!("{module}::")))).collect()
}

#[test]
fn every_statement_has_a_test_or_a_reason() {
    let tests = tests();
    let statements = statements();
    assert!(statements.len() > 100, "only {} statements", statements.len());
    let mut wrong = Vec::new();
    for (statement, cell) in &statements {
        let named = named(cell);
        let missing = named.iter().filter(|name| !tests.contains(**name));
        wrong.extend(missing.map(|name| format!("{statement}: there is no test {name}")));
        let reason = cell.strip_prefix("Out of scope: ").is_some_and(|reason| reason.split_whitespace().count() > 3);
        if named.is_empty() != reason {
            wrong.push(format!("{statement}: one of a test and `Out of scope: ` with a reason"));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn every_test_has_a_statement() {
    let statements = statements();
    let named: BTreeSet<&str> = statements.iter().flat_map(|(_, cell)| named(cell)).collect();
    let tests = tests();
    let missing: Vec<&String> = tests.iter().filter(|test| !named.contains(test.as_str())).collect();
    assert!(missing.is_empty(), "docs/seeds.md has no statement for these: {missing:?}");
}

/// A test that takes no turn would leave the gateway running, or stop it too late.
#[test]
fn every_test_takes_one_turn() {
    let mut files: Vec<PathBuf> = DOCUMENTS.map(|name| root().join(format!("tests/seeds/{name}.rs"))).to_vec();
    files.extend(
        ["reserved", "bifrost/payload", "exercise/messages", "orchescala/custom", "orchescala/identity"]
            .map(|name| root().join(format!("tests/seeds/{name}.rs"))),
    );
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let turns = ["GATEWAY.test(", "GATEWAY.test_without(", "$gateway.test("].map(|turn| text.matches(turn).count());
        assert_eq!(text.matches("#[test]").count(), turns.iter().sum::<usize>(), "{}", file.display());
        assert_eq!(text.matches("#[tokio::test]").count(), 0, "{}", file.display());
    }
}
