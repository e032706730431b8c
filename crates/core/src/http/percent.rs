//! Percent-encoding (RFC 3986 §2.1).

use std::fmt::Write;

/// Returns true for an unreserved character (RFC 3986 §2.3): it needs no encoding.
pub(crate) const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Returns the byte of two hex digits; `None` if one is not a hex digit.
pub(crate) fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from((high << 4) | low).ok()
}

/// Returns the first decoded byte, and the rest; `None` at the end, and for a `%` without two hex digits.
pub(crate) fn decode_first(encoded: &[u8]) -> Option<(u8, &[u8])> {
    match encoded {
        [b'%', high, low, after @ ..] => Some((hex_byte(*high, *low)?, after)),
        [b'%', ..] | [] => None,
        [byte, after @ ..] => Some((*byte, after)),
    }
}

/// Decodes all bytes; `None` if a `%` is not followed by two hex digits.
pub(crate) fn decode(encoded: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while !rest.is_empty() {
        let (byte, after) = decode_first(rest)?;
        decoded.push(byte);
        rest = after;
    }
    Some(decoded)
}

/// Encodes every byte that is not `plain`.
pub(crate) fn encode(text: &str, plain: impl Fn(u8) -> bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}
