//! Problems with where they stand, and all of them at once.

use super::super::de::{FormError, Found, is_hole};
use super::super::path::Path;
use super::Problem;
use crate::yaml::{Location, Node};
use std::fmt;

/// The most problems that are told at once: more than anybody mends in one go.
pub(in crate::config) const MAX_REPORTED: usize = 100;

/// Something that is said of a configuration, a problem if not a warning, with where it stands and under which path:
/// `file:line:column: path: what is wrong, what would be right`.
#[derive(Debug, Clone)]
pub struct Located<T = Problem> {
    place: Location,
    path: String,
    what: T,
    /// Where that stands which it is wrong together with.
    others: Vec<Location>,
}

impl Located {
    /// A problem of a whole document.
    pub(in crate::config) const fn at(place: Location, problem: Problem) -> Self {
        Self { place, path: String::new(), what: problem, others: Vec::new() }
    }
}

impl<T> Located<T> {
    /// Says it of the value at this path, or, when there is none, of what is nearest around it.
    pub(in crate::config) fn new(path: &Path, root: &Node, what: T) -> Self {
        Self { place: path.place(root).clone(), path: path.shown(root).to_string(), what, others: Vec::new() }
    }

    /// Says it of what stands at this place, under this path.
    pub(crate) const fn here(place: Location, path: String, what: T) -> Self {
        Self { place, path, what, others: Vec::new() }
    }

    /// Says something else of the same value.
    pub(crate) fn with<U>(&self, what: U) -> Located<U> {
        Located { place: self.place.clone(), path: self.path.clone(), what, others: Vec::new() }
    }

    /// The same at the start of the document, if the place has no position.
    pub(in crate::config) fn or_at_the_start(mut self) -> Self {
        self.place.position = self.place.position.or(Some((1, 1)));
        self
    }

    /// Returns true if it is said of the same value as a variable of a template.
    pub(in crate::config) fn is_of(&self, fault: &Found) -> bool {
        let is_placeholder = matches!(fault.what, FormError::Placeholder(_) | FormError::PlaceholderHidden);
        is_placeholder && self.place == fault.place && self.path == fault.shown
    }

    /// The place, as messages show it.
    pub(in crate::config) fn origin(&self) -> String {
        self.place.to_string()
    }

    /// What is said.
    pub(crate) const fn what(&self) -> &T {
        &self.what
    }

    /// What they are sorted by: those of one file together, in the order in which they stand there.
    pub(crate) fn order(&self) -> (&str, Option<(u64, u64)>) {
        (&self.place.origin, self.place.position)
    }
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, path, what, others } = self;
        match path.as_str() {
            "" => write!(f, "{place}: {what}"),
            path => write!(f, "{place}: {path}: {what}"),
        }?;
        for (number, other) in others.iter().enumerate() {
            write!(f, "{}{other}", if number == 0 { "; see " } else { ", " })?;
        }
        Ok(())
    }
}

impl From<Found> for Located {
    fn from(found: Found) -> Self {
        let Found { place, shown, what } = found;
        Self { place, path: shown, what: Problem::Form(what), others: Vec::new() }
    }
}

/// Everything that is wrong with what a document says, each with its path.
#[derive(Debug, Default)]
pub(in crate::config) struct Problems {
    here: Vec<(Path, Problem, Vec<Path>)>,
    /// Those of other documents, which have their places already.
    beside: Vec<Located>,
}

impl Problems {
    /// Notes a problem, unless there are [`MAX_REPORTED`] already.
    pub(in crate::config) fn add(&mut self, path: Path, problem: impl Into<Problem>) {
        if self.here.len() < MAX_REPORTED {
            self.here.push((path, problem.into(), Vec::new()));
        }
    }

    /// The same for what is wrong only together with what stands elsewhere.
    pub(in crate::config) fn add_seen_with(&mut self, path: Path, problem: Problem, others: Vec<Path>) {
        if self.here.len() < MAX_REPORTED {
            self.here.push((path, problem, others));
        }
    }

    /// Notes problems of another document, up to [`MAX_REPORTED`].
    pub(in crate::config) fn add_beside(&mut self, placed: impl IntoIterator<Item = Located>) {
        let room = MAX_REPORTED.saturating_sub(self.beside.len());
        self.beside.extend(placed.into_iter().take(room));
    }

    /// Whether nothing has been noted.
    pub(in crate::config) fn is_empty(&self) -> bool {
        self.here.is_empty() && self.beside.is_empty()
    }

    /// Takes a value, or notes why there is none.
    pub(in crate::config) fn take<T, E: Into<Problem>>(&mut self, path: &Path, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.add(path.clone(), problem)).ok()
    }

    /// How many there are so far.
    pub(in crate::config) fn count(&self) -> usize {
        self.here.len().saturating_add(self.beside.len())
    }

    /// The problems, if there are any.
    pub(in crate::config) fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }

    /// The problems with their places in the tree, but for what is missing only since it was faulty and taken out.
    pub(in crate::config) fn placed(self, root: &Node, faults: &[Found]) -> Vec<Located> {
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
