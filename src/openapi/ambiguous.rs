//! Ambiguous paths: a request matches both, and neither is clearly more specific, such as `/{entity}/me` and
//! `/books/{id}`. Rules prefer the one with a literal where they first differ. A module may choose the other one, and
//! would then execute a request that the wrong rule allowed.

use super::finding::Finding;
use super::read::Operation;
use super::template::{MatchPrecision, Pattern};
use crate::diagnostic::{Located, Quoted};
use std::collections::HashMap;

/// Maximum number of compared pairs: far more than any real description has. Beyond it the check stops with a finding.
const MAX_PAIRS: usize = 4_000_000;

/// Paths with a literal and a parameter, by method and number of segments. Only such pairs can be ambiguous.
#[derive(Default)]
pub(super) struct Paths<'o>(HashMap<(&'o str, usize), Vec<Path<'o>>>);

struct Path<'o> {
    /// The segments; `None` is a parameter.
    segments: Vec<Option<String>>,
    operation: &'o Operation,
}

impl<'o> Paths<'o> {
    pub(super) fn add(&mut self, operation: &'o Operation, pattern: &Pattern) {
        let segment = |segment: &str| (segment != "{}").then(|| segment.to_owned());
        let segments: Vec<Option<String>> = pattern.shape.split('/').skip(1).map(segment).collect();
        if segments.iter().any(Option::is_some)
            && segments.iter().any(Option::is_none)
            && pattern.reach == MatchPrecision::Exact
        {
            let group = self.0.entry((&operation.method, segments.len())).or_default();
            group.push(Path { segments, operation });
        }
    }

    /// Reports each path that is ambiguous with an earlier one, once.
    pub(super) fn tell(&self, found: &mut Vec<Located<Finding>>) {
        let mut pairs = 0_usize;
        for group in self.0.values() {
            for (number, one) in group.iter().enumerate() {
                pairs = pairs.saturating_add(number);
                if pairs > MAX_PAIRS {
                    found.push(one.operation.path.with(Finding::NotCompared));
                    return;
                }
                if let Some(other) = group.iter().take(number).find(|other| ambiguous(&one.segments, &other.segments)) {
                    let method = Quoted::new(&one.operation.method);
                    let other = Quoted::new(&other.operation.template);
                    found.push(one.operation.here.with(Finding::Ambiguous { method, other }));
                }
            }
        }
    }
}

fn ambiguous(one: &[Option<String>], other: &[Option<String>]) -> bool {
    let (mut one_is_literal, mut other_is_literal) = (false, false);
    for pair in one.iter().zip(other) {
        match pair {
            (Some(a), Some(b)) if a != b => return false,
            (Some(_), None) => one_is_literal = true,
            (None, Some(_)) => other_is_literal = true,
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    one_is_literal && other_is_literal
}
