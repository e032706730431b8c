//! Rules that open what was closed: by leaving out a rule of the profile that denies, or by matching everything. Asks the
//! rules themselves, by requests that stand for all that a pattern matches, and compares no texts.

use super::super::document::{self, Document};
use super::super::path::Path;
use super::super::problem::Problems;
use super::super::quoted::Quoted;
use super::super::validate;
use super::{Caution, Cautions};
use crate::authz::{Access, Fallback, PathPattern, Rule, Rules, Segment};
use crate::request::{Headers, Request};
use std::fmt::{self, Write as _};

/// A segment that no literal of a pattern can be, so that it stands for every segment that no rule names.
const ANY_SEGMENT: &str = "*";
/// A host that no rule names.
const ANY_HOST: &str = "localhost";
/// A method that no rule names.
const ANY_METHOD: &str = "ANY-OTHER-METHOD";

pub(super) fn find(document: &Document, profile: &Document, rules: &Rules, cautions: &mut Cautions<'_>) {
    let hosts = hosts(document, profile);
    let before = validate::rules::check(&profile.rules, profile.fallback, &[], &mut Problems::default());
    for rule in &profile.rules {
        let document::Rule { name, matches: document::Match { hosts: _, methods, paths }, access: _, require: _ } =
            rule;
        for pattern in paths {
            let Some(now) = no_more_denied(rule, pattern, &hosts, &before, rules) else { continue };
            let by = now.to_string();
            let methods =
                if methods.is_empty() { String::new() } else { format!("methods: [{}], ", methods.join(", ")) };
            let repeat = format!("{{ name: {name}, match: {{ {methods}paths: [\"{pattern}\"] }}, access: denied }}");
            let (rule, pattern) = (Quoted::new(name), Quoted::new(pattern));
            cautions.add(&Path::root("rules"), Caution::NotDeniedAnyMore { rule, pattern, by, repeat });
        }
    }
    for (number, rule) in document.rules.iter().enumerate() {
        match rule.access {
            document::Access::Public | document::Access::Optional => {}
            document::Access::Authenticated | document::Access::Denied => continue,
        }
        // One for some hosts opens those, as it says.
        let anywhere = rule.matches.hosts.is_empty();
        for (place, pattern) in rule.matches.paths.iter().enumerate().filter(|_| anywhere) {
            if PathPattern::parse(pattern).is_ok_and(|pattern| matches_everything(&pattern)) {
                let at = Path::root("rules").position(number).key("match").key("paths").position(place);
                let (rule, pattern) = (Quoted::new(&rule.name), Quoted::new(pattern));
                cautions.add(&at, Caution::OpenToAll { rule, pattern });
            }
        }
    }
}

/// Whether every path matches, but perhaps for the shortest.
fn matches_everything(pattern: &PathPattern) -> bool {
    let named = |segment: &Segment| matches!(segment, Segment::Literal(_));
    pattern.rest().is_some() && !pattern.segments().iter().any(named)
}

/// What decides a request.
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

/// What decides now on some request that this rule of the profile denied by this pattern, and that is not denied any more. A rule
/// about nothing but what was denied opens that on purpose.
fn no_more_denied<'r>(
    rule: &document::Rule,
    pattern: &str,
    hosts: &[String],
    before: &Rules,
    rules: &'r Rules,
) -> Option<Decider<'r>> {
    let methods: Vec<&str> = match rule.matches.methods.as_slice() {
        [] => vec![ANY_METHOD],
        named => named.iter().map(String::as_str).collect(),
    };
    let targets = targets(pattern);
    let of_method = |method| targets.iter().map(move |target| (method, target.as_str()));
    let of_host = |host| methods.iter().flat_map(move |method| of_method(*method)).map(move |sample| (host, sample));
    for (host, (method, target)) in hosts.iter().flat_map(of_host) {
        let Some(request) = request(host, method, target) else { continue };
        let denied_before =
            before.find(&request).is_some_and(|found| denies(found) && found.name.as_str() == rule.name);
        let now = match (rules.find(&request), rules.fallback()) {
            (Some(found), _) if denies(found) || is_within(found, host, method, before) => None,
            (None, Fallback::Denied) => None,
            (Some(found), _) => Some(Decider::Rule(found)),
            (None, Fallback::Authenticated) => Some(Decider::Fallback(Fallback::Authenticated)),
        };
        if denied_before && now.is_some() {
            return now;
        }
    }
    None
}

/// Whether everything that this rule decides by its pattern was denied before.
fn is_within(rule: &Rule, host: &str, method: &str, before: &Rules) -> bool {
    let denied = |target: &String| {
        request(host, method, target).is_some_and(|request| before.find(&request).is_some_and(denies))
    };
    targets(&rule.pattern).iter().all(denied)
}

fn denies(rule: &Rule) -> bool {
    rule.access == Access::Denied
}

/// `None`: no request can be made of that, since it is too long when it is encoded.
fn request<'a>(host: &'a str, method: &'a str, target: &'a str) -> Option<Request<'a>> {
    Request::parse(method.as_bytes(), target.as_bytes(), host.as_bytes(), Headers::default()).ok()
}

/// Hosts that stand for all those that rules tell apart.
fn hosts(document: &Document, profile: &Document) -> Vec<String> {
    let named = document.rules.iter().chain(&profile.rules).flat_map(|rule| &rule.matches.hosts);
    let samples = named.map(|host| match host.strip_prefix('*') {
        Some(suffix) => format!("{ANY_HOST}{suffix}"),
        None => host.clone(),
    });
    [ANY_HOST.to_owned()].into_iter().chain(samples).collect()
}

/// Request targets that stand for all those that a pattern matches.
fn targets(pattern: &str) -> Vec<String> {
    let Ok(pattern) = PathPattern::parse(pattern) else { return Vec::new() };
    let mut stem = String::new();
    for segment in pattern.segments() {
        stem.push('/');
        match segment {
            Segment::Parameter(_) => stem.push_str(ANY_SEGMENT),
            Segment::Literal(text) => push_encoded(&mut stem, text),
        }
    }
    let itself = if stem.is_empty() { "/".to_owned() } else { stem.clone() };
    match pattern.rest() {
        None => vec![itself],
        Some(_) => {
            vec![itself, format!("{stem}/{ANY_SEGMENT}"), format!("{stem}/{ANY_SEGMENT}/{ANY_SEGMENT}")]
        }
    }
}

/// A literal is written decoded.
fn push_encoded(target: &mut String, literal: &str) {
    for byte in literal.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => target.push(char::from(byte)),
            // Writing to a string does not fail.
            byte => drop(write!(target, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests;
