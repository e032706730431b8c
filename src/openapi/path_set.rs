//! Path sets: precedence, intersection and containment of rules' paths. Rules prefer a literal where two paths first
//! differ; modules may choose differently.

use super::template::{Segment, shape};
use modgud_core::authz::MAX_SEGMENTS;
use std::collections::{HashMap, HashSet};

/// Maximum number of tree nodes visited by all searches: it bounds time. Beyond it no rules are generated.
pub(super) const MAX_STEPS: usize = 20_000_000;

/// One path of a rule.
#[derive(Debug)]
pub(super) struct PathSet {
    /// The index of the rule.
    pub(super) draft: usize,
    pub(super) method: String,
    pub(super) segments: Vec<Segment>,
    pub(super) reading: PrefixInterpretation,
}

/// Interpretation of a path that may begin with the module's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PrefixInterpretation {
    /// It does not; or it does, and the module receives the prefix.
    Unprefixed,
    /// It does: this is the path that clients send.
    External,
    /// It does: this is the path that the module sees, after Envoy removed the prefix.
    Internal,
    /// It does not, although the module receives the prefix: this is the path below the prefix.
    Assumed,
    /// Interpreted differently for two operations.
    Mixed,
}

impl PrefixInterpretation {
    /// Returns true if the other path exists under every interpretation under which this one does.
    const fn implies(self, other: Self) -> bool {
        matches!(
            (self, other),
            (_, Self::Unprefixed | Self::Mixed)
                | (Self::External, Self::External)
                | (Self::Internal, Self::Internal)
                | (Self::Assumed, Self::Assumed)
        )
    }

    /// Returns the interpretation of a path that two operations share.
    pub(super) fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Mixed }
    }
}

impl PathSet {
    /// Returns the method class for comparisons: rules for `GET` also match `HEAD`.
    pub(super) fn class(&self) -> &str {
        if self.method == "HEAD" { "GET" } else { &self.method }
    }

    /// Returns true if more specific paths match all of its requests, as `/a` and `/a/{x}/{*rest}` do for `/a/{*rest}`.
    pub(super) fn is_decided_by(&self, known: &HashSet<(&str, String)>) -> bool {
        let is_there = |segments: &[Segment]| {
            let shape = shape(segments);
            known.contains(&(self.method.as_str(), shape.clone())) || known.contains(&(self.class(), shape))
        };
        let Some((Segment::Rest, before)) = self.segments.split_last() else { return false };
        let mut before = before.to_vec();
        while before.len() < MAX_SEGMENTS && is_there(&before) {
            before.push(Segment::Parameter);
            let longer: Vec<Segment> = before.iter().cloned().chain([Segment::Rest]).collect();
            if is_there(&longer) {
                return true;
            }
        }
        false
    }
}

/// A tree of path sets by segment.
#[derive(Default)]
pub(super) struct Tree<'s> {
    literals: HashMap<&'s str, Self>,
    parameter: Option<Box<Self>>,
    ends: Vec<usize>,
    rests: Vec<usize>,
}

impl<'s> Tree<'s> {
    pub(super) fn add(&mut self, segments: &'s [Segment], number: usize) {
        match segments.split_first() {
            None => self.ends.push(number),
            Some((Segment::Rest, _)) => self.rests.push(number),
            Some((Segment::Literal(text), after)) => self.literals.entry(text).or_default().add(after, number),
            Some((Segment::Parameter | Segment::Part(_), after)) => {
                self.parameter.get_or_insert_default().add(after, number);
            }
        }
    }

    /// Returns the path sets that overlap with these segments; `None` if the search exceeds `steps`.
    pub(super) fn overlapping(&self, segments: &[Segment], steps: &mut usize) -> Option<Vec<usize>> {
        let mut found = Vec::new();
        let mut open = vec![(self, segments)];
        while let Some((tree, segments)) = open.pop() {
            *steps = steps.checked_sub(1)?;
            found.extend(&tree.rests);
            let (literal, after) = match segments.split_first() {
                None => {
                    found.extend(&tree.ends);
                    continue;
                }
                Some((Segment::Literal(text), after)) => (Some(text.as_str()), after),
                Some((Segment::Parameter | Segment::Part(_), after)) => (None, after),
                Some((Segment::Rest, _)) => {
                    found.extend(&tree.ends);
                    (None, segments)
                }
            };
            open.extend(tree.parameter.iter().map(|tree| (tree.as_ref(), after)));
            match literal {
                Some(text) => open.extend(tree.literals.get(text).map(|tree| (tree, after))),
                None => open.extend(tree.literals.values().map(|tree| (tree, after))),
            }
        }
        Some(found)
    }
}

/// Returns the precedence for rules: smaller is more specific.
pub(super) fn rank(segments: &[Segment]) -> Vec<u8> {
    let one = |segment: &Segment| match segment {
        Segment::Literal(_) => 0,
        Segment::Parameter | Segment::Part(_) => 1,
        Segment::Rest => 3,
    };
    segments.iter().map(one).chain([2]).collect()
}

/// Returns the intersection; `None` if it is empty.
pub(super) fn intersect(one: &[Segment], other: &[Segment]) -> Option<Vec<Segment>> {
    let mut both = Vec::new();
    let (mut one, mut other) = (one.iter().peekable(), other.iter().peekable());
    loop {
        let segment = match (one.peek(), other.peek()) {
            (Some(Segment::Rest), Some(Segment::Rest)) => {
                both.push(Segment::Rest);
                return Some(both);
            }
            (None | Some(Segment::Rest), None) | (None, Some(Segment::Rest)) => return Some(both),
            (None, Some(_)) | (Some(_), None) => return None,
            (Some(Segment::Rest), Some(segment)) => {
                let segment = (*segment).clone();
                other.next();
                segment
            }
            (Some(segment), Some(Segment::Rest)) => {
                let segment = (*segment).clone();
                one.next();
                segment
            }
            (Some(a), Some(b)) => {
                let segment = match (a, b) {
                    (Segment::Literal(a), Segment::Literal(b)) if a != b => return None,
                    (Segment::Literal(text), _) | (_, Segment::Literal(text)) => Segment::Literal(text.clone()),
                    (_, _) => Segment::Parameter,
                };
                one.next();
                other.next();
                segment
            }
        };
        both.push(segment);
    }
}

/// Returns true if `big`, as a rule, matches everything that `small` matches.
pub(super) fn is_superset(big: &[Segment], small: &[Segment]) -> bool {
    let mut small = small.iter();
    for segment in big {
        match (segment, small.next()) {
            (Segment::Rest, _) => return true,
            (Segment::Literal(a), Some(Segment::Literal(b))) if a == b => {}
            (
                Segment::Parameter | Segment::Part(_),
                Some(Segment::Literal(_) | Segment::Parameter | Segment::Part(_)),
            ) => {}
            (Segment::Literal(_) | Segment::Parameter | Segment::Part(_), _) => return false,
        }
    }
    small.next().is_none()
}

/// Returns true if `small` is clearly more specific: no module chooses `big` for a request that the rule of `small`
/// matches.
pub(super) fn is_surely_superset(big: &PathSet, small: &PathSet) -> bool {
    // Of two rules with equal paths, the one for `HEAD` decides `HEAD`. A module with a `HEAD` operation may not use
    // one for `GET`.
    let preferred = small.method == "HEAD" || (big.method != "HEAD" && !is_superset(&small.segments, &big.segments));
    let plain = big.segments == small.segments || is_plain_superset(&big.segments, &small.segments);
    preferred && plain && big.reading.implies(small.reading)
}

/// Returns true if `small` is clearly more specific, for paths with a known interpretation.
pub(super) fn is_plain_superset(big: &[Segment], small: &[Segment]) -> bool {
    let mut rest = small;
    for segment in big {
        let Some((own, after)) = rest.split_first() else { break };
        match (segment, own) {
            (Segment::Rest, _) => break,
            (Segment::Part(a), Segment::Part(b)) if a == b => {}
            // A part does not match every segment.
            (_, Segment::Part(_)) | (Segment::Part(_), Segment::Parameter) => return false,
            (_, _) => {}
        }
        rest = after;
    }
    // The remaining segments must be complete: a module may require a segment where a rule's wildcard can be empty.
    let plain = rest.iter().all(|segment| matches!(segment, Segment::Literal(_) | Segment::Parameter));
    plain && is_superset(big, small)
}
