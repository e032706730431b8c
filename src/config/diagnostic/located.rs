//! Problems with their locations, collected.

use super::super::de::{FormError, Found, is_hole};
use super::super::path::Path;
use super::Problem;
use crate::diagnostic::Located;
use crate::yaml::Node;

/// The maximum number of reported problems. Further ones are dropped: an operator fixes fewer at a time.
pub(in crate::config) const MAX_REPORTED: usize = 100;

impl Located<Problem> {
    /// Returns true if it concerns the same value as an unreplaced variable of a template.
    pub(in crate::config) fn is_of(&self, fault: &Found) -> bool {
        let is_placeholder = matches!(fault.what, FormError::Placeholder(_) | FormError::PlaceholderHidden);
        is_placeholder && self.place == fault.place && self.path == fault.shown
    }
}

impl<T> Located<T> {
    /// Creates one for the value at this path, or, if it is missing, for its nearest parent.
    pub(in crate::config) fn new(path: &Path, root: &Node, what: T) -> Self {
        Self::here(path.place(root).clone(), path.shown(root).to_string(), what)
    }

    /// Adds the start of the document as the position, if the location has none.
    pub(in crate::config) fn or_at_the_start(mut self) -> Self {
        self.place.position = self.place.position.or(Some((1, 1)));
        self
    }
}

impl From<Found> for Located<Problem> {
    fn from(found: Found) -> Self {
        let Found { place, shown, what } = found;
        Self::here(place, shown, Problem::Form(what))
    }
}

/// All problems of a document, each with its path.
#[derive(Debug, Default)]
pub(in crate::config) struct Problems {
    here: Vec<(Path, Problem, Vec<Path>)>,
    /// Problems of included documents, which already have locations.
    beside: Vec<Located<Problem>>,
}

impl Problems {
    /// Adds a problem, unless there are [`MAX_REPORTED`] already.
    pub(in crate::config) fn add(&mut self, path: Path, problem: impl Into<Problem>) {
        if self.here.len() < MAX_REPORTED {
            self.here.push((path, problem.into(), Vec::new()));
        }
    }

    /// Adds a problem that exists only together with other values.
    pub(in crate::config) fn add_seen_with(&mut self, path: Path, problem: Problem, others: Vec<Path>) {
        if self.here.len() < MAX_REPORTED {
            self.here.push((path, problem, others));
        }
    }

    /// Adds problems of an included document, up to [`MAX_REPORTED`].
    pub(in crate::config) fn add_beside(&mut self, placed: impl IntoIterator<Item = Located<Problem>>) {
        let room = MAX_REPORTED.saturating_sub(self.beside.len());
        self.beside.extend(placed.into_iter().take(room));
    }

    /// Returns true if there are no problems.
    pub(in crate::config) fn is_empty(&self) -> bool {
        self.here.is_empty() && self.beside.is_empty()
    }

    /// Returns the value. `None` if it is an error, which is added.
    pub(in crate::config) fn take<T, E: Into<Problem>>(&mut self, path: &Path, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.add(path.clone(), problem)).ok()
    }

    /// Returns the number of problems so far.
    pub(in crate::config) fn count(&self) -> usize {
        self.here.len().saturating_add(self.beside.len())
    }

    /// Returns the problems as an error, if there are any.
    pub(in crate::config) fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }

    /// Returns the problems with their locations in the tree. Omits missing values that were faulty and removed.
    pub(in crate::config) fn placed(self, root: &Node, faults: &[Found]) -> Vec<Located<Problem>> {
        let mut placed = self.beside;
        for (path, problem, others) in self.here {
            let mut problem = Located::new(&path, root, problem);
            problem.others = others.iter().map(|other| other.place(root).clone()).collect();
            match problem.what {
                Problem::Empty(_)
                | Problem::NoMatch
                | Problem::Kind { found: 0, .. }
                | Problem::OneSource { found: 0, .. }
                    if is_hole(faults, &problem.path) => {}
                _ => placed.push(problem),
            }
        }
        placed
    }
}
