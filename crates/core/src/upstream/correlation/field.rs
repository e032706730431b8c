//! One part of what is signed. Parts stand between `|` without escaping, so none may hold one.

/// A part of a correlation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorrelationField(Box<str>);

/// What keeps a text from being a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// It is none at all.
    #[error("is not a text")]
    NotText,
    /// It would be read as two parts.
    #[error("holds a `|`, which stands between the parts of what is signed")]
    Bar,
    /// A control character.
    #[error("holds a control character")]
    Control,
    /// Longer than [`CorrelationField::MAX_BYTES`].
    #[error("is longer than {} bytes", CorrelationField::MAX_BYTES)]
    TooLong,
    /// A number that readers write in more than one way.
    #[error("is a number that can't be written exactly")]
    Number,
    /// Nothing, where something has to be.
    #[error("is empty")]
    Empty,
}

impl CorrelationField {
    /// The longest part.
    pub const MAX_BYTES: usize = 256;

    /// Checks a text, which may be empty.
    ///
    /// # Errors
    /// [`PartError`] when what is signed could be read in two ways with it.
    pub fn parse(text: &str) -> Result<Self, PartError> {
        if text.len() > Self::MAX_BYTES {
            return Err(PartError::TooLong);
        }
        match text.chars().find(|c| *c == '|' || c.is_control()) {
            Some('|') => Err(PartError::Bar),
            Some(_) => Err(PartError::Control),
            None => Ok(Self(text.into())),
        }
    }

    /// The text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{CorrelationField, PartError};

    #[test]
    fn nothing_is_two_parts() {
        for (text, expected) in [
            ("", Ok("")),
            ("Jörg Müller", Ok("Jörg Müller")),
            ("a|b", Err(PartError::Bar)),
            ("|", Err(PartError::Bar)),
            ("a\nb", Err(PartError::Control)),
            ("a\u{85}b", Err(PartError::Control)),
        ] {
            assert_eq!(
                CorrelationField::parse(text).as_ref().map(CorrelationField::as_str),
                expected.as_ref().map(|text| &**text),
                "{text:?}"
            );
        }
        assert!(CorrelationField::parse(&"a".repeat(256)).is_ok());
        assert_eq!(CorrelationField::parse(&"a".repeat(257)), Err(PartError::TooLong));
    }
}
