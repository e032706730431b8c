//! Headers that an operator adds to every denial.

use super::AnswerHeader;
use crate::http::header::{HeaderName, HeaderText, HeaderTextError};

/// A header that every denial has beside its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHeader {
    name: HeaderName,
    value: HeaderText,
}

/// What keeps a header from being added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExtraHeaderError {
    /// HTTP's own: about one connection, or about the length of the message.
    #[error("it is HTTP's own, and Envoy's to write")]
    OfTheConnection,
    /// One that an answer has already.
    #[error("modgud writes it itself, as each denial needs it")]
    Ours,
    /// Not a header's value.
    #[error("its value {0}")]
    Value(#[from] HeaderTextError),
}

/// Headers of one connection or one message (RFC 9110 §7.6.1, §8.6), or of gRPC's own answers.
const HOP_BY_HOP: [&str; 15] = [
    "connection",
    "content-encoding",
    "content-length",
    "date",
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that answers have already.
const RESERVED: [&str; 7] = [
    "cache-control",
    "content-security-policy",
    "content-type",
    "location",
    "retry-after",
    "www-authenticate",
    "x-content-type-options",
];

impl ExtraHeader {
    /// Checks a header.
    ///
    /// # Errors
    /// [`ExtraHeaderError`] when it is not an operator's to add, or its value is none.
    pub fn new(name: HeaderName, value: &str) -> Result<Self, ExtraHeaderError> {
        if HOP_BY_HOP.contains(&name.as_str()) {
            return Err(ExtraHeaderError::OfTheConnection);
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(ExtraHeaderError::Ours);
        }
        Ok(Self { name, value: HeaderText::parse(value)? })
    }

    /// The name.
    #[must_use]
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    pub(super) fn header(&self) -> AnswerHeader {
        AnswerHeader { name: self.name.bytes().clone(), value: self.value.bytes().clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::{ExtraHeader, ExtraHeaderError};
    use crate::http::header::{HeaderName, HeaderTextError};

    #[test]
    fn only_what_is_the_operator_s_can_be_added() {
        let new = |name, value| ExtraHeader::new(HeaderName::parse(name).unwrap(), value).map(|_| ());
        assert_eq!(new("X-Frame-Options", "DENY"), Ok(()));
        assert_eq!(new("Transfer-Encoding", "chunked"), Err(ExtraHeaderError::OfTheConnection));
        assert_eq!(new("Grpc-Status", "0"), Err(ExtraHeaderError::OfTheConnection));
        assert_eq!(new("Location", "https://evil.example.com"), Err(ExtraHeaderError::Ours));
        let character = ExtraHeaderError::Value(HeaderTextError::Character);
        for bad in ["a\r\nset-cookie: b", "a\nb", "a\0", "ä"] {
            assert_eq!(new("x-a", bad), Err(character), "{bad:?}");
        }
    }
}
