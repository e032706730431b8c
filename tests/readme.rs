//! The README and the pages in `docs` are true: their grpcurl commands run as written, their configurations load, their links resolve,
//! and their lists are those of the code.
//!
//! - `blocks`: fenced blocks, links and headings of a Markdown file.
//! - `configurations`: the configurations, errors and cases that pages show, and the files of `deploy`.
//! - `contributing`: paths and names on the page for contributors.
//! - `expected`: compares an output with the one on a page.
//! - `issuers`: tokens in the form of each provider, for the configurations of their page.
//! - `layout`: the README's length, links, anchors and the index.
//! - `lists`: reason codes and metrics.
//! - `reflection`: a client like grpcurl, which runs the commands where grpcurl is not installed.
//! - `sentences`: the length of sentences, and words that pages do not use.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod blocks;
mod configurations;
mod contributing;
mod expected;
mod issuers;
mod layout;
mod lists;
mod print;
mod reflection;
mod sentences;

use crate::support::{Sidecar, token};
pub(crate) use blocks::{Block, blocks, rows};
use modgud::server::app::Shutdown;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tokio::process::Command;

/// The page with the grpcurl commands.
const GRPCURL: &str = "docs/grpcurl.md";

/// The page for contributors.
const CONTRIBUTING: &str = "CONTRIBUTING.md";

/// The address that its commands use.
const ADDRESS: &str = "127.0.0.1:9191";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The README, the page for contributors and everything below docs.
fn documents() -> Vec<PathBuf> {
    let mut files = vec![root().join("README.md"), root().join(CONTRIBUTING)];
    let mut folders = vec![root().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(extension) if extension == "md" => files.push(path),
                _ => {}
            }
        }
    }
    files
}

/// A command, and the block that shows what it answers.
struct Example {
    command: String,
    output: Block,
}

/// The grpcurl commands of [`GRPCURL`].
fn examples() -> Vec<Example> {
    let text = fs::read_to_string(root().join(GRPCURL)).unwrap();
    let all = blocks(&text);
    let mut examples = Vec::new();
    let following = all.iter().skip(1).map(Some).chain([None]);
    for (block, next) in all.iter().zip(following).filter(|(block, _)| block.info == "sh grpcurl") {
        let output = next.filter(|next| next.info.ends_with(" output"));
        let output = output.unwrap_or_else(|| panic!("{GRPCURL}:{}: no output block follows", block.line)).clone();
        assert!(block.text.contains(ADDRESS), "{GRPCURL}:{}: not on {ADDRESS}", block.line);
        examples.push(Example { command: block.text.clone(), output });
    }
    assert!(!examples.is_empty(), "{GRPCURL} has no block `sh grpcurl`");
    examples
}

/// A shell with the command as it is written, but for the address.
fn shell(command: &str, sidecar: &Sidecar, before: &str) -> Command {
    let command = command.replace(ADDRESS, &sidecar.addresses.grpc.to_string());
    let mut shell = Command::new("sh");
    shell.args(["-eu", "-c", &format!("{before}{command}")]).env("TOKEN", token()).kill_on_drop(true);
    shell
}

async fn output(mut shell: Command, line: usize) -> String {
    let output = shell.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let err = text(output.stderr);
    assert!(output.status.success(), "{GRPCURL}:{line}: {err}");
    assert_eq!(err, "", "{GRPCURL}:{line}");
    text(output.stdout)
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the Makefile says in the environment where grpcurl is")]
async fn grpcurl_commands_answer_what_the_page_shows() {
    let Some(grpcurl) = std::env::var_os("MODGUD_TEST_GRPCURL").map(PathBuf::from) else {
        // Not by a macro, whose output is shown of failed tests only.
        let result = "grpcurl is not installed (MODGUD_TEST_GRPCURL): the commands of docs/grpcurl.md are run by another client only";
        writeln!(std::io::stderr(), "{result}").unwrap();
        return;
    };
    let found = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(grpcurl.parent().unwrap().to_path_buf()).chain(std::env::split_paths(&found));
    let path = std::env::join_paths(folders).unwrap();
    let sidecar = Sidecar::bifrost().await;
    for Example { command, output: expected } in examples() {
        let mut shell = shell(&command, &sidecar, "");
        shell.env("PATH", &path);
        expected::check(&output(shell, expected.line).await, &expected);
    }
    sidecar.stop(Shutdown::Immediate).await;
}

#[tokio::test]
async fn another_client_is_answered_what_the_page_shows() {
    let sidecar = Sidecar::bifrost().await;
    for Example { command, output: expected } in examples() {
        // The shell takes the command apart; what would be grpcurl hands on its arguments.
        let arguments = shell(&command, &sidecar, "grpcurl() { printf '%s\\0' \"$@\"; }\n");
        let arguments = output(arguments, expected.line).await;
        let arguments: Vec<&str> = arguments.strip_suffix('\0').unwrap().split('\0').collect();
        expected::check(&reflection::run(&arguments).await, &expected);
    }
    sidecar.stop(Shutdown::Immediate).await;
}

/// The configuration with nearly every key.
pub(crate) fn example() -> String {
    block("docs/configuration.md", "yaml modgud")
}

/// The first block of this kind in a document.
pub(crate) fn block(document: &str, info: &str) -> String {
    let text = fs::read_to_string(root().join(document)).unwrap();
    let found = blocks(&text).into_iter().find(|block| block.info == info);
    found.unwrap_or_else(|| panic!("{document} has no block `{info}`")).text
}
