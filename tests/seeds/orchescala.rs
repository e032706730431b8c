//! Document 4, Orchescala's gateway: the profile `orchescala` behind Envoy, and workers that verify the correlation.

mod custom;
mod identity;

use super::gateway::{Belongings, Gateway};
use super::{get, modgud, only, post, reached_a_module};
use crate::envoy::programs;
use crate::envoy::seen::Seen;
use crate::envoy::tokens::{sign, with};
use crate::services::authority::{Authority, SERVER};
use crate::support::STRANGER;
use modgud::clock::Clock;
use modgud_core::jose::SigningKey;
use modgud_core::upstream::IdentityCorrelation;
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, Setup, Testbed};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

static GATEWAY: Gateway = Gateway::new("seeds::orchescala::", prepare);

const SECRET: &str = "test-secret-key";

const CONFIG: &str = "
profile: orchescala
authenticators:
  - name: keycloak
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt: { issuer: https://login.example.com, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }] }
modules: [{ name: engine, prefix: /engine, upstream: '{crm}' }]
correlation:
  key: { value: test-secret-key }
  issued_at: token
  impersonation: { body: customerId, permission: impersonate }
  process_instance: { paths: ['/engine/process/{process_instance}/{*rest}'] }
";

fn prepare(_: &Runtime) -> (Setup, Belongings) {
    (Setup { config: Some(CONFIG), envoy: EnvoyYaml::Written, ..Setup::default() }, Vec::new())
}

/// Starts a process: it has no instance yet.
const START: &str = "/engine/process-definition/order/start";
/// Completes a user task of the process instance `process-123`.
const COMPLETE: &str = "/engine/process/process-123/task/1/complete";

/// The claims of a user, as Keycloak writes them.
fn claims() -> Vec<(String, Value)> {
    let now = Clock::System.now().as_secs();
    [
        ("iss", json!("https://login.example.com")),
        ("sub", json!("8f1c")),
        ("exp", json!(now + 3_600)),
        ("iat", json!(now - 60)),
        ("preferred_username", json!("testuser")),
        ("email", json!("test@example.com")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn bearer(key: &SigningKey, claims: &[(String, Value)]) -> String {
    format!("Authorization: Bearer {}", sign(key, claims))
}

/// The header line of the user with the permission to impersonate.
fn impersonator(gateway: &Testbed) -> String {
    bearer(&gateway.key, &with(claims(), "permissions", json!(["impersonate"])))
}

/// The correlation that reached the service.
fn correlation(answer: &Exchange) -> IdentityCorrelation {
    IdentityCorrelation::from_json(only(&Seen::of(answer), "x-identity-correlation").as_bytes()).unwrap()
}

/// The status and the text of a denial.
fn denied(answer: &Exchange) -> (u16, Value) {
    assert!(!reached_a_module(answer));
    assert_eq!(answer.json()["errorCode"], answer.status);
    (answer.status, answer.json()["errorMsg"].clone())
}

#[test]
fn bearer_tokens_secure_all_endpoints() {
    GATEWAY.test(async |gateway| {
        let line = bearer(&gateway.key, &claims());
        for path in ["/engine", "/engine/", START, COMPLETE, "/engine/history/x?y=z"] {
            assert_eq!(denied(&get(gateway, path, &[]).await).0, 401, "{path}");
            assert!(reached_a_module(&get(gateway, path, &[&line]).await), "{path}");
        }
    });
}

#[test]
fn every_request_must_have_the_authorization_header() {
    GATEWAY.test(async |gateway| {
        let token = sign(&gateway.key, &claims());
        for scheme in ["Bearer", "bearer"] {
            assert!(reached_a_module(&get(gateway, START, &[&format!("Authorization: {scheme} {token}")]).await));
        }
        for line in [
            format!("Authorization: {token}"),
            format!("Authorization: Basic {token}"),
            format!("X-Token: {token}"),
            format!("Cookie: token={token}"),
        ] {
            assert_eq!(denied(&get(gateway, START, &[&line]).await).0, 401, "{line}");
        }
    });
}

#[test]
fn the_token_is_validated() {
    GATEWAY.test(async |gateway| {
        assert_eq!(denied(&get(gateway, START, &[&bearer(&STRANGER, &claims())]).await).0, 401);
        assert_eq!(denied(&get(gateway, START, &["Authorization: Bearer anything"]).await).0, 401);
        assert!(reached_a_module(&get(gateway, START, &[&bearer(&gateway.key, &claims())]).await));
    });
}

#[test]
fn the_response_of_the_service_reaches_the_client() {
    GATEWAY.test(async |gateway| {
        let answer = post(gateway, START, &[&bearer(&gateway.key, &claims())], "{}").await;
        let seen = Seen::of(&answer);
        // Envoy removes the module's prefix.
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", START.trim_start_matches("/engine")));
        assert_eq!(answer.header("content-type"), Some("application/json"));
    });
}

#[test]
fn every_request_is_validated() {
    GATEWAY.test(async |gateway| {
        // Two requests on one connection: the first says nothing about the second.
        let line = bearer(&gateway.key, &claims());
        let two = format!(
            "GET {START} HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\nGET {START} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        );
        let answers = Exchange::raw(gateway.gateway, two.as_bytes()).await.unwrap();
        let rest = String::from_utf8_lossy(&answers.body);
        let (first, second) = rest.split_once("HTTP/1.1 ").unwrap();
        assert!(first.contains("\"module\"") && second.starts_with("401 ") && second.contains("errorCode"), "{rest}");
    });
}

#[test]
fn the_validated_token_is_the_one_that_was_sent() {
    GATEWAY.test(async |gateway| {
        let line = bearer(&gateway.key, &claims());
        let seen = Seen::of(&get(gateway, START, &[&line]).await);
        assert_eq!(format!("Authorization: {}", only(&seen, "authorization")), line);
    });
}

#[test]
fn the_port_of_the_gateway_is_a_setting() {
    GATEWAY.test_without(async || {
        let yaml = CONFIG.replace("{crm}", "engine:8081");
        let output = modgud(&yaml, &[], &["envoy", "--config", "modgud.yaml", "--listen", "0.0.0.0:8080"]).await;
        assert_eq!(output.code, Some(0), "{}", output.err);
        assert_eq!(output.out.matches("port_value: 8080\n").count(), 1);
    });
}

#[test]
fn an_empty_token_is_invalid() {
    GATEWAY.test(async |gateway| {
        for line in ["Authorization: Bearer", "Authorization: Bearer ", "Authorization:", "Authorization: Bearer \t "] {
            assert_eq!(denied(&get(gateway, START, &[line]).await).0, 401, "{line}");
        }
    });
}

#[test]
fn the_token_is_passed_on_to_the_engine() {
    GATEWAY.test(async |gateway| {
        let line = bearer(&gateway.key, &claims());
        for path in [START, COMPLETE] {
            let seen = Seen::of(&post(gateway, path, &[&line], "{}").await);
            assert_eq!(format!("Authorization: {}", only(&seen, "authorization")), line);
        }
    });
}

#[test]
fn tokens_of_parallel_requests_are_isolated() {
    GATEWAY.test(async |gateway| {
        let mut requests = JoinSet::new();
        for number in 0..60 {
            let user = format!("user-{number}");
            let line = bearer(&gateway.key, &with(claims(), "preferred_username", json!(user)));
            let to = gateway.gateway;
            requests.spawn(async move {
                let (name, value) = line.split_once(": ").unwrap();
                let answer = Exchange::send(to, "GET", COMPLETE, &[(name, value)]).await.unwrap();
                assert_eq!(only(&Seen::of(&answer), "authorization"), value);
                assert_eq!(correlation(&answer).username.as_str(), user);
            });
        }
        assert_eq!(requests.join_all().await.len(), 60);
    });
}

#[test]
fn starting_a_process_uses_token_and_variables() {
    GATEWAY.test(async |gateway| {
        let body = r#"{"customerId":"customer-456"}"#;
        let valid = post(gateway, START, &[&impersonator(gateway)], body).await;
        assert!(reached_a_module(&valid) && correlation(&valid).impersonated.is_some());
        // Validation comes first: an invalid token is the error, whatever the variables are.
        assert_eq!(denied(&post(gateway, START, &["Authorization: Bearer x"], body).await).0, 401);
        assert_eq!(denied(&post(gateway, START, &["Authorization: Bearer x"], "{").await).0, 401);
    });
}

#[test]
fn tokens_expire() {
    GATEWAY.test(async |gateway| {
        let now = Clock::System.now().as_secs();
        let expired = bearer(&gateway.key, &with(claims(), "exp", json!(now - 60)));
        assert_eq!(denied(&get(gateway, START, &[&expired]).await).0, 401);
    });
}

/// Sends a GET request by TLS, as a client that trusts only this authority; returns what reached the service.
async fn get_by_tls(to: SocketAddr, authority: &Authority, path: &str, line: &str) -> Seen {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = Arc::new(client.with_root_certificates(roots).with_no_client_auth());
    let stream = TcpStream::connect(to).await.unwrap();
    let mut stream = TlsConnector::from(client).connect(SERVER.try_into().unwrap(), stream).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{line}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // Envoy may close the connection without an end of TLS: what was read counts.
    let _ = stream.read_to_string(&mut answer).await;
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn https_protects_tokens() {
    GATEWAY.test_without(async || {
        let authority = Authority::new("gateway");
        let folder = tempfile::tempdir().unwrap();
        authority.server().write(folder.path(), "gateway");
        let file = |name: &str| folder.path().join(name).display().to_string();
        let arguments =
            ["--tls-cert".to_owned(), file("gateway.pem"), "--tls-key".to_owned(), file("gateway.key")].to_vec();
        let setup = Setup { config: Some(CONFIG), envoy: EnvoyYaml::Written, arguments, ..Setup::default() };
        let gateway = Testbed::start(&programs(), &setup, |_| {}).await.unwrap();
        let line = bearer(&gateway.key, &claims());
        let seen = get_by_tls(gateway.gateway, &authority, START, &line).await;
        assert_eq!(only(&seen, "x-forwarded-proto"), "https");
        let (name, value) = line.split_once(": ").unwrap();
        let plain = Exchange::send(gateway.gateway, "GET", START, &[(name, value)]).await;
        assert!(plain.is_err(), "plain HTTP has no answer");
        gateway.stop().await;
    });
}
