//! Under which spellings servers know a name: what one server takes for the name of the credential and another does not, is refused
//! where a decision hangs on it. Owns no credential and no query.
//!
//! Some spellings can't be read at all, because servers differ in what they make of them: [`is_certain`].

/// What a server makes of a key: percent-encoding decoded (RFC 3986 §2.1), `+` a blank as forms have it, what stands from `[` or NUL
/// on cut off as PHP does, blanks around it dropped.
pub(crate) fn canonicalize(key: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(key.len());
    let mut rest = key;
    while let Some((byte, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let (byte, after) = match (byte, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                let byte = u8::try_from(high.saturating_mul(16).saturating_add(low)).unwrap_or_default();
                (byte, after.get(2..).unwrap_or_default())
            }
            (b'+', _, _) => (b' ', after),
            (byte, _, _) => (*byte, after),
        };
        decoded.push(byte);
        rest = after;
    }
    let end = decoded.iter().position(|byte| matches!(byte, b'[' | 0)).unwrap_or(decoded.len());
    decoded.truncate(end);
    decoded.trim_ascii().to_vec()
}

/// Returns true if every server makes the same bytes of this key's escapes, apart from what [`read`] forgives. A `%` without two hex
/// digits is kept by some and is another notation to others (`%u006f` is `o`); bytes that are no UTF-8 are replaced, dropped, or taken
/// for overlong forms (`%c1%af` is `o`); an escape within what was decoded is read by whoever decodes twice (`%256f` is `o`).
pub(crate) fn is_certain(key: &[u8]) -> bool {
    if !key.contains(&b'%') {
        return true;
    }
    let mut rest = key;
    while let Some((byte, after)) = rest.split_first() {
        rest = match (byte, after) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            (b'%', _) => return false,
            (_, after) => after,
        };
    }
    let decoded = canonicalize(key);
    let begins_an_escape = |after: &[u8]| match after {
        [b'u' | b'U', ..] => true,
        [high, low, ..] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    };
    let twice = decoded
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'%' && begins_an_escape(decoded.get(at.saturating_add(1)..).unwrap_or_default()));
    !twice && std::str::from_utf8(&decoded).is_ok()
}

/// Whether both are one name to a server that makes all punctuation one, as PHP does of `.` and blanks.
pub(crate) fn equivalent(one: &[u8], other: &[u8]) -> bool {
    let same = |a: u8, b: u8| a == b || !(a.is_ascii_alphanumeric() || b.is_ascii_alphanumeric());
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(*a, *b))
}

#[cfg(test)]
mod tests {
    use super::{canonicalize, equivalent, is_certain};

    #[test]
    fn a_key_is_certain_when_every_server_decodes_it_alike() {
        for certain in ["", "org", "o%72g", "%C3%B6rg", "100%25", "%25", "a+b", "a[]", "a%5B0%5D", "%e2%82%ac"] {
            assert!(is_certain(certain.as_bytes()), "{certain}");
        }
        for uncertain in [
            "%u006frg",
            "%U006Frg",
            "o%",
            "o%7",
            "o%7z",
            "%zz",
            "%c1%afrg",
            "%ff",
            "%e2%82",
            "%256frg",
            "%25u006frg",
            "o%2572g",
            "org%u0000",
        ] {
            assert!(!is_certain(uncertain.as_bytes()), "{uncertain}");
        }
    }

    #[test]
    fn keys_are_read_as_the_most_lenient_server_would() {
        for (key, expected) in [
            ("access_token", "access_token"),
            ("access%5Ftoken", "access_token"),
            ("+access_token%20", "access_token"),
            ("access_token[]", "access_token"),
            ("access_token%5B0%5D", "access_token"),
            ("access_token%00x", "access_token"),
            ("%zz%4", "%zz%4"),
        ] {
            assert_eq!(canonicalize(key.as_bytes()), expected.as_bytes(), "{key}");
        }
        assert!(equivalent(b"access.token", b"access_token") && equivalent(b"access token", b"access_token"));
        assert!(!equivalent(b"accesstoken", b"access_token") && !equivalent(b"access_tokenx", b"access_token"));
        assert!(!equivalent(b"Access_token", b"access_token") && !equivalent(b"access1token", b"access_token"));
    }
}
