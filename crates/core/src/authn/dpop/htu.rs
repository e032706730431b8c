//! Comparison of `htu`, the address that a proof is for, with that of the request (RFC 9449 §4.3, check 9). It compares scheme, host, port
//! and path, each normalized (RFC 3986 §6.2.2, §6.2.3), and ignores query and fragment.

use crate::http::host::Host;
use crate::http::path::RequestTarget;
use crate::http::request::{Request, port};

/// Returns true if `htu` is the address of the request.
pub(super) fn matches(htu: &str, request: &Request<'_>) -> bool {
    let Some((scheme, rest)) = htu.split_once("://") else { return false };
    let (rest, _) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
    let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, "/"));
    let (Ok(host), Ok(target)) = (Host::parse(authority.as_bytes()), RequestTarget::parse(path.as_bytes())) else {
        return false;
    };
    let ports = port(authority.as_bytes()).or_else(|| default_port(scheme.as_bytes()));
    scheme.as_bytes().eq_ignore_ascii_case(request.scheme)
        && host.name().is_some()
        && host == request.host
        && ports.is_some()
        && ports == request.port.or_else(|| default_port(request.scheme))
        && target.path.as_str() == request.path.as_str()
}

/// Returns the default port of a scheme; `None` if it is neither `http` nor `https`.
fn default_port(scheme: &[u8]) -> Option<u16> {
    match () {
        () if scheme.eq_ignore_ascii_case(b"http") => Some(80),
        () if scheme.eq_ignore_ascii_case(b"https") => Some(443),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;
    use crate::http::request::{Headers, Request};

    #[test]
    fn an_address_has_many_spellings_and_is_one() {
        const HERE: (&str, &str, &str) = ("https", "api.example.com", "/reports/7?page=2");
        let cases = [
            (HERE, "https://api.example.com/reports/7", true),
            (HERE, "HTTPS://API.example.COM/reports/7", true),
            (HERE, "https://api.example.com:443/reports/7", true),
            (HERE, "https://api.example.com./reports/7", true),
            (HERE, "https://api.example.com/reports/7?page=3#x", true),
            (HERE, "https://api.example.com/reports/7#?x", true),
            (("https", "API.Example.com:443", "/reports/7"), "https://api.example.com/reports/7", true),
            (("http", "api.example.com:8080", "/"), "http://api.example.com:8080", true),
            (("http", "api.example.com:8080", "/"), "http://api.example.com:8080?x=/y", true),
            (("http", "[::1]:8080", "/a"), "http://[0:0::1]:8080/a", true),
            (("http", "[::1]", "/a"), "http://[::1]:80/a", true),
            (("https", "a.example", "/a%2Cb%c3%a9"), "https://a.example/a,b%C3%A9", true),
            (HERE, "http://api.example.com/reports/7", false),
            (HERE, "http://api.example.com:443/reports/7", false),
            (HERE, "https://api.example.com:80/reports/7", false),
            (HERE, "https://api.example.com:8443/reports/7", false),
            (HERE, "https://example.com/reports/7", false),
            (HERE, "https://api.example.com.evil.com/reports/7", false),
            (HERE, "https://api.example.com@evil.com/reports/7", false),
            (HERE, "https://evil.com@api.example.com/reports/7", false),
            (HERE, "https://api.example.com/reports/8", false),
            (HERE, "https://api.example.com/reports/7/", false),
            (HERE, "https://api.example.com/Reports/7", false),
            (HERE, "https://api.example.com/reports%2f7", false),
            (HERE, "https://api.example.com/x/../reports/7", false),
            (HERE, "https://api.example.com//reports/7", false),
            (HERE, "https://api.example.com", false),
            (HERE, "https://api.example.com?/reports/7", false),
            (HERE, "https:///reports/7", false),
            (HERE, "//api.example.com/reports/7", false),
            (HERE, "/reports/7", false),
            (HERE, " https://api.example.com/reports/7", false),
            (HERE, "https://api.example.com /reports/7", false),
            (HERE, "https://api.example.com/reports/7 ", false),
            (HERE, "", false),
            (("https", "api.example.com:8443", "/reports/7"), "https://api.example.com/reports/7", false),
            (("http", "api.example.com", "/reports/7"), "https://api.example.com/reports/7", false),
            (("", "api.example.com", "/reports/7"), "://api.example.com/reports/7", false),
            (("ws", "api.example.com", "/reports/7"), "ws://api.example.com/reports/7", false),
            (("https", "", "/reports/7"), "https:///reports/7", false),
        ];
        for ((scheme, authority, target), htu, same) in cases {
            let mut request =
                Request::parse(b"GET", target.as_bytes(), authority.as_bytes(), Headers::default()).unwrap();
            request.scheme = scheme.as_bytes();
            assert_eq!(matches(htu, &request), same, "`{htu}` for {scheme} {authority} {target}");
        }
    }
}
