//! Canonicalization of parameter names, against parser differentials. A name that some server reads as that of the credential is rejected
//! where a decision depends on it.
//!
//! Some spellings are ambiguous, because servers decode them differently: [`is_certain`].

use super::percent::{decode, take_byte, take_escape, unescape};

/// Decodes a key as the most lenient servers do. It decodes percent-encoding (RFC 3986 §2.1), and `+` as a space as in forms. It cuts the
/// key at `[` or NUL as PHP does, and trims spaces.
pub(crate) fn canonicalize(key: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(key.len());
    let mut rest = key;
    let plain = |(byte, after)| (if byte == b'+' { b' ' } else { byte }, after);
    while let Some((byte, after)) = take_escape(rest).or_else(|| take_byte(rest).map(plain)) {
        decoded.push(byte);
        rest = after;
    }
    let end = decoded.iter().position(|byte| matches!(byte, b'[' | 0)).unwrap_or(decoded.len());
    decoded.truncate(end);
    decoded.trim_ascii().to_vec()
}

/// Returns true if every server decodes the escapes of this key to the same bytes, apart from the differences that [`canonicalize`]
/// removes. Some servers keep a `%` without two hex digits, and others know another notation (`%u006f` is `o`). Bytes that are not UTF-8
/// are replaced, dropped, or read as overlong forms (`%c1%af` is `o`). A server that decodes twice reads an escape in the decoded text
/// (`%256f` is `o`).
pub(crate) fn is_certain(key: &[u8]) -> bool {
    if !key.contains(&b'%') {
        return true;
    }
    if decode(key).is_none() {
        return false;
    }
    let decoded = canonicalize(key);
    let begins_an_escape = |after: &[u8]| match after {
        [b'u' | b'U', ..] => true,
        [high, low, ..] => unescape(*high, *low).is_some(),
        _ => false,
    };
    let twice = decoded
        .iter()
        .enumerate()
        .any(|(at, byte)| *byte == b'%' && begins_an_escape(decoded.get(at.saturating_add(1)..).unwrap_or_default()));
    !twice && std::str::from_utf8(&decoded).is_ok()
}

/// Returns true if both are one name to a server that treats all punctuation alike, as PHP does `.` and spaces.
pub(crate) fn equivalent(one: &[u8], other: &[u8]) -> bool {
    let same = |a: u8, b: u8| a == b || !(a.is_ascii_alphanumeric() || b.is_ascii_alphanumeric());
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| same(*a, *b))
}

/// Decodes a key with [`canonicalize`], and folds its case, which some servers ignore.
pub(crate) fn fold(key: &str) -> Vec<u8> {
    canonicalize(key.as_bytes()).to_ascii_lowercase()
}

/// Returns true if some server takes this key for the name, whatever their case.
pub(crate) fn could_name(key: &str, name: &str) -> bool {
    equivalent(&fold(key), name.to_ascii_lowercase().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{canonicalize, could_name, equivalent, fold, is_certain};

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

    #[test]
    fn a_name_in_any_case_is_one_name() {
        assert_eq!(fold("%4Frg+"), b"org");
        assert!(could_name("ACCESS%5FTOKEN[0]", "access_Token") && !could_name("access_tokens", "access_token"));
    }
}
