//! Rules under construction: one per operation, with names that are stable across versions of a description.

use super::finding::Finding;
use super::mount::Mount;
use super::path_set::{PathSet, PrefixInterpretation};
use super::read::{Api, Operation};
use super::requirement::{self, AccessRequirement, Rationale};
use super::template::{self, MatchPrecision, Pattern, Segment, TemplateError};
use crate::diagnostic::{Located, Quoted};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Maximum length of a rule's name, as in a configuration. A longer name ends in a digest.
const MAX_NAME: usize = 128;

/// A rule under construction.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) method: String,
    pub(super) patterns: Vec<String>,
    pub(super) access: AccessRequirement,
    pub(super) rationale: BTreeSet<Rationale>,
    /// Precision of the rule compared with its paths.
    pub(super) reach: MatchPrecision,
    /// Interpretation of its paths; only [`PrefixInterpretation::Unprefixed`] is certain.
    pub(super) reading: PrefixInterpretation,
    /// The source operations, as method and path.
    pub(super) made_from: Vec<String>,
    /// Other operations that match some of the same requests.
    pub(super) related: Vec<String>,
    /// The location of the first operation.
    pub(super) here: Located<()>,
    /// The path of the first operation, as written.
    pub(super) template: String,
}

/// Returns one rule per operation, before overlaps are resolved, or errors if an operation can't have a rule.
pub(super) fn drafts<'m>(api: &Api, module: &'m str, mount: &Mount) -> Result<Drafts<'m>, Vec<Located<Finding>>> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut path_sets: Vec<PathSet> = Vec::new();
    // By method and shape: the rule, the path set, and the spelling.
    let mut known: HashMap<(&str, String), (usize, usize, String)> = HashMap::new();
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let (mut ambiguous, mut reported_fragments) = (HashSet::new(), HashSet::new());
    let mut names = Names::of(api, module);
    let mut with_fragment = Vec::new();
    for operation in api.operations.iter().chain(&api.unresolved) {
        let mut own: Option<usize> = None;
        let mut reported_case = false;
        // No request has a fragment: it is for the path before it.
        let (path, fragment) =
            operation.template.split_once('#').map_or((&*operation.template, false), |(path, _)| (path, true));
        if fragment && reported_fragments.insert(&operation.template) {
            let template = Quoted::new(&operation.template);
            with_fragment.push(operation.path.with(Finding::Template(template, TemplateError::QueryOrFragment)));
        }
        for base in &operation.bases {
            let written = format!("{base}{}", operation.template);
            let patterns = match interpretations(&format!("{base}{path}"), mount) {
                Ok(patterns) => patterns,
                Err(error) => {
                    let finding = Finding::Template(Quoted::new(&written), error);
                    errors.push(operation.path.with(finding));
                    continue;
                }
            };
            if let Some(finding) = uncertain(&patterns, mount)
                && ambiguous.insert(base)
            {
                warnings.push(operation.path.with(finding));
            }
            for (Pattern { text, shape, spelled, segments, reach }, reading) in patterns {
                let key = (operation.method.as_str(), shape);
                let other = known.get(&key).filter(|(at, ..)| Some(*at) != own);
                let but_for_case = other.is_some_and(|(.., earlier)| *earlier != spelled);
                let other = other.map(|(at, path_set, _)| (*at, *path_set));
                // The requests of an earlier operation, or a further path of this one.
                let at = match (other, own) {
                    (Some((at, path_set)), _) => {
                        if let Some(merged) = path_sets.get_mut(path_set) {
                            merged.merge(&segments, reading, path_set);
                        }
                        at
                    }
                    (None, Some(at)) => at,
                    (None, None) => {
                        drafts.push(Draft::of(names.next(operation), operation));
                        let at = drafts.len().saturating_sub(1);
                        own = Some(at);
                        at
                    }
                };
                let Some(draft) = drafts.get_mut(at) else { continue };
                if other.is_some() {
                    draft.merge(operation);
                    if but_for_case && !std::mem::replace(&mut reported_case, true) {
                        let (method, other) = (Quoted::new(&operation.method), Quoted::new(&draft.template));
                        warnings.push(operation.here.with(Finding::SameButForCase { method, other }));
                    }
                } else if known.insert(key, (at, path_sets.len(), spelled)).is_none() {
                    draft.patterns.push(text);
                    path_sets.push(PathSet { draft: at, method: operation.method.clone(), segments, reading });
                }
                draft.add(format!("{} {written}", operation.method), reach, reading);
            }
        }
    }
    if !errors.is_empty() {
        errors.extend(with_fragment);
        return Err(errors);
    }
    warnings.extend(with_fragment);
    for (with, without) in suffixed(&path_sets, &known, mount) {
        let Some((access, label, other)) =
            drafts.get(without).map(|one| (one.access.clone(), one.label().to_owned(), Quoted::new(&one.template)))
        else {
            continue;
        };
        let Some(draft) = drafts.get_mut(with) else { continue };
        draft.access = std::mem::replace(&mut draft.access, AccessRequirement::Public).and(access);
        draft.rationale.insert(Rationale::Overlapping);
        draft.related.push(label);
        let method = Quoted::new(&draft.method);
        warnings.push(draft.here.with(Finding::SameButForSuffix { method, other }));
    }
    drafts.iter_mut().for_each(Draft::close);
    Ok(Drafts { rules: drafts, path_sets, names, warnings })
}

/// Returns pairs of rules: one for a path with a suffix that the module strips, and one for the path without.
fn suffixed(
    path_sets: &[PathSet],
    known: &HashMap<(&str, String), (usize, usize, String)>,
    Mount { prefix, reading: reads, .. }: &Mount,
) -> BTreeSet<(usize, usize)> {
    let pair = |path_set: &PathSet| {
        let without = template::without_suffix(&path_set.segments, reads, prefix.segments())?;
        let (other, ..) = known.get(&(path_set.method.as_str(), without))?;
        (*other != path_set.draft).then_some((path_set.draft, *other))
    };
    path_sets.iter().filter_map(pair).collect()
}

/// Rules that may overlap, and their warnings.
#[derive(Debug)]
pub(super) struct Drafts<'m> {
    pub(super) rules: Vec<Draft>,
    /// The paths of each rule.
    pub(super) path_sets: Vec<PathSet>,
    /// The names in use.
    pub(super) names: Names<'m>,
    pub(super) warnings: Vec<Located<Finding>>,
}

/// Returns the patterns of a path as clients send it.
///
/// If Envoy removes the prefix, a path with the prefix is ambiguous: it may be external, or internal, after Envoy removed the prefix. If the
/// module receives the prefix, a path without it is ambiguous: the description may leave the prefix out, or list what no client reaches.
pub(super) fn interpretations(
    written: &str,
    mount: &Mount,
) -> Result<Vec<(Pattern, PrefixInterpretation)>, TemplateError> {
    let Mount { prefix, keep_prefix, reading } = mount;
    let below = |template: &str| {
        Ok::<_, TemplateError>(template::read(prefix.as_str(), template)?.read_by(reading, prefix.segments()))
    };
    let outside = template::read("", written)?.read_by(reading, prefix.segments());
    Ok(match (template::begins(&outside.segments, prefix.as_str()), keep_prefix) {
        (true, true) => vec![(outside, PrefixInterpretation::Unprefixed)],
        (true, false) => {
            let inside = below(written)?;
            vec![(outside, PrefixInterpretation::External), (inside, PrefixInterpretation::Internal)]
        }
        (false, false) => vec![(below(written)?, PrefixInterpretation::Unprefixed)],
        (false, true) => {
            let mut patterns = vec![(below(written)?, PrefixInterpretation::Assumed)];
            if let Some(rest) = mount.rest_of_parameters(written) {
                patterns.push((below(rest)?, PrefixInterpretation::Assumed));
            }
            patterns
        }
    })
}

/// Returns the finding about a path whose interpretation is uncertain. `None` if it is certain.
pub(super) fn uncertain(patterns: &[(Pattern, PrefixInterpretation)], mount: &Mount) -> Option<Finding> {
    let prefix = Quoted::new(mount.prefix.as_str());
    match patterns.first()?.1 {
        PrefixInterpretation::Unprefixed => None,
        PrefixInterpretation::External | PrefixInterpretation::Internal | PrefixInterpretation::Mixed => {
            Some(Finding::TwoReadings(prefix))
        }
        PrefixInterpretation::Assumed => Some(Finding::WithoutPrefix(prefix)),
    }
}

impl PathSet {
    /// Merges another path of the same shape. Where they differ, the segment becomes a part unlike that of any other
    /// path set.
    fn merge(&mut self, segments: &[Segment], reading: PrefixInterpretation, number: usize) {
        self.reading = self.reading.and(reading);
        for (own, _) in self.segments.iter_mut().zip(segments).filter(|(own, other)| **own != **other) {
            *own = Segment::Part(format!("{{}}|{number}"));
        }
    }
}

impl Draft {
    /// Creates a rule for an operation, without paths.
    fn of(name: String, operation: &Operation) -> Self {
        let (access, rationale) = requirement::of(&operation.security);
        Self {
            name,
            method: operation.method.clone(),
            patterns: Vec::new(),
            access,
            rationale,
            reach: MatchPrecision::Exact,
            reading: PrefixInterpretation::Unprefixed,
            made_from: Vec::new(),
            related: Vec::new(),
            here: operation.here.clone(),
            template: operation.template.clone(),
        }
    }

    /// Adds the requirements of another operation.
    fn merge(&mut self, operation: &Operation) {
        let (access, rationale) = requirement::of(&operation.security);
        self.access = std::mem::replace(&mut self.access, AccessRequirement::Public).and(access);
        self.rationale.extend(rationale);
        self.rationale.insert(Rationale::Merged);
    }

    /// Adds a source operation.
    fn add(&mut self, made_from: String, reach: MatchPrecision, reading: PrefixInterpretation) {
        // The interpretations of one path are consecutive.
        if self.made_from.last() != Some(&made_from) {
            self.made_from.push(made_from);
        }
        self.reading = if self.reading == PrefixInterpretation::Unprefixed { reading } else { self.reading };
        if reach == MatchPrecision::Wider {
            self.reach = MatchPrecision::Wider;
        }
    }

    /// Returns the first operation, for people.
    pub(super) fn label(&self) -> &str {
        self.made_from.first().map_or("", String::as_str)
    }

    /// Requires a credential if the rule may match too much, and corrects the rationale of rules that are not open.
    pub(super) fn close(&mut self) {
        if self.reach == MatchPrecision::Wider || self.reading != PrefixInterpretation::Unprefixed {
            self.access = std::mem::replace(&mut self.access, AccessRequirement::Public).not_open();
        }
        match self.access {
            AccessRequirement::Public | AccessRequirement::Optional => {}
            AccessRequirement::Caller(_) | AccessRequirement::Denied => {
                let before = self.rationale.len();
                self.rationale.retain(|rationale| !matches!(rationale, Rationale::Open | Rationale::Optional));
                if self.rationale.len() != before {
                    self.rationale.insert(Rationale::NotOpened);
                }
            }
        }
    }
}

/// Unique names of rules.
#[derive(Debug)]
pub(super) struct Names<'m> {
    module: &'m str,
    /// The `operationId`s that are unique.
    ids: HashSet<String>,
    /// Names in use, each with the next number for a duplicate.
    taken: HashMap<String, usize>,
}

impl<'m> Names<'m> {
    fn of(api: &Api, module: &'m str) -> Self {
        let (mut ids, mut twice) = (HashSet::new(), HashSet::new());
        for id in api.operations.iter().filter_map(|operation| operation.id.as_deref().map(visible)) {
            if !ids.insert(id.clone()) {
                twice.insert(id);
            }
        }
        ids.retain(|id| !twice.contains(id));
        Self { module, ids, taken: HashMap::new() }
    }

    /// Returns a name from the `operationId` if it is unique, else from method and path.
    fn next(&mut self, operation: &Operation) -> String {
        let id = operation.id.as_deref().map(visible).filter(|id| !id.is_empty() && self.ids.contains(id));
        let own = id.unwrap_or_else(|| visible(&format!("{}{}", operation.method, operation.template)));
        self.own(&own)
    }

    /// Returns a unique name below the module's name.
    pub(super) fn own(&mut self, own: &str) -> String {
        let base = fitting(&format!("{}.{}", self.module, visible(own)));
        let mut name = base.clone();
        while self.taken.contains_key(&name) {
            let number = self.taken.entry(base.clone()).or_insert(2);
            name = fitting(&format!("{base}-{number}"));
            *number = number.saturating_add(1);
        }
        self.taken.insert(name.clone(), 2);
        name
    }
}

/// Replaces all but visible ASCII by `-`.
fn visible(text: &str) -> String {
    text.chars().map(|character| if character.is_ascii_graphic() { character } else { '-' }).collect()
}

/// Shortens a name to the maximum length; a digest keeps it unique.
fn fitting(name: &str) -> String {
    const DIGITS: usize = 16;
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let digest = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3) // FNV-1a
    });
    let kept = MAX_NAME.saturating_sub(DIGITS).saturating_sub(1);
    let head: String = name.chars().take(kept).collect();
    format!("{head}-{digest:016x}")
}
