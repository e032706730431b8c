use proptest::prelude::*;
use serde_json::{Value, json};

use super::{JsonError, MAX_DEPTH, read_object};
use crate::jose::testing::assert_good_messages;

#[test]
fn messages_are_unique_lowercase_sentences() {
    assert_good_messages(&JsonError::ALL);
}

#[test]
fn objects_are_read_as_they_are() {
    let text = r#" {"a":1,"b":[true,null,-2,0.5,"x\u00e9\ud83d\ude00"],"c":{"a":{"a":"\""}},"":18446744073709551615} "#;
    let expected = json!({
        "a": 1, "b": [true, null, -2, 0.5, "xé😀"], "c": {"a": {"a": "\""}}, "": u64::MAX
    });
    assert_eq!(Value::Object(read_object(text.as_bytes()).unwrap()), expected);
}

#[test]
fn the_names_that_serde_json_uses_inside_mean_nothing() {
    let text = r#"{"n":{"$serde_json::private::Number":"1"},"r":{"$serde_json::private::RawValue":"1"}}"#;
    let object = read_object(text.as_bytes()).unwrap();
    assert!(object["n"].is_object() && object["r"].is_object());
}

#[test]
fn whatever_two_readers_could_read_differently_is_refused() {
    let table: &[(&str, &[u8], JsonError)] = &[
        ("nothing", b"", JsonError::Syntax),
        ("spaces", b"  ", JsonError::Syntax),
        ("no object: array", b"[]", JsonError::NotAnObject),
        ("no object: string", b"\"{}\"", JsonError::NotAnObject),
        ("no object: null", b"null", JsonError::NotAnObject),
        ("no object: number", b"1", JsonError::NotAnObject),
        ("no object: boolean", b"true", JsonError::NotAnObject),
        ("name twice", br#"{"a":1,"a":1}"#, JsonError::DuplicateName),
        ("name twice, not in a row", br#"{"a":1,"b":2,"a":3}"#, JsonError::DuplicateName),
        ("name twice, once escaped", br#"{"iss":"a","\u0069ss":"b"}"#, JsonError::DuplicateName),
        ("name twice, first escaped", br#"{"is\u0073":"a","iss":"b"}"#, JsonError::DuplicateName),
        ("name twice, both escaped", br#"{"\u00e9":1,"\u00E9":2}"#, JsonError::DuplicateName),
        (
            "name twice, beyond the first plane",
            "{\"\u{1f600}\":1,\"\\ud83d\\ude00\":2}".as_bytes(),
            JsonError::DuplicateName,
        ),
        ("name twice, slash", br#"{"a/b":1,"a\/b":2}"#, JsonError::DuplicateName),
        ("name twice, empty", br#"{"":1,"":2}"#, JsonError::DuplicateName),
        ("name twice, one level in", br#"{"a":{"b":1,"b":2}}"#, JsonError::DuplicateName),
        ("name twice, in an array", br#"{"a":[0,{"b":1,"b":2}]}"#, JsonError::DuplicateName),
        ("byte order mark", b"\xef\xbb\xbf{}", JsonError::Syntax),
        ("UTF-16", b"{\0}\0", JsonError::Syntax),
        ("invalid UTF-8 in a string", b"{\"a\":\"\xff\"}", JsonError::NotUtf8),
        ("invalid UTF-8 in a name", b"{\"\xc3\":1}", JsonError::NotUtf8),
        ("overlong UTF-8", b"{\"a\":\"\xc0\xaf\"}", JsonError::NotUtf8),
        ("surrogate as bytes", b"{\"a\":\"\xed\xa0\x80\"}", JsonError::NotUtf8),
        ("lone leading surrogate", br#"{"a":"\ud800"}"#, JsonError::Syntax),
        ("lone trailing surrogate", br#"{"a":"\udc00"}"#, JsonError::Syntax),
        ("surrogates in the wrong order", br#"{"a":"\ude00\ud83d"}"#, JsonError::Syntax),
        ("lone surrogate in a name", br#"{"\ud800":1}"#, JsonError::Syntax),
        ("number beyond binary64", br#"{"exp":1e400}"#, JsonError::Syntax),
        ("negative number beyond binary64", br#"{"exp":-1e400}"#, JsonError::Syntax),
        ("a thousand digits", &[b"{\"exp\":1", &[b'0'; 1000][..], b"}"].concat(), JsonError::Syntax),
        ("NaN", br#"{"exp":NaN}"#, JsonError::Syntax),
        ("Infinity", br#"{"exp":Infinity}"#, JsonError::Syntax),
        ("leading zero", br#"{"exp":01}"#, JsonError::Syntax),
        ("plus sign", br#"{"exp":+1}"#, JsonError::Syntax),
        ("hexadecimal", br#"{"exp":0x1}"#, JsonError::Syntax),
        ("bare point", br#"{"exp":1.}"#, JsonError::Syntax),
        ("a second object", b"{}{}", JsonError::Syntax),
        ("a letter after the end", b"{}x", JsonError::Syntax),
        ("NUL after the end", b"{}\0", JsonError::Syntax),
        ("a dot after the end", b"{}.", JsonError::Syntax),
        ("trailing comma", br#"{"a":1,}"#, JsonError::Syntax),
        ("comment", b"{/**/}", JsonError::Syntax),
        ("single quotes", b"{'a':1}", JsonError::Syntax),
        ("name without quotes", b"{a:1}", JsonError::Syntax),
        ("newline in a string", b"{\"a\":\"\n\"}", JsonError::Syntax),
        ("NUL in a string", b"{\"a\":\"\0\"}", JsonError::Syntax),
        ("unfinished", br#"{"a":1"#, JsonError::Syntax),
        ("no-break space", "{\u{a0}}".as_bytes(), JsonError::Syntax),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(read_object(bytes), Err(*expected), "{what}");
    }
}

#[test]
fn nesting_has_a_bound() {
    let arrays = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    let objects = |levels: usize| format!("{}{{}}{}", "{\"a\":".repeat(levels - 1), "}".repeat(levels - 1));
    let limit = usize::from(MAX_DEPTH);
    for nested in [arrays, objects] {
        assert!(read_object(nested(limit).as_bytes()).is_ok());
        assert_eq!(read_object(nested(limit + 1).as_bytes()), Err(JsonError::TooDeep));
        assert_eq!(read_object(nested(5_000).as_bytes()), Err(JsonError::TooDeep));
    }
    assert_eq!(read_object("[".repeat(5_000).as_bytes()), Err(JsonError::TooDeep));
    // Width does not count as depth.
    assert!(read_object(format!("{{\"a\":[{}0]}}", "[],".repeat(5_000)).as_bytes()).is_ok());
}

proptest! {
    #[test]
    fn what_is_accepted_is_what_serde_json_reads(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(object) = read_object(&bytes) {
            prop_assert_eq!(Value::Object(object), serde_json::from_slice::<Value>(&bytes).unwrap());
        }
    }

    #[test]
    fn text_made_of_json_pieces_is_read_as_serde_json_reads_it_or_refused(
        pieces in proptest::collection::vec(
            prop::sample::select(vec!["{", "}", "[", "]", ",", ":", "\"a\"", "\"b\"", "\"\\u0061\"", "1", "1e9", "null", " "]),
            0..24,
        )
    ) {
        let text = format!("{{{}}}", pieces.concat());
        match (read_object(text.as_bytes()), serde_json::from_str::<Value>(&text)) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(Value::Object(ours), theirs),
            (Ok(_), Err(_)) => prop_assert!(false, "accepted what is not JSON: {}", text),
            (Err(error), Ok(_)) => prop_assert_eq!(error, JsonError::DuplicateName),
            (Err(_), Err(_)) => {}
        }
    }
}
