//! One field of the signed text. Fields are joined by `|` without escaping, so none may contain one.

/// A field of a correlation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorrelationField(Box<str>);

/// The reason why a value is not a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// The value is not text.
    #[error("is not a text")]
    NotText,
    /// The text has a `|`, so it would be read as two fields.
    #[error("holds a `|`, which stands between the parts of what is signed")]
    Bar,
    /// The text has a control character.
    #[error("holds a control character")]
    Control,
    /// The text is longer than [`CorrelationField::MAX_BYTES`].
    #[error("is longer than {} bytes", CorrelationField::MAX_BYTES)]
    TooLong,
    /// The value is a number that readers write in more than one way.
    #[error("is a number that can't be written exactly")]
    Number,
    /// The text is empty where a value is required.
    #[error("is empty")]
    Empty,
}

impl CorrelationField {
    /// The longest field, in bytes; a longer one is an error.
    pub const MAX_BYTES: usize = 256;

    /// Checks a text, which may be empty.
    ///
    /// # Errors
    /// [`PartError`] if the text would make the signed text ambiguous.
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

    /// Returns the text.
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
