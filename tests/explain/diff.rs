//! `modgud explain --diff`: the decisions that change between two configurations.

use crate::cli::process::{KEY_VARIABLE, Output, run_with_input};
use crate::support::{KEY, token};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const OLD: &str = "
profile: none
rules:
  - { name: open, match: { paths: [\"/open/{*rest}\"] }, access: public }
  - { name: closed, match: { paths: [\"/closed/{*rest}\"] }, access: denied }
  - { name: same, match: { paths: [/same] }, access: public }
  - { name: query, match: { paths: [/query] }, access: public, when: '!has(query.x)' }
";

const NEW: &str = "
profile: none
rules:
  - { name: open, match: { paths: [\"/open/{*rest}\"] }, access: denied }
  - { name: same, match: { paths: [/same] }, access: public }
  - { name: query, match: { paths: [/query] }, access: public, when: '!has(query.x)' }
";

/// Runs `explain --diff old.yaml new.yaml` with these configurations.
pub(super) async fn diff(old: &str, new: &str, arguments: &[&str], input: &str) -> Output {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("old.yaml"), old).unwrap();
    fs::write(folder.path().join("new.yaml"), new).unwrap();
    let arguments = [&["explain", "--diff", "old.yaml", "new.yaml"], arguments].concat();
    let key = KEY.public_pem().unwrap();
    run_with_input(folder.path(), &[(KEY_VARIABLE, OsStr::new(&key))], &arguments, input).await
}

/// Returns a line of the log. An empty reason is that of an allowed request.
pub(super) fn line(path: &str, rule: &str, reason: &str) -> String {
    let mut line = json!({
        "timestamp": "2023-11-14T22:13:20Z", "message": "check", "decision": "allowed", "rule": rule, "method": "GET",
        "host": "api.example.com", "path": path,
    });
    if !reason.is_empty() {
        line["decision"] = json!("denied");
        line["reason"] = json!(reason);
    }
    format!("{line}\n")
}

#[tokio::test]
async fn both_explanations_of_a_request_are_one_text() {
    let output = diff(OLD, NEW, &["--path", "/open/1", "--at", "1700000000"], "").await;
    let expected = "  at          2023-11-14T22:13:20Z
  request     GET /open/1 at api.example.com
- · rule           `open` by `/open/{*rest}`, access `public`; no other matches
+ · rule           `open` by `/open/{*rest}`, access `denied`; no other matches
  · credential     not extracted: the rule does not require one
- ✓ access         `public` allows the request
- ✓ headers        0 written, 0 removed
- allowed
+ ✗ access         the rule denies all callers
+ denied      rule_denied: the rule denies all callers
+   status    403
+   body      {\"detail\":\"This is not allowed.\",\"status\":403,\"title\":\"Forbidden\",\"type\":\"about:blank\"}
changed     `open` allowed → `open` denied (rule_denied)
";
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(1), expected, ""));
    let output = diff(OLD, NEW, &["--path", "/same", "--at", "1700000000"], "").await;
    assert_eq!(output.code, Some(0), "{output:?}");
    assert!(output.out.ends_with("\nunchanged   `same` allowed\n"), "{output:?}");
    let output = diff(OLD, NEW, &["--path", "/closed/1", "--json"], "").await;
    let json: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!(output.code, Some(1), "{output:?}");
    assert_eq!(json["is_changed"], true);
    assert_eq!((&json["old"]["reason"], &json["new"]["reason"]), (&json!("rule_denied"), &json!("no_rule")));
}

#[tokio::test]
async fn the_changes_of_a_log_are_grouped() {
    let mut log = String::new();
    for (path, rule, reason) in [
        ("/open/1", "open", ""),
        ("/open/2", "open", ""),
        ("/closed/1", "closed", "rule_denied"),
        ("/same", "same", ""),
        ("/same", "same", ""),
        ("/query", "query", ""),
    ] {
        log.push_str(&line(path, rule, reason));
    }
    log.push_str("nonsense\n\n{\"message\":\"serving\"}\n");
    log.push_str(r#"{"message":"check","decision":"denied","reason":"path_ambiguous"}"#);
    log.push('\n');
    log.push_str(r#"{"message":"check","decision":"allowed","rule":"same","method":"GET","path":"/same"}"#);
    log.push('\n');
    // A shadow rule decides nothing.
    log.push_str(r#"{"message":"shadow","rule":"open","would":"denied","done":"allowed","method":"GET","host":"api.example.com","path":"/open/1"}"#);
    log.push('\n');
    let output = diff(OLD, NEW, &["--log", "-"], &log).await;
    let expected = "11 lines: 2 unchanged, 3 changed, 3 undecided, 3 skipped
changed
         2  `open` allowed → `open` denied (rule_denied)
            line 1: GET /open/1 at api.example.com
         1  `closed` denied (rule_denied) → no rule, denied (no_rule)
            line 3: GET /closed/1 at api.example.com
undecided
         1  a rule reads the query: no log has it; use --path without --log; the first is line 6
         1  the host; use --host; the first is line 11
         1  the method and the path: modgud did not read the request; use --method and --path without --log; the first is line 10
skipped
         1  neither JSON nor a text line of modgud's log; the first is line 7
         2  not about a decision; the first is line 9
";
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(1), expected, ""));
    let output = diff(OLD, NEW, &["--log", "-", "--json", "--host", "a.example.com"], &log).await;
    let json: Value = serde_json::from_str(&output.out).unwrap();
    assert_eq!((output.code, &json["unchanged"], &json["changed"]), (Some(1), &json!(3), &json!(3)), "{output:?}");
    let change = json!({
        "old": { "rule": "open", "decision": "allowed", "reason": null },
        "new": { "rule": "open", "decision": "denied", "reason": "rule_denied" },
        "count": 2,
        "example": { "line": 1, "method": "GET", "host": "api.example.com", "path": "/open/1" },
    });
    assert_eq!(json["changes"][0], change);
}

/// Without a credential only it could decide, unless the line says that there was none.
#[tokio::test]
async fn a_credential_that_no_log_has_leaves_lines_undecided() {
    let configuration = |role: &str| {
        format!(
            "profile: bifrost\nrules: [{{ name: staff, match: {{ paths: [/staff] }}, require: {{ roles: [{role}] }} }}]\n"
        )
    };
    let (old, new) = (configuration("a"), configuration("b"));
    let log = line("/staff", "staff", "") + &line("/staff", "staff", "credential_missing");
    let output = diff(&old, &new, &["--log", "-"], &log).await;
    assert_eq!(output.code, Some(4), "{output:?}");
    let expected = "2 lines: 1 unchanged, 0 changed, 1 undecided, 0 skipped\nundecided\n         1  the credential decides by both";
    assert!(output.out.starts_with(expected), "{output:?}");
    // With the rule open to everybody, the line changes for callers without a credential.
    let open = "profile: bifrost\nrules: [{ name: staff, match: { paths: [/staff] }, access: public }]\n";
    let output = diff(&old, open, &["--log", "-"], &log).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    for expected in [
        "`staff` decides by the credential → `staff` allowed\n            line 1: ",
        "`staff` denied (credential_missing) → `staff` allowed\n            line 2: ",
    ] {
        assert!(output.out.contains(expected), "{expected}: {output:?}");
    }
    let header = format!("authorization: JWT {}", token());
    let log = line("/staff", "staff", "role_missing") + &line("/staff", "staff", "credential_missing");
    let output = diff(&old, &new, &["--log", "-", "--header", &header], &log).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{output:?}");
    assert!(output.out.starts_with("2 lines: 2 unchanged, 0 changed, 0 undecided"), "{output:?}");
}

/// Errors are those of the file that has them, and exit code 1.
#[tokio::test]
async fn a_configuration_that_is_wrong_is_named() {
    let output = diff(OLD, "profile: nonsense\n", &["--path", "/"], "").await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.err.starts_with("modgud: new.yaml:1:10: profile: "), "{output:?}");
    assert_eq!(output.out, "");
    for arguments in [&["explain", "--diff", "old.yaml"][..], &["explain", "--diff", "a", "b", "--config", "c"]] {
        let folder = TempDir::new().unwrap();
        let output = run_with_input(folder.path(), &[], arguments, "").await;
        assert_eq!(output.code, Some(2), "{arguments:?}: {output:?}");
    }
    for (log, expected) in [("", "standard input has no line"), ("nonsense\n", "standard input has no line")] {
        let output = diff(OLD, NEW, &["--log", "-"], log).await;
        assert!(output.code == Some(1) && output.err.starts_with(&format!("modgud: {expected}")), "{output:?}");
    }
    let output = diff(OLD, NEW, &["--log", "nope.log"], "").await;
    assert_eq!(output.err, "modgud: nope.log can't be read: No such file or directory (os error 2)\n");
}

/// What an attacker wrote into a log neither ends the comparison, nor reaches a terminal, nor fills the memory.
#[tokio::test]
async fn hostile_lines_are_counted() {
    let mut log = format!("{}\n", "x".repeat(5_000_000));
    log.push_str(
        "{\"decision\": \n{\"message\":\"check\",\"decision\":\"denied\",\"reason\":\"request_malformed\",\"method\":\"G\\u001bT\",\"host\":\"a\",\"path\":\"/open\"}\n",
    );
    log.push_str(&line("/open/\u{202e}\u{2028}x", "open", ""));
    let output = diff(OLD, NEW, &["--log", "-"], &log).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.out.starts_with("4 lines: 0 unchanged, 1 changed, 1 undecided, 2 skipped\n"), "{output:?}");
    assert!(output.out.contains("GET /open/\u{fffd}\u{fffd}x at "), "{output:?}");
    assert!(output.out.contains("longer than 64 KiB; the first is line 1\n"), "{output:?}");
    assert_eq!(output.out.chars().find(|c| c.is_control() && *c != '\n'), None, "{output:?}");
}

#[tokio::test]
async fn a_long_log_takes_little_time() {
    let mut log = String::new();
    for number in 0..100_000 {
        let (rule, path) =
            if number % 2 == 0 { ("open", format!("/open/{number}")) } else { ("same", "/same".to_owned()) };
        log.push_str(&line(&path, rule, ""));
    }
    let started = Instant::now();
    let output = diff(OLD, NEW, &["--log", "-"], &log).await;
    assert!(
        output.out.starts_with("100000 lines: 50000 unchanged, 50000 changed, 0 undecided, 0 skipped\n"),
        "{output:?}"
    );
    assert_eq!(output.err, "", "progress is for terminals only");
    assert!(started.elapsed() < Duration::from_secs(50), "{:?}", started.elapsed());
}

/// No log has the query, so each line may be too long for the new configuration.
#[tokio::test]
async fn a_smaller_limit_of_the_target_leaves_lines_undecided() {
    let log = line("/same", "same", "");
    let with = |limit: &str| format!("{OLD}request: {{ max_target: {limit} }}\n");
    for (old, new, code, first) in [
        ("8KiB", "4KiB", 4, "1 line: 0 unchanged, 0 changed, 1 undecided, 0 skipped"),
        ("4KiB", "8KiB", 0, "1 line: 1 unchanged, 0 changed, 0 undecided, 0 skipped"),
    ] {
        let output = diff(&with(old), &with(new), &["--log", "-"], &log).await;
        assert_eq!((output.code, output.out.lines().next()), (Some(code), Some(first)), "{old} {new}: {}", output.err);
    }
    let output = diff(OLD, NEW, &["--log", "-", "--color", "always"], &line("/open/1", "open", "")).await;
    assert!(output.out.contains("\n\u{1b}[1;31mchanged\u{1b}[0m\n"), "{}", output.out);
}
