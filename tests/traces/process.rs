//! The program's end, and its reloads.

use super::asked::{Asked, otlp, sampled};
use super::receiver::{Protocol, Receiver, attributes};
use crate::support::KEY;
use modgud::envoy::proto::AuthorizationClient;
use modgud_testbed::start_modgud;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// A span of the last check arrives, although a batch was not full yet.
#[tokio::test]
async fn spans_are_sent_before_the_program_ends() {
    for (protocol, signal) in [(Protocol::Grpc, Signal::TERM), (Protocol::Http, Signal::INT)] {
        let receiver = Receiver::start(protocol).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("modgud.yaml");
        let yaml = format!("profile: bifrost\nserver: {{ drain: 0s }}\n{}", otlp(receiver.address, protocol, ""));
        fs::write(&file, yaml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_modgud"));
        command.args(["serve", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"]).arg(&file);
        command.env("JWT_PUBLIC_KEY_RSA_BIFROST", KEY.public_pem().unwrap());
        command.env("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=modgud%2D1,service.name=edge");
        // Other variables of OpenTelemetry have no effect: the configuration says where spans go.
        command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-from=environment").env("OTEL_SDK_DISABLED", "true");
        let (mut modgud, (grpc, _)) = start_modgud(command).await.unwrap();
        let mut client = AuthorizationClient::connect(format!("http://{grpc}")).await.unwrap();
        for _ in 0..3 {
            client.check(sampled("/crm/")).await.unwrap();
        }
        drop(client);
        let began = Instant::now();
        modgud.signal(signal);
        assert_eq!(modgud.ended().await, Some(0));
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(receiver.spans(3).await.len(), 3, "{protocol:?}");
        let sent = receiver.received();
        let resource = sent[0].request.resource_spans[0].resource.as_ref().unwrap();
        let resource = attributes(&resource.attributes);
        assert_eq!((resource["k8s.pod.name"].as_str(), resource["service.name"].as_str()), ("modgud-1", "edge"));
        assert!(sent[0].headers.get("x-from").is_none());
    }
}

#[tokio::test]
async fn a_reload_replaces_the_collector_and_its_headers() {
    let (first, second) = (Receiver::start(Protocol::Grpc).await, Receiver::start(Protocol::Http).await);
    let headers = "headers: { authorization: { file: otlp.token }, x-tenant: { value: a } }";
    let yaml = |otlp: &str| format!("profile: bifrost\n{otlp}");
    let token = |text: &str| format!("Bearer {text}\n");
    let files = BTreeMap::from([("otlp.token".to_owned(), token("one"))]);
    let with_headers = yaml(&otlp(first.address, Protocol::Grpc, headers));
    let mut asked = Asked::start_with(&with_headers, &files).await;
    let folder = asked.sidecar.folder().to_path_buf();
    let reloads = "modgud_config_reloads_total";
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
    let header = |receiver: &Receiver, name: &str| {
        let last = receiver.received().pop().unwrap();
        last.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    asked.ask(sampled("/")).await;
    first.spans(1).await;
    assert_eq!(
        (header(&first, "authorization"), header(&first, "x-tenant")),
        (Some("Bearer one".to_owned()), Some("a".to_owned()))
    );

    write("otlp.token", &token("two"));
    asked.until(reloads, 1).await;
    asked.ask(sampled("/")).await;
    first.spans(2).await;
    assert_eq!(header(&first, "authorization"), Some("Bearer two".to_owned()));

    // What waits for the old one is still sent to it.
    asked.ask(sampled("/")).await;
    write("modgud.yaml", &yaml(&otlp(second.address, Protocol::Http, "")));
    asked.until(reloads, 2).await;
    asked.ask(sampled("/")).await;
    second.spans(1).await;
    first.spans(3).await;
    assert_eq!(header(&second, "authorization"), None);

    write("modgud.yaml", "profile: bifrost\n");
    asked.until(reloads, 3).await;
    asked.ask(sampled("/")).await;
    write("modgud.yaml", &yaml(&otlp(second.address, Protocol::Http, "")));
    asked.until(reloads, 4).await;
    asked.ask(sampled("/")).await;
    assert_eq!((first.spans(3).await.len(), second.spans(2).await.len()), (3, 2));
}
