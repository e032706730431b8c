//! Identity headers: which claim goes into which header, and that nobody but us can have written them.

use super::Mutations;
use crate::header::{HeaderName, HeaderNameFault, HeaderText, HeaderTextFault, fold, same_to_a_server};
use crate::principal::Principal;
use crate::request::Headers;
use bytes::Bytes;
use serde_json::Value;

/// One identity header and the claim that it carries.
#[derive(Debug)]
pub struct IdentityHeader {
    /// The header's name.
    pub name: HeaderName,
    /// The claim's name.
    pub claim: Box<str>,
    /// What happens when the claim's value can't be written.
    pub unwritable: Unwritable,
}

/// What happens when a claim has a value that can't be a header's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritable {
    /// The request is denied: some authenticator requires the claim, so modules rely on it.
    Deny,
    /// The header is removed, as if the claim were missing.
    Remove,
}

/// A required claim that can't be written into its header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the claim `{claim}` {problem}, and so can't be written into a header")]
pub struct IdentityFault {
    /// The claim's name.
    pub claim: Box<str>,
    /// What is wrong with its value.
    pub problem: Problem,
}

/// What is wrong with a claim's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It is no text.
    #[error("is not a string")]
    NotText,
    /// It is a text that may not be a header's value.
    #[error(transparent)]
    Text(#[from] HeaderTextFault),
}

/// Client headers that are removed by name: a whole name, or every name with a prefix. Case does not matter, and neither
/// does `_` for `-`.
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

/// What is wrong with a strip pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StripPatternFault {
    /// It would reach headers that no module can do without.
    #[error("a prefix needs at least three characters before its `*`, so that it can't reach every header")]
    TooWide,
    /// `*` elsewhere than at the end.
    #[error("a `*` can only stand at the end")]
    StarInside,
    /// What stands before the `*` is not a header name.
    #[error(transparent)]
    Name(#[from] HeaderNameFault),
}

impl StripPattern {
    /// Reads `x-name` or `x-prefix-*`.
    ///
    /// # Errors
    /// A [`StripPatternFault`] that says what would be right.
    pub fn parse(pattern: &str) -> Result<Self, StripPatternFault> {
        const SHORTEST_PREFIX: usize = 3;
        let (stem, reach) = match pattern.strip_suffix('*') {
            Some(stem) => (stem, Reach::Prefix),
            None => (pattern, Reach::Name),
        };
        if stem.contains('*') {
            return Err(StripPatternFault::StarInside);
        }
        if matches!(reach, Reach::Prefix) && stem.len() < SHORTEST_PREFIX {
            return Err(StripPatternFault::TooWide);
        }
        let stem = HeaderName::parse(stem)?;
        Ok(Self { stem: stem.as_str().bytes().map(fold).collect(), reach })
    }

    /// Whether a client header of this name is removed.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        match self.reach {
            Reach::Name => same_to_a_server(&self.stem, name),
            Reach::Prefix => name.get(..self.stem.len()).is_some_and(|head| same_to_a_server(&self.stem, head)),
        }
    }
}

/// All identity headers of a configuration.
#[derive(Debug, Default)]
pub struct IdentityHeaders {
    headers: Vec<IdentityHeader>,
    strip: Vec<StripPattern>,
}

impl IdentityHeaders {
    /// Identity headers, and the client headers that are removed beside them.
    #[must_use]
    pub const fn new(headers: Vec<IdentityHeader>, strip: Vec<StripPattern>) -> Self {
        Self { headers, strip }
    }

    /// The identity headers.
    #[must_use]
    pub fn headers(&self) -> &[IdentityHeader] {
        &self.headers
    }

    /// Writes or removes every one of our headers, and removes every client header that could be taken for one.
    ///
    /// # Errors
    /// [`IdentityFault`] for a claim that is required and can't be written.
    pub(super) fn apply(
        &self,
        principal: Option<&Principal>,
        headers: &Headers<'_>,
        mutations: &mut Mutations,
    ) -> Result<(), IdentityFault> {
        mutations.set.reserve(self.headers.len().saturating_add(1));
        for header in &self.headers {
            match header.value(principal)? {
                Some(value) => mutations.set.push((header.name.clone(), value)),
                None => mutations.remove.push(header.name.bytes().clone()),
            }
        }
        for field in headers.iter().filter(|field| self.is_ours(field.name)) {
            self.remove_spelling(field.name, mutations);
        }
        Ok(())
    }

    /// Whether a server could take a header of this name for one of ours.
    fn is_ours(&self, name: &[u8]) -> bool {
        self.headers.iter().any(|ours| same_to_a_server(ours.name.as_str().as_bytes(), name))
            || self.strip.iter().any(|pattern| pattern.matches(name))
    }

    /// Removes a client header, unless it has the very name of one of ours: that is written or removed already.
    fn remove_spelling(&self, name: &[u8], mutations: &mut Mutations) {
        let listed = |known: &[u8]| known.eq_ignore_ascii_case(name);
        let ours = self.headers.iter().any(|ours| listed(ours.name.as_str().as_bytes()));
        if !ours && !mutations.remove.iter().any(|known| listed(known)) {
            mutations.remove.push(Bytes::from(name.to_ascii_lowercase()));
        }
    }
}

impl IdentityHeader {
    fn value(&self, principal: Option<&Principal>) -> Result<Option<HeaderText>, IdentityFault> {
        let Some(value) = principal.and_then(|principal| principal.claim(&self.claim)) else { return Ok(None) };
        let problem = match value {
            Value::String(text) => match HeaderText::parse(text) {
                Ok(text) => return Ok(Some(text)),
                Err(fault) => Problem::Text(fault),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Problem::NotText,
        };
        match self.unwritable {
            Unwritable::Deny => Err(IdentityFault { claim: self.claim.clone(), problem }),
            Unwritable::Remove => Ok(None),
        }
    }
}
