//! JWS compact serialisation (RFC 7515 §3.1, §7.1): splits a text into its three decoded parts, within the size limit and the base64url
//! alphabet.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::jose::error::{MAX_TOKEN_BYTES, Part, TokenError};

/// The parts of a compact JWS: three, none empty, each canonical base64url. Their content is unverified.
pub(super) struct CompactToken<'a> {
    signing_input: &'a str,
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> CompactToken<'a> {
    /// Splits and decodes `token`. It checks the length first, so that no other work depends on what the sender sent.
    ///
    /// # Errors
    /// [`TokenError::TooLarge`], [`TokenError::Encrypted`], [`TokenError::PartCount`], [`TokenError::EmptyPart`] or
    /// [`TokenError::Encoding`].
    pub(super) fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge { found: token.len(), limit: MAX_TOKEN_BYTES });
        }
        // Counts bytes instead of using `split`, which takes twenty times as long for a token that is all dots.
        let miscounted = || match token.bytes().filter(|byte| *byte == b'.').count().saturating_add(1) {
            5 => TokenError::Encrypted,
            found => TokenError::PartCount { found },
        };
        let (signing_input, signature) = token.rsplit_once('.').ok_or_else(miscounted)?;
        let (header, payload) = signing_input.split_once('.').ok_or_else(miscounted)?;
        if payload.contains('.') {
            return Err(miscounted());
        }
        Ok(Self {
            signing_input,
            header: decode(Part::Header, header)?,
            payload: decode(Part::Payload, payload)?,
            signature: decode(Part::Signature, signature)?,
        })
    }

    /// Returns the decoded JOSE header.
    pub(super) fn header(&self) -> &[u8] {
        &self.header
    }

    /// Returns the decoded payload.
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns the signing input as received (RFC 7515 §5.2 step 8), and the decoded signature.
    pub(super) fn into_signed(self) -> (&'a str, Vec<u8>) {
        (self.signing_input, self.signature)
    }
}

/// Decodes strictly: the engine rejects padding, foreign characters and unused bits that are not zero. One byte string has one spelling
/// (RFC 4648 §3.5), so re-encoding a token can't evade a revocation list or a cache.
fn decode(part: Part, text: &str) -> Result<Vec<u8>, TokenError> {
    if text.is_empty() {
        return Err(TokenError::EmptyPart(part));
    }
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Encoding(part))
}

#[cfg(test)]
mod tests {
    use super::{CompactToken, MAX_TOKEN_BYTES};
    use crate::jose::error::{Part, TokenError};

    fn error(token: &str) -> TokenError {
        CompactToken::parse(token).err().unwrap_or_else(|| panic!("`{token:.60}` was read"))
    }

    #[test]
    fn three_parts_are_read() {
        let token = CompactToken::parse("e30.AQI.AA").unwrap();
        assert_eq!((token.header(), token.payload()), (&b"{}"[..], &[1, 2][..]));
        assert_eq!(token.into_signed(), ("e30.AQI", vec![0]));
    }

    #[test]
    fn the_number_of_parts_is_three() {
        for (token, expected) in [
            ("", TokenError::PartCount { found: 1 }),
            ("e30", TokenError::PartCount { found: 1 }),
            ("e30.e30", TokenError::PartCount { found: 2 }),
            ("e30.e30.AA.AA", TokenError::PartCount { found: 4 }),
            ("e30.AA.AA.AA.AA", TokenError::Encrypted),
            ("....", TokenError::Encrypted),
            ("e30.AA.AA.AA.AA.AA", TokenError::PartCount { found: 6 }),
            (".e30.AA", TokenError::EmptyPart(Part::Header)),
            ("e30..AA", TokenError::EmptyPart(Part::Payload)),
            ("e30.e30.", TokenError::EmptyPart(Part::Signature)),
            ("..", TokenError::EmptyPart(Part::Header)),
        ] {
            assert_eq!(error(token), expected, "{token}");
        }
    }

    #[test]
    fn each_part_is_canonical_base64url() {
        let bad = [
            ("padding", "e30="),
            ("padding of two", "AA=="),
            ("plus", "-_+A"),
            ("slash", "-_/A"),
            ("space inside", "e 30"),
            ("space before", " e30"),
            ("space after", "e30 "),
            ("newline", "e30\n"),
            ("tab", "\te30"),
            ("no-break space", "e30\u{a0}"),
            ("NUL", "e30\0"),
            ("quotes", "\"e30\""),
            ("comma", "e30,"),
            ("percent", "e3%30"),
            ("letter beyond ASCII", "e3é"),
            ("impossible length", "e30AA"),
            ("one character", "A"),
            ("last character with unused bits, two of four", "AB"),
            ("last character with unused bits, three of four", "AAB"),
        ];
        for (what, text) in bad {
            assert_eq!(error(&format!("{text}.e30.AA")), TokenError::Encoding(Part::Header), "{what}");
            assert_eq!(error(&format!("e30.{text}.AA")), TokenError::Encoding(Part::Payload), "{what}");
            assert_eq!(error(&format!("e30.e30.{text}")), TokenError::Encoding(Part::Signature), "{what}");
        }
    }

    #[test]
    fn the_size_is_looked_at_before_anything_else() {
        let of_size = |size: usize| format!("e30.{}.AA", "A".repeat(size - 7));
        // 65529 characters of payload are an impossible length; the point is that the size was accepted.
        assert_eq!(error(&of_size(MAX_TOKEN_BYTES)), TokenError::Encoding(Part::Payload));
        assert!(CompactToken::parse(&of_size(MAX_TOKEN_BYTES - 1)).is_ok());
        let too_large = |found| TokenError::TooLarge { found, limit: MAX_TOKEN_BYTES };
        assert_eq!(error(&of_size(MAX_TOKEN_BYTES + 1)), too_large(MAX_TOKEN_BYTES + 1));
        assert_eq!(error(&".".repeat(1 << 20)), too_large(1 << 20));
        assert_eq!(error(&".".repeat(MAX_TOKEN_BYTES)), TokenError::PartCount { found: MAX_TOKEN_BYTES + 1 });
    }
}
