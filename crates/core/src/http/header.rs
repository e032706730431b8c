//! HTTP header names and values as modgud writes them, and the comparison of names.

use bytes::Bytes;

/// A header name in lower case (RFC 9110 §5.1), made only of token characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderName(Bytes);

/// The reason why a text is not a header name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderNameError {
    /// The name is empty.
    #[error("a header name is empty")]
    Empty,
    /// The name has a character that RFC 9110 §5.6.2 excludes from tokens.
    #[error("a header name has an invalid character")]
    Character,
    /// The name is longer than [`HeaderName::MAX_BYTES`].
    #[error("a header name is longer than {} bytes", HeaderName::MAX_BYTES)]
    TooLong,
}

impl HeaderName {
    /// The longest name that is accepted, in bytes; a longer one is an error.
    pub const MAX_BYTES: usize = 128;

    /// Parses a name, and converts it to lower case.
    ///
    /// # Errors
    /// A [`HeaderNameError`] if it is not a header name.
    pub fn parse(name: &str) -> Result<Self, HeaderNameError> {
        if name.is_empty() {
            return Err(HeaderNameError::Empty);
        }
        if name.len() > Self::MAX_BYTES {
            return Err(HeaderNameError::TooLong);
        }
        if !name.bytes().all(is_token_byte) {
            return Err(HeaderNameError::Character);
        }
        Ok(Self(Bytes::from(name.to_ascii_lowercase())))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the name as shared bytes: cloning them copies nothing.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Returns the name as bytes.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

/// Headers of HTTP's own framing and routing, and those that Envoy writes. modgud changes none of them, under no spelling, and Envoy's rules
/// for modgud forbid it.
pub const PROTOCOL_HEADERS: [&str; 22] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-connection",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

/// Headers of credentials. modgud changes them as such, and writes no identity into them.
pub const CREDENTIAL_HEADERS: [&str; 4] = ["authorization", "cookie", "dpop", "proxy-authorization"];

/// Returns true if some server takes the name for one of [`PROTOCOL_HEADERS`].
#[must_use]
pub fn is_protocol_header(name: &[u8]) -> bool {
    PROTOCOL_HEADERS.iter().any(|header| folds_to_same_name(header.as_bytes(), name))
}

/// Returns true for a token character (RFC 9110 §5.6.2).
#[must_use]
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// [`is_token_byte`] for every byte, as each check tests each header's name.
#[expect(clippy::indexing_slicing, reason = "checked when it is compiled")]
const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut bytes: &[u8] = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    while let [byte, rest @ ..] = bytes {
        table[*byte as usize] = true;
        bytes = rest;
    }
    table
};

/// Folds a byte as some servers do: letters to lower case, and every other character of a name except digits to `-`. CGI and WSGI map `-`
/// and `_` to one variable (RFC 3875 §4.1.18), and some servers `.` and others too.
#[must_use]
pub const fn fold_byte(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Returns true if some server behind Envoy takes both names for the same header.
#[must_use]
pub fn folds_to_same_name(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| fold_byte(*a) == fold_byte(*b))
}

/// A valid header value: visible ASCII with inner spaces. It has no CR, LF, NUL, tab or byte above 0x7e, so it can't smuggle other content
/// (RFC 9110 §5.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderText(Bytes);

/// The reason why a text is not a header value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderTextError {
    /// The text is empty: modgud removes a header instead of sending it empty.
    #[error("is empty")]
    Empty,
    /// The text is longer than [`HeaderText::MAX_BYTES`].
    #[error("has {found} bytes, and a text may have {}", HeaderText::MAX_BYTES)]
    TooLong {
        /// The length of the text, in bytes.
        found: usize,
    },
    /// The text has a control character, or one outside ASCII.
    #[error("has a character that is not visible ASCII")]
    Character,
    /// The text begins or ends with a space, which the next hop would drop.
    #[error("starts or ends with a space")]
    OuterSpace,
}

impl HeaderText {
    /// The longest identity value that is written: 1 KiB. A longer one is an error.
    pub const MAX_BYTES: usize = 1024;

    /// Checks a text and copies it.
    ///
    /// # Errors
    /// A [`HeaderTextError`] if it is not a header value.
    pub fn parse(text: &str) -> Result<Self, HeaderTextError> {
        match text.as_bytes() {
            [] => Err(HeaderTextError::Empty),
            bytes if bytes.len() > Self::MAX_BYTES => Err(HeaderTextError::TooLong { found: bytes.len() }),
            bytes if !bytes.iter().all(|byte| matches!(byte, 0x20..=0x7e)) => Err(HeaderTextError::Character),
            [b' ', ..] | [.., b' '] => Err(HeaderTextError::OuterSpace),
            bytes => Ok(Self(Bytes::copy_from_slice(bytes))),
        }
    }

    /// Builds a value from token characters and spaces, such as a credential, without a check.
    #[must_use]
    pub(crate) fn from_checked(value: Vec<u8>) -> Self {
        Self(Bytes::from(value))
    }

    /// Returns the value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// Returns the value as shared bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Returns the value as bytes. Unlike a clone, it needs no counter of references.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderName, HeaderNameError, HeaderText, HeaderTextError, folds_to_same_name};

    #[test]
    fn names_are_lower_cased_tokens() {
        assert_eq!(
            HeaderName::parse("X-Core-User-UUID").map(|name| name.as_str().to_owned()),
            Ok("x-core-user-uuid".into())
        );
        assert_eq!(HeaderName::parse(""), Err(HeaderNameError::Empty));
        for bad in ["a b", "a:b", "a\r\n", "ä", "a\0"] {
            assert_eq!(HeaderName::parse(bad), Err(HeaderNameError::Character), "{bad:?}");
        }
        assert_eq!(HeaderName::parse(&"a".repeat(129)), Err(HeaderNameError::TooLong));
    }

    #[test]
    fn servers_fold_case_and_punctuation() {
        assert!(folds_to_same_name(b"X_Core-user_UUID", b"x-core-user-uuid"));
        assert!(!folds_to_same_name(b"x-core-user-uuidx", b"x-core-user-uuid"));
        assert!(folds_to_same_name(b"x.core+user~uuid", b"x-core-user-uuid"));
        assert!(!folds_to_same_name(b"xcore-user-uuid", b"x-core-user-uuid"));
    }

    #[test]
    fn values_are_visible_ascii() {
        let cases = [
            ("read write", Ok(())),
            ("82bdb6a3-2119-418f-8c2d-caab7ebb8975", Ok(())),
            ("", Err(HeaderTextError::Empty)),
            (" a", Err(HeaderTextError::OuterSpace)),
            ("a ", Err(HeaderTextError::OuterSpace)),
            ("a\r\nx-admin: 1", Err(HeaderTextError::Character)),
            ("a\0", Err(HeaderTextError::Character)),
            ("a\tb", Err(HeaderTextError::Character)),
            ("José", Err(HeaderTextError::Character)),
            ("a\u{7f}", Err(HeaderTextError::Character)),
        ];
        for (text, expected) in cases {
            assert_eq!(HeaderText::parse(text).map(|_| ()), expected, "{text:?}");
        }
        assert_eq!(HeaderText::parse(&"a".repeat(1025)), Err(HeaderTextError::TooLong { found: 1_025 }));
        assert!(HeaderText::parse(&"a".repeat(1024)).is_ok());
    }
}
