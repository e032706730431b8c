//! Checks `rules`: which requests each is for, and what it asks of the caller and of the request.

use super::super::document::{self, Require, RequireAny};
use super::super::path::Path;
use super::super::problem::{Problem, Problems};
use super::super::quoted::Quoted;
use super::{method, name};
use crate::authz::condition::{Callers, Condition, ExpressionFault, Scope};
use crate::authz::{
    Access, Entitlements, Fallback, HostPattern, Narrowing, PathPattern, Requirement, Rule, RuleName, Rules, Tenancy,
    TenancyFault,
};
use crate::method::Method;
use crate::principal::AuthenticatorName;
use std::collections::HashSet;
use std::sync::Arc;

/// The rules of a document, which notes what is wrong with them. `authenticators` are the names that a rule may ask for.
pub(in super::super) fn check(
    list: &[document::Rule],
    fallback: Option<document::Fallback>,
    authenticators: &[&str],
    problems: &mut Problems,
) -> Rules {
    let fallback = match fallback {
        Some(document::Fallback::Authenticated) => Fallback::Authenticated,
        Some(document::Fallback::Denied) | None => Fallback::Denied,
    };
    let mut rules = Rules::new(fallback);
    let mut taken = HashSet::new();
    for (number, rule) in list.iter().enumerate() {
        let document::Rule { name: rule_name, matches, access, require, same_organization, when } = rule;
        let at = Path::root("rules").position(number);
        name(&at, rule_name, &mut taken, problems);
        let access = match access {
            document::Access::Authenticated => Access::Authenticated,
            document::Access::Optional => Access::Optional,
            document::Access::Public => Access::Public,
            document::Access::Denied => Access::Denied,
        };
        let require = requirement(&at.key("require"), require, access, authenticators, problems);
        let paths = Paths::of(matches);
        let same_organization = same_organization
            .as_ref()
            .and_then(|text| tenancy(&at.key("same_organization"), text, access, &paths, problems));
        let when = when.as_ref().and_then(|text| condition(&at.key("when"), text, access, &paths, problems));
        let narrows = same_organization.is_some() || when.is_some();
        let of_pattern = |text: &str, pattern: &PathPattern| Rule {
            name: RuleName::new(rule_name),
            access,
            require: require.clone(),
            narrowing: narrows.then(|| Narrowing {
                pattern: pattern.clone(),
                same_organization: same_organization.clone(),
                when: when.clone(),
            }),
            pattern: text.into(),
        };
        add(&at.key("match"), matches, of_pattern, &mut rules, problems);
    }
    rules
}

/// Adds a rule for each of its hosts and patterns.
fn add(
    at: &Path,
    matches: &document::Match,
    of_pattern: impl Fn(&str, &PathPattern) -> Rule,
    rules: &mut Rules,
    problems: &mut Problems,
) {
    let document::Match { hosts, methods, paths } = matches;
    if paths.is_empty() {
        problems.add(at.key("paths"), Problem::Empty("name at least one path, such as `/docs/{*rest}`"));
    }
    let accepted = methods_of(at, methods, problems);
    let mut patterns = Vec::new();
    for (place, host) in hosts.iter().enumerate() {
        let parsed = HostPattern::parse(host).map_err(|fault| Problem::Host { found: Quoted::new(host), fault });
        patterns.extend(problems.take(&at.key("hosts").position(place), parsed).map(Some));
    }
    if hosts.is_empty() {
        patterns.push(None);
    }
    for (place, pattern) in paths.iter().enumerate() {
        let path = at.key("paths").position(place);
        let parsed =
            PathPattern::parse(pattern).map_err(|fault| Problem::Pattern { pattern: Quoted::new(pattern), fault });
        let Some(parsed) = problems.take(&path, parsed) else { continue };
        for host in &patterns {
            let added = rules.add(of_pattern(pattern, &parsed), host.as_ref(), &accepted, &parsed);
            let added = added.map_err(|conflict| Problem::RuleConflict {
                pattern: Quoted::new(pattern),
                with: Quoted::new(conflict.with.as_str()),
            });
            problems.take(&path, added);
        }
    }
}

fn methods_of<'m>(at: &Path, methods: &'m [String], problems: &mut Problems) -> Vec<Method<'m>> {
    let mut accepted = Vec::new();
    for (place, text) in methods.iter().enumerate() {
        accepted.extend(problems.take(&at.key("methods").position(place), method(text)));
    }
    accepted
}

fn requirement(at: &Path, require: &Require, access: Access, known: &[&str], problems: &mut Problems) -> Requirement {
    let Require { permissions, roles, scopes, authenticators, any } = require;
    let RequireAny { permissions: any_permissions, roles: any_roles, scopes: any_scopes } = any;
    let mut list = |key: Path, texts: &[String]| {
        for (place, _) in texts.iter().enumerate().filter(|(_, text)| text.is_empty()) {
            problems.add(key.position(place), Problem::Empty("nobody can have what has no name; leave it out"));
        }
        texts.iter().map(|text| text.as_str().into()).collect()
    };
    let all = Entitlements {
        permissions: list(at.key("permissions"), permissions),
        roles: list(at.key("roles"), roles),
        scopes: list(at.key("scopes"), scopes),
    };
    let at_any = at.key("any");
    let any = Entitlements {
        permissions: list(at_any.key("permissions"), any_permissions),
        roles: list(at_any.key("roles"), any_roles),
        scopes: list(at_any.key("scopes"), any_scopes),
    };
    for (place, name) in authenticators.iter().enumerate().filter(|(_, name)| !known.contains(&name.as_str())) {
        problems.add(at.key("authenticators").position(place), Problem::AuthenticatorUnknown(Quoted::new(name)));
    }
    let authenticators = authenticators.iter().map(|name| AuthenticatorName::new(name)).collect();
    let requirement = Requirement { authenticators, all, any };
    match access {
        Access::Authenticated => {}
        Access::Optional | Access::Public | Access::Denied if requirement.is_empty() => {}
        Access::Optional | Access::Public | Access::Denied => {
            problems.add(at.clone(), Problem::RequireWithoutCaller(access.name()));
        }
    }
    requirement
}

/// The patterns of a rule, as far as they are any.
struct Paths {
    patterns: Vec<PathPattern>,
    /// How many are none, and so don't say what their parameters are.
    unknown: usize,
}

impl Paths {
    fn of(matches: &document::Match) -> Self {
        let patterns: Vec<_> = matches.paths.iter().filter_map(|text| PathPattern::parse(text).ok()).collect();
        let unknown = matches.paths.len().saturating_sub(patterns.len());
        Self { patterns, unknown }
    }
}

fn tenancy(at: &Path, text: &str, access: Access, paths: &Paths, problems: &mut Problems) -> Option<Tenancy> {
    match access {
        Access::Authenticated => {}
        Access::Optional | Access::Public | Access::Denied => {
            problems.add(at.clone(), Problem::RequireWithoutCaller(access.name()));
        }
    }
    match Tenancy::parse(text, &paths.patterns) {
        Ok(tenancy) => Some(tenancy),
        Err(TenancyFault::Parameter) if paths.unknown > 0 => None,
        Err(fault) => {
            problems.add(at.clone(), Problem::Tenancy { found: Quoted::new(text), fault });
            None
        }
    }
}

fn condition(at: &Path, text: &str, access: Access, paths: &Paths, problems: &mut Problems) -> Option<Arc<Condition>> {
    let callers = match access {
        Access::Authenticated | Access::Optional => Callers::Asked,
        Access::Public => Callers::NotAsked,
        Access::Denied => {
            problems.add(at.clone(), Problem::ConditionDenied);
            return None;
        }
    };
    match Condition::compile(text, &Scope { callers, patterns: &paths.patterns }) {
        Ok(condition) => Some(Arc::new(condition)),
        Err(faults) => {
            // What a pattern that is none would have named is not known.
            let consequence =
                |fault: &ExpressionFault| paths.unknown > 0 && matches!(fault, ExpressionFault::NoParameter { .. });
            faults.into_iter().filter(|fault| !consequence(fault)).for_each(|fault| {
                problems.add(at.clone(), Problem::Condition(fault));
            });
            None
        }
    }
}
