//! Lines of modgud's log as input of `modgud explain --log`.

use crate::cli::process::{KEY_VARIABLE, run_with_input};
use crate::support::{KEY, token};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs;
use tempfile::TempDir;

/// A line of the log goes in as it is; what it lacks is named, and `--header` adds it.
#[tokio::test]
async fn a_line_of_the_log_is_explained_as_it_is() {
    let folder = TempDir::new().unwrap();
    let key = KEY.public_pem().unwrap();
    let variables = [(KEY_VARIABLE, OsStr::new(&key))];
    let json = r#"{"timestamp":"2023-11-14T22:13:20.5Z","level":"INFO","message":"check","decision":"denied","class":"unauthenticated","reason":"token_expired","detail":"the token expired","rule":"old-rule","method":"GET","path":"/crm/","request_id":"r-1","target":"modgud::server::check"}"#;
    let text = r#"2023-11-14T22:13:20.5Z  INFO modgud::server::check: check decision="denied" class="unauthenticated" reason="token_expired" detail=the token expired rule="old-rule" method="GET" path="/crm/" request_id="r-1""#;
    let header = format!("authorization: JWT {}", token());
    let missing = "  missing   the credential and other headers: no log has them; use --header\n";
    for line in [json, text] {
        let explain = async |more: &[&str]| {
            let arguments = [&["explain", "--log", "-"], more].concat();
            run_with_input(folder.path(), &variables, &arguments, line).await
        };
        let output = explain(&[]).await;
        assert_eq!((output.code, output.err.as_str()), (Some(3), ""), "{line}");
        for expected in [
            "line 1\n  recorded  decision: denied\n  recorded  class: unauthenticated\n  recorded  reason: token_expired\n",
            "  recorded  rule: old-rule\n",
            "  recorded  request_id: r-1\n",
            missing,
            "  missing   the host; use --host\n",
            "\nat          2023-11-14T22:13:20Z\nrequest     GET /crm/ at api.example.com\n",
            "\ndenied      credential_missing: ",
        ] {
            assert!(output.out.contains(expected), "{expected} is not in\n{}", output.out);
        }
        let output = explain(&["--header", &header, "--host", "crm.example.com"]).await;
        assert!(
            output.code == Some(0) && !output.out.contains(missing) && !output.out.contains("the host; use"),
            "{output:?}"
        );
        assert!(output.out.contains("request     GET /crm/ at crm.example.com\n"), "{}", output.out);
        let output = explain(&["--json", "--header", &header]).await;
        let json: Value = serde_json::from_str(&output.out).unwrap();
        assert_eq!(json["recorded"]["reason"], "token_expired");
        assert_eq!((&json["line"], &json["evaluated"]["decision"]), (&json!(1), &json!("allowed")));
    }
}

#[tokio::test]
async fn a_log_without_a_decision_line_is_an_error_and_other_lines_are_skipped() {
    let folder = TempDir::new().unwrap();
    let good =
        r#"{"timestamp":"2023-11-14T22:13:20Z","message":"check","decision":"denied","reason":"path_ambiguous"}"#;
    let serving = r#"{"timestamp":"2023-11-14T22:13:20Z","message":"serving","grpc":"127.0.0.1:9191"}"#;
    for (log, expected, code) in [
        (
            format!("{serving}\n{good}\n\nnonsense\n{{\"decision\": \n"),
            "modgud: modgud.log: skipped 3 lines without a decision; the first is line 1\n",
            0,
        ),
        (
            format!("{good}\nnonsense\n"),
            "modgud: modgud.log: skipped 1 line without a decision; the first is line 2\n",
            0,
        ),
        (
            format!("{good}\n{}\n", "x".repeat(64 * 1024 + 1)),
            "modgud: modgud.log, line 2: it is longer than 64 KiB; give lines as modgud writes them\n",
            1,
        ),
        ("nonsense\n".to_owned(), "modgud: modgud.log, line 1: it is neither JSON nor a text line of modgud's log", 1),
        ("{\"decision\": ".to_owned(), "modgud: modgud.log, line 1: it is not JSON: ", 1),
        ("{\"message\": \"serving\"}\n".to_owned(), "modgud: modgud.log, line 1: it is not about a decision", 1),
        ("\n".to_owned(), "modgud: modgud.log has no line", 1),
        (good.to_owned(), "", 0),
    ] {
        fs::write(folder.path().join("modgud.log"), log).unwrap();
        let arguments = ["explain", "--profile", "none", "--log", "modgud.log"];
        let output = run_with_input(folder.path(), &[], &arguments, "").await;
        assert_eq!(output.code, Some(code), "{expected}: {output:?}");
        assert!(output.err.starts_with(expected), "{expected}: {output:?}");
        if code == 0 {
            assert!(
                output.out.contains("missing   the method and the path: ") && output.out.ends_with("not evaluated\n"),
                "{output:?}"
            );
        }
    }
    let output = run_with_input(folder.path(), &[], &["explain", "--log", "-", "--path", "/"], "").await;
    assert_eq!(output.code, Some(2), "{output:?}");
}

/// A log can hold what an attacker wrote: names of fields too.
#[tokio::test]
async fn nothing_in_a_log_reaches_the_terminal_raw() {
    let folder = TempDir::new().unwrap();
    let line = r#"{"timestamp":"2023-11-14T22:13:20Z","decision":"allowed","method":"GET","host":"a.example.com","path":"/pub/\u202e\u2028x","\u001b[31mEVIL\u001b]0;pwn\u0007":"x","a\u200bb":"\u009b1m"}"#;
    let percent =
        r#"{"timestamp":"2023-11-14T22:13:20Z","decision":"allowed","method":"GET","path":"/pub/%E2%80%AE%E2%80%A8x"}"#;
    let input = format!("{line}\n{percent}\n");
    let output = run_with_input(folder.path(), &[], &["explain", "--profile", "none", "--log", "-"], &input).await;
    let raw = |c: &char| {
        (c.is_control() && *c != '\n') || ('\u{2000}'..'\u{2010}').contains(c) || ('\u{2028}'..='\u{202e}').contains(c)
    };
    assert_eq!(output.out.chars().find(raw), None, "{output:?}");
    for expected in [
        "  recorded  path: /pub/\u{fffd}\u{fffd}x\n",
        "  recorded  \u{fffd}[31mEVIL\u{fffd}]0;pwn\u{fffd}: x\n",
        "  recorded  a\u{fffd}b: \u{fffd}1m\n",
        "\nrequest     GET /pub/\u{fffd}\u{fffd}x at ",
    ] {
        assert!(output.out.contains(expected), "{expected} is not in\n{}", output.out);
    }
}

/// A log of any size is read line by line.
#[tokio::test]
async fn a_log_of_more_than_4_mib_is_explained() {
    let folder = TempDir::new().unwrap();
    let mut log = "{\"message\":\"serving\"}\n".repeat(250_000);
    log.push_str(
        r#"{"message":"check","decision":"denied","reason":"credential_missing","method":"GET","path":"/crm/"}"#,
    );
    assert!(log.len() > 5 * 1024 * 1024);
    fs::write(folder.path().join("modgud.log"), log).unwrap();
    let key = KEY.public_pem().unwrap();
    let variables = [(KEY_VARIABLE, OsStr::new(&key))];
    let output = run_with_input(folder.path(), &variables, &["explain", "--log", "modgud.log"], "").await;
    assert_eq!(output.code, Some(3), "{}", output.err);
    assert!(output.out.starts_with("line 250001\n"), "{}", output.out);
    let skipped = "modgud: modgud.log: skipped 250000 lines without a decision; the first is line 1\n";
    assert_eq!(output.err, skipped);
}
