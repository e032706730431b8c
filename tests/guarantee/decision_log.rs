//! The lines of the log of decisions: each fits the schema, and a flood neither hides a denial nor escapes the counts.

use super::frame;
use super::log::{RULES, good_token, of_undecided, serve, traced};
use super::raw::Raw;
use crate::cli::process::Serving;
use crate::decisions::counters::Counters;
use crate::support::program;
use modgud::envoy::proto::CheckRequest;
use prost::Message;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinSet;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

const TARGET: &str = "modgud::decisions";

/// The lines of decisions in a text of JSON lines.
pub(super) fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("torn: {line}")));
    lines.filter(|line| line["target"] == TARGET).collect()
}

/// Sends checks, and waits for each response.
async fn send(serving: &Serving, checks: &[CheckRequest]) {
    let mut raw = Raw::at(&serving.grpc).await;
    for check in checks {
        raw.send(&frame(&check.encode_to_vec())).await.answer().unwrap();
    }
}

/// Sends so many checks of this message, over one connection and many at a time.
pub(super) async fn flood(serving: &Serving, check: &CheckRequest, checks: usize) {
    const AT_ONCE: usize = 50;
    let raw = Raw::at(&serving.grpc).await;
    let message = frame(&check.encode_to_vec());
    let mut sending = JoinSet::new();
    for number in 0..AT_ONCE {
        let (mut raw, message) = (raw.clone(), message.clone());
        sending.spawn(async move {
            for _ in (number..checks).step_by(AT_ONCE) {
                assert!(raw.send(&message).await.answer().unwrap().status().is_some());
            }
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.unwrap();
    }
}

/// Serves these checks by this configuration, and returns the lines of decisions.
async fn logged(yaml: &str, checks: &[CheckRequest]) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    let serving = serve(&folder, yaml).await;
    send(&serving, checks).await;
    lines(&serving.end(Signal::INT).await.out)
}

/// Validates each line, and prints what is wrong.
const VALIDATE: &str = "
import json, sys
from jsonschema import Draft202012Validator
schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
for number, line in enumerate(open(sys.argv[2]), 1):
    if not validator.is_valid(json.loads(line)):
        print(number)
";

/// Returns the numbers of the lines that do not fit the schema, as an independent validator finds them.
async fn invalid(lines: &[Value]) -> Vec<usize> {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("lines.jsonl");
    fs::write(&file, lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")).unwrap();
    let mut python = Command::new(program("MODGUD_TEST_PYTHON"));
    python.args(["-c", VALIDATE]).arg(repository().join("deploy/decision-log.schema.json")).arg(file);
    let output = python.kill_on_drop(true).output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|number| number.parse::<usize>().unwrap()).collect()
}

/// Every kind of line, and each class of denial.
async fn every_kind() -> Vec<Value> {
    let roles = json!((0..12).map(|number| format!("role-{number}")).collect::<Vec<_>>());
    let token = good_token(&[("roles", roles), ("groups", json!("g".repeat(9_000)))]);
    let credential: [(&str, &[u8]); 1] = [("authorization", token.as_bytes())];
    let mut large = traced("/crm/x", &[]);
    let http = large.attributes.as_mut().unwrap().request.as_mut().unwrap().http.as_mut().unwrap();
    http.raw_body = vec![b'a'; 70_000].into();
    let checks = [
        traced("/crm/x", &[]),
        traced("/staff", &credential),
        traced("/a//b?secret", &credential),
        traced("/crm/x", &credential),
        traced(&format!("/crm/{}", "ü".repeat(400)), &credential),
        traced("/tried", &credential),
        large,
    ];
    let yaml = |decisions: &str| {
        format!(
            "profile: bifrost\nserver: {{ deadline: 10s, max_message: 64KiB, max_token: 64KiB }}\n\
             principal: {{ roles: roles }}\nupstream: {{ headers: {{ x-groups: {{ claim: groups }} }} }}\n\
             telemetry: {{ decisions: {decisions} }}\n{}",
            RULES.replace(
                "fallback",
                "  - { name: tried, match: { paths: ['/tried'] }, access: denied, shadow: true }\nfallback"
            )
        )
    };
    let mut all = Vec::new();
    for decisions in [
        "{ which: all, principal: true, mask: [] }",
        "{ which: all, principal: true }",
        "{ which: all, sample: 0 }",
        "denied",
    ] {
        all.extend(logged(&yaml(decisions), &checks).await);
    }
    all.extend(lines(&of_undecided("denied").await));
    all
}

#[tokio::test]
async fn every_kind_of_line_fits_the_schema() {
    let mut lines = every_kind().await;
    let kinds: BTreeSet<_> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("message"), text("decision"), text("class")).trim_end().to_owned()
        })
        .collect();
    let expected = [
        "check allowed",
        "check denied forbidden",
        "check denied refused",
        "check denied unauthenticated",
        "check unavailable unavailable",
        "decision lines left out allowed",
        "decision lines left out unavailable unavailable",
        "identity header omitted",
        "shadow",
    ];
    assert_eq!(kinds, expected.map(str::to_owned).into());
    assert!(lines.iter().any(|line| line["before"] != json!(null)), "no overload");
    assert!(lines.iter().any(|line| line["user.roles"].as_array().is_some_and(|roles| roles.len() == 11)));
    assert!(lines.iter().any(|line| line["user.hash"] != json!(null)));
    assert_eq!(invalid(&lines).await, [0; 0], "{lines:#?}");
    // The schema has every field, and no other one is accepted.
    let sample = lines.len();
    for (name, value) in [("secret", json!("x")), ("decision", json!("maybe")), ("target", json!(null))] {
        let mut other = lines[0].clone();
        other[name] = value;
        lines.push(other);
    }
    assert_eq!(invalid(&lines).await, [sample + 1, sample + 2, sample + 3]);
}

/// The page describes exactly the fields of the schema.
#[test]
fn the_page_has_every_field_of_the_schema() {
    let read = |path: &str| fs::read_to_string(repository().join(path)).unwrap();
    let schema: Value = serde_json::from_str(&read("deploy/decision-log.schema.json")).unwrap();
    let kinds = schema["oneOf"].as_array().unwrap();
    let fields: BTreeSet<String> =
        kinds.iter().flat_map(|kind| kind["properties"].as_object().unwrap().keys().cloned()).collect();
    let page = read("docs/decision-log.md");
    let tables = page.lines().filter(|line| line.matches('|').count() == 7);
    let described: BTreeSet<String> =
        tables.filter_map(|row| Some(row.strip_prefix("| `")?.split('`').next()?.to_owned())).collect();
    assert_eq!(described, fields);
}

/// The sum of what the summaries say was left out.
fn left_out(lines: &[Value], name: &str) -> u64 {
    lines
        .iter()
        .filter(|line| line["message"] == "decision lines left out")
        .filter_map(|line| line[name].as_u64())
        .sum()
}

const FLOOD: usize = 100_000;

/// One denial in a flood of others has its line, and what is written and what is left out add up to what was sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_hides_no_other_denial_and_every_line_is_counted() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("decisions.log");
    let yaml = format!(
        "profile: bifrost\nserver: {{ deadline: 10s }}\n\
         telemetry: {{ decisions: {{ to: ./decisions.log, max_per_second: 50 }} }}\n{RULES}"
    );
    let serving = serve(&folder, &yaml).await;
    let token = good_token(&[]);
    let hidden = [traced("/staff", &[("authorization", token.as_bytes())])];
    let nameless = traced("/crm/x", &[]);
    flood(&serving, &nameless, FLOOD / 2).await;
    tokio::join!(flood(&serving, &nameless, FLOOD / 2), send(&serving, &hidden));
    let counters = Counters::at(serving.admin).await;
    let output = serving.end(Signal::INT).await.out;
    assert_eq!(lines(&output), Vec::<Value>::new(), "decisions are in a file");
    let lines = lines(&fs::read_to_string(file).unwrap());
    let of = |reason: &str| lines.iter().filter(|line| line["message"] == "check" && line["reason"] == reason).count();
    assert_eq!(
        (of("role_missing"), counters.get("modgud_checks_total{decision=\"denied\",reason=\"role_missing\"}")),
        (1, 1)
    );
    let (written, limited) = (of("credential_missing"), left_out(&lines, "rate_limited"));
    assert_eq!(written as u64 + limited, FLOOD as u64);
    assert_eq!(counters.get("modgud_decision_lines_left_out_total{why=\"rate_limit\"}"), limited);
    assert_eq!(
        (left_out(&lines, "sampled"), counters.get("modgud_decision_lines_left_out_total{why=\"sample\"}")),
        (0, 0)
    );
    for counter in ["modgud_log_lines_dropped_total", "modgud_log_lines_failed_total"] {
        assert_eq!(counters.get(counter), 0, "{counter}");
    }
    assert!(limited > FLOOD as u64 / 2, "{limited}");
}

/// Allowed requests only: a denial has its line whatever the share is.
#[tokio::test]
async fn sampling_leaves_every_denial_and_counts_allowed_requests() {
    let token = good_token(&[]);
    let mut checks = vec![traced("/crm/x", &[("authorization", token.as_bytes())]); 60];
    checks.extend(vec![traced("/crm/x", &[]); 20]);
    for (sample, expected) in [("0", 0..=0), ("0.5", 10..=50), ("1", 60..=60)] {
        let yaml = format!(
            "profile: bifrost\nserver: {{ deadline: 10s }}\ntelemetry: {{ decisions: {{ which: all, sample: {sample} }} }}\n{RULES}"
        );
        let lines = logged(&yaml, &checks).await;
        let of = |decision: &str| {
            lines.iter().filter(|line| line["message"] == "check" && line["decision"] == decision).count()
        };
        assert_eq!(of("denied"), 20, "{sample}");
        assert!(expected.contains(&of("allowed")), "{sample}: {}", of("allowed"));
        assert_eq!(of("allowed") as u64 + left_out(&lines, "sampled"), 60, "{sample}");
        assert_eq!(left_out(&lines, "rate_limited"), 0);
    }
}

/// `modgud explain --log` takes what modgud writes, as JSON and as text; and lines of older versions.
#[tokio::test]
async fn explain_reads_the_lines_in_each_format() {
    let token = good_token(&[]);
    let checks = [traced("/staff", &[("authorization", token.as_bytes())]), traced("/crm/x", &[])];
    for format in ["json", "text"] {
        let folder = TempDir::new().unwrap();
        let yaml = format!(
            "profile: bifrost\nserver: {{ deadline: 10s }}\n\
             telemetry: {{ log: {format}, decisions: {{ to: ./decisions.log, principal: true }} }}\n{RULES}"
        );
        let serving = serve(&folder, &yaml).await;
        send(&serving, &checks).await;
        serving.end(Signal::INT).await;
        let explained = explain(folder.path(), "decisions.log", &token).await;
        for expected in [
            "recorded  reason: role_missing",
            "recorded  http.request.method: GET",
            "request     GET /staff at api.example.com",
            "denied      role_missing: ",
            "request     GET /crm/x at api.example.com",
        ] {
            assert!(explained.contains(expected), "{expected} is not in\n{explained}");
        }
    }
}

async fn explain(folder: &Path, log: &str, token: &str) -> String {
    let header = format!("authorization: {token}");
    let key = crate::support::KEY.public_pem().unwrap();
    let variables = [(crate::cli::process::KEY_VARIABLE, key.as_str())];
    let arguments = ["explain", "--config", "modgud.yaml", "--log", log, "--header", &header];
    crate::cli::process::run_in(folder, &variables, &arguments).await.out
}
