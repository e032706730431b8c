//! `modgud test`: policy tests of a configuration.

mod cases;
mod token;

use super::custom::CustomRuntime;
use super::explain::report::Report;
use super::{Exit, print_error, print_line};
use crate::clock::Clock;
use crate::config::{Environment, EphemeralKeys, Keys, Overrides, ProfileName, load_with_keys};
use cases::{Case, CasesError};
use modgud_core::authn::{LookupResult, PendingLookup};
use modgud_core::decide::Snapshot;
use modgud_core::time::Timestamp;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The lines of a case are short enough not to wrap, so that users can copy them from the help.
const EXAMPLE: &str = "\
Example:
  modgud test --config modgud.yaml cases.yaml --junit report.xml

A case:
  - name: a clerk of no organization reads a report
    request: { method: GET, path: /reports/7, host: api.example.com, headers: { x-username: spoofed } }
    # also of the request: client: 10.0.0.7
    authenticator: bifrost
    # the one whose token this is; by default the first that verifies signed tokens
    token: { username: clerk, organization_uuid: \"None\", permissions: [read] }
    # claims, merged over those of the default token; null removes one.
    # A text instead of a map is sent as it is, such as an API key: token: mgk_…
    at: 1893456000
    # the time of the decision, in seconds since 1970; by default now
    expect:
      decision: allowed
      rule: report
      set: { x-username: clerk }
      removed: [x-organization-uuid]
    # or: expect: { decision: denied, status: 401, reason: token_expired }
    # for a shadow rule: shadow: { decision: denied, rule: next }";

/// Runs policy tests: each case is a request, its token, and the expected result.
///
/// Tokens are signed with keys made for the run, which replace every configured one. So no secret and no environment
/// variable is needed. The default token has what its authenticator requires: `iss`, an audience, the claims of
/// `require`, a `typ` of `types`; under BiFrost's issuer its user, organization and username, too. It has no
/// permission, scope or role: a case names those that it needs. Tables of API keys and revocation lists are read if they exist, and named if not. A failed case
/// shows the expected and the actual result, the token's claims, and the explanation. Exit code 0: all passed. 1: at least one failed, or a
/// file can't be read.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLE)]
pub(super) struct Args {
    /// The configuration file (YAML); without one, the profile alone
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// The cases (YAML: a list of cases)
    #[arg(value_name = "CASES", required = true)]
    cases: Vec<PathBuf>,
    /// Also write the outcome as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// The outcome of a case.
struct Outcome {
    file: String,
    name: String,
    time: Duration,
    /// The differences from the expected result, and the explanation; `None` if the case passed.
    failure: Option<String>,
}

pub(super) fn run(args: &Args, environment: &Environment) -> Exit {
    let Args { config, profile, cases, junit } = args;
    let keys = EphemeralKeys::default();
    let overrides = Overrides { profile: *profile, ..Overrides::default() };
    let replaced = Keys::Replaced(keys.clone());
    let loaded = match load_with_keys(config.as_deref(), &overrides, environment, replaced) {
        Ok(loaded) => loaded,
        Err(error) => return print_error(error),
    };
    for file in &loaded.missing {
        print_line(format_args!("note    {} does not exist, and counts as empty", file.display()));
    }
    let (mut outcomes, mut custom) = (Vec::new(), CustomRuntime::default());
    for file in cases {
        let cases = match cases::read(file) {
            Ok(cases) => cases,
            Err(error) => return print_error(error),
        };
        for case in cases {
            let name = file.display().to_string();
            match outcome(&case, &loaded.config.snapshot, (&keys, &mut custom), name) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => return print_error(error),
            }
        }
    }
    if let Some(file) = junit
        && let Err(error) = std::fs::write(file, self::junit(&outcomes))
    {
        return print_error(format_args!("{} can't be written: {error}", file.display()));
    }
    summarize(&outcomes)
}

fn outcome(
    case: &Case,
    snapshot: &Snapshot,
    (keys, custom): (&EphemeralKeys, &mut CustomRuntime),
    file: String,
) -> Result<Outcome, CasesError> {
    let started = Instant::now();
    let now = case.at.map_or_else(|| Clock::System.now(), Timestamp::from_secs);
    let (check, claims) = case.check(keys, now, snapshot)?;
    let mut report = Report::of(&check, snapshot, now, &LookupResult::Nothing);
    if let Some(PendingLookup::Custom(by)) = report.pending {
        let answer = custom.call_for_check(&check, snapshot, by, now).map_err(CasesError::System)?;
        report = Report::of(&check, snapshot, now, &answer);
    }
    let differences = case.expect.differences(&report);
    let failure = (!differences.is_empty()).then(|| {
        let explained = report.to_string();
        let claims = claims.map(|claims| format!("claims      {claims}"));
        let lines = differences.iter().map(String::as_str).chain(claims.as_deref()).chain(explained.lines());
        lines.map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
    });
    Ok(Outcome { file, name: case.name.clone(), time: started.elapsed(), failure })
}

fn summarize(outcomes: &[Outcome]) -> Exit {
    for Outcome { file, name, time: _, failure } in outcomes {
        match failure {
            None => print_line(format_args!("ok      {name}")),
            Some(failure) => print_line(format_args!("FAILED  {name}  ({file})\n{failure}")),
        }
    }
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let passed = outcomes.len().saturating_sub(failed);
    print_line(format_args!("{passed} passed, {failed} failed"));
    if failed == 0 { Exit::Done } else { Exit::Failed }
}

/// Formats results as JUnit XML, which CI systems show.
fn junit(outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string does not fail.
    let (tests, total) = (outcomes.len(), seconds(outcomes.iter().map(|outcome| outcome.time).sum()));
    let _ = writeln!(
        xml,
        "<testsuite name=\"modgud\" tests=\"{tests}\" failures=\"{failed}\" errors=\"0\" time=\"{total}\">"
    );
    for Outcome { file, name, time, failure } in outcomes {
        let (file, name, time) = (escape(file), escape(name), seconds(*time));
        let _ = write!(xml, "  <testcase classname=\"{file}\" name=\"{name}\" time=\"{time}\"");
        let _ = match failure {
            None => writeln!(xml, "/>"),
            Some(text) => {
                let first = text.lines().next().unwrap_or_default().trim();
                writeln!(xml, "><failure message=\"{}\">{}</failure></testcase>", escape(first), escape(text))
            }
        };
    }
    xml.push_str("</testsuite>\n");
    xml
}

/// Formats a time for JUnit, in seconds.
fn seconds(time: Duration) -> String {
    format!("{}.{:06}", time.as_secs(), time.subsec_micros())
}

/// Escapes text for an attribute or an element. Control characters that XML 1.0 forbids are replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}
