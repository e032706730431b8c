//! Documents as large as a file may be, of one thing repeated: refused or loaded, in time that grows with their size and no faster.

use super::bad::place;
use super::load_file;
use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

/// The largest file that is read.
const BYTES: usize = 1024 * 1024;

/// How long any of them may take here, where nothing is optimised and other tests run at the same time. What grows with the square of the
/// size takes minutes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A document that begins with `head` and goes on with as many parts as there is room for.
fn filled(head: &str, part: impl Fn(usize) -> String) -> String {
    let mut text = head.to_owned();
    for number in 0.. {
        let part = part(number);
        if text.len() + part.len() > BYTES {
            break;
        }
        text.push_str(&part);
    }
    text
}

#[test]
fn the_largest_documents_take_bounded_time() {
    let documents = [
        ("faulty elements", filled("profile: bifrost\nrules:\n", |_| "- 1\n".to_owned())),
        ("unknown keys", filled("profile: bifrost\n", |number| format!("k{number}: 1\n"))),
        (
            "header names that are none",
            filled("profile: bifrost\nupstream:\n  headers:\n", |number| {
                format!("    \"x {number}\": {{ claim: a }}\n")
            }),
        ),
        (
            "headers",
            filled("profile: bifrost\nupstream:\n  headers:\n", |number| format!("    x-{number}: {{ claim: a }}\n")),
        ),
        (
            "rules",
            filled("profile: bifrost\nrules:\n", |number| {
                format!("- {{ name: r{number}, match: {{ paths: [/r/{number}] }} }}\n")
            }),
        ),
        (
            "rules of one name",
            filled("profile: bifrost\nrules:\n", |number| {
                format!("- {{ name: r, match: {{ paths: [/r/{number}] }} }}\n")
            }),
        ),
        (
            "rules in conflict",
            filled("profile: bifrost\nrules:\n", |number| {
                format!("- {{ name: r{number}, match: {{ paths: [/r] }} }}\n")
            }),
        ),
        ("texts", filled("profile: bifrost\nprincipal:\n  absent:\n", |number| format!("  - t{number}\n"))),
        ("aliases", filled("profile: bifrost\na: &a [1]\nrules:\n", |_| "- *a\n".to_owned())),
        ("anchors", filled("profile: bifrost\nrules:\n", |number| format!("- &a{number} 1\n"))),
        ("comments", filled("", |_| "#\n".to_owned())),
        ("one text", filled("profile: ", |_| "a".repeat(1024))),
        ("one key", filled("", |_| "a".repeat(1024))),
        ("open brackets", filled("", |_| "[".to_owned())),
        ("dashes", filled("", |_| "- ".to_owned())),
        ("open quotes", filled("a: ", |_| "\"".to_owned())),
        ("line ends", filled("a: |\n", |_| "\n".to_owned())),
        ("documents", filled("", |_| "---\n".to_owned())),
    ];
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    let mut errors = String::new();
    for (what, document) in documents {
        fs::write(&file, document).unwrap();
        let start = Instant::now();
        let loaded = load_file(&file);
        let took = start.elapsed();
        assert!(took < PATIENCE, "{what}: {took:?}");
        if let Err(error) = loaded {
            let text = error.to_string();
            assert!(place(&text).is_some(), "{what}: {text}");
            assert!(text.lines().count() <= 101 && text.len() < 100_000, "{what}: {} bytes are reported", text.len());
            writeln!(errors, "{what}: {}", text.lines().next().unwrap_or_default()).unwrap();
        }
    }
    assert!(errors.lines().count() > 10, "hardly any was refused:\n{errors}");
}
