//! The request that is decided on, as every layer sees it: canonical, borrowed, free of Envoy's types. Who fills it in is
//! `envoy::request`.

use crate::http::header::folds_to_same_name;
use crate::http::host::{Host, HostError};
use crate::http::method::{Method, MethodError};
use crate::http::path::{CanonicalPath, PathError, RequestTarget};
use crate::reason::Reason;

/// One HTTP request, read once and checked. Borrows from the message that it came in.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method, upper case.
    pub method: Method<'a>,
    /// `http` or `https`, as [`SchemeSource`] says; empty if it is unknown.
    pub scheme: &'a [u8],
    /// The host that the client asked for, in lower case and without its port.
    pub host: Host<'a>,
    /// The port that the client asked for, if it named one.
    pub port: Option<u16>,
    /// The path, in the one form that it can be read in.
    pub path: CanonicalPath<'a>,
    /// The query after the first `?`, not interpreted.
    pub query: Option<&'a str>,
    /// Every header that Envoy sent along.
    pub headers: Headers<'a>,
    /// The other end of the connection, as Envoy knows it.
    pub peer: Peer<'a>,
    /// What Envoy's configuration says along with the request.
    pub context: Context<'a>,
    /// The body, as far as Envoy sent it along.
    pub body: Body<'a>,
}

/// The body of a request, as far as Envoy sent it along. It sends none unless it is told to (`with_request_body`).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// Nothing was sent along, whether there is one or not.
    #[default]
    NotSent,
    /// Not all of it, or Envoy does not say so.
    Partial,
    /// All of it, as Envoy says, byte for byte (`pack_as_bytes`).
    Whole(&'a [u8]),
    /// All of it, as Envoy says, sent as text: bytes that are no UTF-8 have been replaced by `!`.
    Text(&'a [u8]),
}

/// The other end of the connection that the request came in on, as Envoy knows it by its TLS certificate. Nothing of it comes
/// from a header. It is worth as much as the check of certificates that Envoy is configured to make.
#[derive(Debug, Default, Clone, Copy)]
pub struct Peer<'a> {
    /// Who the certificate says that it is: its first URI, else its first DNS name, else its subject. Empty without a certificate.
    pub principal: &'a [u8],
    /// The certificate, as PEM in percent-encoding. Empty unless Envoy is told to send it (`include_peer_certificate`).
    pub certificate: &'a [u8],
}

/// What Envoy's configuration says along with a request: the `context_extensions` of its route or virtual host. No client can write
/// there.
#[derive(Debug, Default)]
pub struct Context<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Context<'a> {
    /// The most entries that are read.
    pub const MAX_ENTRIES: usize = 100;

    /// A context from its entries.
    #[must_use]
    pub const fn new(entries: Vec<(&'a str, &'a str)>) -> Self {
        Self(entries)
    }

    /// Every entry, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().copied()
    }
}

impl<'a> Request<'a> {
    /// Checks the parts of a request and puts them together. Nothing is known of its scheme, its peer and its context yet.
    ///
    /// # Errors
    /// The first fault that is found, in the order method, path, host.
    pub fn parse(
        method: &'a [u8],
        target: &'a [u8],
        host: &'a [u8],
        headers: Headers<'a>,
    ) -> Result<Self, RequestError> {
        let text = std::str::from_utf8(method).map_err(|fault| MethodError::NotAToken(fault.valid_up_to()))?;
        let method = Method::parse(text)?;
        let RequestTarget { path, query } = RequestTarget::parse(target)?;
        let port = port(host);
        let host = Host::parse(host)?;
        Ok(Self {
            method,
            scheme: &[],
            host,
            port,
            path,
            query,
            headers,
            peer: Peer::default(),
            context: Context::default(),
            body: Body::NotSent,
        })
    }
}

/// The port of an authority that is one: [`Host::parse`] says so.
pub(crate) fn port(authority: &[u8]) -> Option<u16> {
    // Within the brackets of an IPv6 address no colon is followed by nothing but digits.
    let (_, port) = std::str::from_utf8(authority).ok()?.rsplit_once(':')?;
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten()
}

/// What keeps a request from being decided on at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The message holds no HTTP request.
    #[error("the check carries no HTTP request")]
    NoHttpRequest,
    /// The method is not one.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// The path can be read in more than one way.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The host can be read in more than one way.
    #[error(transparent)]
    Host(#[from] HostError),
    /// More headers than are read.
    #[error("there are more than {} headers", Headers::MAX_HEADERS)]
    TooManyHeaders,
    /// A header has a name that HTTP doesn't allow.
    #[error("a header's name is not one that HTTP allows")]
    HeaderName,
    /// Envoy's context holds what is no text, one name twice, or too much.
    #[error(
        "the check's `context_extensions` hold a name twice, what is no text, or more than {} entries",
        Context::MAX_ENTRIES
    )]
    Context,
}

impl RequestError {
    /// The reason that this fault is told as.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NoHttpRequest | Self::Method(_) | Self::TooManyHeaders | Self::HeaderName | Self::Context => {
                Reason::RequestMalformed
            }
            Self::Path(_) => Reason::PathAmbiguous,
            Self::Host(_) => Reason::HostAmbiguous,
        }
    }
}

/// Where the scheme of a request comes from. Never from `:scheme`, which is the client's choice on HTTP/2 (RFC 9113 §8.3.1).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum SchemeSource {
    /// The header `x-forwarded-proto`: Envoy sets it to the scheme of its listener, unless it trusts hops in front of it.
    #[default]
    Forwarded,
    /// The scheme is `https`, whatever headers say.
    Https,
    /// The scheme is `http`, whatever headers say.
    Http,
}

impl SchemeSource {
    /// Returns the scheme of a request with these headers, in lower case; empty if it is unknown.
    #[must_use]
    pub fn of(self, headers: &Headers<'_>) -> &'static [u8] {
        match self {
            Self::Https => b"https",
            Self::Http => b"http",
            Self::Forwarded => match headers.get("x-forwarded-proto") {
                HeaderLookup::One(proto) if proto.eq_ignore_ascii_case(b"https") => b"https",
                HeaderLookup::One(proto) if proto.eq_ignore_ascii_case(b"http") => b"http",
                HeaderLookup::One(_) | HeaderLookup::Absent | HeaderLookup::Repeated => b"",
            },
        }
    }
}

/// The headers of a request, in the order in which they came; a name can stand there twice.
#[derive(Debug, Default)]
pub struct Headers<'a>(Vec<Field<'a>>);

/// One header of a request.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The name, in whatever case it came.
    pub name: &'a [u8],
    /// The value, which can hold any byte.
    pub value: &'a [u8],
}

/// What stands under a header name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderLookup<'a> {
    /// No such header.
    Absent,
    /// Exactly one.
    One(&'a [u8]),
    /// The name stands there more than once.
    Repeated,
}

impl<'a> Headers<'a> {
    /// The most headers that a request may have. Envoy's own limit is 100 unless it is raised.
    pub const MAX_HEADERS: usize = 1_000;

    /// Headers from their fields.
    #[must_use]
    pub const fn new(fields: Vec<Field<'a>>) -> Self {
        Self(fields)
    }

    /// The header of this name. A second one, and one under another name that some server takes for this one, count as
    /// repeated: who reads which of them can't be known.
    #[must_use]
    pub fn sole(&self, name: &str) -> HeaderLookup<'a> {
        let mut like = self.0.iter().filter(|field| folds_to_same_name(field.name, name.as_bytes()));
        match (like.next(), like.next()) {
            (None, _) => HeaderLookup::Absent,
            (Some(field), None) if field.name.eq_ignore_ascii_case(name.as_bytes()) => HeaderLookup::One(field.value),
            (Some(_), _) => HeaderLookup::Repeated,
        }
    }

    /// The header of this name; names compare without regard to case (RFC 9110 §5.1).
    #[must_use]
    pub fn get(&self, name: &str) -> HeaderLookup<'a> {
        let mut values = self.0.iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        match (values.next(), values.next()) {
            (None, _) => HeaderLookup::Absent,
            (Some(field), None) => HeaderLookup::One(field.value),
            (Some(_), Some(_)) => HeaderLookup::Repeated,
        }
    }

    /// Every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Field<'a>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, Headers, SchemeSource};

    #[test]
    fn the_scheme_is_that_of_one_x_forwarded_proto_or_unknown() {
        let cases: [(&[(&str, &str)], &str); 10] = [
            (&[("x-forwarded-proto", "https")], "https"),
            (&[("X-Forwarded-Proto", "HTTP")], "http"),
            (&[], ""),
            (&[(":scheme", "https")], ""),
            (&[("x-forwarded-proto", "https"), ("x-forwarded-proto", "https")], ""),
            (&[("x-forwarded-proto", "https,http")], ""),
            (&[("x-forwarded-proto", "")], ""),
            (&[("x-forwarded-proto", " https")], ""),
            (&[("x-forwarded-proto", "wss")], ""),
            (&[("x_forwarded_proto", "https")], ""),
        ];
        for (headers, expected) in cases {
            let field =
                |(name, value): &(&'static str, &'static str)| Field { name: name.as_bytes(), value: value.as_bytes() };
            let headers = Headers::new(headers.iter().map(field).collect());
            assert_eq!(SchemeSource::Forwarded.of(&headers), expected.as_bytes(), "{headers:?}");
            assert_eq!(SchemeSource::Https.of(&headers), b"https");
            assert_eq!(SchemeSource::Http.of(&headers), b"http");
        }
    }
}
