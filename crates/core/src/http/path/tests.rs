//! Accepted and rejected paths, spelling by spelling, and properties of all of them.

use super::{CanonicalPath, MAX_TARGET_BYTES, PathError, RequestTarget, encode_canonical};
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::Write;

fn error(raw: &[u8]) -> Option<PathError> {
    RequestTarget::parse(raw).err()
}

fn assert_refused(table: &[(&[u8], PathError)]) {
    for (raw, expected) in table {
        assert_eq!(error(raw), Some(*expected), "{}", raw.escape_ascii());
    }
}

#[test]
fn plain_and_encoded_paths_are_read() {
    // target, canonical path, segments, query
    let table: &[(&str, &str, &[&str], Option<&str>)] = &[
        ("/", "/", &[], None),
        ("/a", "/a", &["a"], None),
        ("/a/", "/a/", &["a"], None),
        ("/Admin/x", "/Admin/x", &["Admin", "x"], None),
        ("/admin?x=/public/", "/admin", &["admin"], Some("x=/public/")),
        ("/admin?", "/admin", &["admin"], Some("")),
        ("/admin?a?b", "/admin", &["admin"], Some("a?b")),
        ("/?//..;%2f%00%zz\\", "/", &[], Some("//..;%2f%00%zz\\")),
        ("/publicity", "/publicity", &["publicity"], None),
        ("/.well-known/jwks.json", "/.well-known/jwks.json", &[".well-known", "jwks.json"], None),
        ("/.../..a/a../.a", "/.../..a/a../.a", &["...", "..a", "a..", ".a"], None),
        ("/-._~!$&'()*+,=:@", "/-._~!$&'()*+,=:@", &["-._~!$&'()*+,=:@"], None),
        ("/me%40example.com", "/me@example.com", &["me@example.com"], None),
        ("/a%20b%22%3C%3E%7b%7C", "/a b\"<>{|", &["a b\"<>{|"], None),
        ("/caf%C3%a9/x", "/café/x", &["café", "x"], None),
        ("/%E2%80%8F%EF%BB%BF", "/\u{200f}\u{feff}", &["\u{200f}\u{feff}"], None),
        ("/100%25", "/100%", &["100%"], None),
        ("/100%25/a", "/100%/a", &["100%", "a"], None),
        ("/%25a/%25zz", "/%a/%zz", &["%a", "%zz"], None),
    ];
    for (raw, path, segments, query) in table {
        let target = RequestTarget::parse(raw.as_bytes()).unwrap_or_else(|error| panic!("{raw}: {error}"));
        assert_eq!(target.path.as_str(), *path, "{raw}");
        assert_eq!(target.path.segments().collect::<Vec<_>>(), *segments, "{raw}");
        assert_eq!(target.path.first_segment(), segments.first().copied(), "{raw}");
        assert_eq!(target.query, *query, "{raw}");
    }
}

#[test]
fn ambiguous_structure_is_refused() {
    assert_refused(&[
        (b"", PathError::Empty),
        (b"*", PathError::NotOriginForm),
        (b"?x=1", PathError::NotOriginForm),
        (b"admin", PathError::NotOriginForm),
        (b" /admin", PathError::NotOriginForm),
        (b"http://example.com/admin", PathError::NotOriginForm),
        (b"example.com:443", PathError::NotOriginForm),
        (b"%2fadmin", PathError::NotOriginForm),
        (b"\\admin", PathError::NotOriginForm),
        (b"//", PathError::EmptySegment(0)),
        (b"//admin", PathError::EmptySegment(0)),
        (b"//example.com/admin", PathError::EmptySegment(0)),
        (b"/public//admin", PathError::EmptySegment(7)),
        (b"/admin//", PathError::EmptySegment(6)),
        (b"/.", PathError::DotSegment(0)),
        (b"/..", PathError::DotSegment(0)),
        (b"/./admin", PathError::DotSegment(0)),
        (b"/public/../admin", PathError::DotSegment(7)),
        (b"/public/..", PathError::DotSegment(7)),
        (b"/public/.?x", PathError::DotSegment(7)),
        (b"/public/..?x", PathError::DotSegment(7)),
        (b"/public/%2e%2E/admin", PathError::EncodedDot(8)),
        (b"/public/.%2E/admin", PathError::EncodedDot(9)),
        (b"/public/%2e./admin", PathError::EncodedDot(8)),
        (b"/public/%2e", PathError::EncodedDot(8)),
        (b"/a%2Ejson", PathError::EncodedDot(2)),
        (b"/public\\..\\admin", PathError::Backslash(7)),
        (b"/\\admin", PathError::Backslash(1)),
        (b"/public%5c..%5Cadmin", PathError::Backslash(7)),
        (b"/a%5Cb", PathError::Backslash(2)),
        (b"/public%2fadmin", PathError::EncodedSlash(7)),
        (b"/public%2Fadmin", PathError::EncodedSlash(7)),
        (b"/public/..%2fadmin", PathError::EncodedSlash(10)),
        (b"/admin;x=1", PathError::Semicolon(6)),
        (b"/public/..;/admin", PathError::Semicolon(10)),
        (b"/;/admin", PathError::Semicolon(1)),
        (b"/admin%3bx", PathError::Semicolon(6)),
        (b"/admin%3Bx", PathError::Semicolon(6)),
        (b"/admin#x", PathError::NumberSign(6)),
        (b"/admin%23x", PathError::NumberSign(6)),
        (b"/admin?x#y", PathError::NumberSign(8)),
        (b"/admin%3fx", PathError::EncodedQuestionMark(6)),
        (b"/admin%3Fx", PathError::EncodedQuestionMark(6)),
        (b"/a?b c", PathError::IllegalQueryByte(4)),
        (b"/a?\0", PathError::IllegalQueryByte(3)),
        (b"/a?b\r\n", PathError::IllegalQueryByte(4)),
        (b"/a?\xc3\xa9", PathError::IllegalQueryByte(3)),
        (b"/a?\x7f", PathError::IllegalQueryByte(3)),
    ]);
}

#[test]
fn ambiguous_characters_are_refused() {
    assert_refused(&[
        (b"/admin\0", PathError::IllegalByte(6)),
        (b"/admin\t", PathError::IllegalByte(6)),
        (b"/admin\r\n", PathError::IllegalByte(6)),
        (b"/admin\x1f", PathError::IllegalByte(6)),
        (b"/admin ", PathError::IllegalByte(6)),
        (b"/admin\x7f", PathError::IllegalByte(6)),
        (b"/caf\xc3\xa9", PathError::IllegalByte(4)),
        (b"/admin\xff", PathError::IllegalByte(6)),
        (b"/%", PathError::MalformedEscape(1)),
        (b"/%4", PathError::MalformedEscape(1)),
        (b"/%zz", PathError::MalformedEscape(1)),
        (b"/%4g", PathError::MalformedEscape(1)),
        (b"/%+4", PathError::MalformedEscape(1)),
        (b"/%u002e", PathError::MalformedEscape(1)),
        (b"/a%2?f", PathError::MalformedEscape(2)),
        (b"/%%32%65", PathError::MalformedEscape(1)),
        (b"/public/%252e%252e/admin", PathError::DoubleEncoding(8)),
        (b"/a%252fb", PathError::DoubleEncoding(2)),
        (b"/a%25252fb", PathError::DoubleEncoding(2)),
        (b"/a%25%252e", PathError::DoubleEncoding(5)),
        (b"/a%25%32%66", PathError::EncodedUnreserved(5)),
        (b"/a%252%66", PathError::EncodedUnreserved(6)),
        (b"/%41dmin", PathError::EncodedUnreserved(1)),
        (b"/%61dmin", PathError::EncodedUnreserved(1)),
        (b"/%30", PathError::EncodedUnreserved(1)),
        (b"/%7Eme", PathError::EncodedUnreserved(1)),
        (b"/a%2Db", PathError::EncodedUnreserved(2)),
        (b"/a%5Fb", PathError::EncodedUnreserved(2)),
        (b"/admin%00", PathError::EncodedControl(6)),
        (b"/admin%0d%0a", PathError::EncodedControl(6)),
        (b"/admin%1F", PathError::EncodedControl(6)),
        (b"/admin%7f", PathError::EncodedControl(6)),
        (b"/%20admin%C2%85", PathError::EncodedControl(9)),
        (b"/%C2%80", PathError::EncodedControl(1)),
        (b"/%C2%9F", PathError::EncodedControl(1)),
        // Overlong `/`, `.`, `\` and NUL, a surrogate, too large, cut short, a lone continuation, Latin-1.
        (b"/a%C0%AFb", PathError::InvalidUtf8(2)),
        (b"/%40%c0%ae", PathError::InvalidUtf8(4)),
        (b"/%E0%80%AF", PathError::InvalidUtf8(1)),
        (b"/%F0%80%80%AF", PathError::InvalidUtf8(1)),
        (b"/%C1%9C", PathError::InvalidUtf8(1)),
        (b"/%C0%80", PathError::InvalidUtf8(1)),
        (b"/%ED%A0%80", PathError::InvalidUtf8(1)),
        (b"/%F4%90%80%80", PathError::InvalidUtf8(1)),
        (b"/%C3", PathError::InvalidUtf8(1)),
        (b"/%C3/%A9", PathError::InvalidUtf8(1)),
        (b"/%A9", PathError::InvalidUtf8(1)),
        (b"/caf%E9", PathError::InvalidUtf8(4)),
    ]);
    for byte in b"\"<>[]^`{|}" {
        assert_eq!(error(&[b'/', *byte]), Some(PathError::IllegalByte(1)), "{}", char::from(*byte));
    }
}

#[test]
fn the_bound_counts_path_and_query() {
    let path = format!("/{}", "a".repeat(MAX_TARGET_BYTES - 1));
    assert_eq!(error(path.as_bytes()), None);
    assert_eq!(error(format!("{path}a").as_bytes()), Some(PathError::TooLong { found: 8_193, limit: 8_192 }));
    let query = format!("/?{}", "a".repeat(MAX_TARGET_BYTES - 2));
    assert_eq!(error(query.as_bytes()), None);
    assert_eq!(error(format!("{query}a").as_bytes()), Some(PathError::TooLong { found: 8_193, limit: 8_192 }));
}

#[test]
fn the_bound_can_be_set() {
    let parse = |raw, limit| RequestTarget::parse_within(raw, limit).err();
    assert_eq!(parse(b"/a?b".as_slice(), 4), None);
    assert_eq!(parse(b"/a?bc".as_slice(), 4), Some(PathError::TooLong { found: 5, limit: 4 }));
    let long = format!("/?{}", "a".repeat(60_000));
    assert_eq!(parse(long.as_bytes(), 65_536), None);
}

#[test]
fn a_path_without_escapes_is_borrowed() {
    let CanonicalPath(text) = RequestTarget::parse(b"/api/users/7/?q=%20").unwrap().path;
    assert!(matches!(text, Cow::Borrowed("/api/users/7/")));
}

#[test]
fn debug_does_not_show_the_query() {
    let shown = format!("{:?}", RequestTarget::parse(b"/a?access_token=canary").unwrap());
    assert!(shown.contains("/a") && shown.contains("19"), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}

#[test]
fn messages_are_unique() {
    let all = [
        PathError::Empty,
        PathError::TooLong { found: 2, limit: 1 },
        PathError::NotOriginForm,
        PathError::EmptySegment(7),
        PathError::DotSegment(7),
        PathError::EncodedDot(7),
        PathError::Backslash(7),
        PathError::EncodedSlash(7),
        PathError::Semicolon(7),
        PathError::NumberSign(7),
        PathError::EncodedQuestionMark(7),
        PathError::IllegalByte(7),
        PathError::MalformedEscape(7),
        PathError::DoubleEncoding(7),
        PathError::EncodedUnreserved(7),
        PathError::EncodedControl(7),
        PathError::InvalidUtf8(7),
        PathError::IllegalQueryByte(7),
    ];
    let numbers: HashSet<_> = all.into_iter().map(number).collect();
    let messages: HashSet<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!((numbers.len(), messages.len()), (18, 18));
}

/// Returns a number for each variant. A new one does not compile until it has a number, and thus an entry in the list above.
const fn number(error: PathError) -> u8 {
    match error {
        PathError::Empty => 1,
        PathError::TooLong { .. } => 2,
        PathError::NotOriginForm => 3,
        PathError::EmptySegment(_) => 4,
        PathError::DotSegment(_) => 5,
        PathError::EncodedDot(_) => 6,
        PathError::Backslash(_) => 7,
        PathError::EncodedSlash(_) => 8,
        PathError::Semicolon(_) => 9,
        PathError::NumberSign(_) => 10,
        PathError::EncodedQuestionMark(_) => 11,
        PathError::IllegalByte(_) => 12,
        PathError::MalformedEscape(_) => 13,
        PathError::DoubleEncoding(_) => 14,
        PathError::EncodedUnreserved(_) => 15,
        PathError::EncodedControl(_) => 16,
        PathError::InvalidUtf8(_) => 17,
        PathError::IllegalQueryByte(_) => 18,
    }
}

/// The bytes other than `/` that are legal unencoded in a path.
const PLAIN: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,=:@";

/// Encodes only the required characters.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte == b'/' || PLAIN.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            push_escape(&mut encoded, byte);
        }
    }
    encoded
}

fn push_escape(text: &mut String, byte: u8) {
    write!(text, "%{byte:02X}").unwrap();
}

/// Undoes the only differences that the module documentation allows between spellings of a path: hex digits in lower case, and needless
/// escapes of reserved characters.
fn undo_permitted_differences(path: &str) -> String {
    let mut pieces = path.split('%');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (hex, after) = piece.split_at(2);
        let byte = u8::from_str_radix(hex, 16).unwrap();
        if PLAIN.contains(&byte) {
            plain.push(char::from(byte));
        } else {
            push_escape(&mut plain, byte);
        }
        plain.push_str(after);
    }
    plain
}

/// Generates targets that are mostly accepted, or nearly.
fn likely_target() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => "[a-z./]",
        4 => "[!$&'()*+,=:@~_-]",
        2 => "%[2-7][0-9a-fA-F]",
        2 => proptest::char::range('\u{80}', char::MAX).prop_map(|c| encode(&c.to_string()).to_lowercase()),
        1 => "%25",
        1 => "[?]",
        1 => "[;#\\\\ %]",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #[test]
    fn no_bytes_panic(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
        let mut after_slash = vec![b'/'];
        after_slash.extend(&raw);
        let _ = RequestTarget::parse(&raw);
        let _ = RequestTarget::parse(&after_slash);
    }

    #[test]
    fn an_accepted_path_encodes_to_what_was_sent(raw in likely_target()) {
        if let Ok(target) = RequestTarget::parse(raw.as_bytes()) {
            let sent = raw.split('?').next().unwrap_or_default();
            prop_assert_eq!(encode(target.path.as_str()), undo_permitted_differences(sent));
        }
    }

    #[test]
    fn canonicalisation_is_idempotent(raw in likely_target()) {
        if let Ok(first) = RequestTarget::parse(raw.as_bytes()) {
            let encoded = encode(first.path.as_str());
            let second = RequestTarget::parse(encoded.as_bytes()).unwrap();
            prop_assert_eq!(first.path.as_str(), second.path.as_str());
            prop_assert_eq!(encode_canonical(first.path.as_str()), encoded);
            let sent = raw.split('?').next().unwrap_or_default();
            if !sent.contains('%') {
                prop_assert_eq!(first.path.as_str(), sent);
            }
        }
    }

    #[test]
    fn an_accepted_path_holds_nothing_that_a_reader_could_resolve(raw in likely_target()) {
        if let Ok(target) = RequestTarget::parse(raw.as_bytes()) {
            let path = target.path.as_str();
            prop_assert!(path.starts_with('/'));
            prop_assert!(!path.contains("//") && !path.contains(['\\', ';', '#', '?']) && !path.contains(char::is_control));
            for segment in target.path.segments() {
                prop_assert!(!segment.is_empty() && segment != "." && segment != ".." && !segment.contains('/'));
            }
            let joined = target.path.segments().collect::<Vec<_>>().join("/");
            prop_assert_eq!(path.trim_matches('/'), joined);
        }
    }

    #[test]
    fn every_text_without_the_refused_characters_is_accepted_when_encoded(text in "[^/\\\\;#?%\\p{Cc}]{1,12}") {
        prop_assume!(text != "." && text != "..");
        let raw = format!("/{}", encode(&text));
        let target = RequestTarget::parse(raw.as_bytes()).unwrap();
        prop_assert_eq!(target.path.first_segment(), Some(text.as_str()));
    }

    #[test]
    fn a_query_is_split_off_and_left_alone(query in "[!-\"$-~]{0,40}") {
        let raw = format!("/a?{query}");
        let target = RequestTarget::parse(raw.as_bytes()).unwrap();
        prop_assert_eq!(target.path.as_str(), "/a");
        prop_assert_eq!(target.query, Some(query.as_str()));
    }
}
