//! The commands of the example: a program with authenticators of its own, one of which asks a server.

use super::YAML;
use crate::support::NOW;
use modgud_testbed::idp::{Idp, Reply};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::timeout;

/// The example, which cargo builds unless it has done so.
async fn example() -> PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    let build = async || {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--locked", "--offline", "--example", "custom_authenticator"]);
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let programs = Path::new(env!("CARGO_BIN_EXE_modgud")).parent().unwrap();
        programs.join("examples/custom_authenticator")
    };
    BUILT.get_or_init(build).await.clone()
}

/// Runs the example with this configuration and this standard input.
async fn run(server: &Idp, folder: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut command = Command::new(example().await);
    command.current_dir(folder).env_clear().env("SESSION_SERVER", server.url("/session")).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let ended = timeout(Duration::from_secs(60), async {
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        child.wait_with_output().await
    });
    let Output { status, stdout, .. } = ended.await.unwrap().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

#[tokio::test]
async fn every_command_calls_both_authenticators() {
    let (server, folder) = (Idp::start().await, tempfile::tempdir().unwrap());
    let alice = br#"{"sub": "alice", "email": "alice@example.com"}"#;
    server.reply("/session", Reply::Body(alice.to_vec()));
    fs::write(folder.path().join("modgud.yaml"), YAML).unwrap();
    let run = async |arguments: &[&str], input: &str| run(&server, folder.path(), arguments, input).await;
    let configured = ["--config", "modgud.yaml"];

    let (code, out) = run(&[&["check"][..], &configured].concat(), "").await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("authenticator ours: custom, built into this program\n"), "{out}");
    assert!(
        out.contains("authenticator website: custom, built into this program, at most 64 calls at once\n"),
        "{out}"
    );

    let explain = |header: &str| [&["explain"][..], &configured, &["--header", header]].concat().join("\u{0}");
    let explained = async |header: &str| run(&explain(header).split('\u{0}').collect::<Vec<_>>(), "").await;
    let (code, out) = explained("Cookie: session=one").await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("custom         the authenticator accepts the credential"), "{out}");
    assert!(out.contains("x-user: alice"), "{out}");
    let (code, out) = explained("Authorization: Bearer valid-bob-1").await;
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("denied      token_expired"), "{out}");
    server.reply(
        "/session",
        Reply::Raw(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec()),
    );
    let (code, out) = explained("Cookie: session=one").await;
    assert_eq!(code, Some(3), "{out}");
    assert!(out.contains("caller_refused") && out.contains("Your account is locked."), "{out}");

    server.reply("/session", Reply::Body(alice.to_vec()));
    let cases = format!(
        "
- name: a session
  request: {{ method: DELETE, path: /, headers: {{ cookie: session=one }} }}
  at: {NOW}
  expect: {{ decision: denied, status: 403, reason: permission_missing }}
- name: a token
  request: {{ method: DELETE, path: /, headers: {{ authorization: Bearer valid-alice-{later} }} }}
  at: {NOW}
  expect: {{ decision: allowed, rule: delete, set: {{ x-user: alice }} }}
",
        later = NOW + 60
    );
    fs::write(folder.path().join("cases.yaml"), cases).unwrap();
    let (code, out) = run(&[&["test"][..], &configured, &["cases.yaml"]].concat(), "").await;
    assert_eq!(code, Some(0), "{out}");

    let message = |number: u32, headers: &str| {
        let body = format!(
            r#"{{"type":"api_request","msg_id":{number},"method":"GET","path":"/api/users/1","headers":{{{headers}}}}}"#
        );
        format!(r#"{{"src":"c1","dest":"gateway","body":{body}}}"#)
    };
    let messages = [
        r#"{"src":"c1","dest":"gateway","body":{"type":"init","msg_id":1,"jwt_public_key":""}}"#.to_owned(),
        message(2, r#""Cookie":"session=one""#),
        message(3, r#""Authorization":"Bearer valid-bob-99999999999""#),
        message(4, r#""Authorization":"Bearer nonsense""#),
    ];
    let (code, out) = run(&[&["stdio"][..], &configured].concat(), &messages.join("\n")).await;
    assert_eq!(code, Some(0), "{out}");
    let replies: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reply = |number: u32| {
        let found = replies.iter().map(|reply| &reply["body"]).find(|body| body["in_reply_to"] == number);
        found.unwrap_or_else(|| panic!("{out}"))
    };
    assert_eq!(reply(2)["user_context"]["user_id"], "alice", "{out}");
    assert_eq!(reply(3)["user_context"]["user_id"], "bob", "{out}");
    assert_eq!(reply(4)["status"], 401, "{out}");
}
