//! Bodies as `modgud envoy` has them sent along: byte for byte, so that what is no UTF-8 is seen, and not a text in which Envoy has
//! written something else for it.

use super::seen::Seen;
use super::tokens::{claims, sign, with};
use super::{replaced, testbed};
use modgud_core::upstream::{IdentityCorrelation, SigningSecret};
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, Setup};
use serde_json::json;

const CONFIG: &str = "
profile: orchescala
modules: [{ name: crm, prefix: /crm, upstream: '{crm}' }]
authenticators:
  - name: keycloak
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }] }
correlation:
  key: { value: test-secret-key }
  impersonation: { body: customer, permission: impersonate }
  process_instance: { paths: ['/crm/{process_instance}/complete'] }
";

#[tokio::test]
async fn a_body_reaches_modgud_byte_for_byte() {
    let setup = Setup { config: Some(CONFIG), envoy: EnvoyYaml::Written, ..Setup::default() };
    let testbed = testbed(setup).await;
    let claims = with(claims(), "preferred_username", json!("testuser"));
    let token = sign(&testbed.key, &with(claims, "scope", json!("impersonate")));
    let post = async |body: &[u8]| {
        let head = format!(
            "POST /crm/process-123/complete HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\
             Content-Type: application/json\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Exchange::raw(testbed.gateway, &[head.as_bytes(), body].concat()).await.unwrap()
    };
    let answer = post("{\"customer\":\"K\u{f6}ln!\"}".as_bytes()).await;
    let seen = Seen::of(&answer);
    let [correlation] = seen.values("x-identity-correlation")[..] else { panic!("{:?}", seen.headers) };
    let correlation = IdentityCorrelation::from_json(correlation.as_bytes()).unwrap();
    assert_eq!(correlation.verify(&SigningSecret::new("test-secret-key")), Ok(()));
    assert_eq!(correlation.impersonated.unwrap().as_str(), "K\u{f6}ln!");

    // In the value, and around it. Envoy would write `!` in its place in a text, and modgud would sign `K!ln`.
    for body in [&b"{\"customer\":\"K\xf6ln\"}"[..], b"{\"pad\":\"\xff\",\"customer\":\"c\"}", b"\xff"] {
        let answer = post(body).await;
        assert_eq!((answer.status, &answer.json()["errorCode"]), (400, &json!(400)), "{body:?}");
    }
    testbed.stop().await;
}

/// A body in pieces, without a length.
fn in_pieces(token: &str, body: &str) -> Vec<u8> {
    let head = format!(
        "POST /crm/process-123/complete HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\
         Content-Type: application/json\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes()
}

/// Envoy takes `transfer-encoding` away before it asks modgud: a body in pieces that it does not send along is known by its type.
#[tokio::test]
async fn a_body_in_pieces_is_read_or_refused() {
    let written = || Setup { config: Some(CONFIG), envoy: EnvoyYaml::Written, ..Setup::default() };
    for (setup, sent_along) in [(written(), true), (Setup { edit: Some(without_bodies), ..written() }, false)] {
        let testbed = testbed(setup).await;
        let claims = with(claims(), "preferred_username", json!("testuser"));
        let token = sign(&testbed.key, &with(claims, "scope", json!("impersonate")));
        let ask = async |request: &[u8]| Exchange::raw(testbed.gateway, request).await.unwrap();
        let answer = ask(&in_pieces(&token, "{\"customer\":\"victim\"}")).await;
        if sent_along {
            assert_eq!(impersonated(&answer).as_deref(), Some("victim"));
        } else {
            assert_eq!((answer.status, &answer.json()["errorCode"]), (400, &json!(400)));
        }
        // A request without a body has neither a length nor a transfer coding.
        let head = "GET /crm/process-123/complete HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
        let answer = ask(format!("{head}Authorization: Bearer {token}\r\n\r\n").as_bytes()).await;
        assert_eq!(impersonated(&answer), None);
        testbed.stop().await;
    }
}

/// The user for whom, by the correlation, the caller acts.
fn impersonated(answer: &Exchange) -> Option<String> {
    let seen = Seen::of(answer);
    let [correlation] = seen.values("x-identity-correlation")[..] else { panic!("{:?}", seen.headers) };
    let correlation = IdentityCorrelation::from_json(correlation.as_bytes()).unwrap();
    correlation.impersonated.map(|part| part.as_str().to_owned())
}

fn without_bodies(yaml: &str) -> String {
    replaced(yaml, "with_request_body: { max_request_bytes: 65536, pack_as_bytes: true }", "")
}
