use super::{CallTrace, Traces};
use crate::clock::Clock;
use crate::config::{Environment, Overrides, load};
use crate::envoy::Check;
use crate::envoy::proto::{AttributeContext, CheckRequest, HeadersEntry, HttpRequest, Request};
use crate::http_client::{AllowInsecure, FetchUrl, TrustAnchors};
use crate::otlp::{Collector, Protocol};
use crate::server::authorizer::Authorizer;
use http::HeaderMap;
use modgud_core::jose::{Algorithm, SigningKey};
use std::time::{Duration, Instant};

/// Whether a check with this context in its call and in its request has a span, and what it allocates to find out.
fn begins(traces: &Traces, call: &str, request: &str, authorizer: &Authorizer) -> (bool, u64) {
    let headers = [("accept", "*/*"), ("traceparent", request)].map(|(key, value)| HeadersEntry {
        key: key.as_bytes().to_vec().into(),
        value: value.as_bytes().to_vec().into(),
    });
    let http = HttpRequest { headers: headers.into(), ..HttpRequest::default() };
    let request = Request { time: None, http: Some(http) };
    let message =
        CheckRequest { attributes: Some(AttributeContext { request: Some(request), ..AttributeContext::default() }) };
    let check = Check::of(&message);
    let mut metadata = HeaderMap::new();
    metadata.insert("te", "trailers".parse().unwrap());
    if !call.is_empty() {
        metadata.insert("traceparent", call.parse().unwrap());
    }
    let mut has_span = false;
    let times = (Instant::now(), Duration::from_secs(1));
    let heap = allocation_counter::measure(|| {
        let trace = traces.of_call(&metadata);
        has_span = traces.begin(trace, &check, times, authorizer).is_some();
    });
    (has_span, heap.count_total)
}

#[tokio::test]
async fn a_check_without_a_span_allocates_nothing() {
    let key = SigningKey::generate(Algorithm::Rs256).unwrap();
    let environment = Environment::fixed([("JWT_PUBLIC_KEY_RSA_BIFROST", &key.public_pem().unwrap())]);
    let config = load(None, &Overrides::default(), &environment).unwrap().config;
    let authorizer = Authorizer::new(config.snapshot, Vec::new(), Vec::new(), Clock::System);
    let context = |flags: &str| format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
    let (sampled, unsampled) = (context("01"), context("00"));
    let traces = Traces::default();
    assert!(matches!(traces.of_call(&HeaderMap::new()), CallTrace::Off));
    assert_eq!(begins(&traces, &sampled, &sampled, &authorizer), (false, 0), "it is off");
    traces.replace(Some(Collector {
        url: FetchUrl::parse("http://127.0.0.1:9", AllowInsecure::Loopback).unwrap(),
        protocol: Protocol::Grpc,
        headers: HeaderMap::new(),
        trust_anchors: TrustAnchors::public(),
        queue: 64,
        claims: Vec::new(),
        resource: Vec::new(),
    }));
    for (call, request) in [
        ("", ""),
        ("", "malformed"),
        ("", &*unsampled),
        (&*unsampled, &*sampled),
        ("malformed", ""),
        ("malformed", &*sampled),
    ] {
        assert_eq!(begins(&traces, call, request, &authorizer), (false, 0), "{call} {request}");
    }
    for (call, request) in [(&*sampled, ""), ("", &*sampled), (&*sampled, &*unsampled)] {
        let (has_span, allocations) = begins(&traces, call, request, &authorizer);
        assert!(has_span && allocations > 0, "{call} {request}");
    }
}
