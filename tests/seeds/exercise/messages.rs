//! The exercise's messages, through `modgud stdio`.

use super::{API_KEY, API_KEYS, GATEWAY, INVALID, OPAQUE, oauth2, oauth2_server, past, token};
use crate::cli::process::run_with_input;
use crate::support::{KEY, STRANGER};
use modgud_core::jose::SigningKey;
use serde_json::{Value, json};
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// The time that the exercise gives each of its test cases.
const CASE: Duration = Duration::from_secs(5);

fn init(id: u64, key: &SigningKey) -> Value {
    json!({ "type": "init", "msg_id": id, "jwt_public_key": key.public_pem().unwrap() })
}

fn request(id: u64, method: &str, path: &str, token: &str) -> Value {
    json!({ "type": "api_request", "msg_id": id, "method": method, "path": path,
        "headers": { "Authorization": format!("Bearer {token}") } })
}

/// The replies of `modgud stdio` to these messages.
async fn stdio(bodies: &[Value]) -> Vec<Value> {
    let input = bodies.iter().map(|body| format!("{}\n", json!({ "src": "client", "dest": "gateway", "body": body })));
    let output = run_with_input(std::env::temp_dir().as_path(), &[], &["stdio"], &input.collect::<String>()).await;
    assert_eq!(output.code, Some(0), "{}", output.err);
    let reply = |line: &str| {
        let reply: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&reply["src"], &reply["dest"]), (&json!("gateway"), &json!("client")));
        reply["body"].clone()
    };
    output.out.lines().map(reply).collect()
}

#[test]
fn a_valid_token_gets_service_and_user() {
    GATEWAY.test_without(async || {
        let token = token(&KEY, json!({}));
        let replies = stdio(&[init(0, &KEY), request(1, "GET", "/api/users/123", &token)]).await;
        let user = json!({ "user_id": "user123", "role": "admin", "permissions": ["read", "write"] });
        let expected = json!({ "type": "api_response", "in_reply_to": 1, "status": 200, "service": "users-service", "user_context": user });
        assert_eq!(replies[1], expected);
    });
}

#[test]
fn an_expired_token_gets_401_and_its_text() {
    GATEWAY.test_without(async || {
        let expired = token(&KEY, past());
        let replies = stdio(&[init(0, &KEY), request(2, "GET", "/api/users/123", &expired)]).await;
        let expected = json!({ "type": "api_response", "in_reply_to": 2, "status": 401, "error": "Token expired" });
        assert_eq!(replies[1], expected);
    });
}

#[test]
fn a_missing_permission_gets_403_and_its_text() {
    GATEWAY.test_without(async || {
        let mut delete = request(3, "DELETE", "/api/users/123", &token(&KEY, json!({ "permissions": ["read"] })));
        delete["required_permission"] = json!("delete");
        let replies = stdio(&[init(0, &KEY), delete]).await;
        let text = "Insufficient permissions: required [delete], have [read]";
        assert_eq!(replies[1], json!({ "type": "api_response", "in_reply_to": 3, "status": 403, "error": text }));
    });
}

#[test]
fn a_request_can_require_a_permission() {
    GATEWAY.test_without(async || {
        let with = |permission: &str| {
            let mut message = request(1, "GET", "/api/users/123", &token(&KEY, json!({})));
            message["required_permission"] = json!(permission);
            message
        };
        let replies = stdio(&[init(0, &KEY), with("write"), with("delete")]).await;
        assert_eq!([&replies[1]["status"], &replies[2]["status"]], [200, 403]);
    });
}

#[test]
fn the_first_sample_passes_with_a_key_and_a_token() {
    GATEWAY.test_without(async || {
        let token = token(&KEY, json!({}));
        let replies = stdio(&[init(1, &KEY), request(2, "GET", "/api/users/123", &token)]).await;
        assert_eq!(replies[0], json!({ "type": "init_ok", "in_reply_to": 1 }));
        assert_eq!(replies[1]["status"], 200);
        // The sample's own texts are no key and no token.
        let placeholder = json!({ "type": "init", "msg_id": 1, "jwt_public_key": "public_key_here" });
        let replies = stdio(&[placeholder, request(2, "GET", "/api/users/123", "valid_jwt_here")]).await;
        assert_eq!(replies[0], json!({ "type": "init_ok", "in_reply_to": 1 }));
        assert_eq!((&replies[1]["status"], &replies[1]["error"]), (&json!(401), &json!(INVALID)));
    });
}

#[test]
fn the_second_sample_gets_401() {
    GATEWAY.test_without(async || {
        // Over several lines and before any `init`, as the sample is.
        let message = json!({ "src": "client", "dest": "gateway", "body": request(1, "GET", "/api/users/123", "invalid_jwt") });
        let input = serde_json::to_string_pretty(&message).unwrap();
        let output = run_with_input(std::env::temp_dir().as_path(), &[], &["stdio"], &input).await;
        let expected = "{\"src\": \"gateway\", \"dest\": \"client\", \"body\": {\"type\": \"api_response\", \"in_reply_to\": 1, \
                        \"status\": 401, \"error\": \"Invalid or expired token\"}}\n";
        assert_eq!(output.out, expected);
    });
}

#[test]
fn a_case_takes_less_than_5_seconds() {
    GATEWAY.test_without(async || {
        let start = Instant::now();
        let replies = stdio(&[init(1, &KEY), request(2, "GET", "/api/users/123", &token(&KEY, json!({})))]).await;
        assert_eq!(replies.len(), 2);
        assert!(start.elapsed() < CASE, "{:?}", start.elapsed());
    });
}

#[test]
fn each_line_gets_one_line_at_once() {
    GATEWAY.test_without(async || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_modgud"));
        command.arg("stdio").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for id in 1..=3 {
            let body = request(id, "GET", "/api/users/123", "invalid_jwt");
            let line = format!("{}\n", json!({ "src": "client", "dest": "gateway", "body": body }));
            input.write_all(line.as_bytes()).await.unwrap();
            let reply = timeout(CASE, lines.next_line()).await.unwrap().unwrap().unwrap();
            assert_eq!(serde_json::from_str::<Value>(&reply).unwrap()["body"]["in_reply_to"], id);
        }
        drop(input);
        assert_eq!(timeout(CASE, child.wait()).await.unwrap().unwrap().code(), Some(0));
    });
}

#[test]
fn tokens_are_validated_before_routing() {
    GATEWAY.test_without(async || {
        // The message's path has no service, and yet the token is what is reported.
        let request = |token: &str| request(2, "GET", "/nowhere", token);
        let replies = stdio(&[init(1, &KEY), request("invalid_jwt"), request(&token(&KEY, json!({})))]).await;
        assert_eq!([&replies[1]["status"], &replies[2]["status"]], [401, 404]);
    });
}

/// Writes this to `modgud stdio` with a configuration, and returns the lines that it writes.
async fn lines(configuration: &str, input: &str) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), configuration).unwrap();
    fs::write(folder.path().join("api-keys.yaml"), API_KEYS).unwrap();
    let output = run_with_input(folder.path(), &[], &["stdio", "--config", "modgud.yaml"], input).await;
    assert_eq!(output.code, Some(0), "{}", output.err);
    output.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_bare_message_gets_a_bare_reply() {
    GATEWAY.test_without(async || {
        let messages = [init(1, &KEY), request(2, "GET", "/api/users/123", &token(&KEY, past()))];
        let input = messages.map(|message| format!("{message}\n")).concat();
        let replies = lines("profile: bearer\n", &input).await;
        let expired = json!({ "type": "api_response", "in_reply_to": 2, "status": 401, "error": "Token expired" });
        assert_eq!(replies, [json!({ "type": "init_ok", "in_reply_to": 1 }), expired]);
    });
}

#[test]
fn the_role_may_be_one_claim() {
    GATEWAY.test_without(async || {
        let one = token(&KEY, json!({ "roles": null, "role": "admin" }));
        let both = token(&KEY, json!({ "roles": ["user"], "role": "admin" }));
        let request = |id, token: &str| request(id, "GET", "/api/users/123", token);
        let replies = stdio(&[init(0, &KEY), request(1, &one), request(2, &both)]).await;
        assert_eq!([&replies[1]["user_context"]["role"], &replies[2]["user_context"]["role"]], ["admin", "user"]);
    });
}

#[test]
fn init_sets_the_key() {
    GATEWAY.test_without(async || {
        let request = |id| request(id, "GET", "/api/users/123", &token(&KEY, json!({})));
        let replies = stdio(&[request(1), init(2, &STRANGER), request(3), init(4, &KEY), request(5)]).await;
        let statuses: Vec<Option<u64>> = replies.iter().map(|reply| reply["status"].as_u64()).collect();
        assert_eq!(statuses, [Some(401), None, Some(401), None, Some(200)]);
        assert_eq!(replies[3], json!({ "type": "init_ok", "in_reply_to": 4 }));
    });
}

/// A message with a credential in this header.
fn with_header(id: u64, method: &str, name: &str, value: &str) -> String {
    let message = json!({ "type": "api_request", "msg_id": id, "method": method, "path": "/api/users/123",
        "headers": { name: value }, "required_permission": "read" });
    format!("{message}\n")
}

#[test]
fn api_keys_work_in_messages() {
    GATEWAY.test_without(async || {
        let configuration = "profile: bearer\nauthenticators:\n  - { name: partners, from: [{ header: x-api-key }], \
                             api_key: { file: api-keys.yaml } }\n";
        let input =
            [with_header(1, "GET", "X-API-Key", API_KEY), with_header(2, "GET", "X-API-Key", "another")].concat();
        let replies = lines(configuration, &input).await;
        assert_eq!([&replies[0]["status"], &replies[1]["status"]], [200, 401]);
        assert_eq!(replies[0]["user_context"]["user_id"], "partner");
    });
}

#[test]
fn oauth2_tokens_work_in_messages() {
    GATEWAY.test_without(async || {
        let server = oauth2_server().await;
        let configuration = format!("profile: bearer\nauthenticators:\n{}", oauth2(&server));
        let unknown = format!("Bearer {OPAQUE}x");
        let input = [
            with_header(1, "GET", "Authorization", &format!("Bearer {OPAQUE}")),
            with_header(2, "GET", "Authorization", &unknown),
        ];
        let replies = lines(&configuration, &input.concat()).await;
        assert_eq!([&replies[0]["status"], &replies[1]["status"]], [200, 401]);
        assert_eq!(replies[0]["user_context"]["user_id"], "mobile-user");
    });
}
