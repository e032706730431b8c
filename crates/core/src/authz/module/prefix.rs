//! The prefix of a module: the segments that Envoy routes by and removes for the module.

use super::super::pattern::{PathPattern, PatternError, Segment};
use std::fmt;

/// One or more literal segments, each in the only spelling that Envoy and modgud read identically.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModulePrefix {
    /// The segments, followed by `{*rest}`.
    below: PathPattern,
    text: Box<str>,
}

/// The reason why a prefix is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// `/`, which would match everything.
    #[error("a module owns at least one segment, such as `/crm`")]
    Root,
    /// Braces of a parameter.
    #[error(
        "a prefix is made of plain segments, such as `/crm`, without `{{…}}`; everything below it is the module's anyhow"
    )]
    Parameter,
    /// Characters that clients must or may encode.
    #[error(
        "a prefix holds letters, digits, `-`, `.`, `_` and `~` only, which are written in one way; Envoy compares what was sent"
    )]
    Character,
    /// A text that is not a valid path pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

impl ModulePrefix {
    /// Parses a prefix. A trailing slash is ignored.
    ///
    /// # Errors
    /// The [`PrefixError`] of the text.
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

    /// Returns the prefix without a trailing slash, such as `/crm`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the first segment, which is compared with the reserved names.
    #[must_use]
    pub fn first(&self) -> &str {
        match self.below.segments().first() {
            Some(Segment::Literal(first)) => first,
            Some(Segment::Parameter(_)) | None => "",
        }
    }

    /// Returns the number of segments.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.below.segments().len()
    }

    /// Returns the pattern of the prefix and everything below it: `/crm/{*rest}`.
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
