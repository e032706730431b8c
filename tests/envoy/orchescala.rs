//! The profile `orchescala` behind Envoy: bodies that arrive whole or cut, and what the service gets.

use super::seen::Seen;
use super::tokens::{claims, sign, with};
use super::{replaced, testbed};
use modgud_core::upstream::{IdentityCorrelation, SigningSecret};
use modgud_testbed::http::Exchange;
use modgud_testbed::{Setup, Testbed};
use serde_json::json;

const CONFIG: &str = "
profile: orchescala
authenticators:
  - name: keycloak
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }] }
correlation:
  key: { value: test-secret-key }
  impersonation: { body: customer, permission: impersonate }
  process_instance: { paths: ['/crm/{process_instance}/complete'] }
";

/// What docs/orchescala.md says of Envoy.
fn with_bodies(yaml: &str) -> String {
    replaced(
        yaml,
        "                      failure_mode_allow: false",
        "                      with_request_body: { max_request_bytes: 64, allow_partial_message: true }\n                      failure_mode_allow: false",
    )
}

async fn post(testbed: &Testbed, path: &str, lines: &str, body: &str) -> Exchange {
    let request = format!("POST {path} HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n{lines}\r\n{body}");
    Exchange::raw(testbed.gateway, request.as_bytes()).await.unwrap()
}

#[tokio::test]
async fn the_service_gets_the_token_and_a_correlation_that_it_can_verify() {
    let testbed = testbed(Setup { config: Some(CONFIG), edit: Some(with_bodies), ..Setup::default() }).await;
    let claims = with(claims(), "preferred_username", json!("testuser"));
    let token = sign(&testbed.key, &with(claims.clone(), "scope", json!("impersonate")));
    let plain = sign(&testbed.key, &claims);
    let header = |token: &str, body: &str| {
        format!(
            "Authorization: bearer {token}\r\nX-Identity-Correlation: spoofed\r\nContent-Type: application/json\r\nContent-Length: {}\r\n",
            body.len()
        )
    };

    let body = r#"{"customer":"customer-456"}"#;
    let answer = post(&testbed, "/crm/process-123/complete", &header(&token, body), body).await;
    assert_eq!(answer.status, 401, "the module knows no scheme but `JWT`; it was asked, and that is enough here");
    let seen = Seen::of(&answer);
    assert_eq!(seen.values("authorization"), [format!("bearer {token}")], "as the client sent it");
    let [correlation] = seen.values("x-identity-correlation")[..] else { panic!("{:?}", seen.headers) };
    let correlation = IdentityCorrelation::from_json(correlation.as_bytes()).unwrap();
    assert_eq!(correlation.verify(&SigningSecret::new("test-secret-key")), Ok(()));
    assert_eq!(correlation.username.as_str(), "testuser");
    assert_eq!(correlation.impersonated.unwrap().as_str(), "customer-456");
    assert_eq!(correlation.instance.unwrap().as_str(), "process-123");

    let reported = |answer: &Exchange| (answer.status, answer.json()["errorCode"].clone());
    let denied = post(&testbed, "/crm/process-123/complete", &header(&plain, body), body).await;
    assert_eq!(reported(&denied), (403, json!(403)));

    // Cut by Envoy; the client says otherwise.
    let long = format!(r#"{{"pad":"{}","customer":"customer-456"}}"#, "x".repeat(100));
    let lines = format!("{}X-Envoy-Auth-Partial-Body: false\r\n", header(&plain, &long));
    let cut = post(&testbed, "/crm/process-123/complete", &lines, &long).await;
    assert_eq!(reported(&cut), (400, json!(400)));

    // In chunks, so that the length is unknown beforehand: Envoy has it whole nevertheless.
    let lines =
        format!("Authorization: Bearer {plain}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n");
    let pieces = post(&testbed, "/crm/process-123/complete", &lines, "7\r\n{\"a\":1}\r\n0\r\n\r\n").await;
    assert_eq!(Seen::of(&pieces).values("x-identity-correlation").len(), 1);

    // A body in a request that needs none.
    let nothing = post(&testbed, "/crm/", &header(&plain, ""), "").await;
    assert_eq!(Seen::of(&nothing).values("x-identity-correlation").len(), 1);
    testbed.stop().await;
}

fn as_bytes(yaml: &str) -> String {
    replaced(&with_bodies(yaml), "max_request_bytes: 64,", "max_request_bytes: 64, pack_as_bytes: true,")
}

/// What is signed is byte for byte what the service reads: bytes that are no UTF-8 reach modgud as `!` where Envoy sends bodies as text.
#[tokio::test]
async fn a_body_that_envoy_alters_or_that_is_read_by_another_charset_names_no_user() {
    for (edit, exclamation) in [(with_bodies as fn(&str) -> String, 400), (as_bytes, 401)] {
        let testbed = testbed(Setup { config: Some(CONFIG), edit: Some(edit), ..Setup::default() }).await;
        let claims = with(with(claims(), "preferred_username", json!("testuser")), "scope", json!("impersonate"));
        let token = sign(&testbed.key, &claims);
        let send = async |kind: &str, body: &[u8]| {
            let head = format!(
                "POST /crm/ HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n{kind}Content-Length: {}\r\n\r\n",
                body.len()
            );
            Exchange::raw(testbed.gateway, &[head.as_bytes(), body].concat()).await.unwrap()
        };
        let json_type = "Content-Type: application/json\r\n";
        // The module knows no scheme but `JWT`: 401 says that it was asked.
        let good = send(json_type, r#"{"customer":"J\u00f6rg é"}"#.as_bytes()).await;
        assert_eq!(good.status, 401);
        let seen = Seen::of(&good);
        let [correlation] = seen.values("x-identity-correlation")[..] else { panic!("{:?}", seen.headers) };
        let correlation = IdentityCorrelation::from_json(correlation.as_bytes()).unwrap();
        assert_eq!(correlation.impersonated.unwrap().as_str(), "Jörg é");
        assert_eq!(send(json_type, br#"{"customer":"c!"}"#).await.status, exclamation);
        assert_eq!(send(json_type, b"{\"customer\":\"c\xe9\"}").await.status, 400);
        assert_eq!(send(json_type, b"{\"custom\xe9er\":\"c\"}").await.status, 400);
        for kind in [
            "",
            "Content-Type: application/json; charset=utf-7\r\n",
            "Content-Type: application/x-www-form-urlencoded\r\n",
            "Content-Type: application/json\r\nContent-Type: text/plain\r\n",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
        ] {
            let denied = send(kind, br#"{"+AGM-ustomer":"victim"}"#).await;
            assert_eq!((denied.status, denied.json()["errorCode"].clone()), (400, json!(400)), "{kind}");
        }
        testbed.stop().await;
    }
}

/// Without `with_request_body` the body is unknown: a request that announces one is denied.
#[tokio::test]
async fn without_bodies_from_envoy_no_user_is_named_in_one() {
    let testbed = testbed(Setup { config: Some(CONFIG), ..Setup::default() }).await;
    let token = sign(&testbed.key, &with(claims(), "preferred_username", json!("testuser")));
    let lines = format!("Authorization: Bearer {token}\r\nX-Envoy-Auth-Partial-Body: false\r\n");
    let body = r#"{"customer":"c"}"#;
    let with_length = format!("{lines}Content-Length: {}\r\n", body.len());
    assert_eq!(post(&testbed, "/crm/", &with_length, body).await.status, 400);
    // Envoy does not announce a chunked body: it looks like none, so that the correlation names no user.
    let chunked = format!("{lines}Transfer-Encoding: chunked\r\n");
    let pieces = post(&testbed, "/crm/", &chunked, "10\r\n{\"customer\":\"c\"}\r\n0\r\n\r\n").await;
    let seen = Seen::of(&pieces);
    let [correlation] = seen.values("x-identity-correlation")[..] else { panic!("{:?}", seen.headers) };
    assert_eq!(IdentityCorrelation::from_json(correlation.as_bytes()).unwrap().impersonated, None);
    let nothing = post(&testbed, "/crm/", &format!("Authorization: Bearer {token}\r\n"), "").await;
    assert_eq!(Seen::of(&nothing).values("x-identity-correlation").len(), 1);
    testbed.stop().await;
}
