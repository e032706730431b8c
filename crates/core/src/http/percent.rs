//! Percent-encoding (RFC 3986 §2.1): the decoder, and the sets of characters that an encoder escapes.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// All ASCII characters that are not visible.
pub const INVISIBLE: &AsciiSet = &CONTROLS.add(b' ');
/// All ASCII characters that are not unreserved (RFC 3986 §2.3).
pub const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Encodes a text. Escapes the characters of the set and everything beyond ASCII, with upper-case digits.
#[must_use]
pub fn encode(text: &str, escaped: &'static AsciiSet) -> String {
    utf8_percent_encode(text, escaped).to_string()
}

/// Decodes a text; `None` if a `%` is not followed by two hex digits.
#[must_use]
pub fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((byte, after)) = take_escape(rest).or_else(|| take_byte(rest).filter(|(byte, _)| *byte != b'%')) {
        decoded.push(byte);
        rest = after;
    }
    rest.is_empty().then_some(decoded)
}

/// Returns the byte of the escape that a text begins with, and the rest; `None` if it begins with something else.
pub(crate) fn take_escape(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'%', high, low, after @ ..] => Some((unescape(*high, *low)?, after)),
        _ => None,
    }
}

/// Returns the first byte as it is, and the rest; `None` at the end.
pub(crate) fn take_byte(text: &[u8]) -> Option<(u8, &[u8])> {
    text.split_first().map(|(byte, after)| (*byte, after))
}

/// Returns the byte of two hex digits; `None` if one is not a hex digit.
pub(crate) fn unescape(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from((high << 4) | low).ok()
}

/// Returns true for unreserved characters, which need no encoding (RFC 3986 §2.3).
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::{INVISIBLE, RESERVED, decode, encode, is_unreserved};

    #[test]
    fn each_set_escapes_its_characters() {
        for byte in 0..=127_u8 {
            let text = char::from(byte).to_string();
            assert_eq!(encode(&text, RESERVED) == text, is_unreserved(byte), "{byte}");
            assert_eq!(encode(&text, INVISIBLE) == text, byte.is_ascii_graphic(), "{byte}");
            assert_eq!(decode(encode(&text, RESERVED).as_bytes()).as_deref(), Some(text.as_bytes()), "{byte}");
        }
        assert_eq!(encode("/ü~", RESERVED), "%2F%C3%BC~");
    }

    #[test]
    fn only_complete_escapes_are_decoded() {
        for (encoded, expected) in [("", ""), ("a%2Fb%c3%BC+", "a/bü+"), ("%2541", "%41")] {
            assert_eq!(decode(encoded.as_bytes()).as_deref(), Some(expected.as_bytes()), "{encoded}");
        }
        for malformed in ["%", "a%4", "%g1", "%1g", "%%41", "%u0041"] {
            assert_eq!(decode(malformed.as_bytes()), None, "{malformed}");
        }
    }
}
