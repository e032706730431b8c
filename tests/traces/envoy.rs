//! modgud and a real Envoy in one trace, with the tracer of `docs/traces.md`.

use super::receiver::{Protocol, Receiver, attributes, lines};
use crate::envoy::{ask, programs};
use crate::readme::block;
use modgud_testbed::{Setup, Testbed};
use opentelemetry_proto::tonic::trace::v1::Span;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::OnceLock;

const PAGE: &str = "docs/traces.md";

/// The collector of both.
static COLLECTOR: OnceLock<SocketAddr> = OnceLock::new();

/// A block of the page with this indentation.
fn indented(info: &str, indentation: &str) -> String {
    block(PAGE, info).lines().flat_map(|line| [indentation, line, "\n"]).collect()
}

fn once(yaml: &str, old: &str, new: &str) -> String {
    assert_eq!(yaml.matches(old).count(), 1, "`{old}` stands once");
    yaml.replace(old, new)
}

/// The sample with the page's tracer and cluster, and every request in a trace.
fn traced(yaml: &str) -> String {
    let tracer = indented("yaml envoy tracing", "                ");
    let tracer = once(&tracer, "random_sampling: { value: 1 }", "random_sampling: { value: 100 }");
    let port = COLLECTOR.get().unwrap().port();
    let cluster =
        once(&indented("yaml envoy collector-cluster", "    "), "port_value: 4317", &format!("port_value: {port}"));
    let prefix = "                stat_prefix: gateway\n";
    let yaml = once(yaml, prefix, &format!("{prefix}{tracer}"));
    once(&yaml, "\n  clusters:\n", &format!("\n  clusters:\n{cluster}"))
}

/// The spans of each process, by its name.
fn by_process(receiver: &Receiver) -> BTreeMap<String, Vec<Span>> {
    let mut spans: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for of_process in receiver.received().into_iter().flat_map(|received| received.request.resource_spans) {
        let name = attributes(&of_process.resource.as_ref().unwrap().attributes)["service.name"].clone();
        spans.entry(name).or_default().extend(of_process.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    spans
}

#[tokio::test]
async fn envoy_and_modgud_are_in_one_trace() {
    let receiver = Receiver::start(Protocol::Grpc).await;
    COLLECTOR.set(receiver.address).unwrap();
    let config = format!("profile: bifrost\ntelemetry: {{ otlp: \"http://{}\" }}\n", receiver.address);
    let setup = Setup { config: Some(config.leak()), edit: Some(traced), ..Setup::default() };
    let testbed = Testbed::start(&programs(), &setup, |_| {}).await.unwrap_or_else(|error| panic!("{error}"));
    let of_client = |flags: &str| format!("traceparent: 00-{}-{}-{flags}", "1".repeat(32), "2".repeat(16));
    // Without a trace of the client's, in a sampled one, and in one that is not.
    for lines in [vec![], vec![of_client("01")], vec![of_client("00")]] {
        assert_eq!(ask(testbed.gateway, "GET", "/crm/1?secret=1", &lines).await.status, 401);
    }
    // Envoy sends its spans every five seconds.
    let arrived = async {
        loop {
            let spans = by_process(&receiver);
            let count = |name: &str| spans.get(name).map_or(0, Vec::len);
            if count("modgud") >= 2 && count("envoy") >= 4 {
                return spans;
            }
            receiver.requests(receiver.received().len() + 1).await;
        }
    };
    let spans = arrived.await;
    let [own, of_envoy] = ["modgud", "envoy"].map(|name| &spans[name]);
    assert_eq!(own.len(), 2, "the trace that is not sampled has no span: {own:?}");
    for span in own {
        let parent = of_envoy.iter().find(|parent| parent.span_id == span.parent_span_id);
        let parent = parent.unwrap_or_else(|| panic!("Envoy has no parent of {span:?}"));
        assert_eq!(parent.trace_id, span.trace_id);
        assert!(parent.name.contains("envoy.service.auth.v3.Authorization"), "{}", parent.name);
        let expected = [
            "http.request.method=GET",
            "http.response.status_code=401",
            "modgud.decision=denied",
            "modgud.reason=credential_missing",
            "url.path=/crm/1",
        ];
        assert_eq!(lines(span), expected);
    }
    assert_ne!(own[0].trace_id, own[1].trace_id);
    assert!(own.iter().any(|span| span.trace_id == [0x11; 16]), "the client's trace goes on");
    testbed.stop().await;
}
