//! Detection of CORS preflights. The service that responds to a preflight knows the permitted origins.

use crate::http::header::is_token_byte;
use crate::http::request::{HeaderLookup, Request};

/// Returns true if a browser could have sent this request as a CORS preflight (Fetch standard, "CORS-preflight request").
///
/// That is `OPTIONS` with exactly one `Origin` and exactly one `Access-Control-Request-Method`, both with values that a browser
/// writes.
pub(super) fn is_preflight(request: &Request<'_>) -> bool {
    let one = |name: &str| match request.headers.sole(name) {
        HeaderLookup::One(value) if !value.is_empty() => Some(value),
        HeaderLookup::One(_) | HeaderLookup::Absent | HeaderLookup::Repeated => None,
    };
    request.method.as_str() == "OPTIONS"
        && one("origin").is_some_and(|value| value.iter().copied().all(is_of_origin))
        && one("access-control-request-method").is_some_and(|value| value.iter().copied().all(is_token_byte))
}

/// Returns true if a byte may occur in a serialized origin. A comma may not: Envoy writes it between two headers that it joins.
const fn is_of_origin(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b','
}

#[cfg(test)]
mod tests {
    use super::is_preflight;
    use crate::http::request::{Field, Headers, Request};

    #[test]
    fn only_what_a_browser_sends_is_one() {
        const ORIGIN: (&str, &str) = ("Origin", "https://app.example.com");
        const ASKED: (&str, &str) = ("Access-Control-Request-Method", "PATCH");
        for (method, headers, is) in [
            ("OPTIONS", &[ORIGIN, ASKED][..], true),
            ("OPTIONS", &[ASKED, ORIGIN, ("access-control-request-headers", "authorization")], true),
            ("OPTIONS", &[("origin", "null"), ("access-control-request-method", "patch")], true),
            ("GET", &[ORIGIN, ASKED], false),
            ("OPTIONS", &[], false),
            ("OPTIONS", &[ORIGIN], false),
            ("OPTIONS", &[ASKED], false),
            ("OPTIONS", &[ORIGIN, ORIGIN, ASKED], false),
            ("OPTIONS", &[ORIGIN, ASKED, ASKED], false),
            ("OPTIONS", &[ORIGIN, ASKED, ("access_control_request_method", "GET")], false),
            ("OPTIONS", &[("origin", ""), ASKED], false),
            ("OPTIONS", &[("origin", "https://a.example,https://b.example"), ASKED], false),
            ("OPTIONS", &[("origin", "https://a.example https://b.example"), ASKED], false),
            ("OPTIONS", &[ORIGIN, ("access-control-request-method", "")], false),
            ("OPTIONS", &[ORIGIN, ("access-control-request-method", "GET,PUT")], false),
            ("OPTIONS", &[ORIGIN, ("access-control-request-method", "GET PUT")], false),
        ] {
            let fields = headers.iter().map(|(name, value)| Field { name: name.as_bytes(), value: value.as_bytes() });
            let request =
                Request::parse(method.as_bytes(), b"/", b"a.example", Headers::new(fields.collect())).unwrap();
            assert_eq!(is_preflight(&request), is, "{method} {headers:?}");
        }
    }
}
