//! The comparison of a whole log: each line is read, decided by both configurations, and counted.

use super::groups::{Comparison, Example};
use super::lines::Lines;
use super::outcome::{Evaluation, Missing};
use super::progress::Progress;
use crate::cli::explain::log::LogLine;
use crate::cli::explain::lookups::Lookups;
use crate::cli::explain::{Args, ExplainError, HOST};
use crate::cli::{Exit, print_line};
use crate::clock::Clock;
use crate::config::Config;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// The reason why a line of a rule that accepts callers is not compared.
const NO_CREDENTIAL: &str = "the credential decides by both: no log has it; use --header";

/// Compares every line of a log.
pub(super) fn run(file: &Path, args: Args, configs: [&Config; 2]) -> Result<Exit, ExplainError> {
    let (name, reader): (String, Box<dyn BufRead>) = if file.as_os_str() == "-" {
        ("standard input".to_owned(), Box::new(io::stdin().lock()))
    } else {
        let name = file.display().to_string();
        match File::open(file) {
            Ok(file) => (name, Box::new(BufReader::new(file))),
            Err(error) => return Err(ExplainError::Read { file: name, error }),
        }
    };
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
                progress.show(number, run.compared.changed);
            }
            Err(error) => break Err(ExplainError::Read { file: name.clone(), error }),
        }
    };
    progress.end();
    outcome?;
    let compared = run.compared;
    if compared.is_empty() {
        return Err(ExplainError::NoLine { file: name });
    }
    print_line(if as_json { compared.json()? } else { compared.to_string() });
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
        let Self { args: Args { host, headers, context, at, .. }, configs, lookups, compared } = self;
        compared.lines = compared.lines.saturating_add(1);
        let mut line = match LogLine::parse(number, text) {
            Ok(line) => line,
            Err(error) => {
                compared.skipped(error.kind(), number);
                return Ok(());
            }
        };
        let now = at.or_else(|| line.time()).unwrap_or_else(|| Clock::System.now());
        let has_host = line.text("host").is_some() || host.is_some();
        let Some(check) = line.check(host.as_ref(), headers, context) else {
            compared.undecided(line.last_missing(), number);
            return Ok(());
        };
        if !has_host {
            compared.undecided("the host; use --host", number);
            return Ok(());
        }
        // This reason is recorded only for a request without a credential.
        let had_none = line.text("reason") == Some("credential_missing");
        let missing = Missing { credential: headers.is_empty() && !had_none, headers: headers.is_empty() };
        let [old, new] = configs;
        let [by_old, by_new] = lookups;
        let evaluate = |lookups: &mut Lookups, config: &Config| {
            lookups.evaluate(&check, config, now, |lookup| {
                let evaluation = Evaluation::of(&check, config, now, lookup, missing);
                let pending = evaluation.pending;
                (evaluation, pending)
            })
        };
        let (old, new) = (evaluate(by_old, old)?, evaluate(by_new, new)?);
        if let Some(why) = old.doubt.or(new.doubt) {
            compared.undecided(why, number);
        } else if old.outcome == new.outcome && old.outcome.depends_on_credential() {
            compared.undecided(NO_CREDENTIAL, number);
        } else {
            let text = |name: &str| line.text(name).unwrap_or_default().to_owned();
            compared.add(old.outcome, new.outcome, || Example {
                line: number,
                method: text("method"),
                host: line.text("host").or(host.as_deref()).unwrap_or(HOST).to_owned(),
                path: text("path"),
            });
        }
        Ok(())
    }
}
