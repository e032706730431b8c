//! The prefix of a module: the segments by which Envoy finds it, and which the module itself does not see.

use super::super::pattern::{PathPattern, PatternError, Segment};
use std::fmt;

/// One or more literal segments, each in the one spelling that Envoy and modgud see alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModulePrefix {
    /// The segments with `{*rest}` behind them.
    below: PathPattern,
    text: Box<str>,
}

/// Why a prefix is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// `/`, which would be everything.
    #[error("a module owns at least one segment, such as `/crm`")]
    Root,
    /// Braces.
    #[error(
        "a prefix is made of plain segments, such as `/crm`, without `{{…}}`; everything below it is the module's anyhow"
    )]
    Parameter,
    /// What clients have to encode, or may.
    #[error(
        "a prefix holds letters, digits, `-`, `.`, `_` and `~` only, which are written in one way; Envoy compares what was sent"
    )]
    Character,
    /// What no path pattern can be.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl ModulePrefix {
    /// Reads a prefix. A trailing slash means nothing.
    ///
    /// # Errors
    /// What [`PrefixError`] names.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let text = text.strip_suffix('/').unwrap_or(text);
        if text.is_empty() {
            return Err(PrefixError::Root);
        }
        if text.contains(['{', '}']) {
            return Err(PrefixError::Parameter);
        }
        let below = PathPattern::parse(&format!("{text}/{{*rest}}"))?;
        let plain =
            |character: char| character.is_ascii_alphanumeric() || matches!(character, '/' | '-' | '.' | '_' | '~');
        if !text.chars().all(plain) {
            return Err(PrefixError::Character);
        }
        Ok(Self { below, text: text.into() })
    }

    /// `/crm`: without a slash at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first segment, by which it is told from the names that are reserved.
    #[must_use]
    pub fn first(&self) -> &str {
        match self.below.segments().first() {
            Some(Segment::Literal(first)) => first,
            Some(Segment::Parameter(_)) | None => "",
        }
    }

    /// How many segments it has.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.below.segments().len()
    }

    /// The prefix and everything below it: `/crm/{*rest}`.
    #[must_use]
    pub const fn pattern(&self) -> &PathPattern {
        &self.below
    }
}

impl fmt::Display for ModulePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
