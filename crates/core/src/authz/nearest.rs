//! The rule nearest to a request that it does not match, and the reason, for `modgud explain`.
//!
//! Candidates are the entries of the routers. A candidate is named only if the same router finds it for the request with the reported
//! parts changed, so that no reason is wrong.

#[cfg(test)]
mod tests;

use super::host::HostPattern;
use super::pattern::PathPattern;
use super::reading::Breadth;
use super::router::{Layer, MethodQuery, Router, RouterEntry, Served};
use super::rule::Rule;
use super::rules::{RuleMatch, Rules};
use crate::authn::mismatch::quoted;
use crate::explain::Step;
use crate::http::host::Host;
use crate::http::method::Method;
use crate::http::path::{CanonicalPath, RequestTarget};
use crate::http::request::Request;
use std::cmp::Reverse;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

/// The most segments of a path that differ from a near pattern. Beyond it the two have too little in common.
const MAX_OTHER_SEGMENTS: usize = 2;

/// A rule and the parts of a request that it does not match; at least one.
#[derive(Debug)]
pub(super) struct Nearest<'r> {
    rule: &'r Rule,
    differences: Vec<Difference>,
}

/// A part of a request, and the one that the rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Difference {
    Host {
        wanted: HostPattern,
        found: Option<Box<str>>,
    },
    /// A segment other than the pattern's literal, with its index.
    Segment {
        at: usize,
        wanted: Box<str>,
        found: Box<str>,
    },
    /// Another number of segments. With `rest`, `wanted` is the minimum.
    Length {
        wanted: usize,
        rest: bool,
        found: usize,
    },
    Method {
        wanted: Vec<Box<str>>,
        found: Box<str>,
    },
    /// The rule is for CORS preflights only.
    Preflight,
}

impl Rules {
    /// Describes the rule that is nearest to the request. If a rule matches, one that would take precedence over it, and that a slip
    /// may have kept from matching. `None` if no rule has enough in common.
    pub(crate) fn describe_nearest(&self, request: &Request<'_>) -> Option<Step> {
        let nearest = match self.look_up(request, Layer::Enforced) {
            RuleMatch::None => self.nearest(request, None),
            RuleMatch::Rule(rule) => self.nearest(request, Some(rule)),
            RuleMatch::Preflight(_) => None,
        };
        Some(Step::noted("nearest", nearest?.to_string()))
    }

    /// Returns the nearest rule. `matched` is the one that matches.
    fn nearest(&self, request: &Request<'_>, matched: Option<&Rule>) -> Option<Nearest<'_>> {
        let mut found = Vec::new();
        for (host, router) in self.hosts().patterns() {
            let of_host = self.hosts().matching(request.host.name()).any(|one| std::ptr::eq(one, router));
            let other_host = host.filter(|_| !of_host);
            for entry in router.entries(Layer::Enforced) {
                found.extend(self.candidate(request, other_host.as_ref(), router, entry));
            }
        }
        // The names make the result independent of the order in a hash table.
        found.sort_by_cached_key(|one| {
            let Rule { name, pattern, .. } = one.nearest.rule;
            (one.nearest.cost(), Reverse(one.common), name.as_str().to_owned(), pattern.clone())
        });
        let counts = |one: &Candidate<'_>| matched.is_none_or(|matched| self.takes_precedence(one, matched));
        found.into_iter().find(counts).map(|one| one.nearest)
    }

    /// Returns true if a candidate differs by one likely slip, and decides the changed request in place of the rule that matches.
    fn takes_precedence(&self, candidate: &Candidate<'_>, matched: &Rule) -> bool {
        let Candidate { nearest: Nearest { rule, differences }, host, method, path, .. } = candidate;
        let slip = match differences.as_slice() {
            [Difference::Segment { wanted, found, .. }] => is_similar(wanted, found),
            [Difference::Host { .. } | Difference::Length { .. } | Difference::Method { .. }] => true,
            [Difference::Preflight] | [] | [_, _, ..] => false,
        };
        let decides = || {
            let target = RequestTarget::parse(path.as_bytes()).ok()?;
            let host = host.as_ref().map(|host| Host::parse(host.as_bytes())).transpose().ok()?;
            let method = Method::parse(method).ok()?;
            let name = host.as_ref().and_then(Host::name);
            let mut of_host = self.hosts().matching(name);
            of_host.find_map(|router| router.find(Layer::Enforced, method, &target.path))
        };
        slip && matched.name != rule.name && decides().is_some_and(|found| std::ptr::eq(&raw const **found, *rule))
    }

    /// Compares a request with an entry of a router. `None` if it matches, has too little in common, or if the router does not find
    /// the entry for the changed request.
    fn candidate<'r>(
        &self,
        request: &Request<'_>,
        host: Option<&HostPattern>,
        router: &Router<Arc<Rule>>,
        entry: RouterEntry<'r, Arc<Rule>>,
    ) -> Option<Candidate<'r>> {
        let RouterEntry { value: rule, case, served } = entry;
        let pattern = PathPattern::parse(&rule.pattern).ok()?.read(case, self.readings().cloned());
        let (segments, fits) = pattern.mismatches(&request.path);
        let length = request.path.segments().count();
        let common = pattern.literal_texts().take(length).flatten().count().saturating_sub(segments.len());
        let alike = segments.first().is_some_and(|(_, wanted, found)| is_similar(wanted, found));
        let matches_path = segments.is_empty() && fits;
        if segments.len() > MAX_OTHER_SEGMENTS || !(matches_path || common > 0 || alike) {
            return None;
        }
        let mut differences: Vec<Difference> = Vec::new();
        differences.extend(
            host.map(|wanted| Difference::Host { wanted: wanted.clone(), found: request.host.name().map(Into::into) }),
        );
        differences.extend(segments.iter().map(|(at, wanted, found)| Difference::Segment {
            at: *at,
            wanted: (*wanted).into(),
            found: (*found).into(),
        }));
        let (wanted, rest) = (pattern.segments().len(), pattern.rest().is_some());
        differences.extend((!fits).then_some(Difference::Length { wanted, rest, found: length }));
        let path = changed_path(&request.path, &pattern, fits);
        let target = RequestTarget::parse(path.as_bytes()).ok()?;
        let finds = |query: MethodQuery<'_>| {
            let found = router.find_all_read(Layer::Enforced, query, &target.path, Breadth::Sure);
            found.into_iter().any(|one| Arc::ptr_eq(one, rule))
        };
        let mut method = request.method.as_str().to_owned();
        if !finds(MethodQuery::Method(request.method)) {
            let query = match served {
                Served::Methods(methods) => {
                    (*methods.first()?).clone_into(&mut method);
                    let wanted = methods.into_iter().map(Into::into).collect();
                    differences.push(Difference::Method { wanted, found: request.method.as_str().into() });
                    MethodQuery::Method(Method::parse(&method).ok()?)
                }
                // A request of another method has nothing in common with a preflight.
                Served::Preflights if method == "OPTIONS" && !request.is_preflight() => {
                    differences.push(Difference::Preflight);
                    MethodQuery::Preflight
                }
                Served::Any | Served::Preflights => return None,
            };
            if !finds(query) {
                return None;
            }
        }
        let host = match host {
            Some(host) => Some(host.example()),
            None => request.host.name().map(str::to_owned),
        };
        let nearest = Nearest { rule, differences };
        (!nearest.differences.is_empty()).then_some(Candidate { nearest, common, host, method, path })
    }
}

/// A near rule, and the changed request that it matches.
struct Candidate<'r> {
    nearest: Nearest<'r>,
    /// The number of literals that the path has in common.
    common: usize,
    host: Option<String>,
    method: String,
    path: String,
}

impl Nearest<'_> {
    /// Returns the weight of the differences: a client that errs about the path is further away than one that uses another method.
    fn cost(&self) -> usize {
        let cost = |difference: &Difference| match difference {
            Difference::Method { .. } | Difference::Preflight => 1_usize,
            Difference::Segment { wanted, found, .. } if is_similar(wanted, found) => 1,
            Difference::Host { .. } | Difference::Segment { .. } | Difference::Length { .. } => 2,
        };
        self.differences.iter().map(cost).sum()
    }
}

/// Returns the path with the literals and the length of a pattern.
fn changed_path(path: &CanonicalPath<'_>, pattern: &PathPattern, fits: bool) -> String {
    /// A text for a parameter beyond the end of the path.
    const ANY: &str = "x";
    let mut found = path.segments();
    let (others, _) = pattern.mismatches(path);
    let mut changed = String::new();
    for (at, literal) in pattern.literal_texts().enumerate() {
        let text = found.next();
        let other = others.iter().find(|(other, ..)| *other == at).map(|(_, wanted, _)| *wanted);
        push(&mut changed, other.or(text).or(literal).unwrap_or(ANY));
    }
    if fits {
        found.for_each(|text| push(&mut changed, text));
    }
    if changed.is_empty() { "/".to_owned() } else { changed }
}

/// Appends a segment, encoded where a path needs it (RFC 3986 §3.3).
fn push(path: &mut String, segment: &str) {
    path.push('/');
    for byte in segment.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,:=@".contains(&byte) => path.push(char::from(byte)),
            // Writing to a string does not fail.
            byte => drop(write!(path, "%{byte:02X}")),
        }
    }
}

/// Returns true if two texts differ by a slip: the case of letters, an ending, or one or two neighboring letters.
fn is_similar(one: &str, other: &str) -> bool {
    /// Shorter texts are similar to too many.
    const MIN: usize = 3;
    if one.eq_ignore_ascii_case(other) {
        return true;
    }
    let (long, short) = if one.len() < other.len() { (other, one) } else { (one, other) };
    let before = long.chars().zip(short.chars()).take_while(|(one, other)| one == other).count();
    let (long, short): (Vec<char>, Vec<char>) =
        (long.chars().skip(before).collect(), short.chars().skip(before).collect());
    let after = long.iter().rev().zip(short.iter().rev()).take_while(|(one, other)| one == other).count();
    let begins = short.is_empty() && before >= MIN;
    begins || (before.saturating_add(after) >= MIN && long.len().saturating_sub(after) <= 2)
}

/// For the operator: the rule, and each difference with the value that was found and the one that the rule is for.
impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { name, pattern, .. } = self.rule;
        write!(f, "`{}` by `{pattern}` does not match: ", name.as_str())?;
        for (index, difference) in self.differences.iter().enumerate() {
            write!(f, "{}{difference}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |text: &str| quoted(&text.into());
        match self {
            Self::Host { wanted, found: None } => write!(f, "the rule is for the host `{wanted}`, and the request has none"),
            Self::Host { wanted, found: Some(found) } => {
                write!(f, "the rule is for the host `{wanted}`, and the request's is {}", show(found))
            }
            Self::Segment { at, wanted, found } => {
                let number = at.saturating_add(1);
                write!(f, "segment {number} of the pattern is `{wanted}`, and of the path {}", show(found))?;
                if wanted.eq_ignore_ascii_case(found) { f.write_str(" (in another case)") } else { Ok(()) }
            }
            Self::Length { wanted, rest, found } => {
                let least = if *rest { "at least " } else { "" };
                let plural = if *wanted == 1 { "" } else { "s" };
                write!(f, "the pattern has {least}{wanted} segment{plural}, and the path {found}")
            }
            Self::Method { wanted, found } => {
                let wanted: Vec<String> = wanted.iter().map(|one| format!("`{one}`")).collect();
                write!(f, "the rule is for {}, and the method is `{found}`", wanted.join(", "))
            }
            Self::Preflight => f.write_str(
                "the rule is for CORS preflights, and the request lacks one `Origin` or one `Access-Control-Request-Method`",
            ),
        }
    }
}
