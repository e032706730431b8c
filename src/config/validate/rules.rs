//! Validates `rules`: the requests that match each, and the requirements on caller and request.

use super::{method, name, principal};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw;
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authz::condition::{CallerPresence, Condition, Env, ExpressionError};
use modgud_core::authz::{
    Access, Case, Enforcement, Fallback, HostPattern, PathPattern, PathReadings, RequestConstraints, RouteReference,
    Rule, RuleConflict, RuleName, Rules, TenancyError, TenantSource, Unreachable,
};
use modgud_core::http::method::Method;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Validates the rules of a document. `authenticators` are the names that a rule may require; `readings` define how modules read paths.
pub(in crate::config) fn check(
    list: &[raw::Rule],
    fallback: Option<Fallback>,
    authenticators: &[&str],
    readings: Option<Arc<PathReadings>>,
    diagnostics: &mut Diagnostics,
) -> Rules {
    let mut rules = Rules::reading(fallback.unwrap_or(Fallback::Denied), readings);
    let mut taken = HashSet::new();
    for (number, rule) in list.iter().enumerate() {
        // `denials` validates its response.
        let raw::Rule {
            name: rule_name,
            matches,
            by_name,
            allow_by_name,
            access,
            shadow,
            require,
            deny: _,
            respond: _,
            same_organization,
            when,
        } = rule;
        let at = Path::root("rules").position(number);
        name(&at, rule_name, &mut taken, diagnostics);
        if rule_name.starts_with(super::modules::RULE) {
            let message =
                format!("{} begins with `module:`, like the names of modules' own rules", Quoted::new(rule_name));
            diagnostics.add(at.key("name"), Issue::error("rule-name-reserved", message, "write another name"));
        }
        let access = *access;
        let require = principal::requirement(&at.key("require"), require.as_ref(), access, authenticators, diagnostics);
        if *allow_by_name && access != Access::Public {
            let message = format!("opens routes that name this rule, although its access is `{}`", access.name());
            let issue = Issue::error("allow-by-name-not-public", message, "write `access: public`, or leave it out");
            diagnostics.add(at.key("allow_by_name"), issue);
        }
        let paths = Paths::of(matches);
        let same_organization = same_organization
            .as_ref()
            .and_then(|text| tenancy(&at.key("same_organization"), text, access, &paths, diagnostics));
        let when = when.as_ref().and_then(|text| condition(&at.key("when"), text, access, &paths, diagnostics));
        let narrows = same_organization.is_some() || when.is_some();
        let of_pattern = |text: &str, pattern: &PathPattern| Rule {
            name: RuleName::new(rule_name),
            access,
            require: require.clone(),
            constraints: narrows.then(|| RequestConstraints {
                pattern: pattern.clone(),
                same_organization: same_organization.clone(),
                when: when.clone(),
            }),
            pattern: text.into(),
            enforcement: if *shadow { Enforcement::Shadow } else { Enforcement::Enforced },
            by_name: if *allow_by_name { RouteReference::Override } else { RouteReference::Require },
        };
        if *by_name {
            by_name_only(&at, matches, access, diagnostics);
            let any = PathPattern::default().read(Case::Exact, rules.readings().cloned());
            rules.add_named(of_pattern("", &any));
            continue;
        }
        if access == Access::Preflight {
            methods_of_preflights(&at.key("match").key("methods"), matches, diagnostics);
        }
        add(&at.key("match"), list, matches, of_pattern, &mut rules, diagnostics);
    }
    unreachable_rules(list, &rules, diagnostics);
    rules
}

/// Checks that a rule for preflights names no method other than theirs.
fn methods_of_preflights(at: &Path, matches: &raw::Match, diagnostics: &mut Diagnostics) {
    let others = |text: &str| method(text).is_ok_and(|method| method.as_str() != "OPTIONS");
    for (index, text) in matches.methods().iter().enumerate().filter(|(_, text)| others(text)) {
        let message = format!("{} is not the method of a preflight, which is always `OPTIONS`", Quoted::new(text));
        diagnostics.add(at.position(index), Issue::error("preflight-method", message, "leave `methods` out"));
    }
}

/// Checks that a rule that only its name selects matches nothing else, and is not for preflights.
fn by_name_only(at: &Path, matches: &raw::Match, access: Access, diagnostics: &mut Diagnostics) {
    let raw::Match { hosts, methods, paths, case } = matches;
    let folds = *case == Case::Fold;
    if hosts.is_some() || methods.is_some() || !paths.is_empty() || folds {
        let message = "has no effect with `by_name: true`, with which only routes that name the rule lead to it";
        diagnostics.add(at.key("match"), Issue::error("match-with-by-name", message, "leave out one of them"));
    }
    if access == Access::Preflight {
        let message = "has no effect with `access: preflight`, because a name does not make a request a preflight";
        diagnostics.add(at.key("by_name"), Issue::error("preflight-by-name", message, "write `match` instead"));
    }
}

/// Adds a rule for each of its hosts and patterns.
fn add(
    at: &Path,
    list: &[raw::Rule],
    matches: &raw::Match,
    of_pattern: impl Fn(&str, &PathPattern) -> Rule,
    rules: &mut Rules,
    diagnostics: &mut Diagnostics,
) {
    let raw::Match { hosts, methods, paths, case } = matches;
    // Omitted keys mean every host and every method; an empty list could mean that, or none.
    if hosts.as_ref().is_some_and(Vec::is_empty) {
        let help = "name at least one host, or leave the key out for every host";
        diagnostics.add(at.key("hosts"), Issue::error("empty", "is empty", help));
    }
    if methods.as_ref().is_some_and(Vec::is_empty) {
        let help = "name at least one method, or leave the key out for every method";
        diagnostics.add(at.key("methods"), Issue::error("empty", "is empty", help));
    }
    if hosts.is_none() && methods.is_none() && paths.is_empty() {
        let help = "write `match: { paths: [\"/docs/{*rest}\"] }`, or `by_name: true` if routes name the rule";
        diagnostics.add(at.clone(), Issue::error("match-missing", "matches no path", help));
    } else if paths.is_empty() {
        let help = "name at least one path, such as `/docs/{*rest}`";
        diagnostics.add(at.key("paths"), Issue::error("empty", "is empty", help));
    }
    let (hosts, methods) = (matches.hosts(), matches.methods());
    let accepted = methods_of(at, methods, diagnostics);
    let mut patterns = Vec::new();
    for (index, host) in hosts.iter().enumerate() {
        let parsed = HostPattern::parse(host)
            .map_err(|error| Issue::parse("host-invalid", format!("{} is not a host: {error}", Quoted::new(host))));
        patterns.extend(diagnostics.ok_or_report(&at.key("hosts").position(index), parsed).map(Some));
    }
    if hosts.is_empty() {
        patterns.push(None);
    }
    for (index, pattern) in paths.iter().enumerate() {
        let path = at.key("paths").position(index);
        let parsed = path_pattern(pattern);
        let Some(parsed) = diagnostics.ok_or_report(&path, parsed) else { continue };
        let parsed = parsed.read(*case, rules.readings().cloned());
        for host in &patterns {
            let added = rules.add(of_pattern(pattern, &parsed), host.as_ref(), &accepted, &parsed);
            let Err(RuleConflict { with, pattern: other }) = added else { continue };
            let related = path_of(list, &with, &other).into_iter().collect();
            let in_case = PathPattern::parse(&other).is_ok_and(|other| !parsed.same_literals(&other));
            let (pattern, with) = (Quoted::new(pattern), Quoted::new(with.as_str()));
            let help = "change or leave out one of them: neither rule is the more specific one";
            let issue = if in_case {
                let other = Quoted::new(&other);
                let message = format!(
                    "{pattern} differs from {other} of rule {with} only in the case of letters, which one of them folds (`case: fold`)"
                );
                Issue::error("rule-conflict-in-case", message, help)
            } else {
                let message = format!("{pattern} matches the same requests as rule {with}");
                Issue::error("rule-conflict", message, help)
            };
            diagnostics.add_related(path.clone(), issue, related);
        }
    }
}

/// Parses a path pattern.
pub(super) fn path_pattern(text: &str) -> Result<PathPattern, Issue> {
    PathPattern::parse(text)
        .map_err(|error| Issue::parse("path-pattern-invalid", format!("{}: {error}", Quoted::new(text))))
}

/// Finds patterns of rules that never decide, on any host.
fn unreachable_rules(list: &[raw::Rule], rules: &Rules, diagnostics: &mut Diagnostics) {
    let mut found = BTreeMap::<(&str, &str), Vec<Unreachable<'_, Arc<Rule>>>>::new();
    for covered in rules.unreachable_rules() {
        found.entry((covered.entry.name.as_str(), &covered.entry.pattern)).or_default().push(covered);
    }
    for ((name, pattern), covered) in found {
        let Some(rule) = list.iter().find(|rule| rule.name == name) else { continue };
        let Some(at) = covered.first().and_then(|one| path_of(list, &one.entry.name, pattern)) else { continue };
        if covered.len() < rule.matches.hosts().len().max(1) {
            continue;
        }
        let by: BTreeSet<(&str, &str)> =
            covered.iter().flat_map(|one| &one.by).map(|rule| (rule.name.as_str(), &*rule.pattern)).collect();
        let words = by.iter().map(|(name, pattern)| format!("{} of rule {}", Quoted::new(pattern), Quoted::new(name)));
        let words = words.collect::<Vec<_>>().join(" and ");
        let related = by.iter().filter_map(|(name, pattern)| path_of(list, &RuleName::new(name), pattern)).collect();
        let message = format!("{} never decides: {words} decide all its requests", Quoted::new(pattern));
        diagnostics.add_related(at, Issue::error("rule-unreachable", message, "leave it out, or change it"), related);
    }
}

/// Returns the path of a rule's pattern. `None` if the rules do not contain it.
fn path_of(list: &[raw::Rule], name: &RuleName, pattern: &str) -> Option<Path> {
    let (number, rule) = list.iter().enumerate().find(|(_, rule)| rule.name == name.as_str())?;
    let index = rule.matches.paths.iter().position(|one| one == pattern)?;
    Some(Path::root("rules").position(number).key("match").key("paths").position(index))
}

fn methods_of<'m>(at: &Path, methods: &'m [String], diagnostics: &mut Diagnostics) -> Vec<Method<'m>> {
    let mut accepted = Vec::new();
    for (index, text) in methods.iter().enumerate() {
        accepted.extend(diagnostics.ok_or_report(&at.key("methods").position(index), method(text)));
    }
    accepted
}

/// The valid patterns of a rule.
struct Paths {
    patterns: Vec<PathPattern>,
    /// The number of invalid patterns, whose parameters are unknown.
    unknown: usize,
}

impl Paths {
    fn of(matches: &raw::Match) -> Self {
        let mut patterns: Vec<_> = matches.paths.iter().filter_map(|text| PathPattern::parse(text).ok()).collect();
        let unknown = matches.paths.len().saturating_sub(patterns.len());
        if matches.paths.is_empty() {
            // A rule that only its name selects has no parameters.
            patterns.push(PathPattern::default());
        }
        Self { patterns, unknown }
    }
}

fn tenancy(
    at: &Path,
    text: &str,
    access: Access,
    paths: &Paths,
    diagnostics: &mut Diagnostics,
) -> Option<TenantSource> {
    match access {
        Access::Authenticated => {}
        Access::Optional | Access::Public | Access::Preflight | Access::Denied => {
            diagnostics.add(at.clone(), principal::caller_required(access));
        }
    }
    match TenantSource::parse(text, &paths.patterns) {
        Ok(tenancy) => Some(tenancy),
        Err(TenancyError::Parameter) if paths.unknown > 0 => None,
        Err(error) => {
            diagnostics.add(at.clone(), Issue::parse("tenancy-invalid", format!("{}: {error}", Quoted::new(text))));
            None
        }
    }
}

fn condition(
    at: &Path,
    text: &str,
    access: Access,
    paths: &Paths,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<Condition>> {
    let callers = match access {
        Access::Authenticated | Access::Optional => CallerPresence::Possible,
        Access::Public | Access::Preflight => CallerPresence::Never,
        Access::Denied => {
            let message = "has no effect with access `denied`, which denies every request";
            diagnostics.add(at.clone(), Issue::error("condition-unused", message, "leave it out"));
            return None;
        }
    };
    match Condition::compile(text, &Env::Rule { callers, patterns: &paths.patterns }) {
        Ok(condition) => Some(Arc::new(condition)),
        Err(errors) => {
            // The parameters of an invalid pattern are unknown.
            let consequence =
                |error: &ExpressionError| paths.unknown > 0 && matches!(error, ExpressionError::NoParameter { .. });
            errors.into_iter().filter(|error| !consequence(error)).for_each(|error| {
                diagnostics.add(at.clone(), Issue::parse("expression-invalid", error));
            });
            None
        }
    }
}
