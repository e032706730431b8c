//! Findings, and their collection without repetition.

use super::code::{Code, Kind};
use crate::yaml::Location;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};
use std::fmt;

/// The maximum number of findings that are listed, and of each kind that are kept; further ones are counted.
const MAX_FINDINGS: usize = 1_000;

/// A finding about a part of Envoy's configuration.
#[derive(Debug, Clone)]
pub struct Finding {
    pub(super) code: Code,
    pub(super) location: Location,
    pub(super) path: String,
    pub(super) scope: String,
    pub(super) found: String,
}

impl Finding {
    /// Returns its code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Returns the path of the value, from the root of its document.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the code, the place and what was found, without the reason and what to write instead.
    #[must_use]
    pub fn seen(&self) -> String {
        let Self { code, location, path, scope, found } = self;
        let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
        let scope = if scope.is_empty() { String::new() } else { format!(" ({scope})") };
        format!("{code} at {location}: {path}{found}{scope}")
    }

    /// Returns the finding for `--json`.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        let Self { code, location, path, scope, found } = self;
        let (line, column) = location.position.unzip();
        serde_json::json!({
            "code": code.name(), "kind": code.kind().word(), "file": &*location.origin, "line": line, "column": column,
            "path": path, "within": scope, "found": found, "reason": code.happens(), "instead": code.instead(),
        })
    }
}

/// Writes `file:line:column: kind code: path: found: reason; help (names)`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, location, path, scope, found } = self;
        write!(f, "{location}: {} {code}: ", code.kind())?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        write!(f, "{found}: {}; {}", code.happens(), code.instead())?;
        if scope.is_empty() { Ok(()) } else { write!(f, " ({scope})") }
    }
}

/// The findings so far.
#[derive(Debug, Default)]
pub(super) struct Findings(RefCell<Collected>);

#[derive(Debug, Default)]
struct Collected {
    list: Vec<Finding>,
    known: HashSet<(Code, String, String)>,
    clusters: BTreeSet<String>,
    counts: [usize; 3],
}

impl Findings {
    /// Adds a finding, unless the same one is there: several listeners can use the same routes.
    pub(super) fn add(&self, finding: Finding) {
        let mut collected = self.0.borrow_mut();
        let key = (finding.code, finding.location.origin.to_string(), finding.path.clone());
        if !collected.known.insert(key) {
            return;
        }
        let Some(count) = collected.counts.get_mut(index(finding.code.kind())) else { return };
        *count = count.saturating_add(1);
        if *count <= MAX_FINDINGS {
            collected.list.push(finding);
        }
    }

    /// Adds a cluster through which a filter calls modgud.
    pub(super) fn add_cluster(&self, name: &str) {
        self.0.borrow_mut().clusters.insert(name.to_owned());
    }

    /// Returns the report: the worst kind first, then by file and place.
    pub(super) fn report(self, not_checked: Vec<Code>) -> Report {
        let Collected { mut list, known: _, clusters, counts } = self.0.into_inner();
        list.sort_by(|one, other| {
            let order = |finding: &Finding| (finding.code.kind(), finding.location.position);
            let origins = || one.location.origin.cmp(&other.location.origin);
            order(one).0.cmp(&order(other).0).then_with(origins).then_with(|| order(one).1.cmp(&order(other).1))
        });
        list.truncate(MAX_FINDINGS);
        Report { findings: list, counts, clusters, not_checked }
    }
}

const fn index(kind: Kind) -> usize {
    match kind {
        Kind::Hole => 0,
        Kind::Breaks => 1,
        Kind::Undecided => 2,
    }
}

/// The result of the checks.
#[derive(Debug)]
pub struct Report {
    /// The findings, at most 1,000: holes first.
    pub findings: Vec<Finding>,
    counts: [usize; 3],
    /// The names of the clusters through which filters call modgud.
    pub clusters: BTreeSet<String>,
    /// The codes whose checks need modgud's configuration and were left out without it.
    pub not_checked: Vec<Code>,
}

impl Report {
    /// Returns the number of findings of a kind, also of those that are not listed.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.counts.get(index(kind)).copied().unwrap_or_default()
    }

    /// Returns the number of findings that are not listed.
    #[must_use]
    pub fn unlisted(&self) -> usize {
        self.counts.iter().sum::<usize>().saturating_sub(self.findings.len())
    }
}
