//! Reads a shared secret in its encoding. No error shows the text: it says which encoding the text may have instead.

use crate::config::raw::{SecretEncoding, SharedSecret};
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::Issue;
use base64::Engine as _;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The encodings of bytes, in the order in which they are proposed.
const OF_BYTES: [SecretEncoding; 3] = [SecretEncoding::Hex, SecretEncoding::Base64, SecretEncoding::Base64url];

/// Returns the bytes of the secret, and their origin in words.
pub(super) fn read(loader: &SecretLoader, secret: &SharedSecret) -> Result<(Vec<u8>, String), Issue> {
    let source = secret.source().ok_or_else(|| Issue::error("source-missing", "has no source", "write one"))?;
    let (text, origin) = loader.read_secret(&source)?;
    let encoding = secret.encoding.unwrap_or(SecretEncoding::Text);
    if let Some(bytes) = decode(&text, encoding) {
        return Ok((bytes, origin));
    }
    let message = format!("{origin} does not hold {}", described(encoding));
    let other = OF_BYTES.into_iter().find(|other| decode(&text, *other).is_some());
    Err(Issue::error("secret-encoding", message, help(other.unwrap_or(SecretEncoding::Text))))
}

/// Decodes a secret. `None` if the text does not have the encoding.
fn decode(text: &str, encoding: SecretEncoding) -> Option<Vec<u8>> {
    let packed: String = text.chars().filter(|one| !one.is_ascii_whitespace()).collect();
    match encoding {
        SecretEncoding::Text => Some(text.as_bytes().to_vec()),
        SecretEncoding::Base64 => base64(&STANDARD, &packed),
        SecretEncoding::Base64url => base64(&URL_SAFE, &packed),
        SecretEncoding::Hex => hex(&packed),
    }
}

/// Decodes canonical base64, with or without padding.
fn base64(alphabet: &Alphabet, text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config).decode(text).ok()
}

/// Decodes pairs of hexadecimal digits.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect::<Option<_>>()?;
    digits.chunks(2).map(|pair| <[u8; 2]>::try_from(pair).ok().map(|[high, low]| (high << 4) | low)).collect()
}

/// Returns the name of an encoding, with its article if it has one.
const fn described(encoding: SecretEncoding) -> &'static str {
    match encoding {
        SecretEncoding::Text => "a text",
        SecretEncoding::Base64 => "canonical base64",
        SecretEncoding::Base64url => "canonical base64url",
        SecretEncoding::Hex => "pairs of hexadecimal digits",
    }
}

/// Returns what to write for a text that can have this encoding.
const fn help(encoding: SecretEncoding) -> &'static str {
    match encoding {
        SecretEncoding::Text => {
            "write the secret in that encoding, or leave out `encoding` if its bytes are those of the text"
        }
        SecretEncoding::Base64 => "write `encoding: base64`, if that is how the secret is written",
        SecretEncoding::Base64url => "write `encoding: base64url`, if that is how the secret is written",
        SecretEncoding::Hex => "write `encoding: hex`, if that is how the secret is written",
    }
}

#[cfg(test)]
mod tests {
    use super::{SecretEncoding, decode};

    #[test]
    fn a_secret_is_decoded_as_its_encoding_says() {
        let bytes = |text: &str, encoding| decode(text, encoding);
        let some = |bytes: &[u8]| Some(bytes.to_vec());
        for (encoding, text, expected) in [
            (SecretEncoding::Text, "+/8= ", some(b"+/8= ")),
            (SecretEncoding::Base64, "+/8=", some(&[0xfb, 0xff])),
            (SecretEncoding::Base64, "+/8", some(&[0xfb, 0xff])),
            (SecretEncoding::Base64, "+/\n 8=\r\n", some(&[0xfb, 0xff])),
            (SecretEncoding::Base64, "-_8=", None),
            (SecretEncoding::Base64, "+/9=", None),
            (SecretEncoding::Base64, "+/8==", None),
            (SecretEncoding::Base64, "+/8=A", None),
            (SecretEncoding::Base64, "A", None),
            (SecretEncoding::Base64url, "-_8", some(&[0xfb, 0xff])),
            (SecretEncoding::Base64url, "-_8=", some(&[0xfb, 0xff])),
            (SecretEncoding::Base64url, "+/8=", None),
            (SecretEncoding::Hex, "00fFA5", some(&[0x00, 0xff, 0xa5])),
            (SecretEncoding::Hex, "00 ff\na5", some(&[0x00, 0xff, 0xa5])),
            (SecretEncoding::Hex, "00f", None),
            (SecretEncoding::Hex, "0x00", None),
            (SecretEncoding::Hex, "+1", None),
            (SecretEncoding::Hex, "00:ff", None),
            (SecretEncoding::Hex, "\u{ff10}0", None),
        ] {
            assert_eq!(bytes(text, encoding), expected, "{encoding:?} {text:?}");
        }
    }
}
