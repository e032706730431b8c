//! Completion scripts: that of bash completes, and each shell that is installed accepts its own.

use super::help::commands;
use super::process::run;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// The shells, each with how it reads a script from standard input without running what follows.
const SHELLS: [(&str, &[&str]); 5] = [
    ("bash", &["-n"]),
    ("elvish", &["-compileonly", "/dev/stdin"]),
    ("fish", &["--no-execute"]),
    ("powershell", &[]),
    ("zsh", &["-n"]),
];

async fn script(shell: &str) -> String {
    let output = run(&["completions", shell]).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{shell}");
    output.out
}

/// Runs a program with this standard input. `None` if it is not installed.
async fn shell(program: &str, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take().unwrap();
    let write = async {
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    let output = output.unwrap();
    Some((
        output.status.success(),
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat(),
    ))
}

/// The completions of a command line in bash, whose last word is unfinished.
async fn completed(line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let (last, before) = words.split_last().unwrap();
    let previous = before.last().unwrap();
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    let test = format!(
        "{}\nCOMP_WORDS=({}); COMP_CWORD={}; COMPREPLY=()\n_modgud modgud '{last}' '{previous}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        script("bash").await,
        quoted.join(" "),
        before.len(),
    );
    let (succeeded, output) =
        shell("bash", &["--norc", "--noprofile"], &test).await.unwrap_or_else(|| panic!("bash is not installed"));
    assert!(succeeded, "{line}: {output}");
    output.split_whitespace().map(str::to_owned).collect()
}

#[tokio::test]
async fn bash_completes_commands_options_and_values() {
    for (line, expected) in [
        ("modgud se", "serve"),
        ("modgud token mi", "mint"),
        ("modgud serve --shadow-c", "--shadow-config"),
        ("modgud serve --profile orch", "orchescala"),
        ("modgud completions f", "fish"),
        ("modgud man --o", "--output"),
    ] {
        assert_eq!(completed(line).await, [expected], "{line}");
    }
}

/// All commands that `--help` lists, and no hidden one.
#[tokio::test]
async fn bash_completes_every_command() {
    let first: Vec<String> = commands()
        .await
        .into_iter()
        .filter_map(|(command, _)| (command.len() == 1).then(|| command.concat()))
        .collect();
    let mut found = completed("modgud ").await;
    found.retain(|word| !word.starts_with('-'));
    found.sort();
    let mut expected = first;
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn every_shell_accepts_its_script() {
    for (name, arguments) in SHELLS {
        let script = script(name).await;
        assert!(script.contains("shadow-config") && !script.contains("demo"), "{name}");
        if arguments.is_empty() {
            continue;
        }
        match shell(name, arguments, &script).await {
            Some((succeeded, output)) => assert!(succeeded && output.is_empty(), "{name}: {output}"),
            // Not by a macro, whose output is shown of failed tests only.
            None => {
                writeln!(std::io::stderr(), "{name} is not installed: it does not read its completion script").unwrap();
            }
        }
    }
}

/// The commands of the page, as they are written there.
#[tokio::test]
async fn the_page_shows_each_shell() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy/shell.md")).unwrap();
    for (name, _) in SHELLS {
        assert!(page.contains(&format!("modgud completions {name}")), "{name}");
    }
}
