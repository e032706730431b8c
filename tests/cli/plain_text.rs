//! The log and the messages of commands are in the field's words: no text is that of a Rust value.

use super::process::{KEY_VARIABLE, Serving, run_in};
use crate::services::authority::Authority;
use crate::support::KEY;
use rustix::process::Signal;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A configuration with one of each part that the log names.
const CONFIGURATION: &str = "
profile: bifrost
server: { tls: { cert: server.pem, key: server.key } }
revocations: { file: revoked.yaml }
telemetry: { log: LOG, decisions: all }
authenticators:
  - name: bifrost
    from: [{ header: authorization, schemes: [JWT] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }], leeway: 2m }
  - name: shared
    from: [{ header: authorization, schemes: [JWT] }]
    jwt: { issuer: shared, algorithms: [HS256], keys: [{ secret: { file: secret.txt } }] }
  - name: absent
    from: [{ header: authorization, schemes: [JWT] }]
    jwt: { issuer: absent, algorithms: [ES256], keys: [{ jwks: { url: 'http://127.0.0.1:1/keys' } }] }
  - name: keys
    from: [{ header: x-api-key }]
    api_key: { file: keys.yaml }
  - { name: services, mtls: {} }
modules: [{ name: crm, prefix: /crm, upstream: 'crm:80', access: [{ organization: any, allow: [read] }] }]
rules:
  - { name: open, match: { paths: ['/{*rest}'] }, access: public, shadow: true }
";

/// A text of Rust's `Debug` format in a line. `None` if it has none.
fn debug_text(line: &str) -> Option<&str> {
    let words = line.split(|c: char| c.is_whitespace() || matches!(c, '"' | '`' | ',' | '='));
    let is_name = |word: &str| {
        let mut characters = word.chars();
        characters.next().is_some_and(|first| first.is_ascii_uppercase())
            && characters.all(|c| c.is_ascii_alphanumeric() || c == ':')
    };
    let is_call = |word: &&str| {
        ["Some(", "Ok(", "Err("].iter().any(|start| word.starts_with(start))
            || matches!(*word, "Graceful" | "Immediate")
    };
    // As a value: `None` alone is a text of BiFrost's tokens.
    if let Some(none) = ["=None", ":\"None\""].into_iter().find(|none| line.contains(none)) {
        return Some(none);
    }
    // `Name { field: … }`.
    let mut before = "";
    for word in words.filter(|word| !word.is_empty()) {
        if is_call(&word) || (word == "{" && is_name(before)) {
            return Some(word);
        }
        before = word;
    }
    None
}

#[test]
fn the_format_of_rust_is_found() {
    for line in [
        r#"{"keys":"VerificationKey { key_type: Rsa, bits: 2048, .. }"}"#,
        "INFO shutting down how=Graceful",
        r#"{"id":"Some(\"a\")"}"#,
        "id=None",
        "error: Err(Timeout)",
    ] {
        assert!(debug_text(line).is_some(), "{line}");
    }
    for line in [r#"{"message":"JWKS loaded","key":"RSA 2048 bits"}"#, "write `{ env: NAME }` { x: 1 }", "Nonetheless"]
    {
        assert_eq!(debug_text(line), None, "{line}");
    }
}

fn folder(log: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    Authority::new("authority").server().write(folder.path(), "server");
    write("modgud.yaml", &CONFIGURATION.replace("LOG", log));
    write("revoked.yaml", "tokens: [a]\n");
    write("secret.txt", "a secret of more than thirty-two bytes, as HS256 needs it\n");
    write("keys.yaml", "[]\n");
    folder
}

#[tokio::test]
async fn the_log_of_a_server_has_no_text_of_rust_values() {
    for log in ["json", "text"] {
        let folder = folder(log);
        let key = KEY.public_pem().unwrap();
        let mut serving = Serving::start(folder.path(), &key, &["--config", "modgud.yaml"]).await;
        let address = serving.grpc.to_string();
        for path in ["/crm/a", "/%zz"] {
            call(folder.path(), &address, path).await;
        }
        let mut broken = CONFIGURATION.replace("LOG", log);
        broken.push_str("unknown: { key: 1 }\n");
        fs::write(folder.path().join("modgud.yaml"), broken).unwrap();
        serving.signal(Signal::HUP);
        serving.wait_for("unknown key").await;
        let output = serving.end(Signal::TERM).await;
        assert_eq!(output.code, Some(0), "{output:?}");
        let log = format!("{}{}", output.out, output.err);
        let wrong: Vec<&str> = log.lines().filter(|line| debug_text(line).is_some()).collect();
        assert_eq!(wrong, [""; 0]);
        assert!(log.contains("RSA 2048 bits") && log.contains("graceful") && log.lines().count() > 8, "{log}");
    }
}

async fn call(folder: &Path, address: &str, path: &str) {
    let arguments = ["call", address, "--path", path, "--tls-ca", "server.pem", "--tls-name", "modgud.test"];
    run_in(folder, &[], &arguments).await;
}

#[tokio::test]
async fn messages_of_commands_have_no_text_of_rust_values() {
    let folder = folder("json");
    let key = KEY.public_pem().unwrap();
    for arguments in [
        &["check", "--config", "modgud.yaml", "--offline"][..],
        &["check", "--config", "modgud.yaml"],
        &["check", "--config", "server.pem"],
        &["check", "--config", "absent.yaml"],
        &["config", "--config", "modgud.yaml"],
        &["explain", "--config", "modgud.yaml", "--path", "/crm/a"],
        &["explain", "--config", "modgud.yaml", "--path", "/crm/a", "--header", "Authorization: JWT a.b.c"],
        &["explain", "--config", "modgud.yaml", "--path", "/%zz"],
        &["explain", "--request", "server.pem"],
        &["envoy", "--config", "modgud.yaml", "--modgud-tls-ca", "ca.pem", "--modgud-tls-name", "modgud"],
        &["envoy", "--config", "modgud.yaml"],
        &["call", "127.0.0.1:1"],
        &["call", "nowhere.invalid:1", "--tls-ca", "server.pem"],
        &["token", "inspect", "a.b.c"],
        &["token", "mint", "--private", "absent.pem"],
        &["openapi", "check", "modgud.yaml"],
        &["openapi", "rules", "keys.yaml", "--module", "{"],
        &["test", "--config", "modgud.yaml", "revoked.yaml"],
        &["apikey", "new", "--id", "a", "--table", "absent/keys.yaml"],
        &["serve", "--config", "modgud.yaml", "--grpc", "192.0.2.1:1"],
    ] {
        let output = run_in(folder.path(), &[(KEY_VARIABLE, &key)], arguments).await;
        let text = format!("{}{}", output.out, output.err);
        assert!(!text.is_empty(), "{arguments:?}");
        let wrong: Vec<&str> = text.lines().filter(|line| debug_text(line).is_some()).collect();
        assert_eq!(wrong, [""; 0], "{arguments:?}");
    }
}
