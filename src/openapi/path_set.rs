//! The path of a rule beside others: which of two a request takes, what they have in common, and whether it is sure that a module prefers
//! the one to the other. Rules prefer what has a literal where two first differ; modules may do otherwise.

use super::template::{Segment, shape};
use modgud_core::authz::MAX_SEGMENTS;
use std::collections::{HashMap, HashSet};

/// The most places of trees that all searches together look at.
pub(super) const MAX_STEPS: usize = 20_000_000;

/// One path of a rule.
#[derive(Debug)]
pub(super) struct PathSet {
    /// The rule, by number.
    pub(super) draft: usize,
    pub(super) method: String,
    pub(super) segments: Vec<Segment>,
    pub(super) reading: Reading,
}

/// What a path that begins with the module's prefix is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// It does not begin so.
    Sole,
    /// What clients send.
    Outside,
    /// What the module sees, which has no prefix before it any more.
    Inside,
    /// One operation's is the one, and another's the other.
    Mixed,
}

impl Reading {
    /// Whether, however such a path is meant, the other is there too when it is.
    const fn implies(self, other: Self) -> bool {
        matches!(
            (self, other),
            (_, Self::Sole | Self::Mixed) | (Self::Outside, Self::Outside) | (Self::Inside, Self::Inside)
        )
    }

    /// That of a path that is of two operations.
    pub(super) fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Mixed }
    }
}

impl PathSet {
    /// The method by which rules are compared: one for `GET` is one for `HEAD`, too.
    pub(super) fn class(&self) -> &str {
        if self.method == "HEAD" { "GET" } else { &self.method }
    }

    /// Whether others, which are more specific, match all that this one does: `/a` and `/a/{x}/{*rest}` do for `/a/{*rest}`.
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

/// Ways by their segments.
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

    /// The ways that match a path that these segments match; `None` when there is more to look at than so many places.
    pub(super) fn near(&self, segments: &[Segment], steps: &mut usize) -> Option<Vec<usize>> {
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

/// Smaller is more specific to rules.
pub(super) fn rank(segments: &[Segment]) -> Vec<u8> {
    let one = |segment: &Segment| match segment {
        Segment::Literal(_) => 0,
        Segment::Parameter | Segment::Part(_) => 1,
        Segment::Rest => 3,
    };
    segments.iter().map(one).chain([2]).collect()
}

/// What both match, if there is anything.
pub(super) fn meet(one: &[Segment], other: &[Segment]) -> Option<Vec<Segment>> {
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

/// Whether, to rules, one matches all that another does.
pub(super) fn contains(big: &[Segment], small: &[Segment]) -> bool {
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

/// Whether the small one is plainly the more specific, so that no module takes the big one for a request that the rule of the small one
/// is for.
pub(super) fn surely_contains(big: &PathSet, small: &PathSet) -> bool {
    // Of two for the same paths rules take, for `HEAD`, the one that names it. One for `GET` may be none for `HEAD` to a module that has
    // another for that.
    let preferred = small.method == "HEAD" || (big.method != "HEAD" && !contains(&small.segments, &big.segments));
    let plain = big.segments == small.segments || plainly_contains(&big.segments, &small.segments);
    preferred && plain && big.reading.implies(small.reading)
}

/// The same of paths of which it is known how they are meant.
pub(super) fn plainly_contains(big: &[Segment], small: &[Segment]) -> bool {
    let mut rest = small;
    for segment in big {
        let Some((own, after)) = rest.split_first() else { break };
        match (segment, own) {
            (Segment::Rest, _) => break,
            (Segment::Part(a), Segment::Part(b)) if a == b => {}
            // Not every segment is such a part.
            (_, Segment::Part(_)) | (Segment::Part(_), Segment::Parameter) => return false,
            (_, _) => {}
        }
        rest = after;
    }
    // What is left stands for itself: a module may want a segment where a rule's rest can be empty.
    let plain = rest.iter().all(|segment| matches!(segment, Segment::Literal(_) | Segment::Parameter));
    plain && contains(big, small)
}
