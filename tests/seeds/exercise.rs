//! Document 3, the exercise: the profile `bearer` behind Envoy. Its messages are in `messages`.

mod messages;

use super::gateway::{Belongings, Gateway};
use super::{get, only, reached_a_module, send};
use crate::envoy::seen::Seen;
use crate::envoy::tokens::object;
use crate::introspection::server::{AuthorizationServer, ID, SECRET};
use crate::support::STRANGER;
use jsonwebtoken::{EncodingKey, Header};
use modgud::clock::Clock;
use modgud_core::jose::SigningKey;
use modgud_testbed::idp::Reply;
use modgud_testbed::{EnvoyYaml, Setup, Testbed};
use serde_json::{Value, json};
use std::fs;
use tokio::runtime::Runtime;

static GATEWAY: Gateway = Gateway::new("seeds::exercise::", prepare);

/// An API key, and its table.
const API_KEY: &str = "partner-key-of-the-exercise-0123456789abcdef";
const API_KEYS: &str = "[{ id: partner-1, sha256: 7a7e7aaea649fd43d800eabeb62a9fd9cf9ff0baec2f2a3ab33dfbcbc3bc0092, subject: partner, roles: [reader], permissions: [read] }]\n";
/// An opaque token.
const OPAQUE: &str = "2YotnFZFEjr1zCsicMWpAA";

/// An authorization server that knows the opaque token.
async fn oauth2_server() -> AuthorizationServer {
    let server = AuthorizationServer::of(&[]).await;
    let active = json!({ "active": true, "sub": "mobile-user", "roles": ["user"], "permissions": ["read"] });
    server.replies(OPAQUE, Reply::Body(active.to_string().into_bytes()));
    server
}

/// The authenticator that asks it.
fn oauth2(server: &AuthorizationServer) -> String {
    format!(
        "  - name: oauth2
    from: [{{ header: authorization, schemes: [Bearer] }}]
    introspection: {{ url: {:?}, client_id: {ID:?}, client_secret: {{ value: {SECRET:?} }} }}
",
        server.url()
    )
}

fn prepare(runtime: &Runtime) -> (Setup, Belongings) {
    let server = runtime.block_on(oauth2_server());
    let oauth2 = oauth2(&server);
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("api-keys.yaml");
    fs::write(&table, API_KEYS).unwrap();
    let table = table.display();
    let config = format!(
        "
profile: bearer
authenticators:
  - name: bearer
    from: [{{ header: authorization, schemes: [Bearer] }}]
    jwt:
      issuer: https://auth.example.com
      algorithms: [RS256]
      keys: [{{ pem: {{ env: JWT_PUBLIC_KEY_RSA_BIFROST }} }}]
      require: [sub]
{oauth2}  - name: partners
    from: [{{ header: x-api-key }}]
    api_key: {{ file: \"{table}\" }}
modules: [{{ name: users-service, prefix: /api/users, keep_prefix: true, upstream: '{{crm}}' }}]
rules:
  - {{ name: delete-user, match: {{ methods: [DELETE], paths: ['/api/users/{{id}}'] }}, require: {{ permissions: [delete] }} }}
upstream: {{ headers: {{ x-user-name: {{ claim: name }} }} }}
"
    );
    let setup = Setup { config: Some(config.leak()), envoy: EnvoyYaml::Written, ..Setup::default() };
    (setup, vec![Box::new(server), Box::new(folder)])
}

/// The claims of the exercise's user, with others laid over them; `null` leaves one out.
fn claims(over: Value) -> Vec<(String, Value)> {
    let now = Clock::System.now().as_secs();
    let claims = json!({
        "iss": "https://auth.example.com", "sub": "user123", "name": "A User", "iat": now - 60, "exp": now + 3_600,
        "roles": ["admin"], "permissions": ["read", "write"],
    });
    let (Value::Object(mut all), Value::Object(over)) = (claims, over) else { panic!("claims are an object") };
    all.extend(over);
    all.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

fn token(key: &SigningKey, over: Value) -> String {
    key.sign(&claims(over)).unwrap()
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

fn past() -> Value {
    json!({ "exp": Clock::System.now().as_secs() - 1 })
}

/// Tokens that are invalid for another reason than their time, by that reason.
fn invalid(key: &SigningKey) -> Vec<(&'static str, String)> {
    let good = token(key, json!({}));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let pem = key.public_pem().unwrap();
    let secret = EncodingKey::from_secret(pem.as_bytes()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "it signs what our keys refuse to")]
    let confused = jsonwebtoken::encode(&Header::default(), &object(&claims(json!({}))), &secret).unwrap();
    vec![
        ("no token", "invalid_jwt".to_owned()),
        ("another key", token(&STRANGER, json!({}))),
        ("another issuer", token(key, json!({ "iss": "https://auth.example.net" }))),
        ("no issuer", token(key, json!({ "iss": null }))),
        ("no expiration", token(key, json!({ "exp": null }))),
        ("no user", token(key, json!({ "sub": null }))),
        ("no signature", format!("{head}.")),
        ("another payload", format!("{}.{signature}", head.replacen('.', ".e", 1))),
        ("an unreadable header", format!("x{good}")),
        ("another algorithm", confused),
    ]
}

/// The status and the error that a request is denied with, before it reaches the service.
async fn denied(gateway: &Testbed, method: &str, path: &str, line: &str) -> (u16, Value) {
    let answer = send(gateway, method, path, &[line]).await;
    assert!(!reached_a_module(&answer), "{method} {path}");
    (answer.status, answer.json()["error"].clone())
}

/// The request that reached the service, of a caller with the exercise's claims and these.
async fn seen(gateway: &Testbed, over: Value) -> Seen {
    let answer = get(gateway, "/api/users/123", &[&bearer(&token(&gateway.key, over))]).await;
    assert!(reached_a_module(&answer), "{}", String::from_utf8_lossy(&answer.body));
    Seen::of(&answer)
}

const INVALID: &str = "Invalid or expired token";

#[test]
fn authentication_and_authorization_are_central() {
    GATEWAY.test(async |gateway| {
        // The service checks nothing: what it answers has passed the gateway.
        for path in ["/api/users", "/api/users/123", "/api/users/123/orders/1"] {
            for method in ["GET", "POST", "PUT", "DELETE"] {
                let answer = send(gateway, method, path, &[]).await;
                assert_eq!((answer.status, reached_a_module(&answer)), (401, false), "{method} {path}");
            }
        }
        assert_eq!(only(&seen(gateway, json!({})).await, "x-user-id"), "user123");
    });
}

#[test]
fn the_client_sends_a_bearer_token() {
    GATEWAY.test(async |gateway| {
        let token = token(&gateway.key, json!({}));
        for scheme in ["Bearer", "bearer"] {
            let answer = get(gateway, "/api/users/123", &[&format!("Authorization: {scheme} {token}")]).await;
            assert!(reached_a_module(&answer), "{scheme}");
        }
        for line in
            [format!("Authorization: JWT {token}"), format!("Authorization: {token}"), format!("X-Token: {token}")]
        {
            assert_eq!(denied(gateway, "GET", "/api/users/123", &line).await.0, 401);
        }
    });
}

#[test]
fn the_gateway_validates_signature_and_expiration() {
    GATEWAY.test(async |gateway| {
        for (key, over, expected) in [
            (&gateway.key, json!({}), None),
            (&gateway.key, past(), Some("Token expired")),
            (&STRANGER, json!({}), Some(INVALID)),
            (&STRANGER, past(), Some(INVALID)),
        ] {
            let answer = get(gateway, "/api/users/123", &[&bearer(&token(key, over))]).await;
            assert_eq!(reached_a_module(&answer), expected.is_none());
            assert_eq!(answer.json()["error"].as_str(), expected);
        }
    });
}

#[test]
fn the_header_is_decoded_and_decides_nothing() {
    GATEWAY.test(async |gateway| {
        for (reason, token) in invalid(&gateway.key) {
            if ["no signature", "an unreadable header", "another algorithm"].contains(&reason) {
                let answer = denied(gateway, "GET", "/api/users/123", &bearer(&token)).await;
                assert_eq!(answer, (401, json!(INVALID)), "{reason}");
            }
        }
    });
}

#[test]
fn the_signature_is_verified_with_the_public_key() {
    GATEWAY.test(async |gateway| {
        let signed = token(&gateway.key, json!({}));
        assert!(reached_a_module(&get(gateway, "/api/users/123", &[&bearer(&signed)]).await));
        let foreign = token(&STRANGER, json!({}));
        assert_eq!(denied(gateway, "GET", "/api/users/123", &bearer(&foreign)).await, (401, json!(INVALID)));
        // The payload of one, with the signature of another.
        let mixed = format!("{}.{}", signed.rsplit_once('.').unwrap().0, foreign.rsplit_once('.').unwrap().1);
        assert_eq!(denied(gateway, "GET", "/api/users/123", &bearer(&mixed)).await, (401, json!(INVALID)));
    });
}

#[test]
fn the_expiration_is_checked() {
    GATEWAY.test(async |gateway| {
        let expired = bearer(&token(&gateway.key, past()));
        assert_eq!(denied(gateway, "GET", "/api/users/123", &expired).await, (401, json!("Token expired")));
        let endless = bearer(&token(&gateway.key, json!({ "exp": null })));
        assert_eq!(denied(gateway, "GET", "/api/users/123", &endless).await, (401, json!(INVALID)));
    });
}

#[test]
fn the_issuer_is_checked() {
    GATEWAY.test(async |gateway| {
        for issuer in [json!("https://auth.example.com/"), json!("https://auth.example.net"), json!(null)] {
            let line = bearer(&token(&gateway.key, json!({ "iss": issuer })));
            assert_eq!(denied(gateway, "GET", "/api/users/123", &line).await, (401, json!(INVALID)));
        }
    });
}

#[test]
fn every_other_error_has_one_text() {
    GATEWAY.test(async |gateway| {
        for (reason, token) in invalid(&gateway.key) {
            let answer = denied(gateway, "GET", "/api/users/123", &bearer(&token)).await;
            assert_eq!(answer, (401, json!(INVALID)), "{reason}");
        }
    });
}

#[test]
fn the_claims_of_the_user_are_extracted() {
    GATEWAY.test(async |gateway| {
        let over = json!({ "sub": "user456", "name": "B User", "roles": ["editor", "user"], "permissions": ["list"] });
        let seen = seen(gateway, over).await;
        let values = ["x-user-id", "x-user-name", "x-user-role", "x-user-permissions"].map(|name| only(&seen, name));
        assert_eq!(values, ["user456", "B User", "editor", "list"]);
    });
}

#[test]
fn required_permissions_are_checked() {
    GATEWAY.test(async |gateway| {
        let may_delete = bearer(&token(&gateway.key, json!({ "permissions": ["read", "delete"] })));
        let may_not = bearer(&token(&gateway.key, json!({ "permissions": ["read"] })));
        assert!(reached_a_module(&send(gateway, "DELETE", "/api/users/123", &[&may_delete]).await));
        assert!(reached_a_module(&get(gateway, "/api/users/123", &[&may_not]).await));
        let text = "Insufficient permissions: required [delete], have [read]";
        assert_eq!(denied(gateway, "DELETE", "/api/users/123", &may_not).await, (403, json!(text)));
    });
}

#[test]
fn an_authorized_request_is_forwarded_with_the_user() {
    GATEWAY.test(async |gateway| {
        let line = bearer(&token(&gateway.key, json!({})));
        let answer = get(gateway, "/api/users/123?x=1", &[&line, "X-Other: kept"]).await;
        let seen = Seen::of(&answer);
        assert_eq!((answer.status, seen.method.as_str(), only(&seen, "x-other")), (200, "GET", "kept"));
        assert!(["x-user-id", "x-user-role", "x-user-permissions"].iter().all(|name| !only(&seen, name).is_empty()));
    });
}

#[test]
fn an_unauthorized_request_is_answered_at_once() {
    GATEWAY.test(async |gateway| {
        let reader = bearer(&token(&gateway.key, json!({ "permissions": ["read"] })));
        assert_eq!(denied(gateway, "DELETE", "/api/users/123", &bearer("invalid_jwt")).await.0, 401);
        assert_eq!(denied(gateway, "DELETE", "/api/users/123", &reader).await.0, 403);
    });
}

#[test]
fn x_user_id_is_the_subject() {
    GATEWAY.test(async |gateway| {
        let line = bearer(&token(&gateway.key, json!({})));
        let seen = Seen::of(&get(gateway, "/api/users/123", &[&line, "X-User-ID: root", "x-user-id: root"]).await);
        assert_eq!(only(&seen, "x-user-id"), "user123");
    });
}

#[test]
fn x_user_role_is_the_role() {
    GATEWAY.test(async |gateway| {
        assert_eq!(only(&seen(gateway, json!({})).await, "x-user-role"), "admin");
        let line = bearer(&token(&gateway.key, json!({ "roles": null })));
        let forged = get(gateway, "/api/users/123", &[&line, "X-User-Role: admin"]).await;
        assert_eq!(Seen::of(&forged).values("x-user-role"), [""; 0]);
    });
}

#[test]
fn x_user_permissions_is_a_list_with_commas() {
    GATEWAY.test(async |gateway| {
        let seen = seen(gateway, json!({ "permissions": ["read", "write", "delete"] })).await;
        assert_eq!(only(&seen, "x-user-permissions"), "read,write,delete");
    });
}

#[test]
fn jwt_is_a_scheme() {
    GATEWAY.test(async |gateway| assert_eq!(only(&seen(gateway, json!({})).await, "x-user-id"), "user123"));
}

#[test]
fn api_keys_are_a_scheme() {
    GATEWAY.test(async |gateway| {
        let line = format!("X-API-Key: {API_KEY}");
        let seen = Seen::of(&get(gateway, "/api/users/123", &[&line]).await);
        assert_eq!([only(&seen, "x-user-id"), only(&seen, "x-user-permissions")], ["partner", "read"]);
        assert_eq!(denied(gateway, "DELETE", "/api/users/123", &line).await.0, 403);
        assert_eq!(denied(gateway, "GET", "/api/users/123", &format!("{line}x")).await, (401, json!(INVALID)));
    });
}

#[test]
fn oauth2_tokens_are_a_scheme() {
    GATEWAY.test(async |gateway| {
        let seen = Seen::of(&get(gateway, "/api/users/123", &[&bearer(OPAQUE)]).await);
        assert_eq!([only(&seen, "x-user-id"), only(&seen, "x-user-role")], ["mobile-user", "user"]);
        assert_eq!(denied(gateway, "DELETE", "/api/users/123", &bearer(OPAQUE)).await.0, 403);
        let unknown = format!("{OPAQUE}x");
        assert_eq!(denied(gateway, "GET", "/api/users/123", &bearer(&unknown)).await, (401, json!(INVALID)));
    });
}

#[test]
fn the_service_receives_the_whole_path() {
    GATEWAY.test(async |gateway| {
        let line = bearer(&token(&gateway.key, json!({})));
        for path in ["/api/users/123", "/api/users", "/api/users/123/orders?x=1"] {
            assert_eq!(Seen::of(&get(gateway, path, &[&line]).await).path, path);
        }
    });
}
