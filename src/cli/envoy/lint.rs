//! `modgud envoy lint`: checks a configuration of Envoy.

use super::super::{Exit, counted, print_error, print_line};
use crate::config::{ConfigError, Environment, EphemeralKeys, Keys, Overrides, ProfileName, load_with_keys};
use crate::envoy::lint::{self, Code, Document, Finding, Kind, LintError, MAX_BYTES, Report, Scope, Settings};
use crate::envoy::bootstrap::CheckCluster;
use crate::read_limit::{read_file_to_limit, read_to_limit};
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};

/// Checks a configuration of Envoy: a bootstrap, files of resources (xDS), or the output of `/config_dump`, in YAML or JSON.
///
/// Each finding has a code, a path and a kind. `hole`: requests get past modgud, or clients forge an identity. `breaks`: good
/// requests fail. `undecided`: the files don't show it. docs/envoy-lint.md explains each code. Exit code 0: no finding. 1: a
/// hole, or something breaks. 2: a file is no configuration of Envoy, or the command line is wrong. 4: only undecided
/// findings.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  modgud envoy lint --config modgud.yaml envoy.yaml\n  modgud envoy lint --config modgud.yaml envoy/*.yaml\n  curl -s 127.0.0.1:9901/config_dump | modgud envoy lint --config modgud.yaml --json -"
)]
pub(super) struct Args {
    /// The files, which together are one configuration; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The configuration of modgud that Envoy's has to fit; without it, some checks are left out
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// The address at which Envoy reaches modgud, as for `modgud envoy`; by default `server.grpc` of --config. A filter that calls
    /// another address is not modgud's
    #[arg(long, value_name = "ADDRESS")]
    modgud: Option<CheckCluster>,
    /// Check only the listener of this name; can be repeated. By default all are checked, also those for outgoing requests
    #[arg(long = "listener", value_name = "NAME")]
    listeners: Vec<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Errors of the command.
#[derive(Debug, thiserror::Error)]
enum EnvoyLintError {
    #[error("{0}: {1}")]
    Read(String, io::Error),
    #[error("{0}: the file is larger than {MAX_BYTES} bytes, the limit for a configuration of Envoy")]
    TooLarge(String),
    #[error("{0}: the file is not UTF-8 text")]
    NotText(String),
    #[error("standard input is named twice; name it once")]
    InputTwice,
    #[error(transparent)]
    Lint(#[from] LintError),
    #[error(transparent)]
    Config(#[from] ConfigError),
}

pub(super) fn run(args: &Args) -> Exit {
    match check(args) {
        Ok(report) => {
            if args.json {
                print_line(json(args, &report));
            } else {
                print(&report);
            }
            let [holes, breaks, undecided] = [Kind::Hole, Kind::Breaks, Kind::Undecided].map(|kind| report.count(kind));
            match (holes, breaks, undecided) {
                (0, 0, 0) => Exit::Done,
                (0, 0, _) => Exit::Undecided,
                (_, _, _) => Exit::Failed,
            }
        }
        Err(error) => {
            print_error(error);
            Exit::Usage
        }
    }
}

fn check(args: &Args) -> Result<Report, EnvoyLintError> {
    let Args { files, config, profile, modgud, listeners, json: _ } = args;
    if files.iter().filter(|file| is_input(file)).count() > 1 {
        return Err(EnvoyLintError::InputTwice);
    }
    let loaded = if config.is_some() || profile.is_some() {
        let overrides = Overrides { profile: *profile, ..Overrides::default() };
        let keys = Keys::Replaced(EphemeralKeys::default());
        Some(load_with_keys(config.as_deref(), &overrides, &Environment::process(), keys)?)
    } else {
        None
    };
    let documents = files.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let settings = loaded.as_ref().map(|loaded| Settings::of(&loaded.config));
    let own = || CheckCluster::of(&loaded.as_ref()?.config.server.grpc);
    let scope = Scope { listeners: listeners.clone(), modgud: modgud.clone().or_else(own) };
    Ok(lint::lint(&documents, settings.as_ref(), &scope)?)
}

fn is_input(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn read(file: &Path) -> Result<Document, EnvoyLintError> {
    let (name, content) = if is_input(file) {
        ("standard input".to_owned(), read_to_limit(io::stdin().lock(), MAX_BYTES))
    } else {
        (file.display().to_string(), read_file_to_limit(file, MAX_BYTES))
    };
    let content = content.map_err(|error| EnvoyLintError::Read(name.clone(), error))?;
    let content = content.ok_or_else(|| EnvoyLintError::TooLarge(name.clone()))?;
    let text = String::from_utf8(content).map_err(|_| EnvoyLintError::NotText(name.clone()))?;
    Ok(Document::parse(&name, &text)?)
}

fn print(report: &Report) {
    report.findings.iter().for_each(print_line);
    match report.unlisted() {
        0 => {}
        more => print_line(format_args!("and {} more", counted(more, "finding", "findings"))),
    }
    print_line(format_args!(
        "{}, {}, {} undecided",
        counted(report.count(Kind::Hole), "hole", "holes"),
        counted(report.count(Kind::Breaks), "break", "breaks"),
        report.count(Kind::Undecided)
    ));
    if !report.not_checked.is_empty() {
        let codes: Vec<&str> = report.not_checked.iter().copied().map(Code::name).collect();
        print_line(format_args!("not checked without --config: {}", codes.join(", ")));
    }
}

fn json(args: &Args, report: &Report) -> Value {
    let findings: Vec<Value> = report.findings.iter().map(Finding::json).collect();
    let codes: Vec<&str> = report.not_checked.iter().copied().map(Code::name).collect();
    let files: Vec<String> = args.files.iter().map(|file| file.display().to_string()).collect();
    json!({
        "files": files,
        "holes": report.count(Kind::Hole),
        "breaks": report.count(Kind::Breaks),
        "undecided": report.count(Kind::Undecided),
        "findings": findings,
        "unlisted": report.unlisted(),
        "not_checked": codes,
    })
}
