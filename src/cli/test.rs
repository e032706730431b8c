//! `modgud test`: policy tests of a configuration.

mod cases;

use super::explain::report::Report;
use super::{Exit, print_error, print_line};
use crate::clock::Clock;
use crate::config::{Environment, EphemeralKeys, Keys, Overrides, ProfileName, load_with_keys};
use cases::{Case, CasesError};
use modgud_core::authn::LookupResult;
use modgud_core::decide::Snapshot;
use modgud_core::time::Timestamp;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The lines of a case are short enough not to wrap, so that users can copy them from the help.
const EXAMPLE: &str = "\
Example:
  modgud test --config modgud.yaml cases.yaml --junit report.xml

A case:
  - name: a clerk of no organization reads a report
    request: { method: GET, path: /reports/7, headers: { x-username: spoofed } }
    token: { username: clerk, organization_uuid: \"None\" }
    # claims, merged over those of a valid token; null removes one
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
/// variable is needed. Tables of API keys and revocation lists are read if they exist, and named if not. A failed case
/// shows the expected and the actual result, and the explanation. Exit code 0: all passed. 1: at least one failed, or a
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
    let mut outcomes = Vec::new();
    for file in cases {
        let cases = match cases::read(file) {
            Ok(cases) => cases,
            Err(error) => return print_error(error),
        };
        for case in cases {
            let name = file.display().to_string();
            match outcome(&case, &loaded.config.snapshot, &keys, name) {
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

fn outcome(case: &Case, snapshot: &Snapshot, keys: &EphemeralKeys, file: String) -> Result<Outcome, CasesError> {
    let now = case.at.map_or_else(|| Clock::System.now(), Timestamp::from_secs);
    let check = case.check(keys, now, snapshot)?;
    let report = Report::of(&check, snapshot, now, &LookupResult::Nothing);
    let differences = case.expect.differences(&report);
    let failure = (!differences.is_empty()).then(|| {
        let explained = report.to_string();
        let lines = differences.iter().map(String::as_str).chain(explained.lines());
        lines.map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
    });
    Ok(Outcome { file, name: case.name.clone(), failure })
}

fn summarize(outcomes: &[Outcome]) -> Exit {
    for Outcome { file, name, failure } in outcomes {
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
    let _ = writeln!(xml, "<testsuite name=\"modgud\" tests=\"{}\" failures=\"{failed}\">", outcomes.len());
    for Outcome { file, name, failure } in outcomes {
        let _ = write!(xml, "  <testcase classname=\"{}\" name=\"{}\"", escape(file), escape(name));
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
