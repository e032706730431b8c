//! `modgud explain`: one decision, step by step, observed in the server's own evaluation.

mod log;
mod module;
pub(super) mod report;

use super::custom::CustomRuntime;
use super::input::{ContextArg, HeaderArg, check_request, fetch_jwks};
use super::{Exit, counted, input, print_error, print_line, runtime};
use crate::clock::Clock;
use crate::config::{Config, Environment, Overrides, ProfileName, load};
use crate::envoy::proto::CheckRequest;
use crate::envoy::{Check, CheckJsonError, check_from_json, read};
use log::{LineError, LogLine};
use modgud_core::authn::{Authenticator, IntrospectionOutcome, JwksRefresh, LookupResult, PendingLookup};
use modgud_core::credential::AuthenticatorId;
use modgud_core::time::Timestamp;
use report::Report;
use serde::Serialize;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Explains one decision, step by step: which rule matched, which checks ran, which one failed, and what the module
/// would receive.
///
/// The evaluation is the server's own, with the configuration, the keys and the time given. The output shows claims and
/// header values: don't share it. Exit code 0: allowed. 3: denied. 1: failed.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud explain --config modgud.yaml --path /crm/ --header \"Authorization: JWT $TOKEN\"\n  \
    modgud explain --request check.json --at 2026-01-31T12:00:00Z --json\n  \
    grep token_expired modgud.log | modgud explain --config modgud.yaml --log - --header \"Authorization: JWT $TOKEN\""
)]
pub(super) struct Args {
    /// The configuration file (YAML); without one, the profile alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
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
    /// A CheckRequest in JSON, as grpcurl accepts it, instead of the flags; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "path", "host", "headers", "context"])]
    request: Option<PathBuf>,
    /// A log of modgud, or some of its decision lines, JSON or text, instead of a request; `-` reads standard input. Each
    /// decision line is shown with what it lacks, and evaluated again as of its time; --header adds the credential.
    /// Lines without a decision are skipped and counted
    #[arg(long, value_name = "FILE", conflicts_with_all = ["request", "method", "path"])]
    log: Option<PathBuf>,
    /// The time of the decision: RFC 3339, or seconds since 1970; now by default
    #[arg(long, value_name = "TIME", value_parser = time)]
    at: Option<Timestamp>,
    /// Print JSON, for tools
    #[arg(long)]
    json: bool,
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
    let config = match load(args.config.as_deref(), &overrides, environment) {
        Ok(loaded) => loaded.config,
        Err(error) => return print_error(error),
    };
    let explained = match args.log.clone() {
        Some(file) => explain_log(&file, args, &config),
        None => explain_request(args, &config),
    };
    explained.unwrap_or_else(print_error)
}

fn explain_request(args: Args, config: &Config) -> Result<Exit, ExplainError> {
    let now = args.at.unwrap_or_else(|| Clock::System.now());
    let as_json = args.json;
    let check = request(args)?;
    let report = Lookups::default().decide(&check, config, now)?;
    print_line(if as_json { report.json()? } else { report.to_string() });
    Ok(report.exit())
}

/// Explains each decision line of a log. The exit code is that of a denial if the evaluation denies one of the requests.
fn explain_log(file: &Path, args: Args, config: &Config) -> Result<Exit, ExplainError> {
    let Args { host, headers, context, at, json, .. } = args;
    let (name, text) = input::read(file);
    let text = text.map_err(|error| ExplainError::Read { file: name.clone(), error })?;
    let (mut exit, mut explained, mut lookups) = (Exit::Done, false, Lookups::default());
    let mut skipped = Vec::new();
    for (number, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
        let number = number.saturating_add(1);
        let fault = |error| ExplainError::Line { file: name.clone(), number, error };
        let mut line = match LogLine::parse(number, text) {
            Ok(line) => line,
            Err(error @ LineError::Long) => return Err(fault(error)),
            Err(error) => {
                skipped.push((number, error));
                continue;
            }
        };
        let now = at.or_else(|| line.time()).unwrap_or_else(|| Clock::System.now());
        let check = line.check(host.as_ref(), &headers, &context);
        let report = check.map(|check| lookups.decide(&check, config, now)).transpose()?;
        if json {
            print_line(serde_json::to_string_pretty(&Explained { line: &line, evaluated: report.as_ref() })?);
        } else {
            let evaluated = report.as_ref().map_or_else(|| "not evaluated".to_owned(), ToString::to_string);
            print_line(format_args!("{}{line}{evaluated}", if explained { "\n" } else { "" }));
        }
        explained = true;
        if report.is_some_and(|report| report.exit() == Exit::Denied) {
            exit = Exit::Denied;
        }
    }
    let count = skipped.len();
    match skipped.into_iter().next() {
        Some((number, error)) if !explained => return Err(ExplainError::Line { file: name, number, error }),
        None if !explained => return Err(ExplainError::NoLine { file: name }),
        Some((number, _)) => {
            let lines = counted(count, "line", "lines");
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

/// The lookups of one run: each JWKS is fetched once, and each token introspected once, however many lines a log has. Their failures are
/// printed on standard error. Custom authenticators are called as a server calls them.
#[derive(Default)]
struct Lookups {
    /// The outcome of the fetches; `None` before the first decision.
    jwks: Option<JwksRefresh>,
    /// The outcomes by authenticator and token.
    introspected: HashMap<(usize, String), IntrospectionOutcome>,
    custom: CustomRuntime,
}

impl Lookups {
    /// Decides a check as of a time, with the lookups that it needs.
    fn decide(&mut self, check: &CheckRequest, config: &Config, now: Timestamp) -> Result<Report, ExplainError> {
        let outcome = self.jwks(config, now)?;
        let report = Report::of(check, &config.snapshot, now, &LookupResult::Jwks(outcome));
        let lookup = match report.pending {
            Some(PendingLookup::Introspection(by) | PendingLookup::ServerUnavailable(by)) => {
                Some(self.introspection(check, config, by)?)
            }
            Some(PendingLookup::Custom(by)) => Some(self.custom.call_for_check(check, &config.snapshot, by, now)?),
            Some(PendingLookup::Jwks(_) | PendingLookup::JwksRefresh(_)) | None => None,
        };
        let report = match lookup {
            Some(lookup) => Report::of(check, &config.snapshot, now, &lookup),
            None => report,
        };
        Ok(report.with_module(check, &config.gateway))
    }

    /// Fetches the JWKS, or publishes those of the run again, so that they count as fetched at the time of the decision.
    fn jwks(&mut self, config: &Config, now: Timestamp) -> io::Result<JwksRefresh> {
        if let Some(outcome) = self.jwks {
            config.key_sources.iter().for_each(|source| source.publish_as_of(now));
            return Ok(outcome);
        }
        let outcome = if fetch_jwks(config, now)? { JwksRefresh::Refreshed } else { JwksRefresh::Failed };
        self.jwks = Some(outcome);
        Ok(outcome)
    }

    /// Introspects the token at the authorization server.
    fn introspection(
        &mut self,
        check: &CheckRequest,
        config: &Config,
        by: AuthenticatorId,
    ) -> io::Result<LookupResult> {
        let Config { snapshot, introspection_sources, .. } = config;
        // A pending lookup implies that the request can be read, and has a token.
        let request = read(&mut Check::of(check), snapshot.scheme, snapshot.max_target).ok();
        let token = request.as_ref().and_then(|request| snapshot.extractor.find(request).ok().flatten());
        let name = snapshot.authenticators.list().get(by.0).map(Authenticator::name);
        let source = introspection_sources.iter().find(|source| Some(&source.authenticator) == name);
        let (Some(credential), Some(source)) = (token, source) else { return Ok(LookupResult::Nothing) };
        let token = (by.0, credential.token.as_str().to_owned());
        if let Some(known) = self.introspected.get(&token) {
            return Ok(LookupResult::Introspection(known.clone()));
        }
        let outcome = match runtime()?.block_on(source.introspect_once(&token.1)) {
            Ok(response) => IntrospectionOutcome::Response(response),
            Err(error) => {
                print_error(format_args!("{}: {error}", source.url));
                IntrospectionOutcome::Failed
            }
        };
        self.introspected.insert(token, outcome.clone());
        Ok(LookupResult::Introspection(outcome))
    }
}

fn request(args: Args) -> Result<CheckRequest, ExplainError> {
    let Args { method, path, host, headers, context, request, .. } = args;
    let host = host.unwrap_or_else(|| HOST.to_owned());
    let Some(file) = request else { return Ok(check_request(method, path, host, headers, context)) };
    let (name, text) = input::read(&file);
    let text = text.map_err(|error| ExplainError::Read { file: name.clone(), error })?;
    check_from_json(&text).map_err(|error| ExplainError::Json { file: name, error })
}
