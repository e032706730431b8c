//! Bodies as `modgud envoy` has them sent along: byte for byte, so that what is no UTF-8 is seen, and not a text in which Envoy has
//! written something else for it.

use super::playground;
use super::seen::Seen;
use super::tokens::{claims, sign, with};
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
    let playground = playground(setup).await;
    let claims = with(claims(), "preferred_username", json!("testuser"));
    let token = sign(&playground.key, &with(claims, "scope", json!("impersonate")));
    let post = async |body: &[u8]| {
        let head = format!(
            "POST /crm/process-123/complete HTTP/1.1\r\nHost: api.example.com\r\nConnection: close\r\n\
             Content-Type: application/json\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Exchange::raw(playground.gateway, &[head.as_bytes(), body].concat()).await.unwrap()
    };
    let answer = post("{\"customer\":\"K\u{f6}ln!\"}".as_bytes()).await;
    let seen = Seen::of(&answer);
    let [correlation] = seen.values("x-identity-correlation")[..] else { panic!("{:?}", seen.headers) };
    let correlation = IdentityCorrelation::from_json(correlation.as_bytes()).unwrap();
    assert_eq!(correlation.verify(&SigningSecret::new("test-secret-key")), Ok(()));
    assert_eq!(correlation.impersonated.unwrap().as_str(), "K\u{f6}ln!");

    // In the value, and beside it. Envoy would write `!` in its place in a text, and modgud would sign `K!ln`.
    for body in [&b"{\"customer\":\"K\xf6ln\"}"[..], b"{\"pad\":\"\xff\",\"customer\":\"c\"}", b"\xff"] {
        let answer = post(body).await;
        assert_eq!((answer.status, &answer.json()["errorCode"]), (400, &json!(400)), "{body:?}");
    }
    playground.stop().await;
}
