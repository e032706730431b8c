//! The checks of every request to the page, before its path is looked at. Another site's page can make a browser send requests here, also
//! under a name of its own that it points to this machine (DNS rebinding).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use std::io;
use std::net::IpAddr;

/// The header in which the page sends its token. A form or a link of another site can't set a header.
pub(super) const TOKEN_HEADER: &str = "x-modgud-page";

/// The reason for refusing a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The host is not a name of this machine.
    Host,
    /// The request comes from another site.
    Origin,
    /// The token of the page is missing or wrong.
    Token,
    /// The path has these methods.
    Method(&'static str),
    /// The path does not exist.
    NotFound,
    /// The body is too large.
    TooLarge,
    /// The body is not announced as JSON.
    MediaType,
    /// The body is not the expected JSON.
    Malformed,
    /// There were too many requests in this second.
    TooMany,
    /// The evaluation takes too long.
    Busy,
}

/// A method that the page knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// `GET`, or `HEAD`, whose body the server leaves out.
    Get,
    /// `POST`.
    Post,
}

/// Checks host, origin and method of a request.
pub(super) fn check(head: &Parts) -> Result<Method, Refusal> {
    let host = host(head).ok_or(Refusal::Host)?;
    let method = match head.method {
        http::Method::GET | http::Method::HEAD => Method::Get,
        http::Method::POST => Method::Post,
        _ => return Err(Refusal::Method("GET, HEAD, POST")),
    };
    // Whatever carries an origin is from a script or a form, and so from the page itself.
    let own = format!("http://{host}");
    if head.headers.get_all(ORIGIN).iter().any(|origin| !origin.as_bytes().eq_ignore_ascii_case(own.as_bytes())) {
        return Err(Refusal::Origin);
    }
    let mut sites = head.headers.get_all("sec-fetch-site").iter().map(HeaderValue::as_bytes);
    // A link on another site may lead to the page, which then can't be read from there.
    let is_visit = method == Method::Get
        && head.uri.path() == "/"
        && head.headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")
        && head.headers.get("sec-fetch-dest").is_some_and(|destination| destination == "document");
    if !is_visit && !sites.all(|site| matches!(site, b"same-origin" | b"none")) {
        return Err(Refusal::Origin);
    }
    Ok(method)
}

/// Returns host and port of a request, if they name this machine. Any port: `kubectl port-forward` may listen on another one.
fn host(head: &Parts) -> Option<String> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    if hosts.next().is_some() || head.uri.authority().is_some_and(|target| target.as_str() != host) {
        return None;
    }
    let (name, after) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => host.find(':').and_then(|at| host.split_at_checked(at)).unwrap_or((host, "")),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    let is_end = after.is_empty() || after.strip_prefix(':').is_some_and(is_port);
    (is_end && is_this_machine(name, host.starts_with('['))).then(|| host.to_owned())
}

/// Returns true for the names that no name server is asked for (RFC 6761 §6.3), and for the addresses of the loopback interface.
fn is_this_machine(name: &str, is_bracketed: bool) -> bool {
    match name.parse::<IpAddr>() {
        Ok(ip) => ip.is_ipv6() == is_bracketed && ip.to_canonical().is_loopback(),
        Err(_) => !is_bracketed && name.eq_ignore_ascii_case("localhost"),
    }
}

/// The token of the page: random for each process, part of the HTML, and required in what changes or computes something. Has no `Debug`
/// that shows it.
pub(super) struct PageToken(String);

impl std::fmt::Debug for PageToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageToken")
    }
}

impl PageToken {
    /// Creates a token of 256 bits.
    pub(super) fn random() -> io::Result<Self> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| io::Error::other("the system has no random numbers"))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Returns the token for the HTML.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks that a request has the token once, and a body of JSON.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut tokens = headers.get_all(TOKEN_HEADER).iter();
        let (token, other) = (tokens.next(), tokens.next());
        let is_right = token.is_some_and(|token| verify_slices_are_equal(token.as_bytes(), self.0.as_bytes()).is_ok());
        if !is_right || other.is_some() {
            return Err(Refusal::Token);
        }
        let is_json = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        if is_json { Ok(()) } else { Err(Refusal::MediaType) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, PageToken, Refusal, check};
    use http::Request;

    fn of(method: &str, path: &str, headers: &[(&str, &str)]) -> Result<Method, Refusal> {
        let request = headers
            .iter()
            .fold(Request::builder().method(method).uri(path), |request, (name, value)| request.header(*name, *value));
        check(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for host in
            ["localhost", "LOCALHOST:1", "127.0.0.1", "127.8.0.1:65535", "[::1]", "[::1]:80", "[::ffff:127.0.0.1]"]
        {
            assert_eq!(of("GET", "/", &[("host", host)]), Ok(Method::Get), "{host}");
        }
        for host in [
            "localhost.",
            "localhost.example.com",
            "127.0.0.1.nip.io",
            "0.0.0.0",
            "[::]",
            "10.0.0.1",
            "",
            "[",
            "2130706433",
            "::1",
            "[127.0.0.1]",
            "[localhost]",
            "[::1].evil.example",
            "[::1]evil:80",
            "localhost:evil",
            "localhost:",
            "localhost:65536",
            "localhost:+1",
            "localhost:1:2",
        ] {
            assert_eq!(of("GET", "/", &[("host", host)]), Err(Refusal::Host), "{host}");
        }
    }

    #[test]
    fn another_host_or_site_is_refused() {
        let own = ("host", "localhost:9194");
        assert_eq!(of("GET", "/", &[own]), Ok(Method::Get));
        assert_eq!(of("GET", "/api/keys", &[own, ("origin", "http://localhost:9194")]), Ok(Method::Get));
        assert_eq!(of("GET", "/api/keys", &[own, ("sec-fetch-site", "none")]), Ok(Method::Get));
        for host in ["evil.example", "localhost@evil.example", "evil.example:9194", "a b", ""] {
            assert_eq!(of("GET", "/", &[("host", host)]), Err(Refusal::Host), "{host}");
        }
        assert_eq!(of("GET", "/", &[]), Err(Refusal::Host));
        assert_eq!(of("GET", "/", &[own, own]), Err(Refusal::Host));
        assert_eq!(of("GET", "http://evil.example/", &[own]), Err(Refusal::Host));
        for origin in ["http://localhost:9195", "https://localhost:9194", "http://evil.example", "null", ""] {
            assert_eq!(of("POST", "/api/explain", &[own, ("origin", origin)]), Err(Refusal::Origin), "{origin}");
        }
        for site in ["cross-site", "same-site", ""] {
            assert_eq!(of("GET", "/api/keys", &[own, ("sec-fetch-site", site)]), Err(Refusal::Origin), "{site}");
        }
        let visit =
            [own, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert_eq!(of("GET", "/", &visit), Ok(Method::Get));
        assert_eq!(of("GET", "/api/config", &visit), Err(Refusal::Origin));
        let framed =
            [own, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
        assert_eq!(of("GET", "/", &framed), Err(Refusal::Origin));
        assert!(matches!(of("OPTIONS", "/", &[own]), Err(Refusal::Method(_))));
    }

    #[test]
    fn the_token_is_required_once_and_whole() {
        let token = PageToken::random().unwrap();
        let with = |values: &[&str]| {
            let mut headers = http::HeaderMap::new();
            headers.insert("content-type", "application/json".parse().unwrap());
            for value in values {
                headers.append(super::TOKEN_HEADER, value.parse().unwrap());
            }
            token.check(&headers)
        };
        let right = token.as_str();
        assert_eq!(with(&[right]), Ok(()));
        assert_eq!(with(&[]), Err(Refusal::Token));
        assert_eq!(with(&[right, right]), Err(Refusal::Token));
        assert_eq!(with(&[right.get(1..).unwrap()]), Err(Refusal::Token));
        assert_ne!(PageToken::random().unwrap().as_str(), right);
        assert!(!format!("{token:?}").contains(right));
    }
}
