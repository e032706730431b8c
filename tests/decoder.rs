//! What `docs/headers.md` tells module authors: its Python reads back from a header exactly what the token held.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::properties::snapshot;
use crate::readme::block;
use crate::support::{KEY, NOW, claims, program};
use modgud_core::decide::Verdict;
use modgud_core::decide::{Snapshot, decide};
use modgud_core::http::request::{Field, Headers, Request};
use modgud_core::time::Timestamp;
use serde_json::{Value, json};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

const CONFIGURATION: &str = "
upstream:
  headers:
    x-items: { claim: items, as: list }
    x-text: { claim: text, encode: percent }
    x-json: { claim: items, as: json }
";

/// Reads lines of `[items, text, json]` as they stand in headers, and writes lines of what they say.
const READER: &str = "
import json, sys
for line in sys.stdin:
    found = json.loads(line)
    print(json.dumps([items(found[0]), text(found[1]), json.loads(found[2])]))
";

/// The values of the three headers for these claims.
fn written(snapshot: &Snapshot, items: &Value, text: &str) -> [String; 3] {
    let mut claims = claims();
    claims.extend([("items".to_owned(), items.clone()), ("text".to_owned(), text.into())]);
    let credential = format!("JWT {}", KEY.sign(&claims).unwrap());
    let headers = Headers::new(vec![Field { name: b"authorization", value: credential.as_bytes() }]);
    let request = Request::parse(b"GET", b"/crm/", b"api.example.com", headers).unwrap();
    let Verdict::Allow(mutations) = decide(&request, snapshot, Timestamp::from_secs(NOW)).verdict else {
        panic!("{items} {text} is turned away")
    };
    ["x-items", "x-text", "x-json"].map(|name| {
        let found = mutations.set.iter().find(|(known, _)| known.as_str() == name);
        found.unwrap_or_else(|| panic!("{name} is not written: {items} {text}")).1.as_str().to_owned()
    })
}

#[tokio::test]
async fn python_reads_back_what_the_token_held() {
    let snapshot = snapshot(CONFIGURATION);
    let rows = [
        (json!(["a"]), "a"),
        (json!(["a", "b"]), "José"),
        (json!(["a,b", "%2C", "%", "+", "a b", " ", "a;b=\"c\""]), "100%, + %2C "),
        (json!(["Ж😀", "\u{2028}", "\u{feff}"]), " \u{a0}😀"),
    ];
    let lines: Vec<String> =
        rows.iter().map(|(items, text)| json!(written(&snapshot, items, text)).to_string()).collect();
    let mut command = Command::new(program("MODGUD_TEST_PYTHON"));
    command.arg("-c").arg(format!("{}\n{READER}", block("docs/headers.md", "python decoder")));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut python = command.spawn().unwrap();
    python.stdin.take().unwrap().write_all(lines.join("\n").as_bytes()).await.unwrap();
    let output = python.wait_with_output().await.unwrap();
    assert!(output.status.success());
    let read = String::from_utf8(output.stdout).unwrap();
    let read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected: Vec<Value> = rows.iter().map(|(items, text)| json!([items, text, items])).collect();
    assert_eq!(read, expected);
}
