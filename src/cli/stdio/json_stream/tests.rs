//! Streams that are cut, joined and broken.

use super::scanner::{Scanner, Step};
use super::{ErrorKind, JsonStream, MAX_BYTES, Position, StreamError};
use crate::cli::stdio::message::UnreadableId;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

/// Reads a stream in pieces of this many bytes. Returns the values, and the lines of invalid input.
fn read(text: &[u8], piece: usize) -> Vec<Result<Value, StreamError>> {
    let mut values = JsonStream::default();
    let mut found = Vec::new();
    for piece in text.chunks(piece) {
        values.push(piece);
        while let Some(value) = values.next(parse) {
            found.push(value);
        }
    }
    values.end();
    while let Some(value) = values.next(parse) {
        found.push(value);
    }
    found
}

fn parse(object: &[u8]) -> Result<Value, UnreadableId> {
    serde_json::from_slice(object).map_err(|_| UnreadableId::Missing)
}

fn error(line: usize, column: usize, kind: ErrorKind) -> Result<Value, StreamError> {
    Err(StreamError { at: Position { line, column }, kind })
}

/// An error here, in the object that begins there.
fn malformed(at: (usize, usize), start: (usize, usize), expected: &'static str) -> Result<Value, StreamError> {
    let start = Position { line: start.0, column: start.1 };
    error(at.0, at.1, ErrorKind::Syntax { start, expected })
}

#[test]
fn values_are_found_with_any_text_between_them() {
    let one = || Ok(json!({"a": 1}));
    let two = || Ok(json!({"b": {"c": "}{"}}));
    for (text, expected) in [
        ("", vec![]),
        (" \r\n\t ", vec![]),
        (r#"{"a":1}{"b":{"c":"}{"}}"#, vec![one(), two()]),
        ("{\n \"a\"\n:\n1}\n\n{\"b\":\n{\"c\":\"}{\"}} ", vec![one(), two()]),
        ("{\"a\":1}\nrubbish\nand more\n{\"b\":{\"c\":\"}{\"}}", vec![one(), error(2, 1, ErrorKind::NoObject), two()]),
        ("[{\"a\":1}, 2]", vec![error(1, 1, ErrorKind::NoObject), one(), error(1, 9, ErrorKind::NoObject)]),
        // One mistake is one error, and no part of the object is a value.
        ("{\"x\": \"/é\" \"y\": {}}\n{\"a\":1}", vec![malformed((1, 12), (1, 1), "`,` or `}`"), one()]),
        ("{\"x\":} {\"a\":1}\n{\"a\":1}", vec![malformed((1, 6), (1, 1), "a value"), one()]),
        ("{\"x\": nul}\n{\"a\":1}", vec![malformed((1, 10), (1, 1), "`true`, `false` or `null`"), one()]),
        ("{\"x\": \"a\nb\"}\n{\"a\":1}", vec![malformed((1, 9), (1, 1), "no control character in a text"), one()]),
        ("{\"x\": \"\\y\"}\n{\"a\":1}", vec![malformed((1, 9), (1, 1), "a valid escape"), one()]),
        ("\n{'x': 1}\n{\"a\":1}", vec![malformed((2, 2), (2, 1), "a name in double quotes, or `}`"), one()]),
        ("{\"x\": [1 2]}\n  {\"a\":1}", vec![malformed((1, 10), (1, 1), "`,` or `]`"), one()]),
        ("{\n \"x\": 1\n \"y\": {},\n \"z\": 2\n}\n{\"a\":1}", vec![malformed((3, 2), (1, 1), "`,` or `}`"), one()]),
        // Cut off, then another value.
        ("{\"x\": 1\n{\"a\":1}", vec![malformed((2, 1), (1, 1), "`,` or `}`"), one()]),
        ("{\"x\": 1\n {\"a\":1}", vec![malformed((2, 2), (1, 1), "`,` or `}`"), one()]),
        ("{\"x\":\n{\"a\":1}\n{\"b\":{\"c\":\"}{\"}}", vec![malformed((3, 1), (1, 1), "`,` or `}`"), two()]),
        ("{\"x\"\n{\"a\":1}", vec![malformed((2, 1), (1, 1), "`:`"), one()]),
        ("{\n{\"a\":1}", vec![malformed((2, 1), (1, 1), "a name in double quotes, or `}`"), one()]),
        (
            "{{{x{{\n{ {{\"a\":1}{{",
            vec![
                malformed((1, 2), (1, 1), "a name in double quotes, or `}`"),
                malformed((2, 3), (2, 1), "a name in double quotes, or `}`"),
            ],
        ),
        ("rubbish {x}", vec![error(1, 1, ErrorKind::NoObject)]),
        ("{\"a\":1} {\"b\":", vec![one(), error(1, 9, ErrorKind::CutOff)]),
        ("{\"a\":1} \u{feff}{\"a\":1}", vec![one(), error(1, 9, ErrorKind::NoObject), one()]),
    ] {
        for piece in [1, 2, 3, 7, 1_000] {
            assert_eq!(read(text.as_bytes(), piece), expected, "{text:?} in pieces of {piece}");
        }
    }
    // Not UTF-8, between matching braces.
    assert_eq!(
        read(b"{\"x\": \"\xff\"} {\"a\":1}", 5),
        [error(1, 1, ErrorKind::NoReply(UnreadableId::Missing)), Ok(json!({"a": 1}))]
    );
}

#[test]
fn a_value_has_a_largest_size() {
    let text = |length: usize| format!("{{\"x\":\"{}\"}}", "y".repeat(length - 8));
    for piece in [4_096, 10 * MAX_BYTES] {
        let fits = read(text(MAX_BYTES).as_bytes(), piece);
        assert!(fits.len() == 1 && fits[0].is_ok());
        let stream = format!("{}{{\n{{\"a\":1}}", text(MAX_BYTES + 1));
        let found = read(stream.as_bytes(), piece);
        assert_eq!(found.first(), Some(&error(1, 1, ErrorKind::TooLarge)));
        assert_eq!(found.last(), Some(&Ok(json!({"a": 1}))));
    }
    // A value without an end takes no more than its maximum size.
    let mut values = JsonStream::default();
    values.push(b"{\"x\":\"");
    for _ in 0..40 {
        values.push("y".repeat(100_000).as_bytes());
        while values.next(parse).is_some() {}
        assert!(values.buffer.len() <= MAX_BYTES + 100_000);
    }
}

/// Checks that a value ends where `serde_json` finds its end.
#[test]
fn values_end_as_in_another_parser() {
    let parts = [
        "",
        "0",
        "-0",
        "01",
        "-",
        "1.",
        "1.5",
        "1e",
        "1e+",
        "1E-7",
        "-1.25e10",
        "true",
        "tru",
        "truex",
        "nul",
        "null",
        "[]",
        "[1,]",
        "[1, 2]",
        "[",
        "[}",
        "{}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "\"\"",
        "\"\\u00e\"",
        "\"\\u00E9\\\"\"",
        "\"\\x\"",
        "\"\u{7f}é\"",
        "\"\t\"",
        "1 2",
        "[true false]",
        "[[[[]],{}]]",
        ",",
        ":",
        "'a'",
        "+1",
        ".5",
        "\u{a0}1",
        "[1\n,\t2 ]",
    ];
    let mut good = 0;
    for part in parts {
        for (before, after) in
            [("{\"x\":", "}"), ("{\"x\" : [", "]}"), ("{\"a\":1, \"x\":", ",\"b\":[]}"), ("{", ":1}")]
        {
            let text = format!("{before}{part}{after}");
            let found = read(text.as_bytes(), 1);
            let wanted = serde_json::from_str::<Value>(&text);
            assert_eq!(
                found.first().is_some_and(Result::is_ok) && found.len() == 1,
                wanted.is_ok(),
                "{text}: {found:?}"
            );
            good += usize::from(wanted.is_ok());
        }
    }
    assert!(good > 30, "{good}");
}

/// Checks that endless runs without a value, and values byte by byte, take linear time.
#[test]
fn no_stream_is_read_twice() {
    for (run, expected) in [("{", 1), ("[{\"a\":", 1), ("{\n", 0), ("{\"a\":[", 1)] {
        let text = run.repeat(MAX_BYTES / run.len());
        let found = read(text.as_bytes(), 16);
        assert!(expected == 0 || found.len() == expected, "{run}: {} are told", found.len());
    }
}

/// Scans the beginning of a text: an object and its length, an incomplete object, or none.
fn scanned(text: &[u8]) -> (Step, usize) {
    let mut scanner = Scanner::default();
    let steps = text.iter().map(|byte| scanner.step(*byte));
    (1..).zip(steps).find(|(_, step)| *step != Step::On).map_or((Step::On, 0), |(length, step)| match step {
        Step::End => (step, length),
        Step::On | Step::Wrong => (step, 0),
    })
}

/// Parses the same with `serde_json`, which ignores the meaning of strings and numbers, too.
fn parsed(text: &[u8]) -> (Step, usize) {
    let read = |text: &[u8]| {
        let mut stream = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
        match stream.next() {
            Some(Ok(_)) => (Step::End, stream.byte_offset()),
            Some(Err(error)) if error.is_eof() => (Step::On, 0),
            Some(Err(_)) => (Step::Wrong, 0),
            None => (Step::On, 0),
        }
    };
    let with_digits = |digits: &[u8]| read(&[text, digits].concat());
    // In a run of backslashes, the last one begins an escape if their number is odd.
    let begins = |at: usize| text[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    let is_cut = (text.len().saturating_sub(4)..text.len()).any(|at| text[at] == b'u' && begins(at));
    match read(text) {
        // `serde_json` rejects a number that the end cuts off, such as `-` and `1e`; a real error remains with one more
        // digit.
        (Step::Wrong, _) => with_digits(b"0"),
        // It reads the four digits of an escape at once, so it may reject one that the end cuts off.
        (Step::On, _) if is_cut => with_digits(b"000"),
        found => found,
    }
}

/// Generates small JSON values.
fn any_json() -> impl Strategy<Value = Value> {
    let text = "([ -~]|\\PC|[\\x00-\\x1f]){0,6}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Checks that mutated and cut objects end where `serde_json` finds their end, or are invalid to both.
    #[test]
    fn mutated_objects_end_as_in_another_parser(
        value in any_json(),
        pretty in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..3, prop_oneof![
            prop::sample::select(b"{}[],:\"\\ \n\t-+.eE019tfnu/".to_vec()),
            any::<u8>(),
        ]), 0..3),
        cut in prop::option::of(any::<prop::sample::Index>()),
        after in "[ -~]{0,3}",
    ) {
        let object = json!({ "a": value });
        let mut text = if pretty { serde_json::to_vec_pretty(&object) } else { serde_json::to_vec(&object) }.unwrap();
        for (at, kind, byte) in changes {
            // The scanner only sees input that begins with a brace.
            let at = at.index(text.len()).max(1);
            match kind {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => text.truncate(at.max(2)),
            }
        }
        text.extend(after.bytes());
        if let Some(cut) = cut {
            text.truncate(cut.index(text.len()).max(1));
        }
        prop_assert_eq!(scanned(&text), parsed(&text), "{}", String::from_utf8_lossy(&text));
    }

    /// Checks that the result does not depend on how the stream is cut. After invalid text, a value that begins a line
    /// is never lost.
    #[test]
    fn cuts_change_nothing(text in "([ -~\\n]|\\{\"a\":1\\}\\n){0,60}", piece in 1_usize..20) {
        prop_assert_eq!(read(text.as_bytes(), piece), read(text.as_bytes(), 1_000_000));
    }
}
