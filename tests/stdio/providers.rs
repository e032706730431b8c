//! Providers: JWKS by URL and by discovery, and introspection, each over TLS, in `modgud stdio`.

use super::{PATIENCE, Stdio, claims};
use crate::introspection::server::{AuthorizationServer, ID, SECRET};
use modgud_testbed::idp::{Idp, IdpKey, Reply, discovery};
use serde_json::{Value, json};
use std::fs;
use tempfile::TempDir;
use tokio::time::timeout;

/// A folder with this configuration on the profile `bearer`, and with the authority of a provider.
fn folder_with(authority: &str, deadline: &str, yaml: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.crt"), authority).unwrap();
    fs::write(
        folder.path().join("modgud.yaml"),
        format!("profile: bearer\nserver: {{ deadline: {deadline} }}\n{yaml}"),
    )
    .unwrap();
    folder
}

/// The same with a deadline that even a busy machine keeps.
fn folder(authority: &str, yaml: &str) -> TempDir {
    folder_with(authority, "10s", yaml)
}

/// An authenticator for tokens of `issuer`, with these keys.
fn jwt(issuer: &str, keys: &str) -> String {
    let from = "from: [{ header: authorization, schemes: [Bearer] }]";
    format!(
        "  - {{ name: login, {from}, jwt: {{ issuer: {issuer:?}, algorithms: [EdDSA], keys: [{keys}], require: [sub] }} }}\n"
    )
}

/// An authenticator for the tokens of the server at this URL.
fn opaque(url: &str, more: &str) -> String {
    let from = "from: [{ header: authorization, schemes: [Bearer] }]";
    format!(
        "  - {{ name: opaque, {from}, introspection: {{ url: {url:?}, client_id: {ID:?}, client_secret: {{ value: {SECRET:?} }}{more} }} }}\n"
    )
}

fn message(id: u64, token: &str) -> String {
    let headers = json!({ "Authorization": format!("Bearer {token}") });
    json!({ "type": "api_request", "msg_id": id, "method": "GET", "path": "/api/users/1", "headers": headers })
        .to_string()
}

fn allowed(id: u64, user: &str, role: &str) -> String {
    format!(
        r#"{{"type": "api_response", "in_reply_to": {id}, "status": 200, "service": "users-service", "user_context": {{"user_id": "{user}", "role": {role}, "permissions": ["read"]}}}}"#
    )
}

fn denied(id: u64, status: u16, error: &str) -> String {
    format!(r#"{{"type": "api_response", "in_reply_to": {id}, "status": {status}, "error": "{error}"}}"#)
}

/// The line about a key that the configuration does not use.
fn unused(id: u64) -> String {
    format!("modgud: the key of message {id} is not used: the configuration has no `pem: {{ env: JWT_PUBLIC_KEY }}`\n")
}

const INVALID: &str = "Invalid or expired token";
const UNDECIDED: &str = "The request could not be checked. Try again later.";

/// A token of a provider's key.
fn token(key: &IdpKey, over: &Value) -> String {
    let mut all = json!({ "permissions": ["read"], "roles": null, "role": "editor" });
    all.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    key.sign(&claims(&all))
}

#[tokio::test]
async fn keys_of_a_url_follow_a_rotation() {
    let (idp, authority) = Idp::start_tls().await;
    let (old, new, stranger) = (IdpKey::new("old"), IdpKey::new("new"), IdpKey::new("stranger"));
    idp.publish(&[&old]);
    let url = format!("https://localhost:{}/jwks", idp.address.port());
    let keys = format!("{{ jwks: {{ url: {url:?}, refresh: 1h, ca: ca.crt }} }}");
    let folder = folder(&authority, &format!("authenticators:\n{}", jwt("https://auth.example.com", &keys)));
    let mut stdio = Stdio::start(folder.path(), &["--config", "modgud.yaml"]);
    // No `init` is needed: its key has no place in this configuration.
    assert_eq!(stdio.ask(&message(1, &token(&old, &json!({})))).await, allowed(1, "user123", "\"editor\""));
    idp.publish(&[&new]);
    assert_eq!(stdio.ask(&message(2, &token(&new, &json!({})))).await, allowed(2, "user123", "\"editor\""));
    assert_eq!(stdio.ask(&message(3, &token(&old, &json!({})))).await, denied(3, 401, INVALID));
    let init = json!({ "type": "init", "msg_id": 4, "jwt_public_key": "any" }).to_string();
    assert_eq!(stdio.ask(&init).await, r#"{"type": "init_ok", "in_reply_to": 4}"#);
    assert_eq!(stdio.ask(&message(5, &token(&new, &json!({})))).await, allowed(5, "user123", "\"editor\""));
    assert_eq!(stdio.ask(&message(6, &token(&stranger, &json!({})))).await, denied(6, 401, INVALID));
    assert_eq!(stdio.ask(&message(7, &token(&new, &json!({ "exp": 1 })))).await, denied(7, 401, "Token expired"));
    assert_eq!(idp.count("/jwks"), 2, "the one new key cost one fetch");
    let (code, errors) = stdio.end().await;
    let reasons = [
        "message 3: status 401, key_unknown: ",
        "message 6: status 401, key_unknown: ",
        "message 7: status 401, token_expired: ",
    ];
    assert_eq!((code, errors.lines().count()), (Some(0), 4), "{errors}");
    assert!(errors.contains(&unused(4)) && reasons.iter().all(|reason| errors.contains(reason)), "{errors}");
}

#[tokio::test]
async fn keys_of_an_issuer_are_discovered() {
    let (idp, authority) = Idp::start_tls().await;
    let key = IdpKey::new("key");
    idp.publish(&[&key]);
    let issuer = format!("https://localhost:{}", idp.address.port());
    idp.reply("/.well-known/openid-configuration", discovery(&issuer, &format!("{issuer}/jwks")));
    let keys = format!("{{ oidc: {{ issuer: {issuer:?}, ca: ca.crt }} }}");
    let folder = folder(&authority, &format!("authenticators:\n{}", jwt(&issuer, &keys)));
    let mut stdio = Stdio::start(folder.path(), &["--config", "modgud.yaml"]);
    let token = token(&key, &json!({ "iss": issuer, "roles": ["a", "b"] }));
    assert_eq!(stdio.ask(&message(1, &token)).await, allowed(1, "user123", "\"a\""));
    assert_eq!(stdio.end().await, (Some(0), String::new()));
}

#[tokio::test]
async fn an_authorization_server_is_asked_over_tls() {
    let (idp, authority) = Idp::start_tls().await;
    let says = |answer: Value| idp.reply("/introspect", Reply::Body(answer.to_string().into_bytes()));
    let url = format!("https://localhost:{}/introspect", idp.address.port());
    let server = opaque(&url, ", ca: ca.crt, cache: 1m");
    let folder = folder(
        &authority,
        &format!(
            "authenticators:\n{server}rules:\n  - {{ name: open, match: {{ paths: [/api/orders] }}, access: public }}\n"
        ),
    );
    let mut stdio = Stdio::start(folder.path(), &["--config", "modgud.yaml"]);
    says(json!({ "active": true, "sub": "u1", "role": "editor", "permissions": ["read"] }));
    assert_eq!(stdio.ask(&message(1, "good")).await, allowed(1, "u1", "\"editor\""));
    says(json!({ "active": false }));
    assert_eq!(stdio.ask(&message(2, "ended")).await, denied(2, 401, INVALID));
    // A rule that looks for no caller, and a message that requires one: the same lookup.
    let open = |id: u64, token: &str, permission: &str| {
        let headers = json!({ "Authorization": format!("Bearer {token}") });
        json!({ "type": "api_request", "msg_id": id, "method": "GET", "path": "/api/orders", "headers": headers,
            "required_permission": permission })
        .to_string()
    };
    says(json!({ "active": true, "sub": "u2", "permissions": "read" }));
    let reply = stdio.ask(&open(3, "other", "read")).await;
    assert_eq!(reply, allowed(3, "u2", "null").replace("users", "orders"));
    let missing = "Insufficient permissions: required [write], have [read]";
    assert_eq!(stdio.ask(&open(4, "other", "write")).await, denied(4, 403, missing));
    assert_eq!(idp.count("/introspect"), 3, "`other` was cached");
    idp.reply("/introspect", Reply::Close);
    assert_eq!(stdio.ask(&message(5, "third")).await, denied(5, 503, UNDECIDED));
    assert_eq!(stdio.ask(&open(6, "fourth", "read")).await, denied(6, 503, UNDECIDED));
    assert_eq!(stdio.ask(&message(7, "good")).await, allowed(7, "u1", "\"editor\""), "it is cached");
    let (code, errors) = stdio.end().await;
    assert_eq!(code, Some(0));
    assert!(!errors.contains("third") && !errors.contains(SECRET), "{errors}");
}

#[tokio::test]
async fn a_provider_that_is_away_is_no_reason_to_allow_or_to_stop() {
    let (idp, authority) = Idp::start_tls().await;
    let key = IdpKey::new("key");
    idp.reply("/jwks", Reply::Close);
    let url = format!("https://localhost:{}/jwks", idp.address.port());
    let keys = format!("{{ jwks: {{ url: {url:?}, ca: ca.crt }} }}");
    let folder = folder(&authority, &format!("authenticators:\n{}", jwt("https://auth.example.com", &keys)));
    let mut stdio = Stdio::start(folder.path(), &["--config", "modgud.yaml"]);
    let good = token(&key, &json!({}));
    assert_eq!(stdio.ask(&message(1, &good)).await, denied(1, 503, UNDECIDED));
    idp.publish(&[&key]);
    let again = async { while stdio.ask(&message(2, &good)).await != allowed(2, "user123", "\"editor\"") {} };
    timeout(PATIENCE, again).await.unwrap();
    let (code, errors) = stdio.end().await;
    assert_eq!(code, Some(0));
    // An operator learns the cause, which the sender does not.
    assert!(errors.contains("JWKS fetch failed") && errors.contains(&url) && !errors.contains(&good), "{errors}");
}

/// Lookups happen at the same time, and replies come in the order of the messages.
#[tokio::test]
async fn replies_keep_their_order_while_lookups_overlap() {
    let server = AuthorizationServer::of(&["one", "two", "three"]).await;
    server.hold(true);
    let yaml = format!("authenticators:\n{}", opaque(&server.url(), ""));
    let folder = folder("", &yaml);
    let mut stdio = Stdio::start(folder.path(), &["--config", "modgud.yaml"]);
    // The second needs no lookup. The last two share one.
    for (id, token) in (1..).zip(["one", "", "two", "three", "three"]) {
        stdio.send(&message(id, token)).await;
    }
    stdio.send(&json!({ "type": "init", "msg_id": 6, "jwt_public_key": "any" }).to_string()).await;
    server.asked(3).await;
    server.hold(false);
    let user = |id, user| allowed(id, user, "null").replace("[\"read\"]", "[]");
    let expected = [
        user(1, "one"),
        denied(2, 401, INVALID),
        user(3, "two"),
        user(4, "three"),
        user(5, "three"),
        r#"{"type": "init_ok", "in_reply_to": 6}"#.to_owned(),
    ];
    for expected in expected {
        assert_eq!(stdio.reply().await, expected);
    }
    assert_eq!(server.count(), 3);
    let missing = "modgud: message 2: status 401, credential_malformed: the value is not a well-formed credential\n";
    assert_eq!(stdio.end().await, (Some(0), format!("{missing}{}", unused(6))));
}

/// A stream of any length needs a bounded number of lookups at a time.
#[tokio::test]
async fn no_more_than_the_bound_are_looked_up_at_once() {
    let names: Vec<String> = (0..40).map(|number| format!("token{number}")).collect();
    let server = AuthorizationServer::of(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    server.hold(true);
    let yaml = format!("authenticators:\n{}", opaque(&server.url(), ""));
    let folder = folder("", &yaml);
    let mut stdio = Stdio::start(folder.path(), &["--config", "modgud.yaml"]);
    for (id, name) in (0..).zip(&names) {
        stdio.send(&message(id, name)).await;
    }
    server.asked(32).await;
    server.hold(false);
    for (id, name) in (0..).zip(&names) {
        assert_eq!(stdio.reply().await, allowed(id, name, "null").replace("[\"read\"]", "[]"));
    }
    assert_eq!(stdio.end().await, (Some(0), String::new()));
}

#[tokio::test]
async fn a_lookup_ends_at_the_deadline() {
    let server = AuthorizationServer::of(&["one"]).await;
    server.hold(true);
    let folder = folder_with("", "50ms", &format!("authenticators:\n{}", opaque(&server.url(), "")));
    let mut stdio = Stdio::start(folder.path(), &["--config", "modgud.yaml"]);
    assert_eq!(stdio.ask(&message(1, "one")).await, denied(1, 503, UNDECIDED));
    // Its request is still open: the end of the input ends it too.
    let (code, errors) = stdio.end().await;
    assert_eq!(code, Some(0));
    assert!(errors.starts_with("modgud: message 1: status 503, ") && errors.lines().count() == 1, "{errors}");
}

#[tokio::test]
async fn the_end_of_the_input_waits_for_the_replies() {
    let server = AuthorizationServer::of(&["one", "two"]).await;
    server.hold(true);
    let yaml = format!("authenticators:\n{}", opaque(&server.url(), ""));
    let folder = folder("", &yaml);
    let mut stdio = Stdio::start(folder.path(), &["--config", "modgud.yaml"]);
    stdio.send(&message(1, "one")).await;
    stdio.send(&message(2, "two")).await;
    stdio.close_input();
    server.asked(2).await;
    server.hold(false);
    for (id, user) in [(1, "one"), (2, "two")] {
        assert_eq!(stdio.reply().await, allowed(id, user, "null").replace("[\"read\"]", "[]"));
    }
    assert_eq!(stdio.end().await, (Some(0), String::new()));
}
