//! Spans of the lookups that checks wait for.

use super::asked::{Asked, TRACE, hex, otlp, traceparent};
use super::receiver::{Protocol, Receiver, attributes};
use crate::introspection::asked::yaml;
use crate::introspection::server::AuthorizationServer;
use crate::support::{Encoding, NOW, check};
use modgud::envoy::proto::CheckRequest;
use modgud_testbed::idp::{Idp, IdpKey};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::json;

fn with(token: &str) -> CheckRequest {
    let (credential, context) = (format!("Bearer {token}"), traceparent("01"));
    let headers = [("authorization", credential.as_bytes()), ("traceparent", context.as_bytes())];
    check(Encoding::Joined, "GET", "/", &headers)
}

/// The span of the lookup and that of its check, of which it is a part.
fn pair(spans: &[Span]) -> (&Span, &Span) {
    let [lookup, check] = ["lookup", "check"].map(|wanted| {
        let is_check = wanted == "check";
        spans.iter().find(|span| (span.name == "check") == is_check).unwrap_or_else(|| panic!("no {wanted}: {spans:?}"))
    });
    assert_eq!((hex(&lookup.trace_id).as_str(), &lookup.parent_span_id), (TRACE, &check.span_id));
    assert_ne!(lookup.span_id, check.span_id);
    assert_eq!((lookup.kind(), lookup.flags), (SpanKind::Internal, 0x101));
    assert!(check.start_time_unix_nano <= lookup.start_time_unix_nano);
    assert!(lookup.start_time_unix_nano < lookup.end_time_unix_nano);
    assert!(lookup.end_time_unix_nano <= check.end_time_unix_nano);
    (lookup, check)
}

fn outcome(span: &Span) -> (&str, String, bool) {
    let attributes = attributes(&span.attributes);
    assert_eq!(attributes.keys().copied().collect::<Vec<_>>(), ["modgud.authenticator", "modgud.lookup.outcome"]);
    let failed = span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
    (&span.name, attributes["modgud.lookup.outcome"].clone(), failed)
}

#[tokio::test]
async fn an_introspection_is_a_part_of_its_check() {
    for (token, wanted, failed, status) in
        [("good", "active", false, None), ("ended", "inactive", false, Some(401)), ("odd", "failed", true, Some(503))]
    {
        let receiver = Receiver::start(Protocol::Grpc).await;
        let server = AuthorizationServer::of(&["good"]).await;
        server.replies("odd", modgud_testbed::idp::Reply::Body(b"[]".to_vec()));
        let mut asked =
            Asked::start(&format!("{}{}", yaml(&server, ""), otlp(receiver.address, Protocol::Grpc, ""))).await;
        assert_eq!(asked.ask(with(token)).await, status, "{token}");
        let spans = receiver.spans(2).await;
        let (lookup, _) = pair(&spans);
        assert_eq!(outcome(lookup), ("introspection", wanted.to_owned(), failed));
        let raw = String::from_utf8_lossy(&receiver.received()[0].raw).into_owned();
        assert!(!raw.contains(token), "no token is in a span");
        if token == "good" {
            // The response is cached: no lookup, no span.
            asked.ask(with(token)).await;
            assert_eq!(receiver.spans(3).await.len(), 3);
        }
    }
}

#[tokio::test]
async fn a_refresh_of_keys_is_a_part_of_its_check() {
    let receiver = Receiver::start(Protocol::Http).await;
    let (known, new) = (IdpKey::new("known"), IdpKey::new("new"));
    let idp = Idp::of(&[&known]).await;
    let issuer = "https://login.example.com";
    let mut asked = Asked::start(&format!(
        "profile: none\nserver: {{ deadline: 10s }}\nfallback: authenticated\nauthenticators:\n- name: idp\n  \
         from: [{{ header: authorization, schemes: [Bearer] }}]\n  \
         jwt: {{ issuer: {issuer:?}, algorithms: [EdDSA], keys: [{{ jwks: {{ url: {:?} }} }}] }}\n{}",
        idp.url("/jwks"),
        otlp(receiver.address, Protocol::Http, "")
    ))
    .await;
    let token = |key: &IdpKey| {
        let claims = [("iss", json!(issuer)), ("sub", json!("u")), ("iat", json!(NOW)), ("exp", json!(NOW + 600))];
        key.sign(&claims.map(|(name, value)| (name.to_owned(), value)))
    };
    asked
        .until(
            "modgud_key_fetches_total{authenticator=\"idp\",source=\"URL\",outcome=\"success\"}"
                .replace("URL", &idp.url("/jwks"))
                .as_str(),
            1,
        )
        .await;
    idp.publish(&[&known, &new]);
    asked.sidecar.clock.set(modgud_core::time::Timestamp::from_secs(NOW + 60));
    assert_eq!(asked.ask(with(&token(&new))).await, None);
    let spans = receiver.spans(2).await;
    let (lookup, _) = pair(&spans);
    assert_eq!(outcome(lookup), ("jwks refresh", "refreshed".to_owned(), false));
}
