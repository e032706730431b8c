//! Warnings about rules that open what was closed, or close what was open: by omitting a rule of the profile, or by matching everything.
//!
//! The rules themselves decide samples of requests; comparing the texts of patterns would not suffice.

mod case;
mod comparisons;
mod samples;

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::profile::admits_without_credential;
use crate::config::raw::{self, Document};
use crate::config::validate::{self, Templates};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authz::{Access, Fallback, PathPattern, Rule, Rules, Segment};
use samples::{Lengths, Sample};
use std::collections::BTreeMap;
use std::fmt;

pub(super) fn find(document: &Document, profile: &Document, rules: &Rules, diagnostics: &mut Diagnostics) {
    let without_templates = (&Templates::default(), profile.fallback);
    let before = validate::rules::check(&profile.rules, without_templates, &[], None, &mut Diagnostics::default());
    let lengths = Lengths::of(document.rules.iter().chain(&profile.rules));
    let compared = Compared { document, before: &before, rules, lengths: &lengths };
    for rule in profile.rules.iter().filter(|rule| matches!(rule.access, Access::Denied)) {
        let raw::Rule { name, matches, .. } = rule;
        let methods = matches.methods();
        for pattern in &matches.paths {
            let Some(now) = compared.lost(Kind::Denied, rule, pattern) else { continue };
            let methods =
                if methods.is_empty() { String::new() } else { format!("methods: [{}], ", methods.join(", ")) };
            let repeat = format!("{{ name: {name}, match: {{ {methods}paths: [\"{pattern}\"] }}, access: denied }}");
            let message = format!(
                "the profile's rule {} denies {}, but your rules replace the profile's: now {now} decides such requests",
                Quoted::new(name),
                Quoted::new(pattern)
            );
            let help = format!("repeat that rule, `{repeat}`, or write your own rule for these paths");
            diagnostics.add(Path::root("rules"), Issue::warning("rule-of-profile-lost", message, help));
        }
    }
    no_longer_open(document, profile, &compared, diagnostics);
    open_to_all(document, diagnostics);
    unused_templates(document, diagnostics);
    case::find(document, diagnostics);
    comparisons::find(document, diagnostics);
}

/// Warns about templates that no rule names: an operator may believe that they restrict something.
fn unused_templates(document: &Document, diagnostics: &mut Diagnostics) {
    let is_named = |name: &String| document.rules.iter().any(|rule| rule.template.as_ref() == Some(name));
    for name in document.templates.keys().filter(|name| !is_named(name)) {
        let message = format!("no rule names the template {}, so it requires nothing", Quoted::new(name));
        let help = format!("write `template: {name}` in a rule, or leave it out");
        diagnostics.add(Path::root("templates").key(name), Issue::warning("template-unused", message, help));
    }
}

/// Warns about requests that the profile admits without a credential, such as logins, and that the rules no longer do. One warning names all
/// paths of a rule that something else decides now.
fn no_longer_open(document: &Document, profile: &Document, compared: &Compared<'_>, diagnostics: &mut Diagnostics) {
    // The profile opens paths of reserved names for the core service. An operator who reserves other names has other paths.
    let is_elsewhere = |pattern: &str| {
        let first = pattern.split('/').nth(1).unwrap_or_default();
        let reserves = |document: &Document| document.core.reserved.iter().any(|name| name == first);
        reserves(profile) && !reserves(document)
    };
    for rule in profile.rules.iter().filter(|rule| Kind::Open.has(rule.access) && !rule.shadow) {
        let raw::Rule { name, matches, access, .. } = rule;
        let mut lost: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for pattern in matches.paths.iter().filter(|pattern| !is_elsewhere(pattern)) {
            if let Some(now) = compared.lost(Kind::Open, rule, pattern) {
                lost.entry(now.to_string()).or_default().push(pattern);
            }
        }
        for (now, patterns) in lost {
            let shown: Vec<String> = patterns.iter().map(|pattern| Quoted::new(pattern).to_string()).collect();
            let message = format!(
                "the profile's rule {} (access `{}`) admits requests to {} without a credential, but your rules replace the profile's: \
                 now {now} decides such requests",
                Quoted::new(name),
                access.name(),
                shown.join(", ")
            );
            let methods = match matches.methods() {
                [] => String::new(),
                methods => format!("methods: [{}], ", methods.join(", ")),
            };
            let repeat = format!(
                "{{ name: {name}, match: {{ {methods}paths: [\"{}\"] }}, access: {} }}",
                patterns.join("\", \""),
                access.name()
            );
            let help = format!("repeat that rule, `{repeat}`, or write your own rule for these paths, with any access");
            diagnostics.add(Path::root("rules"), Issue::warning("open-rule-of-profile-lost", message, help));
        }
    }
}

/// Warns about rules that admit every caller wherever no other rule matches.
fn open_to_all(document: &Document, diagnostics: &mut Diagnostics) {
    for (number, rule) in document.rules.iter().enumerate().filter(|(_, rule)| !rule.shadow) {
        match rule.access {
            Access::Public | Access::Optional => {}
            Access::Authenticated | Access::Preflight | Access::Denied => continue,
        }
        // A rule with hosts opens those explicitly, and one with networks admits only their clients.
        let has_networks = rule.has_networks(&document.templates);
        let anywhere = rule.matches.hosts().is_empty() && !has_networks;
        for (index, pattern) in rule.matches.paths.iter().enumerate().filter(|_| anywhere) {
            if PathPattern::parse(pattern).is_ok_and(|pattern| matches_everything(&pattern)) {
                let at = Path::root("rules").position(number).key("match").key("paths").position(index);
                let message = format!(
                    "{} matches every path: rule {} admits callers without a credential wherever no other rule matches",
                    Quoted::new(pattern),
                    Quoted::new(&rule.name)
                );
                let help = "name the open paths, and leave the rest to `fallback`";
                diagnostics.add(at, Issue::warning("rule-open-to-all", message, help));
            }
        }
    }
}

/// Returns true if the pattern matches every path, except perhaps the shortest.
fn matches_everything(pattern: &PathPattern) -> bool {
    let named = |segment: &Segment| matches!(segment, Segment::Literal(_));
    pattern.rest().is_some() && !pattern.segments().iter().any(named)
}

/// The rule or fallback that decides a request.
enum Decider<'r> {
    Fallback(Fallback),
    Rule(&'r Rule),
}

impl fmt::Display for Decider<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fallback(fallback) => write!(f, "the fallback `{}`", fallback.name()),
            Self::Rule(Rule { name, access, .. }) => {
                write!(f, "rule {} (access `{}`)", Quoted::new(name.as_str()), access.name())
            }
        }
    }
}

/// What a rule of the profile does to requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It denies them.
    Denied,
    /// It admits them without a credential.
    Open,
}

impl Kind {
    /// Returns true if a rule with this access is of the kind.
    const fn has(self, access: Access) -> bool {
        match self {
            Self::Denied => matches!(access, Access::Denied),
            Self::Open => admits_without_credential(access),
        }
    }
}

/// The rules of the profile, and those that replace them.
struct Compared<'r> {
    document: &'r Document,
    before: &'r Rules,
    rules: &'r Rules,
    lengths: &'r Lengths,
}

impl<'r> Compared<'r> {
    /// Returns what decides now on a request that this rule of the profile denied, or admitted without a credential, by this pattern.
    ///
    /// `None` if every such request is still denied or open, or changed on purpose by a rule that matches only such requests.
    fn lost(&self, kind: Kind, rule: &raw::Rule, pattern: &str) -> Option<Decider<'r>> {
        let pattern = PathPattern::parse(pattern).ok()?;
        let of_rules = self.document.rules.iter().flat_map(|other| {
            let patterns = other.matches.paths.iter().filter_map(|text| parsed(text, &other.matches));
            patterns.flat_map(|laid| self.lengths.samples(&rule.matches, &pattern, &other.matches, &laid))
        });
        // A sample that as few rules as possible match finds requests that no rule matches.
        let of_none = self.lengths.samples(&rule.matches, &pattern, &rule.matches, &pattern);
        let decides = |sample| self.decides(kind, rule, &sample);
        match kind {
            Kind::Denied => of_rules.chain(of_none).find_map(decides),
            Kind::Open => of_none.chain(of_rules).find_map(decides),
        }
    }

    /// Returns what decides now on a request that this rule decided. `None` if the effect is the same, or changed on purpose.
    fn decides(&self, kind: Kind, rule: &raw::Rule, sample: &Sample) -> Option<Decider<'r>> {
        let request = sample.request()?;
        self.before.find(&request).filter(|found| kind.has(found.access) && found.name.as_str() == rule.name)?;
        match (self.rules.find(&request), self.rules.fallback()) {
            (Some(found), _) if kind.has(found.access) || self.was(kind, found, sample) => None,
            (Some(found), _) => Some(Decider::Rule(found)),
            // Such a fallback is written on purpose: what no rule names is closed.
            (None, Fallback::Denied) => None,
            (None, Fallback::Authenticated) => Some(Decider::Fallback(Fallback::Authenticated)),
        }
    }

    /// Returns true if everything that this rule decides by its pattern, for the sample's host and method, was of the kind before.
    fn was(&self, kind: Kind, rule: &Rule, sample: &Sample) -> bool {
        let Ok(pattern) = PathPattern::parse(&rule.pattern) else { return false };
        let is_of_kind = |sample: Sample| {
            sample
                .request()
                .is_some_and(|request| self.before.find(&request).is_some_and(|found| kind.has(found.access)))
        };
        self.lengths.elsewhere(sample, &pattern).all(is_of_kind)
    }
}

/// Parses a pattern of a rule, which folds if the rule does. `None` if it is invalid.
fn parsed(text: &str, matches: &raw::Match) -> Option<PathPattern> {
    Some(PathPattern::parse(text).ok()?.read(matches.case, None))
}

#[cfg(test)]
mod tests;
