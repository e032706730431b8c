//! The headers that `deploy/envoy.yaml` lets modgud change (`decoder_header_mutation_rules`): every one that modgud's validation admits, so
//! that a reload never needs a new `envoy.yaml`, and none that it refuses.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign};
use super::{PATIENCE, ask, body, testbed};
use bytes::Bytes;
use modgud::envoy::proto::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse, HeaderAppendAction, HeaderValue,
    HeaderValueOption, HttpResponse, OkHttpResponse, RpcStatus,
};
use modgud_core::http::header::{CREDENTIAL_HEADERS, PROTOCOL_HEADERS, fold_byte, is_protocol_header};
use modgud_testbed::{Setup, Testbed};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::collections::HashSet;
use std::sync::OnceLock;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

const BEFORE: &str = "profile: bifrost\n";

/// Names that a table of refused ones could easily catch by mistake.
const CLOSE: [&str; 22] = [
    "x-tenant",
    "X-User-ID",
    "x_account",
    "x.region",
    "a",
    "7",
    "accepts",
    "accept-language",
    "hosts",
    "x-host",
    "date-of-birth",
    "content",
    "content-lengths",
    "x-request-ids",
    "x-envoyish",
    "x-forwarded",
    "x-forwarded-user",
    "remote-user",
    "authorization-context",
    "cookies",
    "sec-user",
    "te-st",
];

/// Replaces modgud's configuration while Envoy keeps its own.
async fn reload(testbed: &mut Testbed, config: &str) {
    testbed.reload_modgud(config).unwrap();
    let outcome = |line: &str| {
        let refused = line.contains("configuration rejected").then_some(false);
        refused.or_else(|| line.contains("configuration reloaded").then_some(true))
    };
    assert!(testbed.modgud.wait_for(PATIENCE, outcome).await.unwrap(), "modgud refuses\n{config}");
}

/// These names, and random ones that modgud admits as well, no two alike to a server.
fn admitted() -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let random = "[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,40}";
    let random = std::iter::repeat_with(|| random.new_tree(&mut runner).unwrap().current());
    let folded = |name: &str| -> Vec<u8> { name.bytes().map(fold_byte).collect() };
    let mut taken: HashSet<Vec<u8>> = CREDENTIAL_HEADERS.iter().map(|name| folded(name)).collect();
    let longest = "x".repeat(128);
    let names = CLOSE.map(str::to_owned).into_iter().chain([longest]).chain(random);
    names.filter(|name| !is_protocol_header(name.as_bytes()) && taken.insert(folded(name))).take(60).collect()
}

#[tokio::test]
async fn a_reload_that_adds_any_identity_header_needs_no_new_envoy_yaml() {
    let mut testbed = testbed(Setup { config: Some(BEFORE), ..Setup::default() }).await;
    let token = jwt(&sign(&testbed.key, &claims()));
    let names = admitted();
    let headers: Vec<String> = names.iter().map(|name| format!("{name:?}: {{ value: ours }}")).collect();
    reload(&mut testbed, &format!("{BEFORE}upstream: {{ headers: {{ {} }} }}\n", headers.join(", "))).await;
    let answer = ask(testbed.gateway, "GET", "/crm/", std::slice::from_ref(&token)).await;
    assert_eq!(answer.status, 200, "{}", body(&answer));
    let seen = Seen::of(&answer);
    for name in &names {
        assert_eq!(seen.values(&name.to_ascii_lowercase()), ["ours"], "{name}");
    }

    // Values that are missing: modgud removes each of these headers, and the client's own.
    let headers: Vec<String> = names.iter().map(|name| format!("{name:?}: {{ claim: absent }}")).collect();
    reload(&mut testbed, &format!("{BEFORE}upstream: {{ headers: {{ {} }} }}\n", headers.join(", "))).await;
    let sent = names.iter().filter(|name| !name.contains('_')).map(|name| format!("{name}: intruder"));
    let lines: Vec<String> = sent.chain([token]).collect();
    let answer = ask(testbed.gateway, "GET", "/crm/", &lines).await;
    assert_eq!(answer.status, 200, "{}", body(&answer));
    let left: Vec<(String, String)> =
        Seen::of(&answer).headers.into_iter().filter(|(_, value)| value.contains("intruder")).collect();
    assert_eq!(left, []);
    testbed.stop().await;
}

#[tokio::test]
async fn a_reload_that_adds_strip_patterns_and_credential_headers_needs_no_new_envoy_yaml() {
    let mut testbed = testbed(Setup { config: Some(BEFORE), ..Setup::default() }).await;
    let token = sign(&testbed.key, &claims());
    for header in ["x-token", "proxy-authorization", "x-forwarded-access-token"] {
        let config = format!(
            "{BEFORE}authenticators:
  - name: bifrost
    from: [{{ header: {header} }}]
    jwt: {{ issuer: bifrost, algorithms: [RS256], keys: [{{ pem: {{ env: JWT_PUBLIC_KEY_RSA_BIFROST }} }}] }}
upstream: {{ credential: remove, strip: [x-secret-*, x-envoy-*, x-forwarded-port] }}
"
        );
        reload(&mut testbed, &config).await;
        if header.starts_with("x-forwarded") {
            // Envoy's early removal knows this header, and does not know that modgud reads it now: docs/envoy.md.
            let lines = [format!("{header}: {token}")];
            assert_eq!(ask(testbed.gateway, "GET", "/crm/", &lines).await.status, 401);
            continue;
        }
        let stripped = ["x-secret-a: intruder", "x-envoy-internal-a: intruder", "x-forwarded-port: intruder"];
        let lines: Vec<String> =
            stripped.map(str::to_owned).into_iter().chain([format!("{header}: {token}")]).collect();
        let answer = ask(testbed.gateway, "GET", "/crm/", &lines).await;
        assert_eq!(answer.status, 200, "{header}: {}", body(&answer));
        let seen = Seen::of(&answer);
        assert!(seen.values(header).is_empty(), "{header}: {seen:?}");
        assert!(seen.headers.iter().all(|(_, value)| value != "intruder"), "{header}: {seen:?}");
    }
    testbed.stop().await;
}

/// A check service in modgud's place that does what the client writes: `x-mutate: set NAME` or `x-mutate: remove NAME`.
struct Obedient;

#[tonic::async_trait]
impl Authorization for Obedient {
    async fn check(&self, check: Request<CheckRequest>) -> Result<Response<CheckResponse>, Status> {
        let http = check.into_inner().attributes.and_then(|attributes| attributes.request?.http).unwrap();
        let listed = http.header_map.map(|map| map.headers).unwrap_or_default();
        let order = listed.iter().find(|header| header.key == "x-mutate").unwrap();
        let order = if order.raw_value.is_empty() { &order.value[..] } else { &order.raw_value };
        let (verb, name) = std::str::from_utf8(order).unwrap().split_once(' ').unwrap();
        let name = Bytes::from(name.to_owned());
        let mut ok = OkHttpResponse::default();
        match verb {
            "set" => ok.headers.push(HeaderValueOption {
                header: Some(HeaderValue { key: name, value: "v".into(), raw_value: Bytes::new() }),
                append: Some(false),
                append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
                keep_empty_value: false,
            }),
            _ => ok.headers_to_remove.push(name),
        }
        Ok(Response::new(CheckResponse {
            status: Some(RpcStatus::default()),
            http_response: Some(HttpResponse::OkResponse(ok)),
            dynamic_metadata: Vec::new(),
        }))
    }
}

static OBEDIENT: OnceLock<u16> = OnceLock::new();

/// Envoy asks [`Obedient`] instead of modgud.
fn obedient(yaml: &str) -> String {
    let (before, after) = yaml.split_once("        cluster_name: modgud\n        endpoints:\n").unwrap();
    let (address, rest) = after.split_once("port_value: ").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let port = OBEDIENT.get().unwrap();
    format!("{before}        cluster_name: modgud\n        endpoints:\n{address}port_value: {port}\n{rest}")
}

#[tokio::test]
async fn a_header_that_modgud_refuses_can_not_be_changed_under_any_spelling() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    OBEDIENT.set(listener.local_addr().unwrap().port()).unwrap();
    let server = tonic::transport::Server::builder().add_service(AuthorizationServer::new(Obedient));
    let serving = tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let testbed = testbed(Setup { edit: Some(obedient), ..Setup::default() }).await;
    let status = async |verb: &str, name: &str| {
        ask(testbed.gateway, "GET", "/crm/", &[format!("x-mutate: {verb} {name}")]).await.status
    };
    for name in ["x-tenant", "x_tenant", "cookie", "dpop", "proxy-authorization", "x-envoyish", "accepts", "x-host"] {
        assert_eq!((status("set", name).await, status("remove", name).await), (200, 200), "{name}");
    }
    let spelled = |name: &str| {
        let others = ["_", ".", "~"].map(|sign| name.replace('-', sign));
        [name.to_owned(), name.to_ascii_uppercase()].into_iter().chain(others)
    };
    let pseudo = [":path", ":method", ":authority", ":scheme", ":status", ":protocol"];
    let refused: HashSet<String> =
        PROTOCOL_HEADERS.into_iter().flat_map(spelled).chain(pseudo.map(str::to_owned)).collect();
    for name in &refused {
        assert_eq!((status("set", name).await, status("remove", name).await), (500, 500), "{name}");
    }
    testbed.stop().await;
    serving.abort();
}
