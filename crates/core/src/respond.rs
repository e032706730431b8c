//! The headers that rules add to the responses of allowed requests. Envoy writes them when the response passes: they replace what the
//! service wrote under the same name, and are on Envoy's own errors, too.

use crate::denial::{HOP_BY_HOP, ResponseHeader};
use crate::http::header::{HeaderName, HeaderText, HeaderTextError};
use std::collections::BTreeMap;

/// The headers by rule. Without any, an allowed request costs one test.
#[derive(Debug, Default)]
pub struct RuleResponses(BTreeMap<Box<str>, Box<[ResponseHeader]>>);

/// A header on the response to an allowed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedHeader {
    name: HeaderName,
    value: HeaderText,
}

/// The reason why a header can't be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddedHeaderError {
    /// A header of one connection or one message.
    #[error("HTTP reserves it, and Envoy writes it")]
    OfTheConnection,
    /// A header that describes the service's body, or that only the service can know.
    #[error("it would replace the service's own, which says what its response is")]
    OfTheService,
    /// `Set-Cookie`.
    #[error("it would replace the service's cookies")]
    Cookies,
    /// An invalid header value.
    #[error("its value {0}")]
    Value(#[from] HeaderTextError),
}

/// Headers that say what a response is (RFC 9110 §8, §10.2, §11.6.1), so that another value would make it a different one.
const OF_THE_SERVICE: [&str; 12] = [
    "accept-ranges",
    "age",
    "content-language",
    "content-location",
    "content-range",
    "content-type",
    "etag",
    "last-modified",
    "location",
    "server",
    "vary",
    "www-authenticate",
];

impl AddedHeader {
    /// The most headers of one rule.
    pub const MAX_COUNT: usize = 16;

    /// Creates a header.
    ///
    /// # Errors
    /// [`AddedHeaderError`] if the name is reserved, or the value is invalid.
    pub fn new(name: HeaderName, value: &str) -> Result<Self, AddedHeaderError> {
        match name.as_str() {
            "set-cookie" => Err(AddedHeaderError::Cookies),
            name if HOP_BY_HOP.contains(&name) => Err(AddedHeaderError::OfTheConnection),
            name if OF_THE_SERVICE.contains(&name) => Err(AddedHeaderError::OfTheService),
            _ => Ok(Self { name, value: HeaderText::parse(value)? }),
        }
    }

    /// Returns the name.
    #[must_use]
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }
}

impl RuleResponses {
    /// Adds the headers of a rule.
    pub fn add(&mut self, rule: &str, headers: &[AddedHeader]) {
        let of = |AddedHeader { name, value }: &AddedHeader| ResponseHeader {
            name: name.bytes().clone(),
            value: value.bytes().clone(),
        };
        self.0.insert(rule.into(), headers.iter().map(of).collect());
    }

    /// Returns the headers of the rule that allows a request.
    #[must_use]
    pub fn of(&self, rule: Option<&str>) -> &[ResponseHeader] {
        if self.0.is_empty() {
            return &[];
        }
        rule.and_then(|rule| self.0.get(rule)).map_or(&[], |headers| headers)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddedHeader, AddedHeaderError, RuleResponses};
    use crate::http::header::{HeaderName, HeaderTextError};

    #[test]
    fn what_the_service_says_of_its_response_stays() {
        let new = |name, value| AddedHeader::new(HeaderName::parse(name).unwrap(), value).map(|_| ());
        for good in ["X-Cache", "Cache-Control", "Strict-Transport-Security", "Content-Security-Policy"] {
            assert_eq!(new(good, "a"), Ok(()), "{good}");
        }
        for (bad, error) in [
            ("Set-Cookie", AddedHeaderError::Cookies),
            ("Content-Length", AddedHeaderError::OfTheConnection),
            ("Transfer-Encoding", AddedHeaderError::OfTheConnection),
            ("grpc-status", AddedHeaderError::OfTheConnection),
            ("Content-Type", AddedHeaderError::OfTheService),
            ("Location", AddedHeaderError::OfTheService),
            ("WWW-Authenticate", AddedHeaderError::OfTheService),
        ] {
            assert_eq!(new(bad, "a"), Err(error), "{bad}");
        }
        let character = AddedHeaderError::Value(HeaderTextError::Character);
        for bad in ["a\r\nset-cookie: b", "a\nb", "a\0", "ä"] {
            assert_eq!(new("x-a", bad), Err(character), "{bad:?}");
        }
    }

    #[test]
    fn a_rule_has_its_own_headers() {
        let mut all = RuleResponses::default();
        assert!(all.of(Some("a")).is_empty());
        all.add("a", &[AddedHeader::new(HeaderName::parse("X-A").unwrap(), "1").unwrap()]);
        assert_eq!(all.of(Some("a")).iter().map(|header| &*header.name).collect::<Vec<_>>(), [b"x-a"]);
        assert!(all.of(Some("b")).is_empty() && all.of(None).is_empty());
    }
}
