//! The comparison of a whole log: each line is read, decided by both configurations, and counted.

use super::groups::{Comparison, Example};
use super::outcome::{Evaluation, Known};
use crate::cli::explain::lines::{Lines, open};
use crate::cli::explain::log::{LineError, LogLine};
use crate::cli::explain::lookups::Lookups;
use crate::cli::explain::{Args, ExplainError, HOST};
use crate::cli::input::HeaderArg;
use crate::cli::progress::Progress;
use crate::cli::terminal::Terminal;
use crate::cli::{Exit, counted, print_line};
use crate::clock::Clock;
use crate::config::Config;
use modgud_core::authn::Authenticator;
use modgud_core::reason::Reason;
use std::io;
use std::path::Path;

/// The reason why a line of a rule that accepts callers is not compared.
const NO_CREDENTIAL: &str = "the credential decides by both: no log has it; use --header";

/// The reason why a line about a request's own form is not compared.
const BAD_FORM: &str = "the request's form decided: no log has it as sent; use --path without --log";

/// The reason why a line is not compared if its query may be too long for the new configuration.
const QUERY_LENGTH: &str =
    "the new `request.max_target` is smaller, and no log has the query; use --path without --log";

/// The reason why a line is not compared that another configuration wrote, or that depends on an unknown fact.
const NOT_RECORDED: &str = "the old configuration does not decide as recorded";

/// Compares every line of a log.
pub(super) fn run(file: &Path, args: Args, configs: [&Config; 2], terminal: &Terminal) -> Result<Exit, ExplainError> {
    let (name, opened) = open(file);
    let reader = opened.map_err(|error| ExplainError::Read { file: name.clone(), error })?;
    let as_json = args.json;
    let mut run = Run { args, configs, lookups: <[Lookups; 2]>::default(), compared: Comparison::default() };
    let (mut lines, mut progress, mut number) = (Lines::new(reader), Progress::new(), 0_usize);
    let outcome = loop {
        match lines.next() {
            Ok(None) => break Ok(()),
            Ok(Some(line)) => {
                number = number.saturating_add(1);
                if !line.trim().is_empty()
                    && let Err(error) = run.line(number, &line)
                {
                    break Err(ExplainError::System(error));
                }
                let changed = run.compared.changed;
                progress.show(|| format!("{}, {changed} changed", counted(number, "line", "lines")));
            }
            Err(error) => break Err(ExplainError::Read { file: name.clone(), error }),
        }
    };
    progress.erase();
    outcome?;
    let compared = run.compared;
    if compared.is_empty() {
        return Err(ExplainError::NoLine { file: name });
    }
    print_line(if as_json { compared.json()? } else { terminal.show(&compared.to_string()) });
    Ok(match (compared.changed, compared.undecided_count()) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Undecided,
        _ => Exit::Failed,
    })
}

/// The comparison of one log.
struct Run<'c> {
    args: Args,
    configs: [&'c Config; 2],
    lookups: [Lookups; 2],
    compared: Comparison,
}

impl Run<'_> {
    /// Decides a line by both configurations.
    fn line(&mut self, number: usize, text: &str) -> io::Result<()> {
        let Self { args: Args { host, headers, context, client, at, .. }, configs, lookups, compared } = self;
        compared.lines = compared.lines.saturating_add(1);
        let mut line = match LogLine::parse(number, text) {
            Ok(line) if line.is_check() => line,
            Ok(_) => {
                compared.skipped(LineError::NoDecision.kind(), number);
                return Ok(());
            }
            Err(error) => {
                compared.skipped(error.kind(), number);
                return Ok(());
            }
        };
        let now = at.or_else(|| line.time()).unwrap_or_else(|| Clock::System.now());
        let has_host = line.text("server.address").is_some() || host.is_some();
        // This reason is recorded only for a request without a credential.
        let had_none = line.reason() == Some(Reason::CredentialMissing);
        let headers: &[HeaderArg] = if had_none { &[] } else { headers };
        let Some(check) = line.check(host.as_ref(), headers, context, *client) else {
            compared.undecided(line.last_missing(), number);
            return Ok(());
        };
        if !has_host {
            compared.undecided("the host; use --host", number);
            return Ok(());
        }
        if line.has_bad_form() {
            compared.undecided(BAD_FORM, number);
            return Ok(());
        }
        let [old, new] = configs;
        let [by_old, by_new] = lookups;
        // The recorded address is the one that the configuration of the log believed.
        let is_client_recorded = line.client().is_some() && old.snapshot.request.client == new.snapshot.request.client;
        let has_client = client.is_some() || is_client_recorded;
        let evaluate = |lookups: &mut Lookups, config: &Config, has_no_credential: bool| {
            let known = Known { headers, context, has_client, has_no_credential };
            lookups.evaluate(&check, config, now, |lookup| {
                let evaluation = Evaluation::of(&check, config, now, lookup, known);
                let pending = evaluation.pending;
                (evaluation, pending)
            })
        };
        // The new configuration may look for credentials where the old one did not.
        let is_none_for_new = had_none && locations(old) == locations(new);
        let is_target_smaller = new.snapshot.request.max_target < old.snapshot.request.max_target;
        let (old, new) = (evaluate(by_old, old, had_none)?, evaluate(by_new, new, is_none_for_new)?);
        if let Some(why) = old.doubt.or(new.doubt) {
            compared.undecided(why, number);
        } else if !old.outcome.is_recorded(&line) {
            compared.undecided(NOT_RECORDED, number);
        } else if is_target_smaller && !new.is_too_long() {
            compared.undecided(QUERY_LENGTH, number);
        } else if old.differ_by_credential(&new) {
            compared.undecided(NO_CREDENTIAL, number);
        } else {
            let text = |name: &str| line.text(name).unwrap_or_default().to_owned();
            compared.add(old.outcome, new.outcome, || Example {
                line: number,
                method: text("http.request.method"),
                host: line.text("server.address").or(host.as_deref()).unwrap_or(HOST).to_owned(),
                path: text("url.path"),
            });
        }
        Ok(())
    }
}

/// Returns where a configuration looks for credentials: the locations, and true if certificates count.
fn locations(config: &Config) -> (String, bool) {
    let authenticators = config.snapshot.authenticators.list();
    let has_mtls = authenticators.iter().any(|one| matches!(one, Authenticator::Mtls(_)));
    (config.snapshot.extractor.to_string(), has_mtls)
}
