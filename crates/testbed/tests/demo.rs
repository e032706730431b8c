//! Tests of the demo, which new users see first.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use rustix::process::{Pid, test_kill_process_group};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;

const ENVOY: &str = "MODGUD_TEST_ENVOY";
const PYTHON: &str = "MODGUD_TEST_PYTHON";

/// Returns the program that a variable names. The demo itself runs the `modgud` in its own folder, which cargo has built.
#[expect(clippy::disallowed_methods, reason = "the Makefile says in the environment where the programs are")]
fn program(variable: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| panic!("{variable} is not set: run `make test`"), PathBuf::from)
}

/// The result of a demo.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

#[tokio::test]
async fn the_demo_shows_what_it_promises_and_leaves_nothing_behind() {
    let Ended { code, stdout, stderr } = demo(&program(ENVOY), &program(PYTHON)).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("All 12 as expected."), "{stdout}");
    assert!(!stdout.contains('✗'), "{stdout}");
    // The client's text is generic; modgud's log has the reason.
    for reason in [
        "modgud: credential_missing, the rule requires a credential, and the request has none",
        "modgud: token_expired, the token expired at ",
        "modgud: signature_invalid, ",
        "modgud: issuer_unknown, ",
        "modgud: token_malformed, ",
        "modgud: credential_ambiguous, ",
        "modgud: rule_denied, the rule denies all callers (rule `core-admin`)",
        "modgud: path_ambiguous, a semicolon, plain or percent-encoded, is at byte 6",
    ] {
        assert_eq!(stdout.matches(reason).count(), 1, "{reason}\n{stdout}");
    }
}

#[tokio::test]
async fn a_demo_without_its_programs_names_the_missing_one() {
    let (envoy, python, nowhere) = (program(ENVOY), program(PYTHON), PathBuf::from("/nowhere/program"));
    for (envoy, python) in [(&nowhere, &python), (&envoy, &nowhere)] {
        let Ended { code, stdout, stderr } = demo(envoy, python).await;
        assert_eq!(code, Some(1), "{stdout}{stderr}");
        assert!(stderr.starts_with("modgud: /nowhere/program can't be started: "), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

/// Runs the demo to its end, and checks that none of its processes and none of its files is left.
async fn demo(envoy: &Path, python: &Path) -> Ended {
    let temporary = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_modgud-demo"));
    command.args(["--once", "--envoy"]).arg(envoy).arg("--python").arg(python);
    command.env("TMPDIR", temporary.path()).process_group(0).kill_on_drop(true);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let group = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(test_kill_process_group(group).is_err(), "a process of the demo is still there");
    let left: Vec<_> = std::fs::read_dir(temporary.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}
