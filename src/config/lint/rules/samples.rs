//! Sample requests that represent all requests that rules can distinguish.
//!
//! As few rules as possible match each sample. Any other rule that matches it matches everything that it represents.

use crate::config::raw::{Match, Rule};
use modgud_core::authz::{Case, PathPattern, Segment};
use modgud_core::http::percent::{RESERVED, encode};
use modgud_core::http::request::{Headers, Request};
use std::collections::BTreeSet;

/// A segment that no literal of a pattern equals.
const ANY_SEGMENT: &str = "*";
/// A host, or its first label, that no rule names.
const ANY_HOST: &str = "any-other-host";
/// A method that no rule names.
const ANY_METHOD: &str = "ANY-OTHER-METHOD";

/// A request, without the parts that rules ignore.
#[derive(Debug)]
pub(super) struct Sample {
    host: String,
    method: String,
    target: String,
}

impl Sample {
    /// Returns the request. `None` if it is too long when encoded.
    pub(super) fn request(&self) -> Option<Request<'_>> {
        let Self { host, method, target } = self;
        Request::parse(method.as_bytes(), target.as_bytes(), host.as_bytes(), Headers::default()).ok()
    }
}

/// Numbers of segments that represent all others: those of the patterns, and for each one more, which represents those up to the next.
#[derive(Debug)]
pub(super) struct Lengths(BTreeSet<usize>);

impl Lengths {
    pub(super) fn of<'d>(rules: impl Iterator<Item = &'d Rule>) -> Self {
        let patterns = rules.flat_map(|rule| &rule.matches.paths).filter_map(|text| PathPattern::parse(text).ok());
        let lengths = patterns.map(|pattern| pattern.segments().len());
        Self(lengths.flat_map(|length| [length, length.saturating_add(1)]).collect())
    }

    /// Returns requests that represent all those that both rules match, each with one of its patterns.
    pub(super) fn samples(
        &self,
        one: &Match,
        pattern: &PathPattern,
        other: &Match,
        laid: &PathPattern,
    ) -> impl Iterator<Item = Sample> + use<> {
        let targets = self.targets(pattern, laid);
        // Most pairs match nothing in common; they need no hosts.
        let hosts = if targets.is_empty() { Vec::new() } else { hosts(one, other) };
        let methods = methods(one, other);
        hosts.into_iter().flat_map(move |host| {
            let samples: Vec<Sample> = methods
                .iter()
                .flat_map(|method| targets.iter().map(move |target| (method, target)))
                .map(|(method, target)| Sample { host: host.clone(), method: method.clone(), target: target.clone() })
                .collect();
            samples
        })
    }

    /// Returns requests that represent all those that a pattern matches, with a sample's host and method.
    pub(super) fn elsewhere<'s>(
        &self,
        sample: &'s Sample,
        pattern: &PathPattern,
    ) -> impl Iterator<Item = Sample> + use<'s> {
        let Sample { host, method, target: _ } = sample;
        let with = |target| Sample { host: host.clone(), method: method.clone(), target };
        self.targets(pattern, pattern).into_iter().map(with)
    }

    /// Returns request targets that represent all those that both patterns match.
    pub(super) fn targets(&self, one: &PathPattern, other: &PathPattern) -> Vec<String> {
        let matched = self.0.iter().filter(|length| reaches(one, **length) && reaches(other, **length));
        matched.filter_map(|length| target(one, other, *length)).collect()
    }
}

/// Returns true if the pattern matches a path of this many segments.
fn reaches(pattern: &PathPattern, length: usize) -> bool {
    let named = pattern.segments().len();
    if pattern.rest().is_some() { named <= length } else { named == length }
}

/// Returns a target of this many segments that has the literals of both patterns. `None` if they contradict each other.
fn target(one: &PathPattern, other: &PathPattern, length: usize) -> Option<String> {
    let literal = |pattern: &PathPattern, at| match pattern.segments().get(at) {
        Some(Segment::Literal(text)) => Some(text.clone()),
        Some(Segment::Parameter(_)) | None => None,
    };
    let mut target = String::new();
    for at in 0..length {
        target.push('/');
        match (literal(one, at), literal(other, at)) {
            (Some(own), Some(others)) => {
                if !one.same_literal(&own, other, &others) {
                    return None;
                }
                // Uses the letters of the pattern that does not fold, if there is one.
                target.push_str(&encode(if one.case() == Case::Fold { &others } else { &own }, RESERVED));
            }
            (Some(text), None) | (None, Some(text)) => target.push_str(&encode(&text, RESERVED)),
            (None, None) => target.push_str(ANY_SEGMENT),
        }
    }
    Some(if target.is_empty() { "/".to_owned() } else { target })
}

/// Returns hosts that represent all those of both rules, and perhaps some of only one.
fn hosts(one: &Match, other: &Match) -> Vec<String> {
    let named: BTreeSet<&String> = one.hosts().iter().chain(other.hosts()).collect();
    let any = if named.is_empty() { Some(ANY_HOST.to_owned()) } else { None };
    let samples = named.into_iter().map(|host| match host.strip_prefix('*') {
        Some(suffix) => format!("{ANY_HOST}{suffix}"),
        None => host.clone(),
    });
    any.into_iter().chain(samples).collect()
}

/// Returns methods that represent all those of both rules, and perhaps some of only one.
///
/// A rule for `GET` is one for `HEAD` too, unless another rule names that.
fn methods(one: &Match, other: &Match) -> Vec<String> {
    let named: BTreeSet<&str> = one.methods().iter().chain(other.methods()).map(String::as_str).collect();
    let head = if named.contains("GET") { Some("HEAD") } else { None };
    let any = if named.is_empty() { Some(ANY_METHOD) } else { None };
    let all: BTreeSet<&str> = named.into_iter().chain(head).chain(any).collect();
    all.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::{Case, Lengths, PathPattern};
    use std::collections::BTreeSet;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).unwrap()
    }

    #[test]
    fn targets_represent_what_both_patterns_match() {
        let lengths = Lengths(BTreeSet::from([0, 1, 2, 4]));
        for (one, other, expected) in [
            ("/", "/", ["/"].as_slice()),
            ("/{*rest}", "/{*rest}", &["/", "/*", "/*/*", "/*/*/*/*"]),
            ("/a/{id}/", "/a/{id}", &["/a/*"]),
            ("/a b/ü/{*rest}", "/{*all}", &["/a%20b/%C3%BC", "/a%20b/%C3%BC/*/*"]),
            ("/admin/{*rest}", "/{service}/login", &["/admin/login"]),
            ("/{service}/login", "/admin/{*rest}", &["/admin/login"]),
            ("/admin/{*rest}", "/{a}/{b}/{c}/new", &["/admin/*/*/new"]),
            ("/admin/{*rest}", "/users/{*rest}", &[]),
            ("/admin/{*rest}", "/", &[]),
            ("/admin/{id}", "/admin", &[]),
            ("/{a}/{b}/{c}", "/{*rest}", &[]),
            ("/admin/{*rest}", "/Admin/login", &[]),
        ] {
            assert_eq!(lengths.targets(&pattern(one), &pattern(other)), expected, "{one} {other}");
        }
        let folded = |text: &str| pattern(text).read(Case::Fold, None);
        assert_eq!(lengths.targets(&pattern("/admin/{*rest}"), &folded("/ADMIN/login")), ["/admin/login"]);
        assert_eq!(lengths.targets(&folded("/ADMIN/login"), &pattern("/admin/{*rest}")), ["/admin/login"]);
        assert_eq!(lengths.targets(&folded("/ADMIN/login"), &folded("/admin/{*rest}")), ["/admin/login"]);
    }
}
