//! The check of an API description: obstacles to joining the gateway, and warnings for the module's operators.

use super::ambiguous::Paths;
use super::draft;
use super::finding::{Finding, Severity};
use super::read::{Api, Operation};
use super::security::Security;
use super::template::{self, MatchPrecision};
use crate::diagnostic::{Located, Quoted};
use modgud_core::authz::{ModulePrefix, ModuleReading};
use std::collections::{HashMap, HashSet};

/// The path of a module's own description, a reserved name that every module has.
const DOCS: &str = "docs";

/// The module with this description.
#[derive(Debug, Clone)]
pub struct Module<'m> {
    /// Its name; `None` if it is not given.
    pub name: Option<&'m str>,
    /// Its prefix; `None` if it is not configured.
    pub prefix: Option<&'m ModulePrefix>,
    /// Its interpretation of paths below the prefix.
    pub reading: &'m ModuleReading,
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
    readings(api, module, &mut found);
    identifiers(api, &mut found);
    security(api, &mut found);
    if api.operations.is_empty() {
        found.push(api.whole.with(Finding::Nothing));
    }
    let describes_itself = |operation: &Operation| {
        let below_its_base = template::first_segment(&operation.template).is_some_and(|first| first == DOCS);
        below_its_base || first_segments(operation, module).any(|first| first == DOCS)
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
    let Module { name: Some(name), prefix, reading: _, reserved } = module else { return };
    let own = ModulePrefix::parse(&format!("/{name}"));
    let first = match (*prefix, &own) {
        (Some(prefix), _) | (None, Ok(prefix)) => prefix.first(),
        (None, Err(fault)) => {
            found.push(api.whole.with(Finding::Name(Quoted::new(name), *fault)));
            return;
        }
    };
    if reserved.iter().any(|name| **name == *first) {
        found.push(api.whole.with(Finding::ReservedName { name: Quoted::new(first), all: all(reserved) }));
    }
}

/// Returns the first literal segments of an operation's paths, one per base.
fn first_segments<'o>(operation: &'o Operation, module: &'o Module<'_>) -> impl Iterator<Item = String> + 'o {
    operation.bases.iter().filter_map(move |base| {
        let template = match module.prefix {
            // This assumes that the prefix is the gateway's; if it is the module's own too, no name is missed.
            Some(prefix) => below(base, &operation.template, prefix),
            None => format!("{base}{}", operation.template),
        };
        template::first_segment(&template).map(str::to_owned)
    })
}

/// Returns the path below the module's prefix, which the base may already contain.
fn below(base: &str, template: &str, prefix: &ModulePrefix) -> String {
    let own = base.strip_prefix(prefix.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    format!("{}{template}", own.unwrap_or(base))
}

/// Reports bases and paths that begin with the module's prefix.
fn readings(api: &Api, module: &Module<'_>, found: &mut Vec<Located<Finding>>) {
    let own = module.name.and_then(|name| ModulePrefix::parse(&format!("/{name}")).ok());
    let Some(prefix) = module.prefix.or(own.as_ref()) else { return };
    let mut told = HashSet::new();
    for operation in &api.operations {
        for base in &operation.bases {
            let written = format!("{base}{}", operation.template);
            let two = draft::readings(&written, prefix, module.reading).is_ok_and(|readings| readings.len() > 1);
            if two && told.insert(base) {
                found.push(operation.path.with(Finding::TwoReadings(Quoted::new(prefix.as_str()))));
            }
        }
    }
}

fn paths(api: &Api, module: &Module<'_>, found: &mut Vec<Located<Finding>>) {
    let mut reserved = HashSet::new();
    let mut told = HashSet::new();
    let mut known: HashMap<(&str, &str, String), (&Operation, String)> = HashMap::new();
    let mut cut = Vec::new();
    let mut compared = Paths::default();
    for operation in &api.operations {
        for first in first_segments(operation, module) {
            let keeps = first != DOCS && module.reserved.iter().any(|name| **name == *first);
            if keeps && reserved.insert(first.clone()) {
                let (name, all) = (Quoted::new(&first), all(module.reserved));
                found.push(operation.path.with(Finding::ReservedPath { name, all }));
            }
        }
        let template = operation.template.as_str();
        let shown = || Quoted::new(template);
        match template::read("", template) {
            Err(fault) => {
                if told.insert(template) {
                    found.push(operation.path.with(Finding::Template(shown(), fault)));
                }
            }
            Ok(pattern) => {
                let pattern = pattern.read_by(module.reading, 0);
                // A wider pattern covers several templates, which the module distinguishes.
                if pattern.reach == MatchPrecision::Wider {
                    if told.insert(template) {
                        found.push(operation.path.with(Finding::Widened(shown())));
                    }
                    continue;
                }
                compared.add(operation, &pattern);
                let stem = template::without_suffix(&pattern.segments, module.reading, 0);
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
    compared.tell(found);
    // An invalid base applies to every operation, so it is reported once.
    let mut bases = HashSet::new();
    for operation in &api.operations {
        for base in operation.bases.iter().filter(|base| !base.is_empty() && bases.insert(base.as_str())) {
            if let Err(fault) = template::read("", base) {
                found.push(operation.path.with(Finding::Template(Quoted::new(base), fault)));
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
    let unsaid = api.operations.iter().filter(|operation| operation.security == Security::Unsaid).count();
    if unsaid > 1 && unsaid == api.operations.len() {
        found.push(api.whole.with(Finding::NoSecurityAtAll(unsaid)));
        return;
    }
    for operation in &api.operations {
        let finding = match &operation.security {
            Security::Unsaid => Finding::NoSecurity,
            Security::OneOf(list) if list.is_empty() => Finding::Open,
            Security::OneOf(list) if list.iter().any(|one| one.schemes.is_empty()) => Finding::Optional,
            Security::OneOf(_) => continue,
        };
        found.push(operation.here.with(finding));
    }
}
