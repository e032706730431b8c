//! Which checks have a span, and what is in it.

use super::asked::{Asked, EXPORTED, PARENT, TRACE, dropped, hex, sampled, traceparent};
use super::receiver::{Protocol, Receiver, attributes, lines};
use crate::support::{Encoding, KEY, NOW, STRANGER, check, claims, token};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use serde_json::json;
use std::collections::BTreeSet;

const RULES: &str = "rules:\n- { name: docs, match: { paths: [\"/docs/{*rest}\"] }, access: public }\n\
                     - { name: closed, match: { paths: [\"/closed\"] }, access: denied }\n";

/// Method, path, credential, the status of the answer, and the attributes of the span.
type Row<'a> = (&'a str, &'a str, &'a str, Option<u16>, &'a [&'a str]);

/// What each span of a check has, whatever was decided.
fn is_of_the_check(span: &Span) {
    assert_eq!((hex(&span.trace_id).as_str(), hex(&span.parent_span_id).as_str()), (TRACE, PARENT));
    assert_eq!((span.name.as_str(), span.kind()), ("check", SpanKind::Server));
    // Sampled, and the parent is known to be of another process.
    assert_eq!(span.flags, 0x301);
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
    let now = NOW * 1_000_000_000;
    assert!(start < end && start <= now && end - start < 60_000_000_000, "{start} {end} {now}");
}

#[tokio::test]
async fn a_span_says_what_was_decided_over_both_protocols_and_encodings() {
    for protocol in Protocol::ALL {
        let receiver = Receiver::start(protocol).await;
        let yaml = format!(
            "profile: bifrost\nserver: {{ deadline: 10s }}\n{RULES}{}",
            super::asked::otlp(receiver.address, protocol, "")
        );
        let mut asked = Asked::start(&yaml).await;
        let good = format!("JWT {}", token());
        let wrong = format!("JWT {}", STRANGER.sign(&claims()).unwrap());
        let rows: [Row<'_>; 5] = [
            (
                "GET",
                "/crm/1?secret=1",
                &good,
                None,
                &[
                    "http.request.method=GET",
                    "modgud.authenticator=bifrost",
                    "modgud.decision=allowed",
                    "url.path=/crm/1",
                ],
            ),
            (
                "DELETE",
                "/docs/a",
                "",
                None,
                &["http.request.method=DELETE", "modgud.decision=allowed", "modgud.rule=docs", "url.path=/docs/a"],
            ),
            (
                "POST",
                "/crm/",
                &wrong,
                Some(401),
                &[
                    "http.request.method=POST",
                    "http.response.status_code=401",
                    "modgud.authenticator=bifrost",
                    "modgud.decision=denied",
                    "modgud.reason=signature_invalid",
                    "url.path=/crm/",
                ],
            ),
            (
                "BREW",
                "/closed",
                &good,
                Some(403),
                &[
                    "http.request.method=_OTHER",
                    "http.response.status_code=403",
                    "modgud.decision=denied",
                    "modgud.reason=rule_denied",
                    "modgud.rule=closed",
                    "url.path=/closed",
                ],
            ),
            (
                "GET",
                "/a/../b",
                &good,
                Some(400),
                &[
                    "http.request.method=GET",
                    "http.response.status_code=400",
                    "modgud.decision=denied",
                    "modgud.reason=path_ambiguous",
                ],
            ),
        ];
        let mut count = 0;
        for (method, path, credential, status, expected) in rows {
            for encoding in Encoding::ALL {
                let context = traceparent("01");
                let mut headers: Vec<(&str, &[u8])> =
                    vec![("traceparent", context.as_bytes()), ("tracestate", b"congo=t61rcWkgMzE")];
                if !credential.is_empty() {
                    headers.push(("authorization", credential.as_bytes()));
                }
                assert_eq!(asked.ask(check(encoding, method, path, &headers)).await, status, "{path}");
                count += 1;
                let span = receiver.spans(count).await.pop().unwrap();
                is_of_the_check(&span);
                assert_eq!(span.trace_state, "congo=t61rcWkgMzE");
                assert_eq!(span.status, Some(Status::default()), "a denial is no failure of modgud");
                let mut found = lines(&span);
                found.sort();
                assert_eq!(found, expected, "{protocol:?} {encoding:?} {path}");
            }
        }
        let ids: BTreeSet<Vec<u8>> = receiver.spans(count).await.into_iter().map(|span| span.span_id).collect();
        assert_eq!(ids.len(), count);
        asked.until(EXPORTED, count as u64).await;
        are_of_modgud(&receiver, protocol);
    }
}

/// Each request names modgud, and has its protocol's form.
fn are_of_modgud(receiver: &Receiver, protocol: Protocol) {
    let (path, kind) = match protocol {
        Protocol::Grpc => ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", "application/grpc"),
        Protocol::Http => ("/v1/traces", "application/x-protobuf"),
    };
    for one in receiver.received() {
        assert_eq!((one.path.as_str(), one.headers["content-type"].to_str().unwrap()), (path, kind));
        assert!(one.headers["user-agent"].to_str().unwrap().starts_with("modgud/"));
        let [of_process] = one.request.resource_spans.as_slice() else { panic!("one process") };
        let resource = attributes(&of_process.resource.as_ref().unwrap().attributes);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let expected = [("service.name", "modgud".to_owned()), ("service.version", version)];
        assert_eq!(resource.into_iter().collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn only_a_check_of_a_sampled_trace_has_a_span() {
    let receiver = Receiver::start(Protocol::Grpc).await;
    let mut asked = Asked::to(&receiver, Protocol::Grpc, "").await;
    let of_request = |values: &[&str]| {
        let headers: Vec<(&str, &[u8])> = values.iter().map(|value| ("traceparent", value.as_bytes())).collect();
        check(Encoding::Raw, "GET", &format!("/none/{}", values.len()), &headers)
    };
    let (sampled_parent, unsampled) = (traceparent("01"), traceparent("00"));
    let malformed = sampled_parent.to_uppercase();
    for (request, metadata) in [
        (&[][..], &[][..]),
        (&[&*unsampled], &[]),
        (&[&*malformed], &[]),
        // Two values are no value.
        (&[&*sampled_parent, &*sampled_parent], &[]),
        // Envoy's decision counts, whatever its client says.
        (&[&*sampled_parent], &[&*unsampled]),
        (&[], &[&*malformed]),
        (&[], &[&*sampled_parent, &*sampled_parent]),
        (&[&*sampled_parent], &[&*malformed]),
        (&[&*sampled_parent], &[&*sampled_parent, &*sampled_parent]),
    ] {
        let metadata: Vec<(&str, &str)> = metadata.iter().map(|value| ("traceparent", *value)).collect();
        assert_eq!(asked.call(of_request(request), &metadata).await, Some(401), "{request:?}");
    }
    assert_eq!(receiver.received().len(), 0);
    // Envoy's own span is the parent, not that of its client.
    let of_envoy = "00-11111111111111111111111111111111-2222222222222222-01";
    let metadata = [("traceparent", of_envoy), ("tracestate", "of=envoy")];
    asked.call(of_request(&[&sampled_parent]), &metadata).await;
    let spans = receiver.spans(1).await;
    let [span] = spans.as_slice() else { panic!("one span, not {spans:?}") };
    assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), ("1".repeat(32), "2".repeat(16)));
    assert_eq!(span.trace_state, "of=envoy");
    // A later one shows that none of the others was only late.
    asked.ask(sampled("/last")).await;
    assert_eq!(receiver.spans(2).await.len(), 2);
    for reason in ["queue_full", "export_failed", "rejected", "shutdown"] {
        assert_eq!(asked.counter(&dropped(reason)).await, 0, "{reason}");
    }
}

#[tokio::test]
async fn only_named_claims_are_in_a_span_and_each_is_bounded() {
    let receiver = Receiver::start(Protocol::Http).await;
    let named = "claims: [username, scope, level, ratio, vip, groups, absent, address, address.city, [\"a.b\"]]";
    let mut asked = Asked::to(&receiver, Protocol::Http, named).await;
    let mut claims = claims();
    claims.retain(|(name, _)| name != "username");
    let more = [
        ("username", json!("å".repeat(300))),
        ("level", json!(7)),
        ("ratio", json!(0.5)),
        ("vip", json!(true)),
        ("groups", json!(["a", "b", {"c": 1}, 3])),
        ("absent", json!(null)),
        ("address", json!({"city": "Oslo", "street": "hidden"})),
        ("a.b", json!("dotted")),
        ("other", json!("hidden")),
    ];
    claims.extend(more.map(|(name, value)| (name.to_owned(), value)));
    let credential = format!("JWT {}", KEY.sign(&claims).unwrap());
    let context = traceparent("01");
    let long = format!("/crm/{}", "p".repeat(1_000));
    let headers = [("authorization", credential.as_bytes()), ("traceparent", context.as_bytes())];
    // The name can't be written as a header, and the caller is known all the same.
    assert_eq!(asked.ask(check(Encoding::Joined, "GET", &long, &headers)).await, Some(401));
    let spans = receiver.spans(1).await;
    let found = attributes(&spans[0].attributes);
    let of_claims: Vec<(&str, &str)> =
        found.iter().filter_map(|(key, value)| Some((key.strip_prefix("modgud.claim.")?, value.as_str()))).collect();
    let name = format!("{}…", "å".repeat(128));
    let expected = [
        ("a.b", "dotted"),
        ("address.city", "Oslo"),
        ("groups", "a,b,3"),
        ("level", "7"),
        ("ratio", "0.5"),
        ("scope", "read write"),
        ("username", &name),
        ("vip", "true"),
    ];
    assert_eq!(of_claims, expected);
    assert_eq!(found["url.path"], format!("/crm/{}…", "p".repeat(251)));
    let raw = String::from_utf8_lossy(&receiver.received()[0].raw).into_owned();
    assert!(raw.contains("Oslo") && !raw.contains("hidden"));
}

#[tokio::test]
async fn a_check_that_a_proxy_sends_over_http_has_a_span() {
    use modgud::forward_auth::Proxy;
    use modgud_testbed::http::Exchange;
    let receiver = Receiver::start(Protocol::Grpc).await;
    let yaml = format!("profile: bifrost\n{}", super::asked::otlp(receiver.address, Protocol::Grpc, ""));
    let sidecar = crate::support::Sidecar::for_proxy(&yaml, &std::collections::BTreeMap::new(), Proxy::Traefik).await;
    let context = traceparent("01");
    let headers = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.example.com"),
        ("x-forwarded-uri", "/crm/"),
        ("traceparent", &context),
    ];
    assert_eq!(Exchange::send(sidecar.http(), "GET", "/", &headers).await.unwrap().status, 401);
    let span = receiver.spans(1).await.pop().unwrap();
    is_of_the_check(&span);
    assert_eq!(attributes(&span.attributes)["url.path"], "/crm/");
}

/// A check that a deadline ends has a span too.
#[tokio::test]
async fn undecided_checks_are_failures() {
    use crate::introspection::server::AuthorizationServer;
    let receiver = Receiver::start(Protocol::Grpc).await;
    let server = AuthorizationServer::of(&[]).await;
    server.hold(true);
    let yaml = crate::introspection::asked::yaml(&server, "").replace("deadline: 10s", "deadline: 100ms");
    let mut asked = Asked::start(&format!("{yaml}{}", super::asked::otlp(receiver.address, Protocol::Grpc, ""))).await;
    let context = traceparent("01");
    let headers = [("authorization", &b"Bearer late"[..]), ("traceparent", context.as_bytes())];
    assert_eq!(asked.ask(check(Encoding::Joined, "GET", "/", &headers)).await, Some(503));
    let spans = receiver.spans(2).await;
    let span = spans.iter().find(|span| span.name == "check").unwrap();
    let status = span.status.clone().unwrap();
    assert_eq!((status.code(), status.message.as_str()), (StatusCode::Error, "introspection_unavailable"));
    let expected = [
        "error.type=introspection_unavailable",
        "http.request.method=GET",
        "http.response.status_code=503",
        "modgud.authenticator=opaque",
        "modgud.decision=unavailable",
        "modgud.reason=introspection_unavailable",
        "url.path=/",
    ];
    assert_eq!(lines(span), expected);
}
