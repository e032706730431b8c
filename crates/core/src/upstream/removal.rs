//! Removal of client headers from allowed requests: those that a server could take for one of modgud's, those of `upstream.strip`, and the
//! override headers. It names only headers that the request carries. An Envoy whose mutation rules forbid a removal answers 500 even if the
//! header is absent.

use super::overrides::OVERRIDE_HEADERS;
use crate::http::header::{HeaderName, HeaderNameError, fold_byte, folds_to_same_name};
use crate::http::request::Headers;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fmt;

/// The client headers that are removed from an allowed request.
#[derive(Debug)]
pub struct Removals {
    /// Names in the form of [`fold_byte`], by length and then by content.
    names: Box<[Box<[u8]>]>,
    patterns: Vec<StripPattern>,
    /// Override headers that stay, each in this one spelling, in lower case.
    kept: Vec<HeaderName>,
    /// For each first byte, true if a removed name can begin with it.
    first: Box<[bool; 256]>,
}

impl Default for Removals {
    fn default() -> Self {
        Self::new(&[], Vec::new(), Vec::new())
    }
}

impl Removals {
    /// Builds removals of every spelling of these `names` and of the override headers, and of the names that the patterns match. `kept` are
    /// the spellings of override headers that `upstream.keep` names.
    #[must_use]
    pub fn new(names: &[&HeaderName], patterns: Vec<StripPattern>, kept: Vec<HeaderName>) -> Self {
        let folded = |name: &[u8]| -> Box<[u8]> { name.iter().copied().map(fold_byte).collect() };
        let overrides = OVERRIDE_HEADERS.iter().map(|header| header.name);
        let all: BTreeSet<(usize, Box<[u8]>)> = names
            .iter()
            .map(|name| folded(name.bytes()))
            .chain(overrides.map(|name| folded(name.as_bytes())))
            .map(|name| (name.len(), name))
            .collect();
        let names: Box<[Box<[u8]>]> = all.into_iter().map(|(_, name)| name).collect();
        let begins = |byte: u8| {
            let stems = names.iter().map(|name| &**name).chain(patterns.iter().map(StripPattern::stem));
            stems.filter_map(<[u8]>::first).any(|first| *first == fold_byte(byte))
        };
        let mut first = Box::new([false; 256]);
        for (byte, is) in (0..=u8::MAX).zip(first.iter_mut()) {
            *is = begins(byte);
        }
        Self { names, patterns, kept, first }
    }

    /// Returns the patterns of `upstream.strip`.
    #[must_use]
    pub fn patterns(&self) -> &[StripPattern] {
        &self.patterns
    }

    /// Returns the override headers that stay.
    #[must_use]
    pub fn kept(&self) -> &[HeaderName] {
        &self.kept
    }

    /// Adds the headers of a request that are removed, each spelling once and in lower case. Names for which `is_ours` returns true are
    /// left to the calling function, which writes or removes them. Allocates nothing if there are none.
    pub(super) fn apply(&self, headers: &Headers<'_>, is_ours: impl Fn(&[u8]) -> bool, removed: &mut Vec<Bytes>) {
        let before = removed.len();
        for field in headers.iter() {
            if self.is_removed(field.name) && !is_ours(field.name) {
                removed.push(Bytes::from(field.name.to_ascii_lowercase()));
            }
        }
        if let Some(spellings) = removed.get_mut(before..).filter(|spellings| spellings.len() > 1) {
            spellings.sort_unstable();
            removed.dedup();
        }
    }

    /// Returns true if a client header of this name is removed, unless modgud writes it.
    #[must_use]
    pub fn is_removed(&self, name: &[u8]) -> bool {
        let Some(first) = name.first() else { return false };
        if !self.first.get(usize::from(*first)).copied().unwrap_or_default() {
            return false;
        }
        let same_length = self.names.partition_point(|known| known.len() < name.len());
        let candidates = self.names.get(same_length..).unwrap_or_default();
        let mut candidates = candidates.iter().take_while(|known| known.len() == name.len());
        let listed = candidates.any(|known| folds_to_same_name(known, name));
        (listed && !self.kept.iter().any(|kept| kept.bytes().eq_ignore_ascii_case(name)))
            || self.patterns.iter().any(|pattern| pattern.matches(name))
    }
}

/// A pattern of client headers to remove: a whole name, or every name with a prefix. It ignores case, and the difference of `_` and `-`.
#[derive(Debug)]
pub struct StripPattern {
    stem: Box<[u8]>,
    reach: Reach,
}

#[derive(Debug, Clone, Copy)]
enum Reach {
    Name,
    Prefix,
}

/// Writes the pattern in the form that [`StripPattern::parse`] accepts, with `-` for every sign.
impl fmt::Display for StripPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = match self.reach {
            Reach::Name => "",
            Reach::Prefix => "*",
        };
        write!(f, "{}{star}", String::from_utf8_lossy(&self.stem))
    }
}

/// The reason why a text is not a strip pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StripPatternError {
    /// The pattern would match headers that every module needs.
    #[error("the prefix before `*` has fewer than three characters, and matches too many headers")]
    TooWide,
    /// `*` elsewhere than at the end.
    #[error("a `*` is not at the end")]
    StarInside,
    /// The text before the `*` is not a header name.
    #[error(transparent)]
    Name(#[from] HeaderNameError),
}

impl StripPattern {
    /// Parses `x-name` or `x-prefix-*`.
    ///
    /// # Errors
    /// A [`StripPatternError`] that names the right form.
    pub fn parse(pattern: &str) -> Result<Self, StripPatternError> {
        const SHORTEST_PREFIX: usize = 3;
        let (stem, reach) = match pattern.strip_suffix('*') {
            Some(stem) => (stem, Reach::Prefix),
            None => (pattern, Reach::Name),
        };
        if stem.contains('*') {
            return Err(StripPatternError::StarInside);
        }
        if matches!(reach, Reach::Prefix) && stem.len() < SHORTEST_PREFIX {
            return Err(StripPatternError::TooWide);
        }
        let stem = HeaderName::parse(stem)?;
        Ok(Self { stem: stem.as_str().bytes().map(fold_byte).collect(), reach })
    }

    /// Returns the folded name or prefix.
    fn stem(&self) -> &[u8] {
        &self.stem
    }

    /// Returns true if a client header of this name is removed.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        match self.reach {
            Reach::Name => folds_to_same_name(&self.stem, name),
            Reach::Prefix => name.get(..self.stem.len()).is_some_and(|head| folds_to_same_name(&self.stem, head)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Removals, StripPattern};
    use crate::http::header::HeaderName;
    use crate::http::request::{Field, Headers};

    fn removed(removals: &Removals, sent: &[&str]) -> Vec<String> {
        let fields = sent.iter().map(|name| Field { name: name.as_bytes(), value: b"x" }).collect();
        let mut removed = Vec::new();
        removals.apply(&Headers::new(fields), |name| name.eq_ignore_ascii_case(b"x-written"), &mut removed);
        removed.iter().map(|name| String::from_utf8(name.to_vec()).unwrap()).collect()
    }

    fn name(text: &str) -> HeaderName {
        HeaderName::parse(text).unwrap()
    }

    #[test]
    fn only_headers_that_the_request_carries_are_named() {
        let (user, written) = (name("x-user"), name("x-written"));
        let strip = vec![StripPattern::parse("y-core-*").unwrap()];
        let removals = Removals::new(&[&user, &written], strip, Vec::new());
        assert_eq!(removed(&removals, &[]), [""; 0]);
        assert_eq!(removed(&removals, &[":path", "accept", "x-users", "x", "", "y-core", "x-written"]), [""; 0]);
        assert_eq!(
            removed(&removals, &["X_User", "x_user", "y.core.a", "X-WRITTEN", "x_written", "SCRIPT_NAME"]),
            ["script_name", "x_user", "x_written", "y.core.a"]
        );
    }

    #[test]
    fn a_kept_override_header_stays_in_the_spelling_that_is_kept() {
        let removals = Removals::new(&[], Vec::new(), vec![name("x-forwarded-host"), name("SCRIPT_NAME")]);
        let sent = ["X-Forwarded-Host", "x_forwarded_host", "SCRIPT_NAME", "script-name", "path_info"];
        assert_eq!(removed(&removals, &sent), ["path_info", "script-name", "x_forwarded_host"]);
    }

    #[test]
    fn a_pattern_is_written_as_it_is_read() {
        for (text, written) in [("x-core-*", "x-core-*"), ("X_User", "x-user")] {
            assert_eq!(StripPattern::parse(text).unwrap().to_string(), written);
        }
    }

    /// Checks that the vector has no capacity without a removal.
    #[test]
    fn nothing_is_allocated_for_a_request_without_such_headers() {
        let fields: Vec<Field<'_>> = ["x-request-id", "x-forwarded-proto", "accept"]
            .map(|name| Field { name: name.as_bytes(), value: b"" })
            .into();
        let mut removed = Vec::new();
        Removals::default().apply(&Headers::new(fields), |_| false, &mut removed);
        assert_eq!(removed.capacity(), 0);
    }
}
