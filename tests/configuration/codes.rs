//! The codes of errors and warnings: each has a golden text, and no two have one text.

use super::{files, folder};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The codes of a severity in the sources, and how many of its diagnostics have a code that is no literal.
fn codes(constructors: &[&str]) -> (BTreeSet<String>, usize) {
    let mut codes = BTreeSet::new();
    let mut computed = 0;
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                for constructor in constructors {
                    for after in text.split(&format!("Issue::{constructor}(")).skip(1) {
                        match after.trim_start().strip_prefix('"').and_then(|code| code.split_once('"')) {
                            Some((code, _)) => drop(codes.insert(code.to_owned())),
                            None => computed += 1,
                        }
                    }
                }
            }
        }
    }
    (codes, computed)
}

/// The texts of a folder by their codes, with `…` for each quoted value.
fn texts(name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files(&folder(name), "txt") {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|line| !line.starts_with("there may be more errors: ")) {
            let (text, code) = line.rsplit_once(" [").unwrap_or_else(|| panic!("no code: {line}"));
            let code = code.strip_suffix(']').unwrap_or_else(|| panic!("no code: {line}"));
            let quoted = text.split('`').enumerate().map(|(index, part)| if index % 2 == 0 { part } else { "…" });
            let text = quoted.collect::<String>();
            texts.entry(code.to_owned()).or_default().insert(without_location(&text).to_owned());
        }
    }
    texts
}

/// A line without the start of the output, the location and the path.
fn without_location(mut line: &str) -> &str {
    while let Some((start, rest)) = line.split_once(": ") {
        if start.contains(' ') && !start.starts_with("profile ") {
            break;
        }
        line = rest;
    }
    line
}

#[test]
fn each_code_has_a_golden_text() {
    for (name, constructors) in [("bad", ["error", "parse"].as_slice()), ("warned", &["warning", "parse_warning"])] {
        let (codes, computed) = codes(constructors);
        assert_eq!(computed, 0, "{name}: a code is not a literal, so that this test does not see it");
        assert!(codes.len() > 20, "{name}: only {codes:?}");
        let shown: BTreeSet<String> = texts(name).into_keys().collect();
        assert_eq!(codes, shown, "{name}");
    }
}

#[test]
fn no_two_codes_have_one_text() {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    for (code, texts) in [texts("bad"), texts("warned")].into_iter().flatten() {
        for text in texts {
            let other = known.insert(text.clone(), code.clone()).filter(|other| *other != code);
            assert_eq!(other, None, "{code}: {text}");
        }
    }
}

#[test]
fn codes_are_short_words_with_hyphens() {
    let (codes, _) = codes(&["error", "parse", "warning", "parse_warning"]);
    for code in codes {
        let words = code
            .split('-')
            .all(|word| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        assert!(words && code.len() <= 32, "{code}");
    }
}
