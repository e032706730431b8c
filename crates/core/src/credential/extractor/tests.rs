//! Tests of credential locations, and of requests that are rejected as ambiguous.

use super::{AuthenticatorId, ConflictingFormat, CredentialError, CredentialExtractor, Scheme};
use crate::credential::{CookieName, CredentialLocation, QueryName};
use crate::http::header::HeaderName;
use crate::http::request::{Field, Headers, Request};

fn places() -> CredentialExtractor {
    let mut places = CredentialExtractor::default();
    let schemes = ["JWT", "Bearer"].map(|scheme| Scheme::parse(scheme).unwrap());
    places.add_schemes(&HeaderName::parse("authorization").unwrap(), &schemes, AuthenticatorId(0)).unwrap();
    places.add_schemes(&HeaderName::parse("x-auth").unwrap(), &schemes[..1], AuthenticatorId(1)).unwrap();
    places
}

/// Builds a request with these headers.
fn request<'a>(target: &'a str, fields: &[(&'a str, &'a [u8])]) -> Request<'a> {
    let headers = Headers::new(fields.iter().map(|(name, value)| Field { name: name.as_bytes(), value }).collect());
    Request::parse(b"GET", target.as_bytes(), b"api.example.com", headers).unwrap()
}

#[test]
fn one_credential_or_a_fault() {
    type Case<'a> = (&'a [(&'a str, &'a [u8])], Result<Option<&'a str>, CredentialError>);
    let cases: &[Case<'_>] = &[
        (&[], Ok(None)),
        (&[("Authorization", b"JWT a.b.c")], Ok(Some("a.b.c"))),
        (&[("authorization", b"bearer a.b.c")], Ok(Some("a.b.c"))),
        (&[("authorization", b"jwt  a.b.c")], Ok(Some("a.b.c"))),
        (&[("x-auth", b"JWT a.b.c")], Ok(Some("a.b.c"))),
        (&[("x-auth", b"Bearer a.b.c")], Err(CredentialError::SchemeUnknown)),
        (&[("authorization", b"Basic dTpw")], Err(CredentialError::SchemeUnknown)),
        (&[("authorization", b"JWT a"), ("AUTHORIZATION", b"JWT a")], Err(CredentialError::Ambiguous)),
        (&[("authorization", b"JWT a"), ("x-auth", b"JWT a")], Err(CredentialError::Ambiguous)),
        (&[("x-auth", b"JWT a"), ("X_Auth", b"JWT b")], Err(CredentialError::Ambiguous)),
        (&[("x_auth", b"JWT a")], Err(CredentialError::Ambiguous)),
        (&[("x.auth", b"JWT a")], Err(CredentialError::Ambiguous)),
        (&[("authorization", b"JWT a, JWT b")], Err(CredentialError::Ambiguous)),
        (&[("authorization", b"JWT a,JWT b")], Err(CredentialError::Ambiguous)),
    ];
    for (fields, expected) in cases {
        let places = places();
        let request = request("/", fields);
        let got = places.find(&request);
        assert_eq!(got.map(|found| found.map(|credential| credential.token.as_str())), *expected, "{fields:?}");
    }
}

#[test]
fn whatever_is_not_a_credential_is_malformed() {
    let values: &[&[u8]] = &[
        b"",
        b" ",
        b"JWT",
        b"JWT ",
        b"a.b.c",
        b"JWT\ta.b.c",
        b"JWT \ta.b.c",
        b"JWT a.b.c ",
        b"JWT a.b.c x",
        b" JWT a.b.c",
        b"JWT\xc2\xa0a.b.c",
        b"JWT a.b.c\xc2\xa0",
        b"JWT a.b.c\0",
        b"JWT \"a.b.c\"",
        b"JWT {\"payload\":\"e30\"}",
        b"JWT a;b",
        b"JWT\r\nx: y",
        b"\xff\xfe",
        b"JWT \xff",
    ];
    for value in values {
        let places = places();
        let fields = [("authorization", *value)];
        let request = request("/", &fields);
        let got = places.find(&request);
        assert_eq!(got.err(), Some(CredentialError::Malformed), "{:?}", value.escape_ascii().to_string());
    }
}

#[test]
fn every_place_is_looked_into_and_two_credentials_are_one_too_many() {
    let mut places = CredentialExtractor::default();
    let scheme = [Scheme::parse("Bearer").unwrap()];
    let header = HeaderName::parse("authorization").unwrap();
    let key = HeaderName::parse("x-api-key").unwrap();
    let (cookie, query) = (CookieName::parse("session").unwrap(), QueryName::parse("access_token").unwrap());
    places.add_schemes(&header, &scheme, AuthenticatorId(0)).unwrap();
    places.add_raw(&key, AuthenticatorId(1)).unwrap();
    places.add_cookie(&cookie, AuthenticatorId(2));
    places.add_query(&query, AuthenticatorId(2));
    places.add_query(&query, AuthenticatorId(3));
    let found = |target: &str, fields: &[(&str, &[u8])]| {
        places.find(&request(target, fields)).map(|found| {
            let found = found.unwrap();
            (found.token.as_str().to_owned(), found.location, found.authenticators.to_vec())
        })
    };
    let one = |token: &str, place, who: &[usize]| {
        Ok((token.to_owned(), place, who.iter().map(|number| AuthenticatorId(*number)).collect::<Vec<_>>()))
    };
    let bearer: (&str, &[u8]) = ("authorization", b"Bearer a");
    assert_eq!(found("/", &[bearer]), one("a", CredentialLocation::Scheme(&header, &scheme[0]), &[0]));
    assert_eq!(found("/", &[("X-Api-Key", b"k")]), one("k", CredentialLocation::Header(&key), &[1]));
    assert_eq!(found("/", &[("cookie", b"a=1; session=s")]), one("s", CredentialLocation::Cookie(&cookie), &[2]));
    assert_eq!(found("/?access_token=q", &[]), one("q", CredentialLocation::Query(&query), &[2, 3]));

    for (target, fields) in [
        ("/", &[bearer, ("x-api-key", &b"k"[..])][..]),
        ("/", &[bearer, ("cookie", b"session=s")]),
        ("/?access_token=q", &[bearer]),
        ("/?access_token=q", &[("cookie", b"session=s")]),
    ] {
        assert_eq!(found(target, fields), Err(CredentialError::Ambiguous), "{target} {fields:?}");
    }
    for bare in [&b""[..], b" k", b"k ", b"k k", b"Bearer k", b"k\0", b"k\xc2\xa0"] {
        assert_eq!(found("/", &[("x-api-key", bare)]), Err(CredentialError::Malformed), "{bare:?}");
    }
    assert_eq!(found("/", &[("x-api-key", b"k,l")]), Err(CredentialError::Ambiguous));
}

#[test]
fn a_header_has_one_form() {
    let scheme = [Scheme::parse("Bearer").unwrap()];
    let header = HeaderName::parse("authorization").unwrap();
    let mut places = CredentialExtractor::default();
    places.add_schemes(&header, &scheme, AuthenticatorId(0)).unwrap();
    assert_eq!(places.add_raw(&header, AuthenticatorId(1)), Err(ConflictingFormat));
    let mut places = CredentialExtractor::default();
    places.add_raw(&header, AuthenticatorId(0)).unwrap();
    assert_eq!(places.add_schemes(&header, &scheme, AuthenticatorId(1)), Err(ConflictingFormat));
    assert_eq!(places.to_string(), "the header `authorization`");
    assert_eq!(CredentialExtractor::default().to_string(), "no location: no authenticator reads one");
}
