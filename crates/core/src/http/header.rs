//! HTTP header names and values as modgud writes them, and how names are compared. Knows no particular header.

use bytes::Bytes;

/// A header name in lower case (RFC 9110 §5.1), made only of token characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HeaderName(Bytes);

/// What is wrong with a header name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderNameError {
    /// Nothing is there.
    #[error("a header name is empty")]
    Empty,
    /// A character that RFC 9110 §5.6.2 doesn't allow in a token.
    #[error("a header name holds a character that is not allowed in one")]
    Character,
    /// Longer than [`HeaderName::MAX_BYTES`].
    #[error("a header name is longer than {} bytes", HeaderName::MAX_BYTES)]
    TooLong,
}

impl HeaderName {
    /// The longest name that is accepted.
    pub const MAX_BYTES: usize = 128;

    /// Checks and lower-cases a name.
    ///
    /// # Errors
    /// A [`HeaderNameError`] when it is not a header name.
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

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The name as shared bytes: cloning them copies nothing.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
    }
}

/// Whether a byte may stand in a token (RFC 9110 §5.6.2).
#[must_use]
pub fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES.get(usize::from(byte)).copied().unwrap_or_default()
}

/// [`is_token_byte`] for every byte: each header's name is looked at in each check.
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

/// Folds what servers fold: letters to lower case, and every other character of a name but digits to `-`. CGI and WSGI make
/// `-` and `_` into one variable (RFC 3875 §4.1.18), and some servers `.` and others too.
#[must_use]
pub const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Whether two header names are one and the same to some server behind Envoy.
#[must_use]
pub fn folds_to_same_name(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| fold(*a) == fold(*b))
}

/// A value that may be written into a header: visible ASCII with inner spaces, nothing else. No CR, LF, NUL, tab or
/// byte above 0x7e can be in one, so nothing can be smuggled in it (RFC 9110 §5.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderText(Bytes);

/// What keeps a text from being a header value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderTextError {
    /// No characters: modgud removes a header rather than sending it empty.
    #[error("is empty")]
    Empty,
    /// Longer than [`HeaderText::MAX_BYTES`].
    #[error("is longer than {} bytes", HeaderText::MAX_BYTES)]
    TooLong,
    /// A control character, or one outside ASCII.
    #[error("holds a character that is not visible ASCII")]
    Character,
    /// A space at the start or the end, which the next hop would drop.
    #[error("starts or ends with a space")]
    OuterSpace,
}

impl HeaderText {
    /// The longest identity value that is written: 1 KiB.
    pub const MAX_BYTES: usize = 1024;

    /// Checks a text and copies it.
    ///
    /// # Errors
    /// A [`HeaderTextError`] when it may not be a header value.
    pub fn parse(text: &str) -> Result<Self, HeaderTextError> {
        match text.as_bytes() {
            [] => Err(HeaderTextError::Empty),
            bytes if bytes.len() > Self::MAX_BYTES => Err(HeaderTextError::TooLong),
            bytes if !bytes.iter().all(|byte| matches!(byte, 0x20..=0x7e)) => Err(HeaderTextError::Character),
            [b' ', ..] | [.., b' '] => Err(HeaderTextError::OuterSpace),
            bytes => Ok(Self(Bytes::copy_from_slice(bytes))),
        }
    }

    /// A value that is made of token characters and spaces already, such as a credential.
    #[must_use]
    pub(crate) fn from_checked(value: Vec<u8>) -> Self {
        Self(Bytes::from(value))
    }

    /// The value as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The value as shared bytes.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.0
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
        assert_eq!(HeaderText::parse(&"a".repeat(1025)), Err(HeaderTextError::TooLong));
        assert!(HeaderText::parse(&"a".repeat(1024)).is_ok());
    }
}
