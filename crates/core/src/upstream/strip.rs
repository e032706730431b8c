//! Client headers that the operator has removed by name or prefix, in addition to those of modgud.

use crate::http::header::{HeaderName, HeaderNameError, fold, folds_to_same_name};

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

/// The reason why a text is not a strip pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StripPatternError {
    /// The pattern would match headers that every module needs.
    #[error("a prefix needs at least three characters before its `*`, so that it can't reach every header")]
    TooWide,
    /// `*` elsewhere than at the end.
    #[error("a `*` can only stand at the end")]
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
        Ok(Self { stem: stem.as_str().bytes().map(fold).collect(), reach })
    }

    /// Returns the folded name or prefix.
    pub(super) fn stem(&self) -> &[u8] {
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
