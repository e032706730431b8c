//! Help, version, and command lines that are wrong.

use super::process::run;
use super::table;
use serde::Deserialize;
use std::collections::VecDeque;

/// The commands that a help text lists.
fn listed(help: &str) -> Vec<String> {
    let commands = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest);
    let commands = commands.split_once("\n\n").map_or(commands, |(commands, _)| commands);
    // The second line of a description is indented more than a name.
    let names = commands.lines().filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every command that a help text lists, itself the first, with its help text.
pub(super) async fn commands() -> Vec<(Vec<String>, String)> {
    let mut commands = VecDeque::from([Vec::new()]);
    let mut walked = Vec::new();
    while let Some(command) = commands.pop_front() {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let output = run(&arguments).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{command:?}");
        for below in listed(&output.out) {
            commands.push_back([command.clone(), vec![below]].concat());
        }
        walked.push((command, output.out));
    }
    walked
}

#[tokio::test]
async fn every_command_shows_an_example_of_itself() {
    let mut walked = Vec::new();
    for (command, help) in commands().await {
        let name = command.join(" ");
        let (_, example) = help.split_once("\nExample:\n").unwrap_or_else(|| panic!("`{name}` shows no example"));
        let itself = format!("modgud {name}");
        let shown = example.lines().any(|line| line.starts_with("  ") && line.contains(itself.trim_end()));
        assert!(shown, "the example of `{name}` is not one of it:\n{example}");
        walked.push(name);
    }
    assert_eq!(
        walked,
        [
            "",
            "serve",
            "check",
            "config",
            "explain",
            "test",
            "call",
            "token",
            "keygen",
            "apikey",
            "correlation",
            "envoy",
            "proxy",
            "drain",
            "doctor",
            "openapi",
            "stdio",
            "completions",
            "man",
            "token mint",
            "token inspect",
            "apikey new",
            "correlation verify",
            "correlation sign",
            "envoy lint",
            "openapi check",
            "openapi rules",
            "openapi merge",
            "openapi page",
        ]
    );
}

#[tokio::test]
async fn the_version_is_that_of_the_package() {
    for flag in ["--version", "-V"] {
        let output = run(&[flag]).await;
        let expected = format!("modgud {}\n", env!("CARGO_PKG_VERSION"));
        assert_eq!((output.code, output.out, output.err), (Some(0), expected, String::new()), "{flag}");
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    arguments: Vec<String>,
    says: String,
}

#[tokio::test]
async fn a_wrong_command_line_ends_with_2() {
    for Wrong { arguments, says } in table::<Wrong>("usage.yaml") {
        let borrowed: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(&borrowed).await;
        assert_eq!((output.code, output.out.as_str()), (Some(2), ""), "{arguments:?}");
        assert_eq!(output.err, says, "{arguments:?}");
    }
}
