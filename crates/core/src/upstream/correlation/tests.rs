//! Signatures and their vectors, and values that can't be signed.

use super::{
    BodyError, Correlation, CorrelationError, CorrelationField, FieldError, IdentityCorrelation, Impersonation,
    ImpersonationSource, InstanceSources, IssuedAt, MediaTypeError, ReadError, SigningSecret, VerifyError,
};
use crate::authz::PathPattern;
use crate::http::header::HeaderName;
use crate::http::request::{Body, Field, Headers, Request};
use crate::jose::JsonError;
use crate::principal::{ClaimPath, Identity, Principal};
use crate::time::Timestamp;
use serde_json::{Value, json};

const KEY: &str = "test-secret-key";
const MADE: Timestamp = Timestamp::from_millis(1_701_234_567_890);

/// Signatures of another implementation with the key `test-secret-key`.
const VECTORS: [(&str, &str, &str, &str); 3] = [
    ("testuser", "test@example.com", "", "Zl8xeoM40/uF0Q+RIV7Wgm47H9M52ufkgJjR16hdjZc="),
    ("testuser", "test@example.com", "customer-456", "CjpsDAJLaSXgZ9MgTWYmMIgH+F5D4+pghjyTU1zNrKU="),
    ("testuser", "", "", "qzNKAiaC4AChdCjOtSCDW4iuhsKhyN+rF7/TkR0Po3s="),
];

fn part(text: &str) -> CorrelationField {
    CorrelationField::parse(text).unwrap()
}

fn correlation(username: &str, email: &str, impersonated: &str) -> IdentityCorrelation {
    let some = |text: &str| (!text.is_empty()).then(|| part(text));
    IdentityCorrelation {
        username: part(username),
        email: some(email),
        impersonated: some(impersonated),
        issued_at: MADE,
        instance: some("process-123"),
        signature: None,
    }
}

#[test]
fn signatures_are_those_of_the_vectors() {
    let secret = SigningSecret::new(KEY);
    for (username, email, impersonated, signature) in VECTORS {
        let mut made = correlation(username, email, impersonated);
        made.sign(&secret);
        assert_eq!(made.signature.as_deref(), Some(signature));
        let read = IdentityCorrelation::from_json(made.to_json().as_bytes()).unwrap();
        assert_eq!(read, made);
        assert_eq!(read.verify(&secret), Ok(()));
        assert_eq!(read.verify(&SigningSecret::new("another")), Err(VerifyError::Signature));
    }
}

#[test]
fn whatever_is_changed_is_noticed() {
    let secret = SigningSecret::new(KEY);
    let mut good = correlation("testuser", "test@example.com", "customer-456");
    good.sign(&secret);
    let changed = |change: fn(&mut IdentityCorrelation)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed.verify(&secret)
    };
    assert_eq!(changed(|_| {}), Ok(()));
    for change in [
        (|one| one.username = part("testuse")) as fn(&mut IdentityCorrelation),
        |one| one.email = None,
        |one| one.impersonated = Some(part("customer-457")),
        |one| one.issued_at = Timestamp::from_millis(1_701_234_567_891),
        |one| one.instance = Some(part("process-124")),
        |one| one.signature = Some("".into()),
        |one| one.signature = Some("!".into()),
        |one| one.signature = Some("Zl8xeoM40/uF0Q+RIV7Wgm47H9M52ufkgJjR16hdjZc=".into()),
    ] {
        assert_eq!(changed(change), Err(VerifyError::Signature));
    }
    assert_eq!(changed(|one| one.signature = None), Err(VerifyError::Unsigned));
    assert_eq!(changed(|one| one.instance = None), Err(VerifyError::NoInstance));
    let mut without = correlation("testuser", "", "");
    without.instance = None;
    without.sign(&secret);
    assert_eq!(without.signature, None, "there is nothing to sign for");
}

#[test]
fn the_header_is_ascii_and_says_what_there_is() {
    let mut made = correlation("Jörg \"J\" 𝄞\u{2028}", "", "");
    made.instance = None;
    let expected = r#"{"username":"J\u00f6rg \"J\" \ud834\udd1e\u2028","issuedAt":1701234567890}"#;
    assert_eq!(made.to_json(), expected);
    assert_eq!(IdentityCorrelation::from_json(expected.as_bytes()).unwrap(), made);
}

#[test]
fn what_is_no_correlation_is_not_read() {
    let not_text = |member| ReadError::Part { member, error: FieldError::NotText };
    for (text, error) in [
        ("", ReadError::Json(JsonError::Syntax)),
        ("[]", ReadError::Json(JsonError::NotAnObject)),
        (r#"{"username":"a","username":"b","issuedAt":1}"#, ReadError::Json(JsonError::DuplicateName)),
        (r#"{"issuedAt":1}"#, ReadError::Missing("username")),
        (r#"{"username":"a"}"#, ReadError::Missing("issuedAt")),
        (r#"{"username":"a","issuedAt":"1"}"#, ReadError::IssuedAt),
        (r#"{"username":"a","issuedAt":1.5}"#, ReadError::IssuedAt),
        (r#"{"username":1,"issuedAt":1}"#, not_text("username")),
        (r#"{"username":"a","issuedAt":1,"signature":{}}"#, not_text("signature")),
        (r#"{"username":"a|b","issuedAt":1}"#, ReadError::Part { member: "username", error: FieldError::Bar }),
    ] {
        assert_eq!(IdentityCorrelation::from_json(text.as_bytes()), Err(error), "{text}");
    }
}

fn principal(claims: Value, permissions: &[&str]) -> Principal {
    let permissions = permissions.iter().map(|one| Box::from(*one)).collect();
    let identity = Identity { permissions, ..Identity::default() };
    Principal::of(claims, &identity, std::sync::Arc::default())
}

fn configured(source: ImpersonationSource) -> Correlation {
    Correlation {
        header: HeaderName::parse("x-identity-correlation").unwrap(),
        username: ClaimPath::parse("preferred_username").unwrap(),
        email: ClaimPath::parse("email").unwrap(),
        secret: Some(SigningSecret::new(KEY)),
        impersonation: Some(Impersonation { source, permission: "impersonate".into() }),
        instance: InstanceSources {
            paths: vec![PathPattern::parse("/process/{process_instance}/{*rest}").unwrap()],
            header: HeaderName::parse("x-process-instance-id").ok(),
        },
        issued_at: IssuedAt::Decision,
    }
}

/// The header field that is required to read a body.
const JSON: (&str, &str) = ("content-type", "application/json");

/// Returns the outcome of a request with this body and these headers, by a caller with these permissions.
fn made(
    path: &str,
    body: Body<'_>,
    headers: &[(&'static str, &'static str)],
    permissions: &[&str],
) -> Result<IdentityCorrelation, CorrelationError> {
    let field = |(name, value): &(&'static str, &'static str)| Field { name: name.as_bytes(), value: value.as_bytes() };
    let headers = Headers::new(headers.iter().map(field).collect());
    let mut request = Request::parse(b"POST", path.as_bytes(), b"", headers).unwrap();
    request.body = body;
    let caller = principal(json!({"preferred_username": "testuser", "email": "test@example.com"}), permissions);
    configured(ImpersonationSource::Body("customer".into())).make(&caller, None, &request, MADE)
}

#[test]
fn the_value_comes_from_a_body_that_is_there_whole() {
    let of = |body: &str| {
        let bytes = body.to_owned();
        made("/", Body::Whole(bytes.as_bytes()), &[JSON], &["impersonate"])
            .map(|made| made.impersonated.map(|part| part.as_str().to_owned()))
    };
    for (body, expected) in [
        (r#"{"customer": "customer-456", "a": {"customer": "no"}}"#, Some("customer-456")),
        (r#"{"customer": 456}"#, Some("456")),
        (r#"{"customer": -7}"#, Some("-7")),
        (r#"{"customer": 18446744073709551615}"#, Some("18446744073709551615")),
        (r#"{"customer": ""}"#, None),
        (r#"{"customer": null}"#, None),
        (r#"{"a": {"customer": "c"}}"#, None),
        (r#"["customer"]"#, None),
        (r#"[{"a": 1}, [{"customers": {"customer": "c"}}], null]"#, None),
        (r#"{"customer": "c", "customers": "d", "customer2": "e", "": "f", "_": "g"}"#, Some("c")),
        (r#""customer""#, None),
        ("7", None),
    ] {
        assert_eq!(of(body), Ok(expected.map(str::to_owned)), "{body}");
    }
    let json = |error| CorrelationError::Body(BodyError::Json(error));
    let alike = || CorrelationError::Body(BodyError::Alike);
    let kind = || CorrelationError::Body(BodyError::Kind);
    for (body, error) in [
        (r#"{"customer": "a|b"}"#, CorrelationError::Impersonated(FieldError::Bar)),
        (r#"{"customer": "a\nb"}"#, CorrelationError::Impersonated(FieldError::Control)),
        (r#"{"customer": 100000000000000000000}"#, CorrelationError::Impersonated(FieldError::Number)),
        // Each of these is one number with many spellings.
        (r#"{"customer": -1.5}"#, CorrelationError::Impersonated(FieldError::Number)),
        (r#"{"customer": 1.0}"#, CorrelationError::Impersonated(FieldError::Number)),
        (r#"{"customer": 1e2}"#, CorrelationError::Impersonated(FieldError::Number)),
        (r#"{"customer": -0}"#, CorrelationError::Impersonated(FieldError::Number)),
        (r#"{"customer": "a", "customer": "b"}"#, json(JsonError::DuplicateName)),
        (r#"{"customer": "a", "\u0063ustomer": "b"}"#, json(JsonError::DuplicateName)),
        (r#"{"customer": "a",}"#, json(JsonError::Syntax)),
        (r#"{"customer": "a"} {}"#, json(JsonError::Syntax)),
        ("customer=a", json(JsonError::Syntax)),
        (r#"[{"customer": "a", "customer": "b"}]"#, json(JsonError::DuplicateName)),
        // Readers that expect a text convert these to one: `a`, `true`.
        (r#"{"customer": ["a"]}"#, kind()),
        (r#"{"customer": []}"#, kind()),
        (r#"{"customer": {"a": 1}}"#, kind()),
        (r#"{"customer": true}"#, kind()),
        // Readers that ignore case, or `_` and `-`, take these for the member.
        (r#"{"Customer": "a"}"#, alike()),
        (r#"{"customer": "a", "CUSTOMER": "b"}"#, alike()),
        (r#"{"CUSTOMER": "a", "Customer": "b"}"#, alike()),
        (r#"{"customer": "a", "customer_": null}"#, alike()),
        (r#"{"cust_omer": "a"}"#, alike()),
        (r#"{"cu-stomer": "a"}"#, alike()),
        (r#"{" customer": "a"}"#, alike()),
        (r#"{"\u0043ustomer": "a"}"#, alike()),
        // U+017F is an `s` to readers that ignore case.
        (r#"{"cu\u017ftomer": "a"}"#, alike()),
        (r#"[{"customer": "a"}]"#, CorrelationError::Body(BodyError::InList)),
        (r#"[1, {"a": 1}, [{"Customer": null}]]"#, CorrelationError::Body(BodyError::InList)),
    ] {
        assert_eq!(of(body), Err(error), "{body}");
    }
}

#[test]
fn an_incomplete_body_names_no_person() {
    let partial = Err(CorrelationError::Body(BodyError::Partial));
    let not_sent = Err(CorrelationError::Body(BodyError::NotSent));
    let of = |body, headers: &[(&'static str, &'static str)]| made("/", body, headers, &[]).map(|_| ());
    assert_eq!(of(Body::Partial, &[]), partial);
    assert_eq!(of(Body::Whole(b"{}"), &[("content-length", "2"), JSON]), Ok(()));
    assert_eq!(of(Body::Whole(b"{}"), &[("content-length", "3"), JSON]), partial);
    assert_eq!(of(Body::Whole(b"{}"), &[("content-length", "02"), JSON]), partial);
    assert_eq!(of(Body::NotSent, &[("content-length", "2")]), not_sent);
    assert_eq!(of(Body::NotSent, &[("content-length", "0")]), Ok(()));
    assert_eq!(of(Body::NotSent, &[]), Ok(()));
    // It indicates a body. A client can also claim that the body is complete.
    let chunked = ("Transfer-Encoding", "chunked");
    for body in [Body::NotSent, Body::Whole(b""), Body::Text(b"")] {
        assert_eq!(of(body, &[chunked]), not_sent, "{body:?}");
        assert_eq!(of(body, &[("transfer_encoding", "")]), not_sent, "{body:?}");
        assert_eq!(of(body, &[chunked, ("content-length", "0")]), not_sent, "{body:?}");
        assert_eq!(of(body, &[JSON]), not_sent, "{body:?}");
        assert_eq!(of(body, &[JSON, ("content-length", "0")]), Ok(()), "{body:?}");
    }
    assert_eq!(of(Body::Whole(b"{}"), &[chunked, JSON]), Ok(()));
}

#[test]
fn the_member_in_the_query_is_ambiguous() {
    let of = |path: &str, body| made(path, body, &[JSON], &["impersonate"]).map(|made| made.impersonated.is_some());
    let body = Body::Whole(br#"{"customer": "c"}"#);
    assert_eq!(of("/?a=customer&customers=1&b[customer]=2", body), Ok(true));
    for query in ["customer=c", "Customer", "a=1&customer_=d", "a;customer[]=d", "%63ustomer=d", "%u0063ustomer=d"] {
        for body in [body, Body::Whole(b"{}"), Body::NotSent] {
            let path = format!("/?{query}");
            assert_eq!(of(&path, body), Err(CorrelationError::ImpersonatedInQuery), "{query} {body:?}");
        }
    }
}

#[test]
fn a_body_is_read_by_its_content_type() {
    let of = |body, headers: &[(&'static str, &'static str)]| {
        made("/", body, headers, &["impersonate"]).map(|made| made.impersonated.map(|part| part.as_str().to_owned()))
    };
    let error = |error| Err(CorrelationError::Body(BodyError::MediaType(error)));
    let body = Body::Whole(br#"{"customer": "c"}"#);
    assert_eq!(of(body, &[JSON]), Ok(Some("c".to_owned())));
    assert_eq!(of(body, &[]), error(MediaTypeError::Missing));
    assert_eq!(of(body, &[JSON, JSON]), error(MediaTypeError::Repeated));
    assert_eq!(of(body, &[("content-type", "application/json; charset=utf-7")]), error(MediaTypeError::Other));
    assert_eq!(of(body, &[JSON, ("content-encoding", "gzip")]), error(MediaTypeError::Coded));
    // In UTF-7 this is a customer, and in UTF-8 there is none.
    let utf_7 = Body::Whole(br#"{"+AGM-ustomer": "victim"}"#);
    assert_eq!(of(utf_7, &[("content-type", "application/json; charset=utf-7")]), error(MediaTypeError::Other));
    // A form that is also a JSON text.
    let form = Body::Whole(br#"{"a":"&customer=victim&b="}"#);
    assert_eq!(of(form, &[("content-type", "application/x-www-form-urlencoded")]), error(MediaTypeError::Other));
    // Without a body there is nothing to read.
    assert_eq!(of(Body::Whole(b""), &[("content-type", "text/plain"), ("content-length", "0")]), Ok(None));
}

#[test]
fn a_body_that_envoy_may_have_altered_is_not_read() {
    let of = |body| made("/", body, &[JSON], &["impersonate"]).map(|made| made.impersonated.is_some());
    assert_eq!(of(Body::Text(br#"{"customer": "c"}"#)), Ok(true));
    let altered = Err(CorrelationError::Body(BodyError::Altered));
    assert_eq!(of(Body::Text(br#"{"customer": "c!"}"#)), altered);
    assert_eq!(of(Body::Text(br#"{"custome!r": "c"}"#)), altered);
    assert_eq!(of(Body::Whole(br#"{"customer": "c!"}"#)), Ok(true));
    assert_eq!(of(Body::Whole(b"{\"customer\": \"c\xe9\"}")), Err(BodyError::Json(JsonError::NotUtf8).into()));
}

#[test]
fn impersonation_requires_the_permission() {
    let body = Body::Whole(br#"{"customer": "c"}"#);
    assert_eq!(made("/", body, &[JSON], &["read"]), Err(CorrelationError::NotEntitled("impersonate".into())));
    assert_eq!(made("/", Body::Whole(b"{}"), &[JSON], &["read"]).map(|made| made.impersonated), Ok(None));
}

#[test]
fn it_is_signed_once_the_process_is_known() {
    let of = |path: &str, headers: &[(&'static str, &'static str)]| {
        made(path, Body::NotSent, headers, &[]).map(|made| made.signature.map(String::from))
    };
    let header = ("X-Process-Instance-Id", "process-123");
    assert_eq!(of("/", &[]), Ok(None));
    for (path, headers) in
        [("/", &[header][..]), ("/process/process-123/complete", &[]), ("/process/process-123", &[header])]
    {
        assert_eq!(of(path, headers), Ok(Some(VECTORS[0].3.to_owned())), "{path}");
    }
    assert_eq!(of("/process/process-124", &[header]), Err(CorrelationError::Instances));
    assert_eq!(of("/", &[header, header]), Err(CorrelationError::Instances));
    assert_eq!(of("/", &[("x-process-instance-id", "a|b")]), Err(CorrelationError::Instance(FieldError::Bar)));
    assert_eq!(of("/", &[("x-process-instance-id", "")]), Err(CorrelationError::Instance(FieldError::Empty)));
    assert_eq!(of("/processes/process-123", &[]), Ok(None));
}

#[test]
fn claims_that_can_be_read_in_two_ways_are_refused() {
    let request = Request::parse(b"GET", b"/", b"", Headers::default()).unwrap();
    let of = |claims: Value| {
        let made =
            configured(ImpersonationSource::Body("a".into())).make(&principal(claims, &[]), None, &request, MADE);
        made.map(|made| (made.username.as_str().to_owned(), made.email.map(|email| email.as_str().to_owned())))
    };
    assert_eq!(of(json!({})), Ok((String::new(), None)));
    let error = |claim: &str, error| Err(CorrelationError::Claim { claim: claim.into(), error });
    assert_eq!(of(json!({"preferred_username": "a|b"})), error("preferred_username", FieldError::Bar));
    assert_eq!(of(json!({"preferred_username": 1})), error("preferred_username", FieldError::NotText));
    assert_eq!(of(json!({"email": "a\nb"})), error("email", FieldError::Control));
}
