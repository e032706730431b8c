//! The changes of a log, grouped, and the lines that could not be compared, counted. The memory is bounded, however long the log is.

use super::outcome::Outcome;
use crate::cli::counted;
use crate::cli::explain::report::{plain, to_json};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// The most groups of changes. Beyond it, changes of further groups are only counted.
const MAX_GROUPS: usize = 1_000;

/// The result of comparing a log.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    pub(super) lines: usize,
    pub(super) unchanged: usize,
    pub(super) changed: usize,
    groups: HashMap<(Outcome, Outcome), Group>,
    /// Changes beyond the limit of groups.
    other: usize,
    undecided: BTreeMap<&'static str, Counted>,
    skipped: BTreeMap<&'static str, Counted>,
}

/// A number of lines, and the number of the first one.
#[derive(Debug, Clone, Copy, Serialize)]
struct Counted {
    count: usize,
    first: usize,
}

/// Lines with one change.
#[derive(Debug)]
struct Group {
    count: usize,
    example: Example,
}

/// The first request of a group.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Example {
    pub(super) line: usize,
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
}

impl Comparison {
    /// Adds a line with the outcomes of both configurations.
    pub(super) fn add(&mut self, old: Outcome, new: Outcome, example: impl FnOnce() -> Example) {
        if old == new {
            self.unchanged = self.unchanged.saturating_add(1);
            return;
        }
        self.changed = self.changed.saturating_add(1);
        let is_full = self.groups.len() >= MAX_GROUPS;
        let change = (old, new);
        match self.groups.get_mut(&change) {
            Some(group) => group.count = group.count.saturating_add(1),
            None if is_full => self.other = self.other.saturating_add(1),
            None => drop(self.groups.insert(change, Group { count: 1, example: example() })),
        }
    }

    /// Counts a line that can't be decided.
    pub(super) fn undecided(&mut self, why: &'static str, line: usize) {
        count(&mut self.undecided, why, line);
    }

    /// Counts a line without a decision.
    pub(super) fn skipped(&mut self, why: &'static str, line: usize) {
        count(&mut self.skipped, why, line);
    }

    /// Returns the number of lines that can't be decided.
    pub(super) fn undecided_count(&self) -> usize {
        sum(&self.undecided)
    }

    /// Returns true if no line is about a decision.
    pub(super) fn is_empty(&self) -> bool {
        self.lines == sum(&self.skipped)
    }

    /// Returns the groups, the largest first.
    fn sorted(&self) -> Vec<(&(Outcome, Outcome), &Group)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(change, group)| (Reverse(group.count), *change));
        groups
    }

    /// Returns the comparison as JSON, for tools.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let groups = self.sorted().into_iter().map(|((old, new), Group { count, example })| Change {
            old,
            new,
            count: *count,
            example,
        });
        to_json(&Summary {
            lines: self.lines,
            unchanged: self.unchanged,
            changed: self.changed,
            undecided: self.undecided_count(),
            skipped: sum(&self.skipped),
            changes: groups.collect(),
            other: self.other,
            undecided_because: &self.undecided,
            skipped_because: &self.skipped,
        })
    }
}

fn count(all: &mut BTreeMap<&'static str, Counted>, why: &'static str, line: usize) {
    let counted = all.entry(why).or_insert(Counted { count: 0, first: line });
    counted.count = counted.count.saturating_add(1);
}

fn sum(all: &BTreeMap<&'static str, Counted>) -> usize {
    all.values().map(|counted| counted.count).sum()
}

#[derive(Serialize)]
struct Change<'c> {
    old: &'c Outcome,
    new: &'c Outcome,
    count: usize,
    example: &'c Example,
}

#[derive(Serialize)]
struct Summary<'c> {
    lines: usize,
    unchanged: usize,
    changed: usize,
    undecided: usize,
    skipped: usize,
    changes: Vec<Change<'c>>,
    /// Changes beyond the limit of groups.
    other: usize,
    undecided_because: &'c BTreeMap<&'static str, Counted>,
    skipped_because: &'c BTreeMap<&'static str, Counted>,
}

/// For people: the numbers, then each group with an example.
impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lines, undecided, skipped) =
            (counted(self.lines, "line", "lines"), self.undecided_count(), sum(&self.skipped));
        let (unchanged, changed) = (self.unchanged, self.changed);
        write!(f, "{lines}: {unchanged} unchanged, {changed} changed, {undecided} undecided, {skipped} skipped")?;
        let groups = self.sorted();
        if !groups.is_empty() {
            write!(f, "\nchanged")?;
        }
        for ((old, new), Group { count, example: Example { line, method, host, path } }) in groups {
            let (method, host, path) = (plain(method), plain(host), plain(path));
            write!(f, "\n  {count:>8}  {old} → {new}\n            line {line}: {method} {path} at {host}")?;
        }
        if self.other > 0 {
            write!(f, "\n  {:>8}  other, beyond {MAX_GROUPS} groups", self.other)?;
        }
        for (what, all) in [("undecided", &self.undecided), ("skipped", &self.skipped)] {
            if !all.is_empty() {
                write!(f, "\n{what}")?;
            }
            for (why, Counted { count, first }) in all {
                write!(f, "\n  {count:>8}  {why}; the first is line {first}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Example, MAX_GROUPS};
    use crate::cli::explain::diff::outcome::Outcome;

    /// However many changes a log has, the memory is bounded, and each is counted.
    #[test]
    fn changes_beyond_the_limit_of_groups_are_counted() {
        let example = || Example { line: 1, method: String::new(), host: String::new(), path: String::new() };
        let mut compared = Comparison::default();
        for number in (0..MAX_GROUPS + 50).chain(0..10) {
            compared.add(Outcome::allowed(&format!("old-{number}")), Outcome::allowed("new"), example);
        }
        assert_eq!((compared.groups.len(), compared.other, compared.changed), (MAX_GROUPS, 50, MAX_GROUPS + 60));
        assert!(compared.to_string().ends_with("        50  other, beyond 1000 groups"), "{compared}");
    }
}
