//! `modgud explain`: one decision, step by step, observed in the server's own evaluation.

mod diff;
mod lines;
mod log;
mod lookups;
mod module;
pub(super) mod report;

use super::input::{ContextArg, HeaderArg, check_request};
use super::progress::Progress;
use super::terminal::Terminal;
use super::{Exit, counted, input, print_error, print_line};
use crate::clock::Clock;
use crate::config::{Config, Environment, Overrides, ProfileName, load};
use crate::envoy::proto::CheckRequest;
use crate::envoy::{CheckJsonError, check_from_json, with_client};
use clap::ColorChoice;
use lines::Lines;
use log::{LineError, LogLine};
use lookups::Lookups;
use modgud_core::time::Timestamp;
use report::{Report, to_json};
use serde::Serialize;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Explains one decision, step by step: which rule matched, which checks ran, which one failed, and what the module
/// would receive.
///
/// The evaluation is the server's own, with the configuration, the keys and the time given. The output shows claims and
/// header values: don't share it. Exit code 0: allowed. 3: denied. 1: failed.
///
/// With --diff, two configurations decide. Exit code 0: no decision changes. 1: at least one changes, or modgud failed.
/// 4: none changes, and at least one could not be decided.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud explain --config modgud.yaml --path /crm/ --header \"Authorization: JWT $TOKEN\"\n  \
    modgud explain --request check.json --at 2026-01-31T12:00:00Z --json\n  \
    grep token_expired modgud.log | modgud explain --config modgud.yaml --log - --header \"Authorization: JWT $TOKEN\"\n  \
    modgud explain --diff modgud.yaml new.yaml --path /crm/\n  \
    modgud explain --diff modgud.yaml new.yaml --log modgud.log --header \"Authorization: JWT $TOKEN\""
)]
pub(super) struct Args {
    /// The configuration file (YAML); without one, the profile alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Decides by two configuration files, and prints what changes: of one request, or with --log of every line
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "config")]
    diff: Vec<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// The request's method
    #[arg(long, default_value = "GET")]
    method: String,
    /// The request's path, with its query if it has one
    #[arg(long, default_value = "/")]
    path: String,
    /// The request's host [default: api.example.com]
    #[arg(long)]
    host: Option<String>,
    /// A header of the request; can be given more than once
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<HeaderArg>,
    /// A context extension of the Envoy route (`context_extensions`); can be given more than once
    #[arg(long = "context", value_name = "KEY=VALUE")]
    context: Vec<ContextArg>,
    /// The client's address, as Envoy reports it
    #[arg(long, value_name = "ADDRESS")]
    client: Option<IpAddr>,
    /// A CheckRequest in JSON, as grpcurl accepts it, instead of the flags; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "path", "host", "headers", "context", "client"])]
    request: Option<PathBuf>,
    /// A log of modgud, or some of its decision lines, JSON or text, instead of a request; `-` reads standard input. Each
    /// decision line is shown with what it lacks, and evaluated again as of its time; --header adds the credential.
    /// Lines without a decision are skipped and counted. With --diff, lines of shadow rules are skipped too
    #[arg(long, value_name = "FILE", conflicts_with_all = ["request", "method", "path"])]
    log: Option<PathBuf>,
    /// The time of the decision: RFC 3339, or seconds since 1970; now by default
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// Print JSON, for tools
    #[arg(long)]
    json: bool,
    /// Colors: on a terminal without `NO_COLOR`, always or never
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

#[derive(Debug, thiserror::Error)]
enum ExplainError {
    #[error("{file} can't be read: {error}")]
    Read { file: String, error: io::Error },
    #[error("{file} is not a CheckRequest in JSON: {error}")]
    Json { file: String, error: CheckJsonError },
    #[error("{file}, line {number}: {error}")]
    Line { file: String, number: usize, error: LineError },
    #[error("{file} has no line; give a decision line of modgud's log")]
    NoLine { file: String },
    #[error(transparent)]
    System(#[from] io::Error),
    #[error(transparent)]
    Output(#[from] serde_json::Error),
}

/// The host of a request, unless the command line names one.
const HOST: &str = "api.example.com";

fn time(text: &str) -> Result<Timestamp, &'static str> {
    /// 9999-12-31T23:59:59Z, the last second that RFC 3339 can write.
    const LAST: u64 = 253_402_300_799;
    const HOW: &str = "write it as `2026-01-31T12:00:00Z`, or in seconds since 1970";
    if let Ok(seconds) = text.parse() {
        return if seconds <= LAST { Ok(Timestamp::from_secs(seconds)) } else { Err(HOW) };
    }
    let time = humantime::parse_rfc3339_weak(text).map_err(|_| HOW)?;
    let since = time.duration_since(UNIX_EPOCH).map_err(|_| HOW)?;
    Ok(Timestamp::EPOCH.plus(since))
}

pub(super) fn run(args: Args, environment: &Environment) -> Exit {
    let overrides = Overrides { profile: args.profile, ..Overrides::default() };
    let load = |file: Option<&Path>| load(file, &overrides, environment).map(|loaded| loaded.config);
    let terminal = Terminal::new(args.color, environment);
    let explained = match args.diff.as_slice() {
        [old, new] => match (load(Some(old)), load(Some(new))) {
            (Ok(old), Ok(new)) => diff::run(args, [&old, &new], &terminal),
            (Err(error), _) | (Ok(_), Err(error)) => return print_error(error),
        },
        _ => match (load(args.config.as_deref()), args.log.clone()) {
            (Ok(config), Some(file)) => explain_log(&file, args, &config, &terminal),
            (Ok(config), None) => explain_request(args, &config, &terminal),
            (Err(error), _) => return print_error(error),
        },
    };
    explained.unwrap_or_else(print_error)
}

fn explain_request(args: Args, config: &Config, terminal: &Terminal) -> Result<Exit, ExplainError> {
    let now = args.at.unwrap_or_else(|| Clock::System.now());
    let as_json = args.json;
    let check = request(args)?;
    let report = Lookups::default().decide(&check, config, now)?;
    print_line(if as_json { report.json()? } else { terminal.show(&report.to_string()) });
    Ok(report.exit())
}

/// Explains each decision line of a log. The exit code is that of a denial if the evaluation denies one of the requests.
fn explain_log(file: &Path, args: Args, config: &Config, terminal: &Terminal) -> Result<Exit, ExplainError> {
    let Args { host, headers, context, client, at, json, .. } = args;
    let (name, opened) = lines::open(file);
    let unreadable = |error| ExplainError::Read { file: name.clone(), error };
    let (mut exit, mut explained, mut lookups) = (Exit::Done, 0_usize, Lookups::default());
    let (mut skipped, mut first_skipped) = (0_usize, None);
    let (mut lines, mut progress, mut number) = (Lines::new(opened.map_err(unreadable)?), Progress::new(), 0_usize);
    while let Some(text) = lines.next().map_err(unreadable)? {
        number = number.saturating_add(1);
        progress.show(|| format!("{}, {explained} explained", counted(number, "line", "lines")));
        let text = text.trim_end_matches('\r');
        if text.trim().is_empty() {
            continue;
        }
        let fault = |error| ExplainError::Line { file: name.clone(), number, error };
        let mut line = match LogLine::parse(number, text) {
            Ok(line) => line,
            Err(error @ LineError::Long) => return Err(fault(error)),
            Err(error) => {
                skipped = skipped.saturating_add(1);
                first_skipped.get_or_insert((number, error));
                continue;
            }
        };
        let now = at.or_else(|| line.time()).unwrap_or_else(|| Clock::System.now());
        let check = line.check(host.as_ref(), &headers, &context, client);
        let report = check.map(|check| lookups.decide(&check, config, now)).transpose()?;
        progress.erase();
        if json {
            print_line(to_json(&Explained { line: &line, evaluated: report.as_ref() })?);
        } else {
            let evaluated = report.as_ref().map_or_else(|| "not evaluated".to_owned(), ToString::to_string);
            let text = format!("{}{line}{evaluated}", if explained > 0 { "\n" } else { "" });
            print_line(terminal.show(&text));
        }
        explained = explained.saturating_add(1);
        if report.is_some_and(|report| report.exit() == Exit::Denied) {
            exit = Exit::Denied;
        }
    }
    progress.erase();
    match first_skipped {
        Some((number, error)) if explained == 0 => return Err(ExplainError::Line { file: name, number, error }),
        None if explained == 0 => return Err(ExplainError::NoLine { file: name }),
        Some((number, _)) => {
            let lines = counted(skipped, "line", "lines");
            print_error(format_args!("{name}: skipped {lines} without a decision; the first is line {number}"));
        }
        None => {}
    }
    Ok(exit)
}

/// A decision line, and its evaluation by the configuration given: for tools.
#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    line: &'a LogLine,
    evaluated: Option<&'a Report>,
}

fn request(args: Args) -> Result<CheckRequest, ExplainError> {
    let Args { method, path, host, headers, context, client, request, .. } = args;
    let host = host.unwrap_or_else(|| HOST.to_owned());
    let Some(file) = request else {
        let check = check_request(method, path, host, headers, context);
        return Ok(match client {
            Some(client) => with_client(check, client),
            None => check,
        });
    };
    let (name, text) = input::read(&file);
    let text = text.map_err(|error| ExplainError::Read { file: name.clone(), error })?;
    check_from_json(&text).map_err(|error| ExplainError::Json { file: name, error })
}
