//! Custom headers that an operator adds to every denial.

use super::ResponseHeader;
use crate::http::header::{HeaderName, HeaderText, HeaderTextError};

/// A custom header of every denial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHeader {
    name: HeaderName,
    value: HeaderText,
}

/// The reason why a custom header is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExtraHeaderError {
    /// A header of HTTP itself: about one connection, or about the length of the message.
    #[error("HTTP reserves it, and Envoy writes it")]
    OfTheConnection,
    /// A header that modgud writes itself.
    #[error("modgud writes it for each denial")]
    Ours,
    /// An invalid header value.
    #[error("its value {0}")]
    Value(#[from] HeaderTextError),
}

/// Headers of one connection or one message (RFC 9110 §7.6.1, §8.6), or of gRPC responses.
pub(crate) const HOP_BY_HOP: [&str; 15] = [
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

/// Headers that modgud writes itself.
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
    /// Creates a header.
    ///
    /// # Errors
    /// [`ExtraHeaderError`] if the name is reserved, or the value is invalid.
    pub fn new(name: HeaderName, value: &str) -> Result<Self, ExtraHeaderError> {
        if HOP_BY_HOP.contains(&name.as_str()) {
            return Err(ExtraHeaderError::OfTheConnection);
        }
        if RESERVED.contains(&name.as_str()) {
            return Err(ExtraHeaderError::Ours);
        }
        Ok(Self { name, value: HeaderText::parse(value)? })
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    pub(super) fn header(&self) -> ResponseHeader {
        ResponseHeader { name: self.name.bytes().clone(), value: self.value.bytes().clone() }
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
