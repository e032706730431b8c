//! Overlaps: requests that match two operations, where the module's choice is unknown. The rule that decides them must
//! require what both require. For few overlaps this is a separate rule; for many, the existing rule becomes stricter.

use super::draft::{Draft, Drafts, Names};
use super::finding::Finding;
use super::path_set::{
    MAX_STEPS, PathSet, PrefixInterpretation, Tree, intersect, is_plain_superset, is_superset, is_surely_superset, rank,
};
use super::requirement::{AccessRequirement, Rationale};
use super::template::{MatchPrecision, Segment, shape};
use crate::diagnostic::{Located, Quoted};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

#[cfg(test)]
mod tests;

/// Maximum number of compared pairs: far more than any real description has. Beyond it no rules are generated.
const MAX_PAIRS: usize = 4_000_000;

/// Maximum number of separate rules for the overlaps of one path. With more overlaps, its rule becomes stricter
/// instead.
const MAX_INTERSECTIONS: usize = 4;

/// Two overlapping path sets.
#[derive(Clone, Copy)]
struct Pair<'w> {
    /// The one that rules prefer.
    winner: &'w PathSet,
    loser: &'w PathSet,
}

/// The resolution of overlaps.
#[derive(Default)]
struct Work<'w> {
    /// Rules that also require what another requires.
    tighter: BTreeSet<(usize, usize)>,
    /// Overlaps with a separate rule, by the path set that rules prefer.
    intersections: BTreeMap<usize, Vec<Pair<'w>>>,
    /// Rules whose comment names another.
    related: BTreeSet<(usize, usize)>,
    found: BTreeMap<usize, Located<Finding>>,
}

/// Rules that agree, and their warnings.
#[derive(Debug)]
pub(super) struct Resolved {
    pub(super) rules: Vec<Draft>,
    pub(super) warnings: Vec<Located<Finding>>,
}

/// Makes each rule at least as strict as every operation that the module may choose, and reports overlaps.
///
/// # Errors
/// [`Finding::NotCompared`] if there are too many pairs.
pub(super) fn resolve_overlaps(
    Drafts { rules: mut drafts, path_sets, mut names, mut warnings }: Drafts<'_>,
) -> Result<Resolved, Vec<Located<Finding>>> {
    let (path_sets, names) = (path_sets.as_slice(), &mut names);
    let mut trees: HashMap<&str, Tree<'_>> = HashMap::new();
    for (number, path_set) in path_sets.iter().enumerate() {
        trees.entry(path_set.class()).or_default().add(&path_set.segments, number);
    }
    let required: Vec<AccessRequirement> = drafts.iter().map(|draft| draft.access.clone()).collect();
    let mut steps = MAX_STEPS;
    let work = compared(&drafts, path_sets, &trees, &required, &mut steps)?;
    let Work { mut tighter, intersections, related, found } = work;
    let mut made: HashMap<(String, String), Draft> = HashMap::new();
    let mut order = Vec::new();
    for pairs in intersections.values() {
        if pairs.len() > MAX_INTERSECTIONS {
            tighter.extend(pairs.iter().map(|pair| (pair.winner.draft, pair.loser.draft)));
            continue;
        }
        for pair in pairs {
            let segments = intersect(&pair.winner.segments, &pair.loser.segments).unwrap_or_default();
            let key = (pair.method().to_owned(), shape(&segments));
            if made.contains_key(&key) {
                continue;
            }
            let Some(candidates) =
                trees.get(pair.winner.class()).and_then(|tree| tree.overlapping(&segments, &mut steps))
            else {
                return Err(not_compared(&drafts, pair.winner));
            };
            let candidates = candidates.into_iter().filter_map(|number| path_sets.get(number));
            let others =
                candidates.filter(|path_set| pair.concerns(path_set, &segments)).map(|path_set| path_set.draft);
            let numbers: BTreeSet<usize> = others.chain([pair.winner.draft, pair.loser.draft]).collect();
            if let Some(draft) = intersection_rule(&drafts, &required, &numbers, &segments, *pair, names) {
                made.insert(key.clone(), draft);
                order.push(key);
            }
        }
    }
    for (winner, loser) in tighter {
        if let (Some(draft), Some(more)) = (drafts.get_mut(winner), required.get(loser)) {
            draft.access = std::mem::replace(&mut draft.access, AccessRequirement::Public).and(more.clone());
            draft.rationale.insert(Rationale::Overlapping);
        }
    }
    for (number, other) in related {
        let other = drafts.get(other).map(|other| other.label().to_owned());
        if let (Some(draft), Some(other)) = (drafts.get_mut(number), other) {
            draft.related.push(other);
        }
    }
    drafts.iter_mut().for_each(Draft::close);
    let mut known = known(path_sets);
    known.extend(order.iter().map(|(method, shape)| (method.as_str(), shape.clone())));
    leave_out(&mut drafts, path_sets, &known);
    drafts.extend(order.iter().filter_map(|key| made.remove(key)));
    warnings.extend(found.into_values());
    warnings.sort_by(|one, other| one.order().cmp(&other.order()));
    Ok(Resolved { rules: drafts, warnings })
}

/// Compares all pairs.
fn compared<'w>(
    drafts: &[Draft],
    path_sets: &'w [PathSet],
    trees: &HashMap<&str, Tree<'_>>,
    required: &[AccessRequirement],
    steps: &mut usize,
) -> Result<Work<'w>, Vec<Located<Finding>>> {
    let known = known(path_sets);
    let mut work = Work::default();
    let mut pairs = 0_usize;
    for (number, one) in path_sets.iter().enumerate() {
        let candidates = trees.get(one.class()).and_then(|tree| tree.overlapping(&one.segments, steps));
        pairs = pairs.saturating_add(candidates.as_ref().map_or(0, Vec::len));
        let Some(candidates) = candidates.filter(|_| pairs <= MAX_PAIRS) else { return Err(not_compared(drafts, one)) };
        let mut candidates: Vec<usize> = candidates.into_iter().filter(|other| *other < number).collect();
        candidates.sort_unstable();
        for (at, other) in candidates.into_iter().filter_map(|at| path_sets.get(at).map(|other| (at, other))) {
            if one.draft == other.draft || is_surely_superset(one, other) || is_surely_superset(other, one) {
                continue;
            }
            let first = (rank(&one.segments), one.method != "HEAD") < (rank(&other.segments), other.method != "HEAD");
            let (pair, winner) = if first {
                (Pair { winner: one, loser: other }, number)
            } else {
                (Pair { winner: other, loser: one }, at)
            };
            work.report(drafts, pair);
            let (Some(asks), Some(more)) = (required.get(pair.winner.draft), required.get(pair.loser.draft)) else {
                continue;
            };
            let Some(segments) = intersect(&one.segments, &other.segments).filter(|_| !asks.covers(more)) else {
                continue;
            };
            let own = shape(&segments);
            // A rule for `HEAD` leaves the winner's other requests alone; an existing one decides them anyway.
            let head = pair.method() == "HEAD" && pair.winner.method != "HEAD";
            if head && known.contains(&("HEAD", own.clone())) {
                continue;
            }
            let whole = own == shape(&pair.winner.segments);
            if (whole && !head) || segments.last() == Some(&Segment::Rest) || pair.goes_on() {
                work.tighter.insert((pair.winner.draft, pair.loser.draft));
            } else if whole || !pair.methods().iter().any(|method| known.contains(&(*method, own.clone()))) {
                work.intersections.entry(winner).or_default().push(pair);
            }
        }
    }
    Ok(work)
}

/// Returns the methods and shapes of all path sets.
fn known(path_sets: &[PathSet]) -> HashSet<(&str, String)> {
    path_sets.iter().map(|path_set| (path_set.method.as_str(), shape(&path_set.segments))).collect()
}

/// Removes paths whose requests are all decided by more specific ones: such rules are rejected on load.
fn leave_out(drafts: &mut [Draft], path_sets: &[PathSet], known: &HashSet<(&str, String)>) {
    let mut decided: Vec<Vec<bool>> = vec![Vec::new(); drafts.len()];
    for path_set in path_sets {
        if let Some(own) = decided.get_mut(path_set.draft) {
            own.push(path_set.is_decided_by(known));
        }
    }
    for (draft, decided) in drafts.iter_mut().zip(decided) {
        // The rule's paths are in the order of its path sets.
        let mut decided = decided.into_iter();
        draft.patterns.retain(|_| decided.next() != Some(true));
    }
}

/// Returns the finding for too many pairs.
fn not_compared(drafts: &[Draft], path_set: &PathSet) -> Vec<Located<Finding>> {
    drafts.get(path_set.draft).map(|draft| draft.here.with(Finding::NotCompared)).into_iter().collect()
}

impl Work<'_> {
    fn report(&mut self, drafts: &[Draft], Pair { winner, loser }: Pair<'_>) {
        self.related.insert((winner.draft, loser.draft));
        // Two interpretations of one document are reported elsewhere.
        let (one, other) = (&winner.segments, &loser.segments);
        if is_plain_superset(one, other) || is_plain_superset(other, one) {
            return;
        }
        let (later, earlier) = (winner.draft.max(loser.draft), winner.draft.min(loser.draft));
        if let (Some(draft), Some(other)) = (drafts.get(later), drafts.get(earlier)) {
            let (method, other) = (Quoted::new(&draft.method), Quoted::new(&other.template));
            self.found.entry(later).or_insert_with(|| draft.here.with(Finding::Ambiguous { method, other }));
        }
    }
}

impl<'w> Pair<'w> {
    /// Returns the method of the common requests.
    fn method(self) -> &'w str {
        if self.winner.method == "HEAD" { &self.winner.method } else { &self.loser.method }
    }

    /// Returns the methods of rules that match such requests.
    fn methods(self) -> Vec<&'w str> {
        if self.method() == "HEAD" { vec!["HEAD", "GET"] } else { vec![self.method()] }
    }

    /// Returns true if the preferred path ends in a wildcard: further rules below it could leave it no requests.
    fn goes_on(self) -> bool {
        self.winner.segments.last() == Some(&Segment::Rest)
    }

    /// Returns true if the module may choose a path set for the common requests of this pair.
    fn concerns(self, path_set: &PathSet, segments: &[Segment]) -> bool {
        let own = shape(&path_set.segments);
        let less = |than: &PathSet| own != shape(&than.segments) && is_surely_superset(path_set, than);
        !is_superset(segments, &path_set.segments) && !less(self.winner) && !less(self.loser)
    }
}

/// Returns the rule for an overlap: it requires what all these operations require.
fn intersection_rule(
    drafts: &[Draft],
    required: &[AccessRequirement],
    numbers: &BTreeSet<usize>,
    segments: &[Segment],
    pair: Pair<'_>,
    names: &mut Names<'_>,
) -> Option<Draft> {
    let mut access = required.get(*numbers.first()?)?.clone();
    for more in numbers.iter().skip(1).filter_map(|number| required.get(*number)) {
        access = access.and(more.clone());
    }
    let method = pair.method().to_owned();
    let first = drafts.get(pair.winner.draft)?;
    let text = pattern(segments);
    Some(Draft {
        name: names.own(&format!("overlap.{method}{}", shape(segments))),
        method,
        patterns: vec![text],
        access,
        rationale: [Rationale::Overlap].into(),
        reach: MatchPrecision::Exact,
        reading: PrefixInterpretation::Unprefixed,
        made_from: numbers.iter().filter_map(|number| Some(drafts.get(*number)?.label().to_owned())).collect(),
        related: Vec::new(),
        here: first.here.clone(),
        template: first.template.clone(),
    })
}

/// Formats a pattern as in rules, with parameters named by position.
fn pattern(segments: &[Segment]) -> String {
    let one = |(number, segment): (usize, &Segment)| match segment {
        Segment::Literal(text) => format!("/{text}"),
        Segment::Parameter | Segment::Part(_) => format!("/{{p{number}}}"),
        Segment::Rest => "/{*rest}".to_owned(),
    };
    (1..).zip(segments).map(one).collect()
}
