//! Manual pages: one for each command that `--help` lists, which formatters accept.

use super::help::commands;
use super::process::{run, run_in};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;

/// The formatters that a machine may have, each with the options with which it reports faults on standard error or output.
const FORMATTERS: [(&str, &[&str]); 2] =
    [("groff", &["-man", "-Tascii", "-ww", "-z"]), ("mandoc", &["-T", "lint", "-W", "warning"])];

async fn pages() -> TempDir {
    let folder = TempDir::new().unwrap();
    let output = run_in(folder.path(), &[], &["man", "--output", "share/man1"]).await;
    let number = fs::read_dir(folder.path().join("share/man1")).unwrap().count();
    assert_eq!(
        (output.code, output.out, output.err),
        (Some(0), format!("{number} pages in share/man1\n"), String::new())
    );
    folder
}

fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder.join("share/man1"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn every_command_has_a_page_with_its_options_and_examples() {
    let folder = pages().await;
    let commands = commands().await;
    let page = |command: &[String]| [&["modgud".to_owned()], command].concat().join("-") + ".1";
    let expected: BTreeSet<String> = commands.iter().map(|(command, _)| page(command)).collect();
    assert_eq!(names(folder.path()), expected);
    for (command, help) in &commands {
        let text = fs::read_to_string(folder.path().join("share/man1").join(page(command))).unwrap();
        // As roff writes a hyphen and an apostrophe.
        let plain = text.replace("\\-", "-").replace("\\*(Aq", "'");
        let title = [&["modgud".to_owned()], command.as_slice()].concat().join("-");
        assert!(plain.starts_with(&format!(".TH {title} 1 \"\" \"modgud ")), "{text}");
        let (_, examples) = help.split_once("\nExample:\n").unwrap();
        let example = examples.lines().next().unwrap().trim().replace('\\', "\\e");
        assert!(plain.contains(&example), "{title} has no example {example}:\n{text}");
        let options: Vec<&str> = help.split_whitespace().filter(|word| word.starts_with("--")).collect();
        for option in options.iter().map(|option| option.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())) {
            assert!(plain.contains(option), "{title} has no {option}");
        }
        assert!(text.is_ascii(), "{title}");
    }
    assert!(!names(folder.path()).iter().any(|name| name.contains("demo")));
}

#[tokio::test]
async fn without_a_folder_the_first_page_is_printed() {
    let folder = pages().await;
    let printed = run(&["man"]).await;
    let written = fs::read_to_string(folder.path().join("share/man1/modgud.1")).unwrap();
    assert_eq!((printed.code, printed.out, printed.err), (Some(0), written, String::new()));
}

#[tokio::test]
async fn a_folder_that_can_not_be_written_is_an_error() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let output = run_in(folder.path(), &[], &["man", "--output", "file/man1"]).await;
    assert_eq!((output.code, output.err.as_str()), (Some(1), "modgud: file/man1: Not a directory (os error 20)\n"));
}

/// With each formatter that is installed; the test reports it if there is none.
#[tokio::test]
async fn formatters_find_no_fault() {
    let folder = pages().await;
    let mut used = Vec::new();
    for (formatter, options) in FORMATTERS {
        let mut command = Command::new(formatter);
        command.current_dir(folder.path().join("share/man1")).args(options).args(names(folder.path()));
        let Ok(output) = command.stdin(Stdio::null()).output().await else { continue };
        let faults = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        let faults: Vec<&str> = faults.lines().filter(|line| !is_of_the_generator(line)).collect();
        assert!(faults.is_empty(), "{formatter}:\n{}", faults.join("\n"));
        used.push(formatter);
    }
    if used.is_empty() {
        // Not by a macro, whose output is shown of failed tests only.
        let result =
            "neither groff nor mandoc is installed (Debian: apt install groff mandoc): no manual page is formatted";
        writeln!(std::io::stderr(), "{result}").unwrap();
    }
}

/// What mandoc says of every page that `clap_mangen` makes: it has no date, and paragraphs that are empty.
fn is_of_the_generator(line: &str) -> bool {
    ["missing date", "skipping paragraph macro"].iter().any(|known| line.contains(known))
}
