//! A text with replaceable parts, each of which must occur exactly once.

use super::write::BootstrapError;

/// The text to change.
pub(super) struct Text(pub(super) String);

impl Text {
    /// Replaces a text.
    pub(super) fn replace(&mut self, old: &'static str, new: &str) -> Result<(), BootstrapError> {
        let (before, after) = self.around(old)?;
        self.0 = format!("{before}{new}{after}");
        Ok(())
    }

    /// Replaces the rest of a line.
    pub(super) fn replace_line(&mut self, start: &'static str, new: &str) -> Result<(), BootstrapError> {
        let (before, after) = self.around(start)?;
        let rest = after.split_once('\n').map_or("", |(_, rest)| rest);
        self.0 = format!("{before}{start}{new}\n{rest}");
        Ok(())
    }

    /// Replaces the lines up to an empty one.
    pub(super) fn replace_block(&mut self, start: &'static str, new: &str) -> Result<(), BootstrapError> {
        let (before, after) = self.around(start)?;
        let rest = after.split_once("\n\n").map_or("", |(_, rest)| rest);
        self.0 = format!("{before}{new}\n{rest}");
        Ok(())
    }

    /// Replaces all lines that follow.
    pub(super) fn replace_to_end(&mut self, start: &'static str, new: &str) -> Result<(), BootstrapError> {
        let (before, _) = self.around(start)?;
        self.0 = format!("{before}{new}");
        Ok(())
    }

    fn around(&self, old: &'static str) -> Result<(&str, &str), BootstrapError> {
        let mut parts = self.0.split(old);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(before), Some(after), None) => Ok((before, after)),
            (_, _, _) => Err(BootstrapError::Sample(old)),
        }
    }
}
