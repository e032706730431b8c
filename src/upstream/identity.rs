//! Identity headers: which claim goes into which header, and that nobody but us can have written them.

use super::Mutations;
use crate::header::{HeaderName, HeaderNameFault, HeaderText, HeaderTextFault, fold, same_to_a_server};
use crate::principal::{ClaimPath, Identity, Principal};
use crate::request::Headers;
use bytes::Bytes;
use serde_json::Value;
use std::fmt;

/// One identity header and what it carries.
#[derive(Debug)]
pub struct IdentityHeader {
    /// The header's name.
    pub name: HeaderName,
    /// Where its value comes from.
    pub source: IdentitySource,
    /// What happens when the claim's value can't be written.
    pub unwritable: Unwritable,
}

/// Where an identity header's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentitySource {
    /// A claim, which has to be a text.
    Claim(ClaimPath),
    /// Who the caller is, whichever authenticator vouches for it.
    Subject,
    /// The organization that it acts for.
    Organization,
    /// The first of its roles.
    FirstRole,
    /// Its roles, with commas between.
    Roles,
    /// Its permissions, with commas between.
    Permissions,
    /// The name of the authenticator that vouches for it.
    Authenticator,
}

/// What happens when a claim has a value that can't be a header's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unwritable {
    /// The request is denied: some authenticator requires the claim, so modules rely on it.
    Deny,
    /// The header is removed, as if the claim were missing.
    Remove,
}

/// A value that modules rely on and that can't be written into its header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the claim `{claim}` {problem}, and so can't be written into a header")]
pub struct IdentityFault {
    /// The claim's name, or what else it is.
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
    /// One of a list's texts holds what stands between them.
    #[error("has an item with a comma in it")]
    Comma,
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
        let spellings = headers.iter().map(|field| field.name).filter(|name| self.is_spelling(name));
        let mut spellings: Vec<Bytes> = spellings.map(|name| Bytes::from(name.to_ascii_lowercase())).collect();
        spellings.sort_unstable();
        spellings.dedup();
        mutations.remove.append(&mut spellings);
        Ok(())
    }

    /// Whether a server could take a client's header of this name for one of ours, and it does not have the very name of one:
    /// that is written or removed in any case.
    fn is_spelling(&self, name: &[u8]) -> bool {
        let is = |ours: &IdentityHeader| ours.name.bytes().eq_ignore_ascii_case(name);
        let folds = |ours: &IdentityHeader| same_to_a_server(ours.name.bytes(), name);
        let taken_for_ours = self.headers.iter().any(folds) || self.strip.iter().any(|pattern| pattern.matches(name));
        taken_for_ours && !self.headers.iter().any(is)
    }
}

impl IdentityHeader {
    fn value(&self, principal: Option<&Principal>) -> Result<Option<HeaderText>, IdentityFault> {
        let Some(principal) = principal else { return Ok(None) };
        let Identity { subject, organization, roles, permissions, scopes: _, reach: _ } = principal.identity();
        let text = |text: &str| HeaderText::parse(text).map_err(Problem::Text);
        let value = match &self.source {
            IdentitySource::Claim(path) => principal.claim(path).map(|value| match value {
                Value::String(value) => text(value),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                    Err(Problem::NotText)
                }
            }),
            IdentitySource::Subject => subject.as_deref().map(text),
            IdentitySource::Organization => organization.as_deref().map(text),
            IdentitySource::FirstRole => roles.first().map(|role| text(role)),
            IdentitySource::Roles => list(roles),
            IdentitySource::Permissions => list(permissions),
            IdentitySource::Authenticator => Some(text(principal.authenticator().as_str())),
        };
        match (value.transpose(), self.unwritable) {
            (Ok(value), _) => Ok(value),
            (Err(problem), Unwritable::Deny) => Err(IdentityFault { claim: self.source.to_string().into(), problem }),
            (Err(_), Unwritable::Remove) => Ok(None),
        }
    }
}

/// Texts with commas between; `None` when there is none. One with a comma in it could be taken for two.
fn list(texts: &[Box<str>]) -> Option<Result<HeaderText, Problem>> {
    if texts.is_empty() {
        return None;
    }
    let comma = texts.iter().any(|text| text.contains(','));
    Some(if comma { Err(Problem::Comma) } else { HeaderText::parse(&texts.join(",")).map_err(Problem::Text) })
}

/// For people: a claim's name, or what else it is.
impl fmt::Display for IdentitySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Claim(path) => path.fmt(f),
            Self::Subject => f.write_str("subject"),
            Self::Organization => f.write_str("organization"),
            Self::FirstRole => f.write_str("role"),
            Self::Roles => f.write_str("roles"),
            Self::Permissions => f.write_str("permissions"),
            Self::Authenticator => f.write_str("authenticator"),
        }
    }
}
