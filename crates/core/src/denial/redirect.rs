//! The redirect of unauthenticated browsers to a login page, with the address to return to. The address is built from the parsed
//! request. It is a path, unless the host is one of the operator's, so a client can't redirect elsewhere.

use crate::credential::QueryName;
use crate::http::host::{Host, HostError};
use crate::http::path::encode_canonical;
use crate::http::percent::{INVISIBLE, RESERVED, encode, is_unreserved};
use crate::http::request::{HeaderLookup, Request, port};
use std::fmt::Write;

/// The redirect to the login page.
#[derive(Debug)]
pub struct Redirect {
    /// The login page.
    to: Box<str>,
    /// The login page's parameter for the return address.
    parameter: ReturnParameter,
    /// Hosts that the return address may contain.
    hosts: Vec<OwnHost>,
    /// Query parameters with credentials, which the return address leaves out.
    credentials: Vec<QueryName>,
}

/// The name of a query parameter; it needs no encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnParameter(Box<str>);

/// A text that is not a valid parameter name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a name of 1 to 64 letters, digits, `-`, `.`, `_` and `~`, such as `return_to`")]
pub struct ReturnParameterError;

impl ReturnParameter {
    /// Parses a name.
    ///
    /// # Errors
    /// [`ReturnParameterError`] if it is empty, too long, or would need encoding.
    pub fn parse(text: &str) -> Result<Self, ReturnParameterError> {
        let good = matches!(text.len(), 1..=64) && text.bytes().all(is_unreserved);
        if good { Ok(Self(text.into())) } else { Err(ReturnParameterError) }
    }
}

/// A host of the operator, with the port if clients send one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnHost {
    name: Box<str>,
    port: Option<u16>,
}

/// The error of a text that is not a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OwnHostError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// The host is invalid.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl OwnHost {
    /// Parses `app.example.com` or `app.example.com:8443`.
    ///
    /// # Errors
    /// [`OwnHostError`] if the text is not exactly one host.
    pub fn parse(text: &str) -> Result<Self, OwnHostError> {
        let host = Host::parse(text.as_bytes())?;
        let name = host.name().ok_or(OwnHostError::Empty)?.into();
        Ok(Self { name, port: port(text.as_bytes()) })
    }
}

impl Redirect {
    /// The maximum size of the encoded return address, in bytes. A longer one is left out, so that `Location` stays within common
    /// limits.
    const MAX_TARGET: usize = 2_048;

    /// Creates a redirect to the validated address of a login page. The return address may contain `hosts` and never contains the
    /// parameters `credentials`.
    #[must_use]
    pub fn new(to: &str, parameter: ReturnParameter, hosts: Vec<OwnHost>, credentials: Vec<QueryName>) -> Self {
        // An address can hold characters that are invalid in a header.
        Self { to: encode(to, INVISIBLE).into(), parameter, hosts, credentials }
    }

    /// Returns the value of `Location`.
    pub(super) fn location(&self, request: &Request<'_>) -> String {
        let Self { to, parameter: ReturnParameter(parameter), .. } = self;
        let target = encode(&self.target(request), RESERVED);
        if target.len() > Self::MAX_TARGET {
            return (**to).to_owned();
        }
        let separator = if to.contains('?') { '&' } else { '?' };
        format!("{to}{separator}{parameter}={target}")
    }

    /// Returns the return address: path and query of the request, with the host if it is the operator's and the scheme is known. A
    /// path begins with exactly one `/`, because requests with `//` are rejected.
    fn target(&self, request: &Request<'_>) -> String {
        let mut target = String::new();
        let host = |own: &&OwnHost| request.host.name() == Some(&*own.name) && request.port == own.port;
        let scheme = match request.scheme {
            b"http" => Some("http"),
            b"https" => Some("https"),
            _ => None,
        };
        if let (Some(OwnHost { name, port }), Some(scheme)) = (self.hosts.iter().find(host), scheme) {
            target = format!("{scheme}://{name}");
            if let Some(port) = port {
                // Writing to a string can't fail.
                let _ = write!(target, ":{port}");
            }
        }
        target.push_str(&encode_canonical(request.path.as_str()));
        let parameters = request.query.into_iter().flat_map(|query| query.split('&'));
        let kept = parameters.filter(|one| !one.is_empty() && !self.credentials.iter().any(|name| name.is_in(one)));
        for (number, parameter) in kept.enumerate() {
            target.push(if number == 0 { '?' } else { '&' });
            target.push_str(parameter);
        }
        target
    }
}

/// Returns true if a request that accepts HTML is the navigation of a person. A script's request is not redirected, because the
/// script can't read a login page (Fetch Metadata, `Sec-Fetch-Mode` and `Sec-Fetch-Dest`).
pub(super) fn is_navigation(request: &Request<'_>) -> bool {
    let has = |name: &str, value: &[u8]| match request.headers.get(name) {
        HeaderLookup::Absent => true,
        HeaderLookup::One(found) => found == value,
        HeaderLookup::Repeated => false,
    };
    request.method.as_str() == "GET"
        && has("sec-fetch-mode", b"navigate")
        && has("sec-fetch-dest", b"document")
        && request.headers.get("x-requested-with") == HeaderLookup::Absent
}

#[cfg(test)]
mod tests {
    use super::{OwnHost, Redirect, ReturnParameter, is_navigation};
    use crate::credential::QueryName;
    use crate::http::request::{Field, Headers, Request};

    fn redirect() -> Redirect {
        let parameter = ReturnParameter::parse("return_to").unwrap();
        let hosts = ["app.example.com", "dev.example.com:8443"].map(|host| OwnHost::parse(host).unwrap());
        let credentials = vec![QueryName::parse("access_token").unwrap()];
        Redirect::new("https://login.example.com/in", parameter, hosts.into(), credentials)
    }

    fn location(host: &str, target: &str) -> String {
        by_scheme(b"https", host, target)
    }

    fn by_scheme(scheme: &'static [u8], host: &str, target: &str) -> String {
        let mut request = Request::parse(b"GET", target.as_bytes(), host.as_bytes(), Headers::default()).unwrap();
        request.scheme = scheme;
        redirect().location(&request)
    }

    #[test]
    fn a_scheme_that_is_unknown_makes_the_way_back_a_path() {
        let to = "https://login.example.com/in?return_to=";
        for (scheme, expected) in [
            (&b"https"[..], "https%3A%2F%2Fapp.example.com%2Fa"),
            (b"http", "http%3A%2F%2Fapp.example.com%2Fa"),
            (b"", "%2Fa"),
        ] {
            assert_eq!(by_scheme(scheme, "app.example.com", "/a"), format!("{to}{expected}"));
        }
    }

    #[test]
    fn the_way_back_is_a_path_or_leads_to_a_host_of_the_operator_s() {
        let to = "https://login.example.com/in?return_to=";
        for (host, target, expected) in [
            ("evil.example.net", "/", "%2F"),
            ("", "/a/b?x=1", "%2Fa%2Fb%3Fx%3D1"),
            ("evil.example.net", "/https://evil.example.net?b=//c", ""),
            ("APP.example.com.", "/a", "https%3A%2F%2Fapp.example.com%2Fa"),
            ("app.example.com:8443", "/a", "%2Fa"),
            ("dev.example.com:8443", "/a", "https%3A%2F%2Fdev.example.com%3A8443%2Fa"),
            ("dev.example.com", "/a", "%2Fa"),
            ("app.example.com.evil.example.net", "/a", "%2Fa"),
            ("", "/a%20b%C3%A9/%25", "%2Fa%2520b%25C3%25A9%2F%2525"),
            ("", "/a?&access_token=secret&b=2&", "%2Fa%3Fb%3D2"),
            ("", "/a?access_token=secret", "%2Fa"),
            ("", "/a?b=1;access_token=secret", "%2Fa"),
            ("", "/a?Access%5FToken=secret&b=\"<", "%2Fa%3Fb%3D%22%3C"),
        ] {
            if expected.is_empty() {
                // Paths with two slashes are rejected before.
                assert!(Request::parse(b"GET", target.as_bytes(), b"", Headers::default()).is_err());
            } else {
                assert_eq!(location(host, target), format!("{to}{expected}"), "{host} {target}");
            }
        }
    }

    #[test]
    fn a_way_back_that_is_too_long_is_left_out() {
        assert!(location("", &format!("/{}", "a".repeat(2_045))).contains("return_to"));
        assert_eq!(location("", &format!("/{}", "a".repeat(2_046))), "https://login.example.com/in");
    }

    #[test]
    fn a_login_page_with_a_query_keeps_it() {
        let parameter = ReturnParameter::parse("next").unwrap();
        let redirect = Redirect::new("https://login.example.com/?client=a", parameter, Vec::new(), Vec::new());
        let request = Request::parse(b"GET", b"/a", b"", Headers::default()).unwrap();
        assert_eq!(redirect.location(&request), "https://login.example.com/?client=a&next=%2Fa");
    }

    #[test]
    fn only_navigations_are_redirected() {
        let is_for = |method: &'static str, headers: &[(&'static str, &'static str)]| {
            let field =
                |(name, value): &(&'static str, &'static str)| Field { name: name.as_bytes(), value: value.as_bytes() };
            let headers = Headers::new(headers.iter().map(field).collect());
            is_navigation(&Request::parse(method.as_bytes(), b"/", b"", headers).unwrap())
        };
        assert!(is_for("GET", &[]));
        assert!(is_for("GET", &[("Sec-Fetch-Mode", "navigate"), ("sec-fetch-dest", "document")]));
        assert!(!is_for("POST", &[]));
        assert!(!is_for("HEAD", &[]));
        assert!(!is_for("GET", &[("sec-fetch-mode", "cors")]));
        assert!(!is_for("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")]));
        assert!(!is_for("GET", &[("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "navigate")]));
        assert!(!is_for("GET", &[("x-requested-with", "XMLHttpRequest")]));
    }
}
