//! Requests, their headers, and what `connection` may name.

use super::{Field, Headers, Request, RequestError, SchemeSource};

#[test]
fn connection_names_only_what_belongs_to_it() {
    for (values, good) in [
        (&["Upgrade"][..], true),
        (&["keep-alive, Upgrade"], true),
        (&["upgrade,HTTP2-Settings ,\tTE,,close"], true),
        (&["", "Upgrade"], true),
        (&["Upgrade, x-core-user-uuid"], false),
        (&["x-core-user-uuid\t,upgrade"], false),
        (&["Upgrade", "authorization"], false),
        (&["Upgrade;x-a"], false),
        (&["upgradé"], false),
    ] {
        let field = |value: &&'static str| Field { name: b"Connection", value: value.as_bytes() };
        let headers = Headers::new(values.iter().map(field).collect());
        let request = Request::parse(b"GET", b"/", b"api.example.com", headers);
        assert_eq!(request.err(), (!good).then_some(RequestError::Connection), "{values:?}");
    }
}

#[test]
fn one_parameter_is_decoded_and_another_one_is_ambiguous() {
    let headers = Headers::new(Vec::new());
    let request = Request::parse(b"GET", b"/?a=%41%2B&b=%42&c=%zz", b"api.example.com", headers).unwrap();
    assert_eq!(request.decoded_value(0), Ok(Some(b"A+".as_slice())));
    assert!(request.decoded_value(1).is_err());
    assert_eq!(request.decoded_value(0), Ok(Some(b"A+".as_slice())));
}

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
        let request = Request::parse(method.as_bytes(), b"/", b"a.example", Headers::new(fields.collect())).unwrap();
        assert_eq!(request.is_preflight(), is, "{method} {headers:?}");
    }
}
