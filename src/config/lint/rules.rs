//! Warnings about rules that open what was closed: by omitting a rule of the profile that denies, or by matching everything.
//!
//! The rules themselves decide samples of requests; comparing the texts of patterns would not suffice.

mod case;
mod comparisons;
mod samples;

use super::super::diagnostic::Problems;
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw::{self, Document};
use super::super::validate;
use super::{Warning, Warnings};
use modgud_core::authz::{Access, Fallback, PathPattern, Rule, Rules, Segment};
use samples::{Lengths, Sample};
use std::fmt;

pub(super) fn find(document: &Document, profile: &Document, rules: &Rules, warnings: &mut Warnings<'_>) {
    let before = validate::rules::check(&profile.rules, profile.fallback, &[], None, &mut Problems::default());
    let lengths = Lengths::of(document.rules.iter().chain(&profile.rules));
    let compared = Compared { document, before: &before, rules, lengths: &lengths };
    for rule in profile.rules.iter().filter(|rule| matches!(rule.access, raw::Access::Denied)) {
        let raw::Rule { name, matches, .. } = rule;
        let methods = matches.methods();
        for pattern in &matches.paths {
            let Some(now) = compared.no_more_denied(rule, pattern) else { continue };
            let by = now.to_string();
            let methods =
                if methods.is_empty() { String::new() } else { format!("methods: [{}], ", methods.join(", ")) };
            let repeat = format!("{{ name: {name}, match: {{ {methods}paths: [\"{pattern}\"] }}, access: denied }}");
            let (rule, pattern) = (Quoted::new(name), Quoted::new(pattern));
            warnings.add(&Path::root("rules"), Warning::NotDeniedAnyMore { rule, pattern, by, repeat });
        }
    }
    open_to_all(document, warnings);
    case::find(document, warnings);
    comparisons::find(document, warnings);
}

/// Warns about rules that admit every caller wherever no other rule matches.
fn open_to_all(document: &Document, warnings: &mut Warnings<'_>) {
    for (number, rule) in document.rules.iter().enumerate().filter(|(_, rule)| !rule.shadow) {
        match rule.access {
            raw::Access::Public | raw::Access::Optional => {}
            raw::Access::Authenticated | raw::Access::Preflight | raw::Access::Denied => continue,
        }
        // A rule with hosts opens those explicitly.
        let anywhere = rule.matches.hosts().is_empty();
        for (place, pattern) in rule.matches.paths.iter().enumerate().filter(|_| anywhere) {
            if PathPattern::parse(pattern).is_ok_and(|pattern| matches_everything(&pattern)) {
                let at = Path::root("rules").position(number).key("match").key("paths").position(place);
                let (rule, pattern) = (Quoted::new(&rule.name), Quoted::new(pattern));
                warnings.add(&at, Warning::OpenToAll { rule, pattern });
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
            Self::Fallback(fallback) => write!(f, "the fallback, which is `{}`", fallback.name()),
            Self::Rule(Rule { name, access, .. }) => {
                write!(f, "rule {}, whose access is `{}`", Quoted::new(name.as_str()), access.name())
            }
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
    /// Returns what decides now on a request that this rule of the profile denied by this pattern.
    ///
    /// `None` if every such request is still denied, or opened on purpose by a rule that matches only denied requests.
    fn no_more_denied(&self, rule: &raw::Rule, pattern: &str) -> Option<Decider<'r>> {
        let pattern = PathPattern::parse(pattern).ok()?;
        let of_rules = self.document.rules.iter().flat_map(|other| {
            let patterns = other.matches.paths.iter().filter_map(|text| parsed(text, &other.matches));
            patterns.flat_map(|laid| self.lengths.samples(&rule.matches, &pattern, &other.matches, &laid))
        });
        // A sample that as few rules as possible match finds requests that no rule matches.
        let of_none = self.lengths.samples(&rule.matches, &pattern, &rule.matches, &pattern);
        of_rules.chain(of_none).find_map(|sample| self.decides(rule, &sample))
    }

    /// Returns what decides now on a request that this rule denied. `None` if it is still denied, or opened on purpose.
    fn decides(&self, rule: &raw::Rule, sample: &Sample) -> Option<Decider<'r>> {
        let request = sample.request()?;
        self.before.find(&request).filter(|found| denies(found) && found.name.as_str() == rule.name)?;
        match (self.rules.find(&request), self.rules.fallback()) {
            (Some(found), _) if denies(found) || self.was_denied(found, sample) => None,
            (None, Fallback::Denied) => None,
            (Some(found), _) => Some(Decider::Rule(found)),
            (None, Fallback::Authenticated) => Some(Decider::Fallback(Fallback::Authenticated)),
        }
    }

    /// Returns true if everything that this rule decides by its pattern, for the sample's host and method, was denied before.
    fn was_denied(&self, rule: &Rule, sample: &Sample) -> bool {
        let Ok(pattern) = PathPattern::parse(&rule.pattern) else { return false };
        self.lengths
            .elsewhere(sample, &pattern)
            .all(|sample| sample.request().is_some_and(|request| self.before.find(&request).is_some_and(denies)))
    }
}

/// Parses a pattern of a rule, which folds if the rule does. `None` if it is invalid.
fn parsed(text: &str, matches: &raw::Match) -> Option<PathPattern> {
    Some(PathPattern::parse(text).ok()?.read(validate::rules::case(matches.case), None))
}

fn denies(rule: &Rule) -> bool {
    rule.access == Access::Denied
}

#[cfg(test)]
mod tests;
