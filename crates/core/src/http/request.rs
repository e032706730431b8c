//! The request under decision, as every layer sees it: canonical, borrowed, free of Envoy's types. `envoy::request` builds it.

use crate::http::client::ClientSource;
use crate::http::forwarded::ForwardedError;
use crate::http::header::{folds_to_same_name, is_token_byte};
use crate::http::host::{Host, HostError};
use crate::http::method::{Method, MethodError};
use crate::http::path::{CanonicalPath, MAX_TARGET_BYTES, PathError, RequestTarget};
use crate::http::percent;
use crate::http::query::AmbiguousParameter;
use crate::reason::Reason;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt;
use std::mem;
use std::net::IpAddr;
use std::sync::OnceLock;

/// One HTTP request, parsed once and checked. Borrows from the message of the check.
#[derive(Debug)]
pub struct Request<'a> {
    /// The method, upper case.
    pub method: Method<'a>,
    /// `http` or `https`, according to [`SchemeSource`]; empty if it is unknown.
    pub scheme: &'a [u8],
    /// The requested host, in lower case and without its port.
    pub host: Host<'a>,
    /// The requested port; `None` if the client named none.
    pub port: Option<u16>,
    /// The canonical path.
    pub path: CanonicalPath<'a>,
    /// The query after the first `?`, not interpreted; `None` without a `?`.
    pub query: Option<&'a str>,
    /// All headers that Envoy sent.
    pub headers: Headers<'a>,
    /// The peer of the connection, as Envoy knows it.
    pub peer: Peer<'a>,
    /// The source of the client's address.
    pub client_source: ClientSource,
    /// The context extensions of Envoy's route.
    pub context: Context<'a>,
    /// The body, as far as Envoy sent it.
    pub body: Body<'a>,
    /// The decoded parameter, for [`Self::decoded_value`].
    decoded: DecodedParameter,
}

/// The position of a query's parameter, and its percent-decoded value; `None` for a value with an invalid escape. One is enough, and not
/// more than the query itself needs in memory.
#[derive(Default)]
struct DecodedParameter(OnceLock<(usize, Option<Vec<u8>>)>);

/// Shows nothing: a value may be a credential.
impl fmt::Debug for DecodedParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DecodedParameter")
    }
}

/// The body of a request, as far as Envoy sent it. It sends none unless it is configured to (`with_request_body`).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// No body was sent to modgud, whether the request has one or not.
    #[default]
    NotSent,
    /// The body is incomplete, or Envoy does not report that it is complete.
    Partial,
    /// The complete body, according to Envoy, byte for byte (`pack_as_bytes`).
    Whole(&'a [u8]),
    /// The complete body, according to Envoy, as text: `!` replaces bytes that are not UTF-8.
    Text(&'a [u8]),
}

/// The peer of the connection, as Envoy knows it, and never by a header. Its certificate is as reliable as the validation that Envoy is
/// configured with.
#[derive(Debug, Default, Clone, Copy)]
pub struct Peer<'a> {
    /// The IP address, as text; `None` if Envoy reports none, or the path of a socket. Unchecked: [`Request::client`] parses it.
    pub address: Option<&'a [u8]>,
    /// The principal of the certificate: its first URI, else its first DNS name, else its subject. Empty without a certificate.
    pub principal: &'a [u8],
    /// The certificate, as percent-encoded PEM. Empty unless Envoy is configured to send it (`include_peer_certificate`).
    pub certificate: &'a [u8],
}

/// The facts about a request that the configuration selects, and the limit of its target.
#[derive(Debug, Clone, Copy)]
pub struct RequestSettings {
    /// The source of the scheme.
    pub scheme: SchemeSource,
    /// The source of the client's address.
    pub client: ClientSource,
    /// The longest path and query, in bytes.
    pub max_target: usize,
}

impl Default for RequestSettings {
    fn default() -> Self {
        Self { scheme: SchemeSource::default(), client: ClientSource::default(), max_target: MAX_TARGET_BYTES }
    }
}

/// The context extensions of a request: the `context_extensions` of its route or virtual host in Envoy. No client can write them.
#[derive(Debug, Default)]
pub struct Context<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Context<'a> {
    /// The most entries; a context with more is rejected, to limit the work of a check.
    pub const MAX_ENTRIES: usize = 100;

    /// Builds a context from its entries.
    #[must_use]
    pub const fn new(entries: Vec<(&'a str, &'a str)>) -> Self {
        Self(entries)
    }

    /// Returns every entry, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().copied()
    }
}

impl<'a> Request<'a> {
    /// Builds a request from its parts, which it checks. Scheme, peer and context are still empty.
    ///
    /// # Errors
    /// The first error, in the order method, path, host.
    pub fn parse(
        method: &'a [u8],
        target: &'a [u8],
        host: &'a [u8],
        mut headers: Headers<'a>,
    ) -> Result<Self, RequestError> {
        Self::parse_within(method, (target, MAX_TARGET_BYTES), host, &mut headers)
    }

    /// Builds a request whose target has at most this number of bytes. It takes the headers, unless there is an error.
    ///
    /// # Errors
    /// The first error, as [`parse`](Self::parse).
    pub fn parse_within(
        method: &'a [u8],
        (target, max_target): (&'a [u8], usize),
        host: &'a [u8],
        headers: &mut Headers<'a>,
    ) -> Result<Self, RequestError> {
        let text = std::str::from_utf8(method).map_err(|error| MethodError::NotAToken(error.valid_up_to()))?;
        let method = Method::parse(text)?;
        let RequestTarget { path, query } = RequestTarget::parse_within(target, max_target)?;
        let port = port(host);
        let host = Host::parse(host)?;
        if !names_no_header(headers) {
            return Err(RequestError::Connection);
        }
        Ok(Self {
            method,
            scheme: &[],
            host,
            port,
            path,
            query,
            headers: mem::take(headers),
            peer: Peer::default(),
            client_source: ClientSource::default(),
            context: Context::default(),
            body: Body::NotSent,
            decoded: DecodedParameter::default(),
        })
    }
}

impl Request<'_> {
    /// Returns the percent-decoded value of the query's parameter at this position, counted between `&`. `None` if its escapes are invalid.
    ///
    /// # Errors
    /// [`AmbiguousParameter`] if another parameter was decoded before: a request has one credential.
    pub(crate) fn decoded_value(&self, position: usize) -> Result<Option<&[u8]>, AmbiguousParameter> {
        let (decoded, value) = self.decoded.0.get_or_init(|| {
            let parameter = self.query.and_then(|query| query.split('&').nth(position)).unwrap_or_default();
            let value = parameter.split_once('=').map_or("", |(_, value)| value);
            (position, percent::decode(value.as_bytes()))
        });
        if *decoded == position { Ok(value.as_deref()) } else { Err(AmbiguousParameter) }
    }

    /// Returns the client's address, as [`ClientSource`] selects it; `None` if it is unknown.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.client_source.address(self.peer.address, &self.headers)
    }

    /// Returns the size of the body, in bytes: of the whole body, if Envoy sent it, or else `content-length`, to which HTTP holds the client
    /// (RFC 9112 §6.2, RFC 9113 §8.1.1). `None` if it is unknown, as of a body in chunks.
    ///
    /// Envoy's own `size` is the number of bytes that it had received when it asked.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match (self.body, self.headers.sole("content-length")) {
            (Body::Whole(body), _) => u64::try_from(body.len()).ok(),
            (_, HeaderLookup::One(value)) if value.iter().all(u8::is_ascii_digit) => {
                std::str::from_utf8(value).ok()?.parse().ok()
            }
            (_, HeaderLookup::One(_) | HeaderLookup::Absent | HeaderLookup::Repeated) => None,
        }
    }

    /// Returns true if a browser could have sent this request as a CORS preflight (Fetch standard, "CORS-preflight request").
    ///
    /// That is `OPTIONS` with exactly one `Origin` and exactly one `Access-Control-Request-Method`, both with values that a browser
    /// writes. The service that responds to a preflight knows the permitted origins.
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        // A serialized origin has no comma: Envoy writes it between two headers that it joins.
        let is_of_origin = |byte: u8| byte.is_ascii_graphic() && byte != b',';
        let one = |name: &str, is_allowed: &dyn Fn(u8) -> bool| match self.headers.sole(name) {
            HeaderLookup::One(value) => !value.is_empty() && value.iter().copied().all(is_allowed),
            HeaderLookup::Absent | HeaderLookup::Repeated => false,
        };
        self.method.as_str() == "OPTIONS"
            && one("origin", &is_of_origin)
            && one("access-control-request-method", &is_token_byte)
    }
}

/// Returns true if `connection` names nothing but what belongs to the connection itself.
///
/// A proxy removes the headers that `connection` names (RFC 9110 §7.6.1). Envoy does so too, but passes the whole value on in the handshake of
/// a WebSocket: the next proxy would remove identity headers by a client's choice.
fn names_no_header(headers: &Headers<'_>) -> bool {
    const OF_THE_CONNECTION: [&str; 5] = ["upgrade", "keep-alive", "close", "te", "http2-settings"];
    let values = headers.iter().filter(|field| field.name.eq_ignore_ascii_case(b"connection"));
    values.flat_map(|field| field.value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).all(|name| {
        name.is_empty() || OF_THE_CONNECTION.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// Returns the port of an authority that [`Host::parse`] accepted; `None` if it has none.
pub(crate) fn port(authority: &[u8]) -> Option<u16> {
    // In the brackets of an IPv6 address no colon is followed by digits only.
    let (_, port) = std::str::from_utf8(authority).ok()?.rsplit_once(':')?;
    port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten()
}

/// The reason why no decision on a request is possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The message has no HTTP request.
    #[error("the check has no HTTP request")]
    NoHttpRequest,
    /// The method is malformed.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// The path can be read in more than one way.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The host can be read in more than one way.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The request has more headers than the limit.
    #[error("the request has more than {} headers", Headers::MAX_HEADERS)]
    TooManyHeaders,
    /// A header name is illegal in HTTP.
    #[error("a header's name is invalid in HTTP")]
    HeaderName,
    /// `connection` names a header of the request.
    #[error("`connection` names a header, which the next proxy would remove")]
    Connection,
    /// Envoy's context has a value that is not text, a duplicate name, or too many entries.
    #[error(
        "the check's `context_extensions` have a repeated name, a value that is not text, or more than {} entries",
        Context::MAX_ENTRIES
    )]
    Context,
    /// A proxy's description of the request is not believed, or the proxy can't carry out the decision.
    #[error(transparent)]
    Forwarded(#[from] ForwardedError),
}

impl RequestError {
    /// Returns the reason code of this error.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::NoHttpRequest
            | Self::Method(_)
            | Self::TooManyHeaders
            | Self::HeaderName
            | Self::Connection
            | Self::Context
            | Self::Forwarded(_) => Reason::RequestMalformed,
            Self::Path(PathError::TooLong { .. }) => Reason::UriTooLong,
            Self::Path(_) => Reason::PathAmbiguous,
            Self::Host(_) => Reason::HostAmbiguous,
        }
    }
}

// Never `:scheme`, which is the client's choice on HTTP/2 (RFC 9113 §8.3.1).
/// The source of a request's scheme.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SchemeSource {
    /// `x-forwarded-proto`, which Envoy sets to what its listener saw. The scheme is unknown unless the header occurs once, with `http` or
    /// `https`. With `xff_num_trusted_hops`, Envoy forwards the value that it received.
    #[default]
    Forwarded,
    /// Always `https`: TLS ends before Envoy, and no request comes in without it.
    Https,
    /// Always `http`.
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

/// The headers of a request, in the order of arrival; a name can be repeated.
#[derive(Debug, Default)]
pub struct Headers<'a>(Vec<Field<'a>>);

/// One header of a request.
#[derive(Debug, Clone, Copy)]
pub struct Field<'a> {
    /// The name, in the original case.
    pub name: &'a [u8],
    /// The value, which can have any byte.
    pub value: &'a [u8],
}

/// The result of a look-up by header name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderLookup<'a> {
    /// There is no such header.
    Absent,
    /// There is exactly one.
    One(&'a [u8]),
    /// The header is repeated.
    Repeated,
}

impl<'a> Headers<'a> {
    /// The most headers of a request; one with more is rejected. Envoy's own limit is 100 unless it is raised.
    pub const MAX_HEADERS: usize = 1_000;

    /// Builds headers from their fields.
    #[must_use]
    pub const fn new(fields: Vec<Field<'a>>) -> Self {
        Self(fields)
    }

    /// Looks up the header of this name. A second one counts as repeated, also under another name that some server takes for this one:
    /// servers differ in which they read.
    #[must_use]
    pub fn sole(&self, name: &str) -> HeaderLookup<'a> {
        let mut like = self.0.iter().filter(|field| folds_to_same_name(field.name, name.as_bytes()));
        match (like.next(), like.next()) {
            (None, _) => HeaderLookup::Absent,
            (Some(field), None) if field.name.eq_ignore_ascii_case(name.as_bytes()) => HeaderLookup::One(field.value),
            (Some(_), _) => HeaderLookup::Repeated,
        }
    }

    /// Looks up the header of this name, without regard to case (RFC 9110 §5.1).
    #[must_use]
    pub fn get(&self, name: &str) -> HeaderLookup<'a> {
        let mut values = self.0.iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        match (values.next(), values.next()) {
            (None, _) => HeaderLookup::Absent,
            (Some(field), None) => HeaderLookup::One(field.value),
            (Some(_), Some(_)) => HeaderLookup::Repeated,
        }
    }

    /// Returns every field, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Field<'a>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests;
