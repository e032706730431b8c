//! The hosts of rules, and their precedence. An exact name comes before `*.suffix`, a longer suffix before a shorter one, and a
//! rule without hosts last.

use crate::http::host::Host;
use std::collections::HashMap;
use std::fmt;

/// The hosts of a rule: `api.example.com`, or `*.example.com` for every name below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern(Kind);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Exactly this name.
    Name(Box<str>),
    /// Every name that ends in this text, which begins with a dot, and has at least one more label.
    Below(Box<str>),
}

/// A text that is not a valid host pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a name without port, such as `api.example.com`, or `*.example.com` for every name below it")]
pub struct HostPatternError;

impl HostPattern {
    /// Parses a pattern. Names compare case-insensitively (RFC 4343).
    ///
    /// # Errors
    /// [`HostPatternError`] for a text that can't be the host of a request.
    pub fn parse(text: &str) -> Result<Self, HostPatternError> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let read = Host::parse(name.as_bytes()).map_err(|_| HostPatternError)?;
        // A name with further parts, such as a port, can't match the host that requests are looked up by.
        let same = read.name().filter(|read| read.eq_ignore_ascii_case(name)).ok_or(HostPatternError)?;
        Ok(Self(if below { Kind::Below(format!(".{same}").into()) } else { Kind::Name(same.into()) }))
    }
}

impl HostPattern {
    /// Returns a host that matches.
    pub(super) fn example(&self) -> String {
        match &self.0 {
            Kind::Name(name) => name.to_string(),
            Kind::Below(suffix) => format!("x{suffix}"),
        }
    }
}

/// For people: the pattern in lower case.
impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Name(name) => f.write_str(name),
            Kind::Below(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// A map with a value for each host pattern, and one for every other host.
#[derive(Debug, Default)]
pub(super) struct HostMap<T> {
    names: HashMap<Box<str>, T>,
    below: HashMap<Box<str>, T>,
    any: T,
}

impl<T> HostMap<T> {
    /// Creates a map with one value for every host.
    pub(super) fn new(any: T) -> Self {
        Self { any, names: HashMap::new(), below: HashMap::new() }
    }

    /// Returns the value of a pattern, or of every host without a pattern. A missing value is created by `new`.
    pub(super) fn entry(&mut self, pattern: Option<&HostPattern>, new: impl FnOnce() -> T) -> &mut T {
        match pattern.map(|pattern| &pattern.0) {
            None => &mut self.any,
            Some(Kind::Name(name)) => self.names.entry(name.clone()).or_insert_with(new),
            Some(Kind::Below(suffix)) => self.below.entry(suffix.clone()).or_insert_with(new),
        }
    }

    /// Returns all values, in no order.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.names.values().chain(self.below.values()).chain([&self.any])
    }

    /// Returns all values with their patterns, in no order. `None` means every host.
    pub(super) fn patterns(&self) -> impl Iterator<Item = (Option<HostPattern>, &T)> {
        let name = |(name, value)| (Some(HostPattern(Kind::Name(Box::clone(name)))), value);
        let below = |(suffix, value)| (Some(HostPattern(Kind::Below(Box::clone(suffix)))), value);
        self.names.iter().map(name).chain(self.below.iter().map(below)).chain([(None, &self.any)])
    }

    /// Returns all values for this host, the most specific first. It costs one lookup per label, regardless of the number of hosts.
    pub(super) fn matching(&self, host: Option<&str>) -> impl Iterator<Item = &T> {
        let named = host.filter(|_| !self.names.is_empty()).and_then(|host| self.names.get(host));
        let host = host.filter(|_| !self.below.is_empty()).unwrap_or_default();
        let suffixes = host.match_indices('.').filter_map(|(at, _)| host.get(at..));
        named.into_iter().chain(suffixes.filter_map(|suffix| self.below.get(suffix))).chain([&self.any])
    }
}

#[cfg(test)]
mod tests {
    use super::{HostMap, HostPattern};

    #[test]
    fn the_more_specific_host_comes_first() {
        let mut by_host = HostMap::new("any".to_owned());
        for text in ["API.example.com", "*.example.com", "*.com", "*.api.example.com", "example.com"] {
            by_host.entry(Some(&HostPattern::parse(text).unwrap()), || text.to_owned());
        }
        assert_eq!(by_host.entry(None, String::new), "any");
        for (host, expected) in [
            (Some("api.example.com"), &["API.example.com", "*.example.com", "*.com", "any"][..]),
            (Some("a.b.example.com"), &["*.example.com", "*.com", "any"]),
            (Some("x.api.example.com"), &["*.api.example.com", "*.example.com", "*.com", "any"]),
            (Some("example.com"), &["example.com", "*.com", "any"]),
            (Some("badexample.com"), &["*.com", "any"]),
            (Some("com"), &["any"]),
            (Some("127.0.0.1"), &["any"]),
            (None, &["any"]),
        ] {
            let found: Vec<&String> = by_host.matching(host).collect();
            assert_eq!(found, expected.iter().collect::<Vec<_>>(), "{host:?}");
        }
    }

    #[test]
    fn a_pattern_is_what_a_request_can_name() {
        for (text, shown) in
            [("API.Example.com", "api.example.com"), ("*.Example.com", "*.example.com"), ("127.0.0.1", "127.0.0.1")]
        {
            assert_eq!(HostPattern::parse(text).unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "*",
            "*.",
            "*example.com",
            "a.*.com",
            "**.com",
            "a b",
            "a..b",
            "api.example.com:80",
            "api.example.com/",
            "http://a",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
