//! Texts for denied clients that an operator or a program wrote.

/// A text for clients that an operator or a program wrote: one line that every representation can hold uncut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetailText(Box<str>);

/// A text that is invalid for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write 1 to {} bytes on one line, without control characters", DetailText::MAX_BYTES)]
pub struct DetailError;

impl DetailText {
    /// The maximum size of a text, in bytes. A longer one is rejected.
    pub const MAX_BYTES: usize = 512;

    /// Parses a text.
    ///
    /// # Errors
    /// [`DetailError`] if it is empty, too long or more than one line.
    pub fn parse(text: &str) -> Result<Self, DetailError> {
        let good = matches!(text.len(), 1..=Self::MAX_BYTES) && !text.chars().any(char::is_control);
        if good { Ok(Self(text.into())) } else { Err(DetailError) }
    }

    /// Returns the text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::DetailText;

    #[test]
    fn a_text_is_one_line() {
        for bad in ["", "a\nb", "a\r\nx: y", "a\0", "a\u{85}b", &"a".repeat(513)] {
            assert!(DetailText::parse(bad).is_err(), "{bad:?}");
        }
        assert!(DetailText::parse("Nur für Mitglieder <b>").is_ok());
    }
}
