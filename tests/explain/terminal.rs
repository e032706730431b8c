//! Explanations on a real terminal: colors and width, which a pipe never gets.

use crate::cli::process::run_with_input;
use crate::support::program;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Runs `explain` on a terminal of this width, with these variables.
fn on_terminal(columns: &str, variables: &[(&str, &str)], arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/python/terminal.py");
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(program("MODGUD_TEST_PYTHON"));
    command.arg(script).args([columns, env!("CARGO_BIN_EXE_modgud"), "explain", "--profile", "none"]);
    let output = command
        .args(arguments)
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n")
}

#[test]
fn a_terminal_gets_colors_and_lines_of_its_width() {
    let context = ["--context", "modgud.rule=a-rule-that-is-not-there"];
    let text = on_terminal("60", &[("TERM", "xterm")], &context);
    assert!(text.contains("\u{1b}[31m✗\u{1b}[0m rule           no rule matches;"), "{text}");
    assert!(
        text.contains(
            "\n\u{1b}[1;31mdenied\u{1b}[0m      rule_unknown: the Envoy route names the rule\n            `a-rule"
        ),
        "{text}"
    );
    for variables in [[("TERM", "dumb"), ("A", "")], [("TERM", "xterm"), ("NO_COLOR", "1")]] {
        let plain = on_terminal("60", &variables, &context);
        assert!(!plain.contains('\u{1b}'), "{plain}");
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let uncolored = ["\u{1b}[31m", "\u{1b}[2m", "\u{1b}[1;31m", "\u{1b}[0m"]
            .iter()
            .fold(text.clone(), |text, code| text.replace(code, ""));
        assert_eq!(words(&plain)[2..], words(&uncolored)[2..]);
    }
    let never = on_terminal("60", &[("TERM", "xterm")], &["--color", "never"]);
    assert!(!never.contains('\u{1b}'), "{never}");
}

#[tokio::test]
async fn a_pipe_gets_colors_only_if_they_are_asked_for() {
    let folder = TempDir::new().unwrap();
    let explain = async |more: &[&str]| {
        let arguments = [&["explain", "--profile", "none", "--at", "1700000000"], more].concat();
        run_with_input(folder.path(), &[], &arguments, "").await.out
    };
    let (plain, never, always) =
        (explain(&[]).await, explain(&["--color", "never"]).await, explain(&["--color", "always"]).await);
    assert!(!plain.contains('\u{1b}') && plain == never, "{plain}");
    assert!(always.contains("\u{1b}[1;31mdenied\u{1b}[0m "), "{always}");
    let lines = |text: &str| text.lines().count();
    assert_eq!(lines(&plain), lines(&always), "only a terminal has a width");
}
