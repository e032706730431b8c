//! The escape forms of the tables: how text says bytes that YAML can't hold, and a lot of text in a few words.

/// The bytes of a text in a table; `token` replaces `{token}`.
pub(super) fn bytes(text: &str, token: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((byte, after)) = byte_of(rest) {
            bytes.push(byte);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("{token}") {
            bytes.extend_from_slice(token.as_bytes());
            rest = after;
        } else if let Some((many, after)) = many_of(rest) {
            bytes.extend(many.into_bytes());
            rest = after;
        } else {
            let (plain, after) = rest.split_at(first.len_utf8());
            bytes.extend_from_slice(plain.as_bytes());
            rest = after;
        }
    }
    bytes
}

/// `\xHH`.
fn byte_of(text: &str) -> Option<(u8, &str)> {
    let hex = text.strip_prefix("\\x")?;
    let byte = u8::from_str_radix(hex.get(..2)?, 16).ok()?;
    Some((byte, hex.get(2..)?))
}

/// `{times N TEXT}`.
fn many_of(text: &str) -> Option<(String, &str)> {
    let (inside, after) = text.strip_prefix("{times ")?.split_once('}')?;
    let (count, what) = inside.split_once(' ')?;
    Some((what.repeat(count.parse().ok()?), after))
}

#[test]
fn escapes_are_read() {
    for (text, expected) in [
        ("plain {id} \\ \\n", b"plain {id} \\ \\n".as_slice()),
        ("a\\xffb\\x00", b"a\xffb\x00"),
        ("\\xzz\\x1", b"\\xzz\\x1"),
        ("JWT {token},{token}", b"JWT t,t"),
        ("{times 3 ab}{times 2 [}", b"abababab[[".get(2..).unwrap()),
        ("é", "é".as_bytes()),
    ] {
        assert_eq!(bytes(text, "t"), expected, "{text}");
    }
}
