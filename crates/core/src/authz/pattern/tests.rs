//! Tests of valid and invalid path patterns.

use super::{PathPattern, PatternError, Segment};
use crate::http::path::{MAX_TARGET_BYTES, RequestTarget};
use proptest::prelude::*;
use std::collections::HashSet;

#[test]
fn parameters_are_the_segments_in_their_positions() {
    // pattern, path, name=value of each parameter
    for (pattern, path, expected) in [
        ("/", "/", ""),
        ("/a", "/a", ""),
        ("/orgs/{org}", "/orgs/x", "org=x"),
        ("/orgs/{org}/", "/orgs/x/", "org=x"),
        ("/{a}/b/{c}", "/1/b/2", "a=1 c=2"),
        ("/{a}", "/100%25", "a=100%"),
        ("/{a}", "/%C3%A9%20x", "a=é x"),
        ("/a/{*rest}", "/a", "rest="),
        ("/a/{*rest}", "/a/", "rest="),
        ("/a/{*rest}", "/a/b/c/", "rest=b/c"),
        ("/{a}/{*rest}", "/1/2/3", "a=1 rest=2/3"),
    ] {
        let (text, pattern) = (pattern, PathPattern::parse(pattern).unwrap());
        let target = RequestTarget::parse(path.as_bytes()).unwrap();
        let found: Vec<String> =
            pattern.parameters(&target.path).map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(found.join(" "), expected, "{text} {path}");
        let names: Vec<&str> = pattern.names().collect();
        let found: Vec<&str> = found.iter().filter_map(|text| text.split_once('=')).map(|(name, _)| name).collect();
        assert_eq!(names, found, "{text}");
    }
}

#[test]
fn patterns_are_read_and_written_back() {
    // pattern, the text that it is written back as, number of segments before `{*rest}`, name of `{*rest}`
    let table = [
        ("/", "/", 0, None),
        ("/admin", "/admin", 1, None),
        ("/admin/", "/admin", 1, None),
        ("/api/users/{id}", "/api/users/{id}", 3, None),
        ("/{org}/{id}/", "/{org}/{id}", 2, None),
        ("/{*rest}", "/{*rest}", 0, Some("rest")),
        ("/admin/{*rest}/", "/admin/{*rest}", 1, Some("rest")),
        ("/{_a1}/{*b}", "/{_a1}/{*b}", 1, Some("b")),
        ("/v1/things:cancel/me@example.com", "/v1/things:cancel/me@example.com", 3, None),
        ("/a b/caf\u{e9}", "/a b/caf\u{e9}", 2, None),
        ("/.well-known/...", "/.well-known/...", 2, None),
    ];
    for (text, written, segments, rest) in table {
        let pattern = PathPattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(pattern.to_string(), written);
        assert_eq!(PathPattern::parse(written).as_ref(), Ok(&pattern));
        assert_eq!((pattern.segments().len(), pattern.rest()), (segments, rest), "{text}");
    }
}

#[test]
fn everything_else_is_refused_with_its_own_message() {
    let long = format!("/{}", "a".repeat(MAX_TARGET_BYTES));
    let deep = "/a".repeat(65);
    let table = [
        ("", PatternError::NotAbsolute),
        ("admin", PatternError::NotAbsolute),
        ("*", PatternError::NotAbsolute),
        ("https://example.com/", PatternError::NotAbsolute),
        (&long, PatternError::TooLong),
        (&deep, PatternError::TooManySegments),
        ("//", PatternError::EmptySegment),
        ("//admin", PatternError::EmptySegment),
        ("/a//b", PatternError::EmptySegment),
        ("/a//", PatternError::EmptySegment),
        ("/.", PatternError::DotSegment),
        ("/a/../b", PatternError::DotSegment),
        ("/a%20b", PatternError::Percent),
        ("/100%", PatternError::Percent),
        ("/a?b", PatternError::IllegalCharacter),
        ("/a#b", PatternError::IllegalCharacter),
        ("/a;b", PatternError::IllegalCharacter),
        ("/a\\b", PatternError::IllegalCharacter),
        ("/a\nb", PatternError::IllegalCharacter),
        ("/a\u{85}", PatternError::IllegalCharacter),
        ("/admin/*", PatternError::Asterisk),
        ("/admin/**", PatternError::Asterisk),
        ("/a{id}", PatternError::Brace),
        ("/{id}a", PatternError::Brace),
        ("/{a}{b}", PatternError::Brace),
        ("/{{a}}", PatternError::Brace),
        ("/{", PatternError::Brace),
        ("/}", PatternError::Brace),
        ("/{a/b}", PatternError::Brace),
        ("/{}", PatternError::ParameterName),
        ("/{*}", PatternError::ParameterName),
        ("/{**a}", PatternError::ParameterName),
        ("/{1a}", PatternError::ParameterName),
        ("/{Id}", PatternError::ParameterName),
        ("/{a-b}", PatternError::ParameterName),
        ("/{ a }", PatternError::ParameterName),
        ("/{a:[0-9]+}", PatternError::Constraint),
        ("/{rest:.*}", PatternError::Constraint),
        ("/{int:id}", PatternError::Constraint),
        ("/users/:id", PatternError::ForeignParameter),
        ("/users/:id?/x", PatternError::ForeignParameter),
        ("/users/<id>", PatternError::ForeignParameter),
        ("/users/<int:id>", PatternError::ForeignParameter),
        ("/users/[id]", PatternError::ForeignParameter),
        ("/users/[[...rest]]", PatternError::ForeignParameter),
        ("/users/[0-9]+", PatternError::ForeignParameter),
        ("/users/$id", PatternError::ForeignParameter),
        ("/users/(a|b)", PatternError::ForeignParameter),
        ("/^users", PatternError::ForeignParameter),
        ("/users/<id>.json", PatternError::ForeignParameter),
        ("/v<version>/x", PatternError::ForeignParameter),
        ("/a/v<int:version>.x", PatternError::ForeignParameter),
        ("/(a|b)c", PatternError::ForeignParameter),
        ("/x(a|b)c", PatternError::ForeignParameter),
        ("/(a)", PatternError::ForeignParameter),
        ("/@:name", PatternError::ForeignParameter),
        ("/from-:a", PatternError::ForeignParameter),
        ("/$(X)", PatternError::ForeignParameter),
        ("/a/v$(X)", PatternError::ForeignParameter),
        ("/v[version]", PatternError::ForeignParameter),
        ("/v[...rest]", PatternError::ForeignParameter),
        ("/%3Ca><b>", PatternError::ForeignParameter),
        ("/users/%24a%", PatternError::Percent),
        ("/users/%24a%25", PatternError::Percent),
        ("/users/%2", PatternError::Percent),
        ("/users/%2Fid", PatternError::Percent),
        ("/{a}/{a}", PatternError::DuplicateName),
        ("/{a}/{*a}", PatternError::DuplicateName),
        ("/{*a}/b", PatternError::RestNotLast),
        ("/{*a}/{*b}", PatternError::RestNotLast),
    ];
    for (text, error) in table {
        assert_eq!(PathPattern::parse(text), Err(error), "{text:?}");
    }
    let numbers: HashSet<_> = table.iter().map(|(_, error)| number(*error)).collect();
    let messages: HashSet<_> = table.iter().map(|(_, error)| error.to_string()).collect();
    assert_eq!((numbers.len(), messages.len()), (14, 14));
}

/// A segment that begins with the mark of another syntax is written with that character escaped. It then equals the same segment in
/// every spelling of a client.
#[test]
fn a_literal_with_a_foreign_mark_is_written_encoded_and_matches_in_each_form() {
    for (written, sent) in [
        ("/odata/%24metadata", ["/odata/$metadata", "/odata/%24metadata"]),
        ("/users/%3Aid", ["/users/:id", "/users/%3aid"]),
        ("/users/%3cid>", ["/users/%3Cid%3E", "/users/%3cid%3e"]),
        ("/users/%5Bid]", ["/users/%5Bid%5D", "/users/%5bid%5d"]),
        ("/users/%28a|b)", ["/users/(a%7Cb)", "/users/%28a%7cb%29"]),
        ("/users/%3Cid>.json", ["/users/%3Cid%3E.json", "/users/%3cid%3e.json"]),
        ("/@%3Aname", ["/@:name", "/%40%3aname"]),
        ("/v%3cversion>", ["/v%3Cversion%3E", "/v%3cversion%3e"]),
        ("/users/a%24", ["/users/a$", "/users/a%24"]),
        ("/%24%28X)", ["/$(X)", "/%24%28X%29"]),
    ] {
        let pattern = PathPattern::parse(written).unwrap();
        assert_eq!(PathPattern::parse(&pattern.to_string()), Ok(pattern.clone()), "{written}");
        for target in sent {
            let target = RequestTarget::parse(target.as_bytes()).unwrap();
            assert!(pattern.matches(&target.path), "{written}");
        }
        let other = RequestTarget::parse(b"/users/7").unwrap();
        assert!(!pattern.matches(&other.path), "{written}");
    }
    // A character that marks nothing is not escaped.
    for plain in ["/things:cancel", "/a:b", "/$1", "/:", "/Products(1)", "/C++", "/a$b", "/a[0]", "/a<b", "/f(a=1)"] {
        assert_eq!(PathPattern::parse(plain).unwrap().to_string(), plain);
    }
}

/// A new variant does not compile until it has a number here, and so a row in the table above.
const fn number(error: PatternError) -> u8 {
    match error {
        PatternError::NotAbsolute => 1,
        PatternError::TooLong => 2,
        PatternError::EmptySegment => 3,
        PatternError::DotSegment => 4,
        PatternError::Percent => 5,
        PatternError::IllegalCharacter => 6,
        PatternError::Asterisk => 7,
        PatternError::Brace => 8,
        PatternError::ParameterName => 9,
        PatternError::DuplicateName => 10,
        PatternError::RestNotLast => 11,
        PatternError::TooManySegments => 12,
        PatternError::ForeignParameter => 13,
        PatternError::Constraint => 14,
    }
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:@".contains(&byte);
    let byte = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02x}") };
    text.bytes().map(byte).collect()
}

proptest! {
    #[test]
    fn every_literal_is_a_segment_that_a_path_can_hold(
        text in "[^{}/]{1,3}|[ -.0-z~\u{80}-\u{a0}]{1,4}|[a-z.]{1,3}",
    ) {
        if PathPattern::parse(&format!("/{text}")).is_ok() {
            let raw = format!("/{}", encode(&text));
            let target = RequestTarget::parse(raw.as_bytes()).unwrap();
            prop_assert_eq!(target.path.first_segment(), Some(text.as_str()));
        }
    }

    #[test]
    fn every_segment_that_a_path_can_hold_is_a_literal_but_for_four_characters_and_foreign_marks(
        text in "[^/]{1,3}|[ -.0-~\u{80}-\u{a0}]{1,4}|[a-z.]{1,3}",
    ) {
        let raw = format!("/{}", encode(&text));
        let is_plain = !text.contains(['%', '*', '{', '}']) && super::literal(&text) == text;
        let possible = RequestTarget::parse(raw.as_bytes()).is_ok() && is_plain;
        let literal = PathPattern::parse(&format!("/{text}"))
            .is_ok_and(|pattern| pattern.segments() == [Segment::Literal(text.as_str().into())]);
        prop_assert_eq!(literal, possible);
    }

    #[test]
    fn no_text_panics_and_what_is_written_back_is_the_same(text in "/?([a{}*/_.1]{0,12}|\\PC{0,8})") {
        if let Ok(pattern) = PathPattern::parse(&text) {
            prop_assert_eq!(PathPattern::parse(&pattern.to_string()), Ok(pattern));
        }
    }
}
