//! Collected diagnostics of a configuration, and the error of loading one.

use super::de::error::{Found, is_consequence};
use super::path::Path;
use crate::diagnostic::{Diagnostic, Issue, Severity};
use crate::yaml::Node;
use std::fmt;

/// The maximum number of reported errors. Further ones are dropped: an operator fixes fewer at a time.
pub(super) const MAX_REPORTED: usize = 100;

/// Codes of errors that are only the consequence of a form error if that error removed the value.
const CONSEQUENCES: [&str; 5] = ["empty", "issuer-missing", "kind-missing", "match-missing", "source-missing"];

/// An error of loading a configuration: all its diagnostics, in the order of the file.
#[derive(Debug)]
pub struct ConfigError(pub(super) Vec<Diagnostic>);

impl ConfigError {
    /// Creates an error of a whole file.
    pub(super) fn of_file(origin: &str, issue: Issue) -> Self {
        Self(vec![Diagnostic::of_file(origin, issue)])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lines(&self.0, f)?;
        if self.0.len() >= MAX_REPORTED {
            write!(f, "\nthere may be more errors: modgud reports at most {MAX_REPORTED} together")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// Writes each diagnostic on a line of its own.
pub(super) fn write_lines(diagnostics: &[Diagnostic], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut separator = "";
    for diagnostic in diagnostics {
        write!(f, "{separator}{diagnostic}")?;
        separator = "\n";
    }
    Ok(())
}

/// All diagnostics of a document, each with its path.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    own: Vec<(Path, Issue, Vec<Path>)>,
    /// Diagnostics of included documents, which already have locations.
    included: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds an issue. Drops an error if there are [`MAX_REPORTED`] already.
    pub(super) fn add(&mut self, path: Path, issue: Issue) {
        self.add_related(path, issue, Vec::new());
    }

    /// Adds an issue that exists only together with other values.
    pub(super) fn add_related(&mut self, path: Path, issue: Issue, related: Vec<Path>) {
        if self.own.len() < MAX_REPORTED || issue.severity == Severity::Warning {
            self.own.push((path, issue, related));
        }
    }

    /// Adds the issues of a value that several others use: each once, together with the first that uses it.
    pub(super) fn add_new(&mut self, found: Self, related: &Path) {
        for (path, issue, _) in found.own {
            let is_known = |(known, other, _): &(Path, Issue, Vec<Path>)| *known == path && *other == issue;
            if !self.own.iter().any(is_known) {
                self.add_related(path, issue, vec![related.clone()]);
            }
        }
    }

    /// Adds diagnostics of an included document, up to [`MAX_REPORTED`].
    pub(super) fn extend_included(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        let room = MAX_REPORTED.saturating_sub(self.included.len());
        self.included.extend(diagnostics.into_iter().take(room));
    }

    /// Returns the value. `None` if it is an error, which is added.
    pub(super) fn ok_or_report<T>(&mut self, path: &Path, result: Result<T, Issue>) -> Option<T> {
        result.map_err(|issue| self.add(path.clone(), issue)).ok()
    }

    /// Returns the number of diagnostics so far.
    pub(super) fn count(&self) -> usize {
        self.own.len().saturating_add(self.included.len())
    }

    /// Returns the diagnostics as an error, if there are any.
    pub(super) fn into_result(self) -> Result<(), Self> {
        if self.count() == 0 { Ok(()) } else { Err(self) }
    }

    /// Returns the diagnostics with their locations in the tree. Omits missing values that were faulty and removed.
    pub(super) fn located(self, root: &Node, form: &[Found]) -> Vec<Diagnostic> {
        let mut located = self.included;
        for (path, issue, related) in self.own {
            let mut diagnostic = path.diagnostic(root, issue);
            diagnostic.related = related.iter().map(|other| other.location(root).clone()).collect();
            if !(CONSEQUENCES.contains(&diagnostic.code) && is_consequence(form, &diagnostic.path)) {
                located.push(diagnostic);
            }
        }
        located
    }
}
