//! The check of an API description: obstacles to joining the gateway, and warnings for the module's operators.

use super::draft;
use super::finding::{Finding, Severity};
use super::mount::Mount;
use super::read::{Api, Operation};
use super::requirement::Security;
use super::template::{self, MatchPrecision, Pattern};
use crate::diagnostic::{Located, Quoted};
use modgud_core::authz::{ModulePrefix, ModuleReading};
use std::collections::{HashMap, HashSet};

/// The path of a module's own description, a reserved name that every module has.
const DOCS: &str = "docs";

/// Maximum number of compared pairs: far more than any real description has. Beyond it the check stops with a finding.
const MAX_PAIRS: usize = 4_000_000;

/// The module with this description.
#[derive(Debug, Clone)]
pub struct Module<'m> {
    /// Its name; `None` if it is not given.
    pub name: Option<&'m str>,
    /// Its place in the gateway's paths; `None` if it is not configured.
    pub mount: Option<&'m Mount>,
    /// The reserved names.
    pub reserved: &'m [Box<str>],
}

/// The findings in a description, in document order.
#[derive(Debug)]
pub struct Report {
    /// Findings that keep the module from joining.
    pub errors: Vec<Located<Finding>>,
    /// Findings to review.
    pub warnings: Vec<Located<Finding>>,
}

/// Checks a description.
#[must_use]
pub fn check(api: &Api, module: &Module<'_>) -> Report {
    let mut found = api.found.clone();
    name(api, module, &mut found);
    paths(api, module, &mut found);
    interpretations(api, module, &mut found);
    identifiers(api, &mut found);
    security(api, &mut found);
    if api.operations.is_empty() {
        found.push(api.whole.with(Finding::Nothing));
    }
    let is_docs = |template: &str| template::first_segment(template).is_some_and(|first| first == DOCS);
    let describes_itself = |operation: &Operation| {
        let below = |base: &String| is_docs(&below(base, &operation.template, module.mount));
        is_docs(&operation.template) || operation.bases.iter().any(below)
    };
    if !api.operations.iter().any(describes_itself) {
        found.push(api.whole.with(Finding::NoDocs));
    }
    found.sort_by(|one, other| one.order().cmp(&other.order()));
    let (errors, warnings) = found.into_iter().partition(|found| found.what().severity() == Severity::Error);
    Report { errors, warnings }
}

/// Lists the reserved names for a message.
fn all(reserved: &[Box<str>]) -> String {
    let all: Vec<String> = reserved.iter().map(|name| format!("`{name}`")).collect();
    all.join(", ")
}

fn name(api: &Api, module: &Module<'_>, found: &mut Vec<Located<Finding>>) {
    let Module { name: Some(name), mount, reserved } = module else { return };
    let own = ModulePrefix::parse(&format!("/{name}"));
    let first = match (mount, &own) {
        (Some(Mount { prefix, .. }), _) | (None, Ok(prefix)) => prefix.first(),
        (None, Err(error)) => {
            found.push(api.whole.with(Finding::Name(Quoted::new(name), *error)));
            return;
        }
    };
    if is_reserved(first, reserved) {
        found.push(api.whole.with(Finding::ReservedName { name: Quoted::new(first), all: all(reserved) }));
    }
}

/// Returns true if no module can have this first segment. Letter case makes no difference, as some services ignore it.
fn is_reserved(first: &str, reserved: &[Box<str>]) -> bool {
    reserved.iter().any(|name| name.eq_ignore_ascii_case(first))
}

/// Returns the first literal segments of an operation's paths as the module receives them, one per base.
fn first_segments<'o>(operation: &'o Operation, module: &'o Module<'_>) -> impl Iterator<Item = String> + 'o {
    operation.bases.iter().filter_map(move |base| {
        let template = match module.mount {
            Some(Mount { keep_prefix: true, .. }) => format!("{base}{}", operation.template),
            mount => below(base, &operation.template, mount),
        };
        template::first_segment(&template).map(str::to_owned)
    })
}

/// Returns the path below the module's prefix, which the base may already contain. If the module receives the prefix, so may the path.
fn below(base: &str, template: &str, mount: Option<&Mount>) -> String {
    let whole = || format!("{base}{template}");
    match mount {
        None => whole(),
        Some(mount @ Mount { keep_prefix: true, .. }) => {
            let whole = whole();
            mount.below(&whole).map(str::to_owned).unwrap_or(whole)
        }
        // This assumes that the prefix is the gateway's; if it is the module's own too, no name is missed.
        Some(mount) => format!("{}{template}", mount.below(base).unwrap_or(base)),
    }
}

/// Reports bases and paths whose interpretation is uncertain, because of the module's prefix.
fn interpretations(api: &Api, module: &Module<'_>, found: &mut Vec<Located<Finding>>) {
    let own = module.name.and_then(|name| ModulePrefix::parse(&format!("/{name}")).ok().map(Mount::new));
    let Some(mount) = module.mount.or(own.as_ref()) else { return };
    let mut reported = HashSet::new();
    for operation in &api.operations {
        for base in &operation.bases {
            let written = format!("{base}{}", operation.template);
            let patterns = draft::interpretations(&written, mount).unwrap_or_default();
            if let Some(finding) = draft::uncertain(&patterns, mount)
                && reported.insert(base)
            {
                found.push(operation.path.with(finding));
            }
        }
    }
}

fn paths(api: &Api, module: &Module<'_>, found: &mut Vec<Located<Finding>>) {
    let plain = ModuleReading::default();
    let reading = module.mount.map_or(&plain, |mount| &mount.reading);
    let mut reserved = HashSet::new();
    let mut reported = HashSet::new();
    let mut known: HashMap<(&str, &str, String), (&Operation, String)> = HashMap::new();
    let mut cut = Vec::new();
    let mut compared = Paths::default();
    for operation in &api.operations {
        for first in first_segments(operation, module) {
            if first != DOCS && is_reserved(&first, module.reserved) && reserved.insert(first.clone()) {
                let (name, all) = (Quoted::new(&first), all(module.reserved));
                found.push(operation.path.with(Finding::ReservedPath { name, all }));
            }
        }
        let template = operation.template.as_str();
        let shown = || Quoted::new(template);
        match template::read("", template) {
            Err(error) => {
                if reported.insert(template) {
                    found.push(operation.path.with(Finding::Template(shown(), error)));
                }
            }
            Ok(pattern) => {
                let pattern = pattern.read_by(reading, 0);
                // A wider pattern covers several templates, which the module distinguishes.
                if pattern.reach == MatchPrecision::Wider {
                    if reported.insert(template) {
                        found.push(operation.path.with(Finding::Widened(shown())));
                    }
                    continue;
                }
                compared.add(operation, &pattern);
                let stem = template::without_suffix(&pattern.segments, reading, 0);
                for base in &operation.bases {
                    let of = |shape: &String| (operation.method.as_str(), base.as_str(), shape.clone());
                    cut.extend(stem.as_ref().map(|stem| (operation, of(stem))));
                    if let Some((other, spelled)) =
                        known.insert(of(&pattern.shape), (operation, pattern.spelled.clone()))
                    {
                        let (method, other) = (Quoted::new(&operation.method), Quoted::new(&other.template));
                        let finding = if spelled == pattern.spelled {
                            Finding::Collision { method, other }
                        } else {
                            Finding::SameButForCase { method, other }
                        };
                        found.push(operation.here.with(finding));
                    }
                }
            }
        }
    }
    for (operation, without) in cut {
        if let Some((other, _)) = known.get(&without) {
            let (method, other) = (Quoted::new(&operation.method), Quoted::new(&other.template));
            found.push(operation.here.with(Finding::SameButForSuffix { method, other }));
        }
    }
    compared.report(found);
    // An invalid base applies to every operation, so it is reported once.
    let mut bases = HashSet::new();
    for operation in &api.operations {
        for base in operation.bases.iter().filter(|base| !base.is_empty() && bases.insert(base.as_str())) {
            if let Err(error) = template::read("", base) {
                found.push(operation.path.with(Finding::Template(Quoted::new(base), error)));
            }
        }
    }
}

fn identifiers(api: &Api, found: &mut Vec<Located<Finding>>) {
    let mut known = HashSet::new();
    for operation in &api.operations {
        if let Some(id) = operation.id.as_deref().filter(|id| !known.insert(*id)) {
            found.push(operation.here.with(Finding::IdTaken(Quoted::new(id))));
        }
    }
}

fn security(api: &Api, found: &mut Vec<Located<Finding>>) {
    let without = api.operations.iter().filter(|operation| operation.security == Security::Absent).count();
    if without > 1 && without == api.operations.len() {
        found.push(api.whole.with(Finding::NoSecurityAtAll(without)));
        return;
    }
    for operation in &api.operations {
        let finding = match &operation.security {
            Security::Absent => Finding::NoSecurity,
            Security::OneOf(list) if list.is_empty() => Finding::Open,
            Security::OneOf(list) if list.iter().any(|one| one.schemes.is_empty()) => Finding::Optional,
            Security::OneOf(_) | Security::Unknown => continue,
        };
        found.push(operation.here.with(finding));
    }
}

/// Paths that can be ambiguous: a request matches two, and neither is clearly more specific, such as `/{entity}/me` and
/// `/books/{id}`. Rules prefer the one with a literal where they first differ. A module may choose the other one, and
/// would then execute a request that the wrong rule allowed. Only paths with a literal and a parameter can be ambiguous;
/// they are listed by method and number of segments.
#[derive(Default)]
struct Paths<'o>(HashMap<(&'o str, usize), Vec<Path<'o>>>);

struct Path<'o> {
    /// The segments; `None` is a parameter.
    segments: Vec<Option<String>>,
    operation: &'o Operation,
}

impl<'o> Paths<'o> {
    fn add(&mut self, operation: &'o Operation, pattern: &Pattern) {
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
    fn report(&self, found: &mut Vec<Located<Finding>>) {
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
