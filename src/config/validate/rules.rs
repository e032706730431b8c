//! Validates `rules`: the requests that match each, and the requirements on caller and request.

use super::super::diagnostic::{ModuleProblem, Problem, Problems};
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw;
use super::{method, name, require};
use modgud_core::authz::condition::{CallerPresence, Condition, Env, ExpressionError};
use modgud_core::authz::{
    Access, Case, Enforcement, Fallback, HostPattern, PathPattern, PathReadings, RequestConstraints, RouteReference,
    Rule, RuleConflict, RuleName, Rules, TenancyError, TenantSource, Unreachable,
};
use modgud_core::http::method::Method;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Validates the rules of a document. `authenticators` are the names that a rule may require; `readings` define how modules read paths.
pub(in super::super) fn check(
    list: &[raw::Rule],
    fallback: Option<raw::Fallback>,
    authenticators: &[&str],
    readings: Option<Arc<PathReadings>>,
    problems: &mut Problems,
) -> Rules {
    let fallback = match fallback {
        Some(raw::Fallback::Authenticated) => Fallback::Authenticated,
        Some(raw::Fallback::Denied) | None => Fallback::Denied,
    };
    let mut rules = Rules::reading(fallback, readings);
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
            same_organization,
            when,
        } = rule;
        let at = Path::root("rules").position(number);
        name(&at, rule_name, &mut taken, problems);
        if rule_name.starts_with(super::modules::RULE) {
            problems.add(at.key("name"), ModuleProblem::RuleName(Quoted::new(rule_name)));
        }
        let access = match access {
            raw::Access::Authenticated => Access::Authenticated,
            raw::Access::Optional => Access::Optional,
            raw::Access::Public => Access::Public,
            raw::Access::Preflight => Access::Preflight,
            raw::Access::Denied => Access::Denied,
        };
        let require = require::check(&at.key("require"), require.as_ref(), access, authenticators, problems);
        if *allow_by_name && access != Access::Public {
            problems.add(at.key("allow_by_name"), Problem::AllowByName(access.name()));
        }
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
            by_name_only(&at, matches, access, problems);
            let any = PathPattern::default().read(Case::Exact, rules.readings().cloned());
            rules.add_named(of_pattern("", &any));
            continue;
        }
        if access == Access::Preflight {
            methods_of_preflights(&at.key("match").key("methods"), matches, problems);
        }
        add(&at.key("match"), list, matches, of_pattern, &mut rules, problems);
    }
    unreachable_rules(list, &rules, problems);
    rules
}

/// Checks that a rule for preflights names no method other than theirs.
fn methods_of_preflights(at: &Path, matches: &raw::Match, problems: &mut Problems) {
    let others = |text: &str| method(text).is_ok_and(|method| method.as_str() != "OPTIONS");
    for (place, text) in matches.methods().iter().enumerate().filter(|(_, text)| others(text)) {
        problems.add(at.position(place), Problem::MethodOfPreflights(Quoted::new(text)));
    }
}

/// Checks that a rule that only its name selects matches nothing else, and is not for preflights.
fn by_name_only(at: &Path, matches: &raw::Match, access: Access, problems: &mut Problems) {
    let raw::Match { hosts, methods, paths, case } = matches;
    let folds = *case == raw::Case::Fold;
    if hosts.is_some() || methods.is_some() || !paths.is_empty() || folds {
        problems.add(at.key("match"), Problem::MatchByName);
    }
    if access == Access::Preflight {
        problems.add(at.key("by_name"), Problem::PreflightByName);
    }
}

/// Adds a rule for each of its hosts and patterns.
fn add(
    at: &Path,
    list: &[raw::Rule],
    matches: &raw::Match,
    of_pattern: impl Fn(&str, &PathPattern) -> Rule,
    rules: &mut Rules,
    problems: &mut Problems,
) {
    let raw::Match { hosts, methods, paths, case } = matches;
    // Omitted keys mean every host and every method; an empty list could mean that, or none.
    if hosts.as_ref().is_some_and(Vec::is_empty) {
        problems.add(at.key("hosts"), Problem::Empty("name at least one host, or leave the key out for every host"));
    }
    if methods.as_ref().is_some_and(Vec::is_empty) {
        problems
            .add(at.key("methods"), Problem::Empty("name at least one method, or leave the key out for every method"));
    }
    if hosts.is_none() && methods.is_none() && paths.is_empty() {
        problems.add(at.clone(), Problem::NoMatch);
    } else if paths.is_empty() {
        problems.add(at.key("paths"), Problem::Empty("name at least one path, such as `/docs/{*rest}`"));
    }
    let (hosts, methods) = (matches.hosts(), matches.methods());
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
        let parsed = parsed.read(self::case(*case), rules.readings().cloned());
        for host in &patterns {
            let added = rules.add(of_pattern(pattern, &parsed), host.as_ref(), &accepted, &parsed);
            let Err(RuleConflict { with, pattern: other }) = added else { continue };
            let others = place_of(list, &with, &other).into_iter().collect();
            let in_case = PathPattern::parse(&other).is_ok_and(|other| !parsed.same_literals(&other));
            let (pattern, with) = (Quoted::new(pattern), Quoted::new(with.as_str()));
            let problem = if in_case {
                Problem::RuleConflictInCase { pattern, other: Quoted::new(&other), with }
            } else {
                Problem::RuleConflict { pattern, with }
            };
            problems.add_seen_with(path.clone(), problem, others);
        }
    }
}

/// Converts the word for the comparison of letters.
pub(in super::super) const fn case(word: raw::Case) -> Case {
    match word {
        raw::Case::Exact => Case::Exact,
        raw::Case::Fold => Case::Fold,
    }
}

/// Finds patterns of rules that never decide, on any host.
fn unreachable_rules(list: &[raw::Rule], rules: &Rules, problems: &mut Problems) {
    let mut found = BTreeMap::<(&str, &str), Vec<Unreachable<'_, Arc<Rule>>>>::new();
    for covered in rules.unreachable_rules() {
        found.entry((covered.entry.name.as_str(), &covered.entry.pattern)).or_default().push(covered);
    }
    for ((name, pattern), covered) in found {
        let Some(rule) = list.iter().find(|rule| rule.name == name) else { continue };
        let Some(at) = covered.first().and_then(|one| place_of(list, &one.entry.name, pattern)) else { continue };
        if covered.len() < rule.matches.hosts().len().max(1) {
            continue;
        }
        let by: BTreeSet<(&str, &str)> =
            covered.iter().flat_map(|one| &one.by).map(|rule| (rule.name.as_str(), &*rule.pattern)).collect();
        let words = by.iter().map(|(name, pattern)| format!("{} of rule {}", Quoted::new(pattern), Quoted::new(name)));
        let words = words.collect::<Vec<_>>().join(" and ");
        let others = by.iter().filter_map(|(name, pattern)| place_of(list, &RuleName::new(name), pattern)).collect();
        problems.add_seen_with(at, Problem::RuleCovered { pattern: Quoted::new(pattern), by: words }, others);
    }
}

/// Returns the path of a rule's pattern. `None` if the rules do not contain it.
fn place_of(list: &[raw::Rule], name: &RuleName, pattern: &str) -> Option<Path> {
    let (number, rule) = list.iter().enumerate().find(|(_, rule)| rule.name == name.as_str())?;
    let place = rule.matches.paths.iter().position(|one| one == pattern)?;
    Some(Path::root("rules").position(number).key("match").key("paths").position(place))
}

fn methods_of<'m>(at: &Path, methods: &'m [String], problems: &mut Problems) -> Vec<Method<'m>> {
    let mut accepted = Vec::new();
    for (place, text) in methods.iter().enumerate() {
        accepted.extend(problems.take(&at.key("methods").position(place), method(text)));
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

fn tenancy(at: &Path, text: &str, access: Access, paths: &Paths, problems: &mut Problems) -> Option<TenantSource> {
    match access {
        Access::Authenticated => {}
        Access::Optional | Access::Public | Access::Preflight | Access::Denied => {
            problems.add(at.clone(), Problem::RequireWithoutCaller(access.name()));
        }
    }
    match TenantSource::parse(text, &paths.patterns) {
        Ok(tenancy) => Some(tenancy),
        Err(TenancyError::Parameter) if paths.unknown > 0 => None,
        Err(fault) => {
            problems.add(at.clone(), Problem::Tenancy { found: Quoted::new(text), fault });
            None
        }
    }
}

fn condition(at: &Path, text: &str, access: Access, paths: &Paths, problems: &mut Problems) -> Option<Arc<Condition>> {
    let callers = match access {
        Access::Authenticated | Access::Optional => CallerPresence::Possible,
        Access::Public | Access::Preflight => CallerPresence::Never,
        Access::Denied => {
            problems.add(at.clone(), Problem::ConditionDenied);
            return None;
        }
    };
    match Condition::compile(text, &Env::Rule { callers, patterns: &paths.patterns }) {
        Ok(condition) => Some(Arc::new(condition)),
        Err(faults) => {
            // The parameters of an invalid pattern are unknown.
            let consequence =
                |fault: &ExpressionError| paths.unknown > 0 && matches!(fault, ExpressionError::NoParameter { .. });
            faults.into_iter().filter(|fault| !consequence(fault)).for_each(|fault| {
                problems.add(at.clone(), Problem::Expression(fault));
            });
            None
        }
    }
}
