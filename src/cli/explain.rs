//! `modgud explain`: one decision, step by step, observed in the server's own evaluation.

pub(super) mod report;

use super::input::{ContextArg, Fetched, HeaderArg, Progress, check_request, fetch_jwks};
use super::{Exit, input, print_error, print_line, runtime};
use crate::clock::Clock;
use crate::config::{Config, Environment, Overrides, ProfileName, load};
use crate::envoy::proto::CheckRequest;
use crate::envoy::{CheckJsonError, check_from_json, read};
use crate::introspection::Introspection;
use modgud_core::authn::{JwksRefresh, LookupResult, PendingLookup};
use modgud_core::credential::AuthenticatorId;
use modgud_core::time::Timestamp;
use report::Report;
use std::io;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

/// Explains one decision, step by step: which rule matched, which checks ran, which one failed, and what the module
/// would receive.
///
/// The evaluation is the server's own, with the configuration, the keys and the time given. The output shows claims and
/// header values: don't share it. Exit code 0: allowed. 3: denied. 1: failed.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud explain --config modgud.yaml --path /crm/ --header \"Authorization: JWT $TOKEN\"\n  \
    modgud explain --request check.json --at 2026-01-31T12:00:00Z --json"
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
    /// The request's host
    #[arg(long, default_value = "api.example.com")]
    host: String,
    /// A header of the request; can be given more than once
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    headers: Vec<HeaderArg>,
    /// A context extension of the Envoy route (`context_extensions`); can be given more than once
    #[arg(long = "context", value_name = "KEY=VALUE")]
    context: Vec<ContextArg>,
    /// A CheckRequest in JSON, as grpcurl accepts it, instead of the flags; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["method", "path", "host", "headers", "context"])]
    request: Option<PathBuf>,
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
}

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
    let mut loaded = match load(args.config.as_deref(), &overrides, environment) {
        Ok(loaded) => loaded,
        Err(error) => return print_error(error),
    };
    let now = args.at.unwrap_or_else(|| Clock::System.now());
    let as_json = args.json;
    let check = match request(args) {
        Ok(check) => check,
        Err(error) => return print_error(error),
    };
    let fetched = match fetch_jwks(&loaded.config, now, Progress::Failures) {
        Ok(fetched) => fetched,
        Err(error) => return print_error(error),
    };
    let lookup = LookupResult::Jwks(match fetched {
        Fetched::All => JwksRefresh::Refreshed,
        Fetched::NotAll => JwksRefresh::Failed,
    });
    let mut report = Report::of(&check, &loaded.config.snapshot, now, &lookup);
    if let Some(PendingLookup::Introspection(by) | PendingLookup::ServerUnavailable(by)) = report.pending {
        match introspection(&check, &mut loaded.config, by) {
            Ok(lookup) => report = Report::of(&check, &loaded.config.snapshot, now, &lookup),
            Err(error) => return print_error(error),
        }
    }
    if as_json {
        match report.json() {
            Ok(json) => print_line(json),
            Err(error) => return print_error(error),
        }
    } else {
        print_line(&report);
    }
    report.exit()
}

/// Introspects the token at the authorization server, as the server would.
fn introspection(check: &CheckRequest, config: &mut Config, by: AuthenticatorId) -> io::Result<LookupResult> {
    // An unreadable request is denied without a lookup.
    let Ok(request) = read(check, config.snapshot.scheme, config.snapshot.max_target) else {
        return Ok(LookupResult::Nothing);
    };
    let introspection = Introspection::new(Clock::System);
    introspection.replace(config.introspection_sources.clone(), &mut config.snapshot.authenticators);
    runtime().map(|runtime| runtime.block_on(introspection.introspect(&request, &config.snapshot, by)))
}

fn request(args: Args) -> Result<CheckRequest, ExplainError> {
    let Args { method, path, host, headers, context, request, .. } = args;
    let Some(file) = request else { return Ok(check_request(method, path, host, headers, context)) };
    let (name, text) = input::read(&file);
    let text = text.map_err(|error| ExplainError::Read { file: name.clone(), error })?;
    check_from_json(&text).map_err(|error| ExplainError::Json { file: name, error })
}
