//! `modgud stdio`: the runs of `data/stdio.yaml`, providers over TLS, hostile input, and that each reply is there as soon
//! as it is due.

#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing, and `jsonwebtoken` signs what our keys refuse to"
)]

use crate::cli::process::run_with_input;
use crate::support::{KEY, STRANGER};
use jsonwebtoken::{EncodingKey, Header};
use modgud::clock::Clock;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::fs;
use std::path::Path;
use std::process;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

mod documented;
mod hostile;
mod providers;

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    #[serde(default)]
    arguments: Vec<String>,
    configuration: Option<String>,
    #[serde(default)]
    table: Option<String>,
    input: String,
    output: String,
    #[serde(default)]
    errors: Vec<String>,
}

/// Claims of a token that is good now, with others laid over them; `null` leaves one out.
fn claims(over: &Value) -> Vec<(String, Value)> {
    let now = Clock::System.now().as_secs();
    let mut claims = json!({
        "iss": "https://auth.example.com", "sub": "user123", "name": "A User", "iat": now.saturating_sub(60),
        "exp": now.saturating_add(3_600), "roles": ["admin", "user"], "permissions": ["read", "write"],
    });
    let all = claims.as_object_mut().unwrap();
    all.extend(over.as_object().unwrap().clone());
    all.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Puts tokens and keys in the places of their names.
fn fill(text: &str) -> String {
    let past = json!({ "exp": Clock::System.now().as_secs().saturating_sub(1) });
    let pem = KEY.public_pem().unwrap();
    let confused = {
        let object: Map<String, Value> = claims(&json!({})).into_iter().collect();
        jsonwebtoken::encode(&Header::default(), &object, &EncodingKey::from_secret(pem.as_bytes()).unwrap()).unwrap()
    };
    let names = [
        ("pem", json!(pem).to_string()),
        ("other_pem", json!(STRANGER.public_pem().unwrap()).to_string()),
        ("good", KEY.sign(&claims(&json!({}))).unwrap()),
        ("expired", KEY.sign(&claims(&past)).unwrap()),
        ("reader", KEY.sign(&claims(&json!({ "roles": "user", "permissions": ["read"] }))).unwrap()),
        ("nobody", KEY.sign(&claims(&json!({ "sub": "jörg", "roles": null, "permissions": null }))).unwrap()),
        ("role", KEY.sign(&claims(&json!({ "roles": null, "role": "auditor" }))).unwrap()),
        ("roles_and_role", KEY.sign(&claims(&json!({ "role": "auditor" }))).unwrap()),
        ("no_roles_and_role", KEY.sign(&claims(&json!({ "roles": [], "role": "auditor" }))).unwrap()),
        ("role_of_another_type", KEY.sign(&claims(&json!({ "roles": null, "role": { "name": "auditor" } }))).unwrap()),
        ("stranger", STRANGER.sign(&claims(&json!({}))).unwrap()),
        ("stranger_expired", STRANGER.sign(&claims(&past)).unwrap()),
        ("other_issuer", KEY.sign(&claims(&json!({ "iss": "https://auth.example.net" }))).unwrap()),
        ("without_exp", KEY.sign(&claims(&json!({ "exp": null }))).unwrap()),
        ("hs256_with_public_pem", confused),
    ];
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

#[tokio::test]
async fn every_run_has_the_expected_output() {
    let rows: Vec<Row> = serde_saphyr::from_str(include_str!("data/stdio.yaml")).unwrap();
    assert!(!rows.is_empty());
    for Row { name, arguments, configuration, table, input, output, errors } in rows {
        let folder = tempfile::tempdir().unwrap();
        if let Some(yaml) = configuration {
            fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
        }
        if let Some(yaml) = table {
            fs::write(folder.path().join("keys.yaml"), yaml).unwrap();
        }
        let arguments: Vec<&str> = ["stdio"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        let result = run_with_input(folder.path(), &[], &arguments, &fill(&input)).await;
        assert_eq!(result.out, output, "{name}");
        assert_eq!(result.err.lines().collect::<Vec<_>>(), errors, "{name}");
        assert_eq!(result.code, Some(0), "{name}");
    }
}

#[tokio::test]
async fn an_invalid_configuration_is_reported_before_input_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), "profile: bearer\nfallback: open\n").unwrap();
    let result = run_with_input(folder.path(), &[], &["stdio", "--config", "modgud.yaml"], "").await;
    let expected = "modgud: modgud.yaml:2:11: fallback: `open` is not a known value; write one of `authenticated`, `denied` [value-unknown]\n";
    assert_eq!((result.code, result.out.as_str(), result.err.as_str()), (Some(1), "", expected));
}

/// A client that waits for each reply before it sends the next message would wait for ever if replies came in groups.
#[tokio::test]
async fn a_reply_is_there_before_the_next_message_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let mut stdio = Stdio::start(folder.path(), &[]);
    for number in 0..3 {
        let message = json!({ "src": "a", "dest": "b", "body":
            { "type": "api_request", "msg_id": number, "method": "GET", "path": "/api/users" } });
        // Without a line end: the value itself says that it is complete.
        stdio.send_bytes(message.to_string().as_bytes()).await;
        let reply: Value = serde_json::from_str(&stdio.reply().await).unwrap();
        assert_eq!(reply["body"]["in_reply_to"], number);
    }
    let cause = |id| {
        format!(
            "modgud: message {id}: status 401, no_key: no token can be verified; send `init` with a usable `jwt_public_key` first\n"
        )
    };
    assert_eq!(stdio.end().await, (Some(0), (0..3).map(cause).collect()));
}

/// A running `modgud stdio`, which ends with its test.
struct Stdio {
    child: Child,
    input: Option<ChildStdin>,
    lines: Option<Lines<BufReader<ChildStdout>>>,
}

impl Stdio {
    /// Starts it in this folder.
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_modgud"));
        command.arg("stdio").args(arguments).current_dir(folder).env_clear().kill_on_drop(true);
        command.stdin(process::Stdio::piped()).stdout(process::Stdio::piped()).stderr(process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, input, lines: Some(BufReader::new(output).lines()) }
    }

    fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends bytes as they are.
    async fn send_bytes(&mut self, bytes: &[u8]) {
        timeout(PATIENCE, self.input.as_mut().unwrap().write_all(bytes)).await.unwrap().unwrap();
    }

    /// Sends a line.
    async fn send(&mut self, message: &str) {
        self.send_bytes(format!("{message}\n").as_bytes()).await;
    }

    /// Returns the next reply.
    async fn reply(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.as_mut().unwrap().next_line()).await;
        line.unwrap_or_else(|_| panic!("no reply")).unwrap().unwrap_or_else(|| panic!("it has ended"))
    }

    /// Sends a message and returns its reply.
    async fn ask(&mut self, message: &str) -> String {
        self.send(message).await;
        self.reply().await
    }

    fn close_input(&mut self) {
        self.input = None;
    }

    fn close_output(&mut self) {
        self.lines = None;
    }

    /// Ends the input. Returns the exit code and what was reported. There are no further replies.
    async fn end(mut self) -> (Option<i32>, String) {
        self.close_input();
        if let Some(lines) = &mut self.lines {
            assert_eq!(timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap(), None);
        }
        self.wait().await
    }

    /// Waits for the end. Returns the exit code and what was reported.
    async fn wait(self) -> (Option<i32>, String) {
        let Self { child, input, lines: _lines } = self;
        let ended = timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
        drop(input);
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    }
}
