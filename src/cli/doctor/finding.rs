//! Findings, and the report of all of them.

use super::code::{Code, Severity};
use crate::cli::counted;
use crate::cli::explain::report::{plain, to_json};
use serde::Serialize;
use std::fmt::{self, Write as _};

/// The column at which the text of a finding begins, as in the output of `explain`.
const TEXT_COLUMN: usize = 17;

/// One finding.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    code: Code,
    /// The part that was examined.
    about: String,
    /// What was found there.
    seen: String,
    /// What it means and what to do, if the code does not say.
    other: Option<(&'static str, &'static str)>,
}

impl Finding {
    /// Creates a finding. Texts may come from elsewhere: control and invisible characters are replaced.
    pub(super) fn new(code: Code, about: impl fmt::Display, seen: impl fmt::Display) -> Self {
        Self { code, about: plain(&about.to_string()), seen: plain(&seen.to_string()), other: None }
    }

    /// Creates a finding for a part that could not be examined, and why.
    pub(super) fn not_examined(about: impl fmt::Display, why: impl fmt::Display) -> Self {
        Self::new(Code::NotExamined, about, why)
    }

    /// Returns the code.
    pub(super) const fn code(&self) -> Code {
        self.code
    }

    /// Returns true if what was examined is in order.
    pub(super) fn is_ok(&self) -> bool {
        self.code.severity() == Severity::Ok
    }

    /// Replaces what it means and what to do.
    pub(super) const fn explained(mut self, means: &'static str, remedy: &'static str) -> Self {
        self.other = Some((means, remedy));
        self
    }

    fn explanation(&self) -> (&'static str, &'static str) {
        self.other.unwrap_or_else(|| (self.code.means(), self.code.remedy()))
    }
}

/// For people: `MARK SEVERITY code (about): seen`, then what it means and what to do.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, about, seen, .. } = self;
        let severity = code.severity();
        let start = format!("{} {}", severity.mark(), severity.word());
        write!(f, "{start:TEXT_COLUMN$}{code} ({about}): {seen}")?;
        if severity == Severity::Ok {
            return Ok(());
        }
        let (means, remedy) = self.explanation();
        write!(f, "\n{:TEXT_COLUMN$}means: {means}\n{:TEXT_COLUMN$}do: {remedy}", "", "")
    }
}

/// All findings.
#[derive(Debug)]
pub(super) struct Report {
    findings: Vec<Finding>,
}

/// A finding for tools.
#[derive(Serialize)]
struct Shown<'f> {
    code: &'static str,
    severity: &'static str,
    about: &'f str,
    seen: &'f str,
    means: &'static str,
    #[serde(rename = "do")]
    remedy: &'static str,
}

/// A report for tools.
#[derive(Serialize)]
struct ShownReport<'f> {
    problems: usize,
    warnings: usize,
    undecided: usize,
    ok: usize,
    findings: Vec<Shown<'f>>,
}

impl Report {
    /// Creates a report: the worst findings first, those of one severity in the order given.
    pub(super) fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.code.severity());
        Self { findings }
    }

    /// Returns the number of findings of a severity.
    pub(super) fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.code.severity() == severity).count()
    }

    /// Returns the report for `--json`.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let shown = |finding: &'_ Finding| {
            let (means, remedy) = finding.explanation();
            (finding.code.name(), finding.code.severity().word(), means, remedy)
        };
        let findings = self.findings.iter().map(|finding| {
            let (code, severity, means, remedy) = shown(finding);
            Shown { code, severity, about: &finding.about, seen: &finding.seen, means, remedy }
        });
        to_json(&ShownReport {
            problems: self.count(Severity::Problem),
            warnings: self.count(Severity::Warning),
            undecided: self.count(Severity::Undecided),
            ok: self.count(Severity::Ok),
            findings: findings.collect(),
        })
    }
}

/// For people: each finding, then the numbers.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for finding in &self.findings {
            writeln!(text, "{finding}")?;
        }
        let problems = counted(self.count(Severity::Problem), "problem", "problems");
        let warnings = counted(self.count(Severity::Warning), "warning", "warnings");
        let (undecided, ok) = (self.count(Severity::Undecided), self.count(Severity::Ok));
        write!(f, "{text}{problems}, {warnings}, {undecided} undecided, {ok} ok")
    }
}
