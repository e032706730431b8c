//! Tests of the denials of complete styles.

use super::{
    BodyStyle, ChallengeSchemes, DenialContext, DenialPage, DenialResponse, DenialResponses, DetailText, ExtraHeader,
    Insufficient, OnError, OwnHost, ParsedRequest, Realm, Redirect, ReturnParameter, RuleDenial, SetCookie, Status,
    Style,
};
use crate::http::header::HeaderName;
use crate::http::request::{Field, Headers, Request};
use crate::reason::{Class, Reason};
use serde_json::{Value, json};
use std::collections::HashMap;

const STYLES: [BodyStyle; 4] = [BodyStyle::Problem, BodyStyle::Detail, BodyStyle::Error, BodyStyle::Orchescala];

fn style(body: BodyStyle) -> Style {
    Style {
        body,
        realm: Realm::default(),
        schemes: ChallengeSchemes::Bearer,
        unauthenticated: Status::UNAUTHENTICATED,
        forbidden: Status::FORBIDDEN,
        extra: Vec::new(),
        on_error: OnError::Deny,
        resource_metadata: None,
    }
}

fn answers(body: BodyStyle) -> DenialResponses {
    DenialResponses::new(style(body), &[], None)
}

fn told(answers: &DenialResponses, reason: Reason, headers: &[(&'static str, &'static str)]) -> DenialResponse {
    let field = |(name, value): &(&'static str, &'static str)| Field { name: name.as_bytes(), value: value.as_bytes() };
    let headers = Headers::new(headers.iter().map(field).collect());
    let mut request = Request::parse(b"GET", b"/reports/7?a=1", b"api.example.com", headers).unwrap();
    request.scheme = b"https";
    answers.to(&DenialContext {
        reason,
        rule: Some("report"),
        lacks_scope: false,
        insufficient: None,
        text: None,
        request: ParsedRequest::Full(&request),
    })
}

fn text(answer: &DenialResponse) -> &str {
    std::str::from_utf8(&answer.body).unwrap()
}

fn header<'a>(answer: &'a DenialResponse, name: &str) -> Option<&'a str> {
    answer.header(name).map(|value| std::str::from_utf8(value).unwrap())
}

#[test]
fn every_reason_has_the_answer_of_its_class_in_every_style_and_form() {
    let forms = [
        &[][..],
        &[("accept", "text/plain")],
        &[("accept", "text/html")],
        &[("content-type", "application/grpc+proto")],
    ];
    for body in STYLES {
        let answers = answers(body);
        for reason in Reason::ALL {
            let expected = match reason.class() {
                Class::BadRequest if *reason == Reason::UriTooLong => 414,
                Class::BadRequest if *reason == Reason::RequestTooLarge => 413,
                Class::Unauthenticated => 401,
                Class::Forbidden => 403,
                Class::BadRequest => 400,
                Class::Unavailable => 503,
            };
            for form in forms {
                let answer = told(&answers, *reason, form);
                let at = format!("{reason} {body:?} {form:?}");
                assert_eq!(answer.status.code(), expected, "{at}");
                let challenge = header(&answer, "www-authenticate").is_some();
                assert_eq!(challenge, reason.class() == Class::Unauthenticated, "{at}");
                let retry = header(&answer, "retry-after").and_then(|seconds| seconds.parse::<u32>().ok());
                assert_eq!(retry.is_some(), reason.class() == Class::Unavailable, "{at}");
                let json = serde_json::from_slice::<Value>(&answer.body).is_ok_and(|value| value.is_object());
                assert_eq!(json, form.is_empty(), "{at}");
                let mut names: Vec<_> = answer.headers.iter().map(|header| header.name.clone()).collect();
                names.sort();
                let count = names.len();
                names.dedup();
                assert_eq!(count, names.len(), "{at}: a header twice");
                assert_eq!(header(&answer, "cache-control"), Some("no-store"), "{at}");
            }
        }
    }
}

#[test]
fn each_style_has_its_body() {
    for (body, reason, kind, expected) in [
        (
            BodyStyle::Problem,
            Reason::NoRule,
            "application/problem+json",
            json!({"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "This is not allowed."}),
        ),
        (BodyStyle::Detail, Reason::TokenExpired, "application/json", json!({"detail": "Signature has expired."})),
        (BodyStyle::Error, Reason::TokenExpired, "application/json", json!({"error": "Token expired"})),
        (
            BodyStyle::Orchescala,
            Reason::TokenExpired,
            "application/json",
            json!({"errorCode": 401, "errorMsg": "The token has expired."}),
        ),
    ] {
        let answer = told(&answers(body), reason, &[]);
        assert_eq!(serde_json::from_slice::<Value>(&answer.body).unwrap(), expected);
        assert_eq!(header(&answer, "content-type"), Some(kind));
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn forms_are_marked_as_what_they_are() {
    let answers = answers(BodyStyle::Detail);
    let page = told(&answers, Reason::NoRule, &[("accept", "text/html")]);
    assert_eq!(header(&page, "content-type"), Some("text/html; charset=utf-8"));
    assert!(header(&page, "content-security-policy").unwrap().starts_with("default-src 'none';"));
    assert!(text(&page).contains("<h1>403 Forbidden</h1>"));
    let plain = told(&answers, Reason::NoRule, &[("accept", "text/plain")]);
    assert_eq!(text(&plain), "You do not have permission to perform this action.\n");
    // The body is the message of the gRPC status: only the sentence.
    let call = told(&answers, Reason::NoRule, &[("content-type", "application/grpc"), ("accept", "text/html")]);
    assert_eq!(text(&call), "You do not have permission to perform this action.");
    for kind in
        ["application/grpc", "application/grpc+proto", "application/grpc-web", "application/grpc-web-text+proto"]
    {
        let call = told(&answers, Reason::NoRule, &[("content-type", kind)]);
        assert_eq!(text(&call), "You do not have permission to perform this action.", "{kind}");
        assert_eq!(header(&call, "cache-control"), Some("no-store"), "{kind}");
        assert_eq!(header(&call, "x-content-type-options"), Some("nosniff"), "{kind}");
    }
}

#[test]
fn an_unparsed_request_gets_the_configured_body() {
    let denied = DenialContext {
        reason: Reason::Overloaded,
        rule: None,
        lacks_scope: false,
        insufficient: None,
        text: None,
        request: ParsedRequest::None,
    };
    let answer = answers(BodyStyle::Error).to(&denied);
    assert_eq!(answer.status.code(), 503);
    assert_eq!(text(&answer), r#"{"error":"The request could not be checked. Try again later."}"#);
    assert_eq!(header(&answer, "retry-after"), Some("1"));
}

#[test]
fn the_challenge_names_the_schemes() {
    let told = |schemes, reason| {
        let answers = DenialResponses::new(Style { schemes, ..style(BodyStyle::Problem) }, &[], None);
        header(&told(&answers, reason, &[]), "www-authenticate").unwrap().to_owned()
    };
    let algs = r#"algs="RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA""#;
    let described = r#"error_description="The token is not valid here.""#;
    for (schemes, reason, expected) in [
        (ChallengeSchemes::Bearer, Reason::CredentialMissing, r#"Bearer realm="modgud""#.to_owned()),
        (ChallengeSchemes::Dpop, Reason::CredentialMissing, format!(r#"DPoP realm="modgud", {algs}"#)),
        (
            ChallengeSchemes::BearerAndDpop,
            Reason::CredentialMissing,
            format!(r#"Bearer realm="modgud", DPoP realm="modgud", {algs}"#),
        ),
        (
            ChallengeSchemes::Dpop,
            Reason::SenderUnproven,
            format!(r#"DPoP realm="modgud", error="invalid_dpop_proof", {described}, {algs}"#),
        ),
        (
            ChallengeSchemes::Dpop,
            Reason::IssuerUnknown,
            format!(r#"DPoP realm="modgud", error="invalid_token", {described}, {algs}"#),
        ),
        (
            ChallengeSchemes::Bearer,
            Reason::SenderUnproven,
            format!(r#"Bearer realm="modgud", error="invalid_token", {described}"#),
        ),
        (
            ChallengeSchemes::Named("JWT".into()),
            Reason::IssuerUnknown,
            format!(r#"JWT realm="modgud", error="invalid_token", {described}"#),
        ),
        (
            ChallengeSchemes::ApiKey { header: "x-api-key".into() },
            Reason::ApiKeyUnknown,
            r#"ApiKey realm="modgud", header="x-api-key""#.to_owned(),
        ),
        (
            ChallengeSchemes::Cookie { name: "session".into() },
            Reason::CredentialMissing,
            r#"Cookie realm="modgud", cookie-name="session""#.to_owned(),
        ),
        (ChallengeSchemes::Certificate, Reason::CertificateNotAccepted, r#"Certificate realm="modgud""#.to_owned()),
    ] {
        assert_eq!(told(schemes, reason), expected);
    }
}

#[test]
fn a_deployment_can_keep_the_old_status() {
    let style = Style { unauthenticated: Status::client_error(403).unwrap(), ..style(BodyStyle::Detail) };
    let answer = told(&DenialResponses::new(style, &[], None), Reason::TokenExpired, &[]);
    assert_eq!((answer.status.code(), text(&answer)), (403, r#"{"detail":"Signature has expired."}"#));
}

#[test]
fn a_rule_speaks_for_itself_to_callers_who_may_not() {
    let rule = |status, detail: Option<&str>| {
        let detail = detail.map(|text| DetailText::parse(text).unwrap());
        RuleDenial::new("report".into(), Status::client_error(status).unwrap(), detail)
    };
    let insufficient = Insufficient { required: vec!["a".into()], have: Vec::new() };
    let answers = |rule| DenialResponses::new(style(BodyStyle::Error), &[rule], None);
    let hidden = answers(rule(404, None));
    for reason in Reason::ALL {
        let denied = DenialContext {
            reason: *reason,
            rule: Some("report"),
            lacks_scope: false,
            insufficient: Some(&insufficient),
            text: None,
            request: ParsedRequest::None,
        };
        let answer = hidden.to(&denied);
        let of_rule = (answer.status.code(), text(&answer)) == (404, r#"{"error":"Not Found"}"#);
        assert_eq!(of_rule, reason.class() == Class::Forbidden, "{reason}");
        let elsewhere = hidden.to(&DenialContext { rule: Some("reports"), ..denied });
        assert_ne!(elsewhere.status.code(), 404, "{reason}");
    }
    let told = told(&answers(rule(403, Some("<Members> only"))), Reason::RuleDenied, &[("accept", "text/html")]);
    assert!(text(&told).contains("&lt;Members&gt; only"));
}

#[test]
fn only_one_style_tells_permissions() {
    let insufficient = Insufficient { required: vec!["delete".into()], have: vec!["read".into(), "<b>".into()] };
    for body in STYLES {
        let answers = answers(body);
        let denied = DenialContext {
            reason: Reason::PermissionMissing,
            rule: None,
            lacks_scope: false,
            insufficient: Some(&insufficient),
            text: None,
            request: ParsedRequest::None,
        };
        let answer = answers.to(&denied);
        let tells = text(&answer) == r#"{"error":"Insufficient permissions: required [delete], have [read, <b>]"}"#;
        assert_eq!(tells, body == BodyStyle::Error);
        assert_eq!(answers.discloses_permissions(), tells);
        assert_eq!(answer.status.code(), 403);
    }
}

#[test]
fn an_operator_s_headers_are_in_every_answer() {
    let header = ExtraHeader::new(HeaderName::parse("X-Frame-Options").unwrap(), "DENY").unwrap();
    let answers = DenialResponses::new(Style { extra: vec![header], ..style(BodyStyle::Problem) }, &[], None);
    for reason in Reason::ALL {
        for headers in [&[][..], &[("accept", "text/html")]] {
            assert_eq!(super::tests::header(&told(&answers, *reason, headers), "x-frame-options"), Some("DENY"));
        }
    }
}

#[test]
fn only_unauthenticated_browsers_are_redirected() {
    let parameter = ReturnParameter::parse("return_to").unwrap();
    let hosts = vec![OwnHost::parse("api.example.com").unwrap()];
    let redirect = Redirect::new("https://login.example.com/", parameter, hosts, Vec::new());
    let answers = DenialResponses::new(style(BodyStyle::Problem), &[], Some(redirect));
    let location = "https://login.example.com/?return_to=https%3A%2F%2Fapi.example.com%2Freports%2F7%3Fa%3D1";
    for reason in Reason::ALL {
        let answer = told(&answers, *reason, &[("accept", "text/html,*/*;q=0.8")]);
        let sent = header(&answer, "location") == Some(location);
        assert_eq!(sent, reason.class() == Class::Unauthenticated, "{reason}");
        assert_eq!(answer.status.code() == 302, sent, "{reason}");
        for other in [
            &[][..],
            &[("accept", "*/*")],
            &[("accept", "text/plain")],
            &[("accept", "text/html"), ("sec-fetch-mode", "cors")],
            &[("accept", "text/html"), ("content-type", "application/grpc")],
        ] {
            assert_ne!(told(&answers, *reason, other).status.code(), 302, "{reason} {other:?}");
        }
    }
}

#[test]
fn challenges_name_scopes_and_metadata_only_if_they_are_to() {
    let scopes =
        || HashMap::from([("report".into(), "reports.read reports.list".into()), ("hidden".into(), "secret".into())]);
    let hidden = RuleDenial::new("hidden".into(), Status::client_error(404).unwrap(), None);
    let answers = |schemes, metadata: Option<&str>, scopes| {
        let resource_metadata = metadata.map(Box::from);
        let style = Style { schemes, resource_metadata, ..style(BodyStyle::Problem) };
        DenialResponses::new(style, std::slice::from_ref(&hidden), None).with_scopes(scopes)
    };
    let challenge = |answers: &DenialResponses, reason, rule, lacks_scope| {
        let request = ParsedRequest::None;
        let answer = answers.to(&DenialContext {
            reason,
            rule: Some(rule),
            lacks_scope,
            insufficient: None,
            text: None,
            request,
        });
        let count = answer.headers.iter().filter(|header| header.name == "www-authenticate").count();
        assert!(count <= 1, "{answer:?}");
        header(&answer, "www-authenticate").map(str::to_owned)
    };
    let url = "https://api.example.com/.well-known/oauth-protected-resource";
    let metadata = format!(r#", resource_metadata="{url}""#);
    let scope = r#", scope="reports.read reports.list""#;
    let insufficient = r#", error="insufficient_scope", error_description="This is not allowed.""#;
    let both = answers(ChallengeSchemes::Bearer, Some(url), scopes());
    let realm = r#"Bearer realm="modgud""#;
    let (missing, lacking) = (Reason::CredentialMissing, Reason::PermissionMissing);
    assert_eq!(challenge(&both, missing, "report", false), Some(format!("{realm}{scope}{metadata}")));
    assert_eq!(challenge(&both, missing, "other", false), Some(format!("{realm}{metadata}")));
    assert_eq!(challenge(&both, missing, "hidden", false), Some(format!("{realm}{metadata}")));
    assert_eq!(challenge(&both, lacking, "report", true), Some(format!("{realm}{insufficient}{scope}{metadata}")));
    // Another permission is missing, the rule is another, or the rule hides what it is about.
    assert_eq!(challenge(&both, lacking, "report", false), None);
    assert_eq!(challenge(&both, Reason::RoleMissing, "report", false), None);
    assert_eq!(challenge(&both, lacking, "other", true), None);
    assert_eq!(challenge(&both, lacking, "hidden", true), None);
    for reason in Reason::ALL {
        let found = challenge(&both, *reason, "report", false);
        assert_eq!(found.is_some(), reason.class() == Class::Unauthenticated, "{reason}");
    }
    let none = answers(ChallengeSchemes::Bearer, None, HashMap::new());
    assert_eq!(challenge(&none, missing, "report", false), Some(realm.to_owned()));
    assert_eq!(challenge(&none, lacking, "report", true), None);
    let dpop = answers(ChallengeSchemes::BearerAndDpop, None, scopes());
    let found = challenge(&dpop, lacking, "report", true).unwrap();
    assert!(
        found.starts_with(&format!(r#"{realm}{insufficient}{scope}, DPoP realm="modgud"{insufficient}{scope}, algs="#))
    );
    for schemes in [ChallengeSchemes::Certificate, ChallengeSchemes::Cookie { name: "s".into() }] {
        let answers = answers(schemes, Some(url), scopes());
        assert_eq!(challenge(&answers, lacking, "report", true), None);
        assert!(!challenge(&answers, missing, "report", false).unwrap().contains("scope"));
    }
}

#[test]
fn a_rule_has_its_own_headers_cookies_and_page() {
    let header = |name, value| ExtraHeader::new(HeaderName::parse(name).unwrap(), value).unwrap();
    let own = RuleDenial {
        page: Some(DenialPage::parse(b"<p>own").unwrap()),
        retry_after: Some(30),
        headers: vec![header("x-frame-options", "SAMEORIGIN"), header("x-a", "b")],
        cookies: ["a=", "b="].map(|text| SetCookie::parse(text).unwrap()).into(),
        ..RuleDenial::new("report".into(), Status::FORBIDDEN, None)
    };
    let extra = vec![header("x-frame-options", "DENY"), header("x-c", "d")];
    let answers = DenialResponses::new(Style { extra, ..style(BodyStyle::Problem) }, &[own], None);
    let all = |answer: &DenialResponse, name: &str| -> Vec<String> {
        let of_name = answer.headers.iter().filter(|header| header.name == name.as_bytes());
        of_name.map(|header| String::from_utf8_lossy(&header.value).into_owned()).collect()
    };
    for form in
        [&[][..], &[("accept", "text/plain")], &[("accept", "text/html")], &[("content-type", "application/grpc")]]
    {
        let answer = told(&answers, Reason::RuleDenied, form);
        assert_eq!(all(&answer, "x-frame-options"), ["SAMEORIGIN"], "{form:?}");
        assert_eq!((all(&answer, "x-a"), all(&answer, "x-c")), (vec!["b".into()], vec!["d".into()]), "{form:?}");
        assert_eq!(all(&answer, "retry-after"), ["30"], "{form:?}");
        assert_eq!(all(&answer, "set-cookie"), ["a=", "b="], "{form:?}");
        let is_page = form == [("accept", "text/html")];
        assert_eq!(text(&answer) == "<p>own", is_page, "{form:?}");
        let policy = all(&answer, "content-security-policy");
        assert_eq!(policy.iter().any(|policy| policy.contains("img-src 'self'")), is_page, "{form:?}");
    }
    // Callers who could log in get the challenge, and nothing of the rule.
    let missing = told(&answers, Reason::CredentialMissing, &[("accept", "text/html")]);
    assert_eq!((missing.status.code(), all(&missing, "set-cookie").len()), (401, 0));
    assert_eq!(all(&missing, "x-frame-options"), ["DENY"]);
}
