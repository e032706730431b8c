//! What the variants do, in one real Envoy: a listener for each of them, and a listener for each without it.

use super::super::seen::Seen;
use super::super::tokens::{claims, jwt, sign};
use super::patch::{Patch, apply};
use super::variants::add_admin;
use super::{CONFIG, Variant, programs, variants, written};
use crate::envoy::testbed;
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, Setup, Testbed};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use tokio::process::Command;

/// A request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sent {
    path: String,
    #[serde(default)]
    token: bool,
    #[serde(default)]
    lines: Vec<String>,
    #[serde(default)]
    websocket: bool,
    /// The size of the body, in bytes.
    #[serde(default)]
    body: usize,
}

/// What becomes of a request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Outcome {
    status: u16,
    module: Option<String>,
    path: Option<String>,
    has: Option<String>,
    lacks: Option<String>,
}

/// The name of a variant's listener, and of the listener without it.
fn names(index: usize) -> (String, String) {
    (format!("{index} with"), format!("{index} without"))
}

/// A port that was free a moment ago: an admin interface that a cluster reaches needs a fixed one.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Adds the listeners of all variants to what `modgud envoy` writes.
fn all_variants(yaml: &str) -> String {
    let mut root: Value = serde_saphyr::from_str(yaml).unwrap();
    root["admin"]["address"]["socket_address"]["port_value"] = free_port().into();
    add_admin(&mut root);
    let plain = root.clone();
    let mut away = plain["static_resources"]["clusters"][0].clone();
    away["name"] = "away".into();
    away["load_assignment"]["cluster_name"] = "away".into();
    away["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"]["port_value"] =
        1.into();
    let mut clusters = vec![away];
    let mut listeners = vec![plain["static_resources"]["listeners"][0].clone()];
    for (index, variant) in variants().iter().enumerate().filter(|(_, variant)| variant.send.is_some()) {
        let (with, without) = names(index);
        let away =
            [Patch { at: "A/grpc_service/envoy_grpc/cluster_name".to_owned(), set: Some("away".into()), insert: None }];
        for (name, patch) in [(with, variant.patch.as_slice()), (without, &[])] {
            let mut own = plain.clone();
            if variant.away {
                apply(&mut own, &away);
            }
            let changes_cluster = patch.iter().any(|patch| patch.at.starts_with("C/"));
            if changes_cluster {
                let named = [Patch { at: away[0].at.clone(), set: Some(name.as_str().into()), insert: None }];
                apply(&mut own, &named);
            }
            apply(&mut own, &variant.given);
            apply(&mut own, patch);
            if changes_cluster {
                let mut cluster = own["static_resources"]["clusters"][0].clone();
                cluster["name"] = name.as_str().into();
                cluster["load_assignment"]["cluster_name"] = name.as_str().into();
                clusters.push(cluster);
            }
            let mut listener = own["static_resources"]["listeners"][0].clone();
            listener["name"] = name.into();
            listeners.push(listener);
        }
    }
    root["static_resources"]["listeners"] = listeners.into();
    root["static_resources"]["clusters"].as_array_mut().unwrap().extend(clusters);
    root.to_string()
}

/// The address of each listener.
async fn addresses(testbed: &Testbed) -> BTreeMap<String, SocketAddr> {
    let listeners = Exchange::get(testbed.envoy_admin, "/listeners?format=json").await.unwrap().json();
    let statuses = listeners["listener_statuses"].as_array().unwrap();
    let address = |status: &Value| {
        let socket = &status["local_address"]["socket_address"];
        let port = socket["port_value"].as_u64().unwrap().try_into().unwrap();
        (status["name"].as_str().unwrap().to_owned(), SocketAddr::from(([127, 0, 0, 1], port)))
    };
    statuses.iter().map(address).collect()
}

async fn send(to: SocketAddr, sent: &Sent, token: &str) -> Exchange {
    let Sent { path, token: has_token, lines, websocket, body } = sent;
    let mut head = match body {
        0 => format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n"),
        length => format!("POST {path} HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: {length}\r\n"),
    };
    if *websocket {
        head.push_str("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n");
    } else {
        head.push_str("Connection: close\r\n");
    }
    for line in lines.iter().map(String::as_str).chain(has_token.then_some(token)) {
        head.push_str(line);
        head.push_str("\r\n");
    }
    let request = format!("{head}\r\n{}", "x".repeat(*body));
    Exchange::raw(to, request.as_bytes()).await.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares an answer with what the table expects.
fn compare(answer: &Exchange, expected: &Outcome, what: &str) {
    let Outcome { status, module, path, has, lacks } = expected;
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, *status, "{what}: {text}");
    let Some(module) = module else {
        assert!(answer.json()["module"].is_null() || answer.status == 200, "{what} reached a module: {text}");
        return;
    };
    let seen = Seen::of(answer);
    assert_eq!(&seen.module, module, "{what}");
    if let Some(path) = path {
        assert_eq!(&seen.path, path, "{what}");
    }
    if let Some((name, value)) = has.as_ref().map(|has| has.split_once(": ").unwrap()) {
        assert_eq!(seen.values(name), [value], "{what}: {seen:?}");
    }
    if let Some(name) = lacks {
        assert_eq!(seen.values(name), [""; 0], "{what}: {seen:?}");
    }
}

#[tokio::test]
async fn each_variant_does_in_envoy_what_its_code_says() {
    let setup = Setup { config: Some(CONFIG), envoy: EnvoyYaml::Written, edit: Some(all_variants), ..Setup::default() };
    let testbed = testbed(setup).await;
    let token = jwt(&sign(&testbed.key, &claims()));
    let addresses = addresses(&testbed).await;
    let mut tried = 0;
    for (index, variant) in variants().iter().enumerate() {
        let Variant { code, name, send: Some(sent), with: Some(with), without: Some(without), .. } = variant else {
            continue;
        };
        let (with_name, without_name) = names(index);
        for (listener, expected) in [(with_name, with), (without_name, without)] {
            let answer = send(addresses[&listener], sent, &token).await;
            compare(&answer, expected, &format!("{code} {name} ({listener})"));
        }
        tried += 1;
    }
    assert!(tried > 40, "only {tried}");
    testbed.stop().await;
}

/// Envoy itself refuses some variants.
#[tokio::test]
async fn envoy_does_not_start_with_some_variants() {
    let (_, plain) = written(CONFIG, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for Variant { code, patch, refused, .. } in variants() {
        let Some(refused) = refused else { continue };
        let mut varied = plain.clone();
        apply(&mut varied, &patch);
        let file = folder.path().join("envoy.json");
        fs::write(&file, varied.to_string()).unwrap();
        let mut command = Command::new(programs().envoy);
        command.args(["--mode", "validate", "--config-path"]).arg(&file).kill_on_drop(true);
        let output = command.output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(&refused), "{code}: {said}");
        tried += 1;
    }
    assert_eq!(tried, 2);
}

fn without_service(yaml: &str) -> String {
    let mut root: Value = serde_saphyr::from_str(yaml).unwrap();
    apply(&mut root, &[Patch { at: "A/grpc_service".to_owned(), set: None, insert: None }]);
    root.to_string()
}

/// The variant `no-service`.
#[tokio::test]
async fn envoy_ends_at_the_first_request_without_a_service() {
    let setup =
        Setup { config: Some(CONFIG), envoy: EnvoyYaml::Written, edit: Some(without_service), ..Setup::default() };
    let mut testbed = testbed(setup).await;
    let _ = Exchange::get(testbed.gateway, "/crm/x").await;
    testbed.envoy.ended().await;
    testbed.stop().await;
}

/// A request to an Envoy that waits for a modgud that never answers.
fn silent(yaml: &str, timeout: &str, port: u16) -> Value {
    let mut root: Value = serde_saphyr::from_str(yaml).unwrap();
    let address = "C/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/port_value";
    let set = |at: &str, value: Value| Patch { at: at.to_owned(), set: Some(value), insert: None };
    apply(&mut root, &[set("A/grpc_service/timeout", json!(timeout)), set(address, json!(port))]);
    root
}

static SILENT: std::sync::OnceLock<u16> = std::sync::OnceLock::new();

fn without_limit(yaml: &str) -> String {
    silent(yaml, "0s", *SILENT.get().unwrap()).to_string()
}

/// The variant `no-timeout`: with a limit of Envoy the same request is answered after it.
#[tokio::test]
async fn a_request_waits_without_end_without_a_timeout() {
    // Accepts connections, by the kernel, and never answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    SILENT.set(listener.local_addr().unwrap().port()).unwrap();
    let setup =
        Setup { config: Some(CONFIG), envoy: EnvoyYaml::Written, edit: Some(without_limit), ..Setup::default() };
    let testbed = testbed(setup).await;
    let waiting = tokio::time::timeout(std::time::Duration::from_secs(2), Exchange::get(testbed.gateway, "/crm/x"));
    assert!(waiting.await.is_err(), "there is an answer");
    testbed.stop().await;
}

/// Two listeners whose Envoy answers 502 if modgud does not answer in time: `short` waits for less than modgud's deadline.
fn two_timeouts(yaml: &str) -> String {
    let mut root: Value = serde_saphyr::from_str(yaml).unwrap();
    let set = |at: &str, value: Value| Patch { at: at.to_owned(), set: Some(value), insert: None };
    apply(&mut root, &[set("A/status_on_error/code", json!("BadGateway")), set("L/name", json!("long"))]);
    let mut short = root.clone();
    apply(&mut short, &[set("A/grpc_service/timeout", json!("0.05s")), set("L/name", json!("short"))]);
    let short = short["static_resources"]["listeners"][0].clone();
    root["static_resources"]["listeners"].as_array_mut().unwrap().push(short);
    root.to_string()
}

/// The variant `timeout`: modgud waits for an authorization server, and says so itself at its deadline, unless Envoy gave up.
#[tokio::test]
async fn envoy_gives_up_before_modgud_with_a_timeout_below_its_deadline() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let unanswered = listener.local_addr().unwrap();
    let config = format!(
        "profile: none
server: {{ deadline: 150ms }}
modules: [{{ name: crm, prefix: /crm, upstream: '{{crm}}' }}]
authenticators:
  - name: opaque
    from: [{{ header: authorization, schemes: [Bearer] }}]
    introspection: {{ url: 'http://{unanswered}/', client_id: a, client_secret: {{ value: a-secret }} }}
"
    );
    let setup =
        Setup { config: Some(config.leak()), envoy: EnvoyYaml::Written, edit: Some(two_timeouts), ..Setup::default() };
    let testbed = testbed(setup).await;
    let addresses = addresses(&testbed).await;
    for (listener, status) in [("long", 503), ("short", 502)] {
        let lines = ["Authorization: Bearer opaque-token".to_owned()];
        let answer = crate::envoy::ask(addresses[listener], "GET", "/crm/x", &lines).await;
        assert_eq!(answer.status, status, "{listener}: {}", String::from_utf8_lossy(&answer.body));
    }
    testbed.stop().await;
}
