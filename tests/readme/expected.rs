//! Compares an output with the one that a page shows, in which `…` matches any text.

use super::GRPCURL;
use super::blocks::Block;
use serde_json::Value;

/// Fails unless the output is what the block shows. JSON is compared by meaning.
pub(super) fn check(found: &str, expected: &Block) {
    let same = match expected.info.as_str() {
        "text output" => is_text(found.trim_end(), expected.text.trim_end()),
        "json output" => match (serde_json::from_str(found), serde_json::from_str(&expected.text)) {
            (Ok(found), Ok(expected)) => is_json(&found, &expected),
            (found, shown) => panic!("{GRPCURL}:{}: no JSON: {found:?}, {shown:?}", expected.line),
        },
        other => panic!("{GRPCURL}:{}: `{other}` is no kind of output", expected.line),
    };
    assert!(same, "{GRPCURL}:{} shows\n{}\nand this came back:\n{found}", expected.line, expected.text);
}

fn is_text(found: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| found.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn is_json(found: &Value, shown: &Value) -> bool {
    match (found, shown) {
        (Value::String(found), Value::String(shown)) => is_text(found, shown),
        (Value::Array(found), Value::Array(shown)) => {
            found.len() == shown.len() && found.iter().zip(shown).all(|(found, shown)| is_json(found, shown))
        }
        (Value::Object(found), Value::Object(shown)) => {
            found.len() == shown.len()
                && shown.iter().all(|(name, shown)| found.get(name).is_some_and(|found| is_json(found, shown)))
        }
        _ => found == shown,
    }
}

#[test]
fn only_an_ellipsis_matches_anything() {
    for (found, shown, same) in [
        ("a", "a", true),
        ("a", "b", false),
        ("ab", "a", false),
        ("abc", "a…c", true),
        ("abd", "a…c", false),
        ("a\nb\nc", "a\n…\nc", true),
        ("abcd", "…bc…", true),
        ("abcd", "…x…", false),
        ("ab", "ab…b", false),
    ] {
        assert_eq!(is_text(found, shown), same, "{found} {shown}");
    }
    for (found, shown, same) in [
        (r#"{"a": [1, "xyz"]}"#, r#"{"a": [1, "x…"]}"#, true),
        (r#"{"a": 1, "b": 2}"#, r#"{"b": 2, "a": 1}"#, true),
        (r#"{"a": 1, "b": 2}"#, r#"{"a": 1}"#, false),
        (r#"{"a": 1}"#, r#"{"a": 1, "b": 2}"#, false),
        ("[1, 2]", "[2, 1]", false),
        ("[1, 2]", "[1]", false),
    ] {
        let parsed = |text| serde_json::from_str::<Value>(text).unwrap();
        assert_eq!(is_json(&parsed(found), &parsed(shown)), same, "{found} {shown}");
    }
}
