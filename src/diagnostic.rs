//! Findings in YAML documents with their locations, and user texts as messages show them.

use crate::yaml::{Location, is_format};
use std::fmt::{self, Write};

/// A finding or value of a document, with its location and path: `file:line:column: path: what is wrong; what to write`.
#[derive(Debug, Clone)]
pub struct Located<T> {
    pub(crate) place: Location,
    pub(crate) path: String,
    pub(crate) what: T,
    /// The locations of other values that are part of the finding.
    pub(crate) others: Vec<Location>,
}

impl<T> Located<T> {
    /// Creates one for this location and path.
    pub(crate) const fn here(place: Location, path: String, what: T) -> Self {
        Self { place, path, what, others: Vec::new() }
    }

    /// Creates another one for the same value.
    pub(crate) fn with<U>(&self, what: U) -> Located<U> {
        Located { place: self.place.clone(), path: self.path.clone(), what, others: Vec::new() }
    }

    /// Returns the finding or value.
    pub(crate) const fn what(&self) -> &T {
        &self.what
    }

    /// Returns the sort key: the file, then the position in it.
    pub(crate) fn order(&self) -> (&str, Option<(u64, u64)>) {
        (&self.place.origin, self.place.position)
    }
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, path, what, others } = self;
        match path.as_str() {
            "" => write!(f, "{place}: {what}"),
            path => write!(f, "{place}: {path}: {what}"),
        }?;
        for (number, other) in others.iter().enumerate() {
            write!(f, "{}{other}", if number == 0 { "; see " } else { ", " })?;
        }
        Ok(())
    }
}

/// The maximum number of characters that are shown of a text; `…` replaces the rest.
const SHOWN: usize = 80;

/// A user's text that is safe to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    /// Quotes a text. Escapes characters that affect a terminal or the line.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut quoted = String::from("`");
        for c in text.chars().take(SHOWN) {
            if c.is_control() || is_format(c) {
                quoted.extend(c.escape_default());
            } else {
                quoted.push(c);
            }
        }
        if text.chars().nth(SHOWN).is_some() {
            quoted.push('…');
        }
        quoted.push('`');
        Self(quoted)
    }
}

impl From<&str> for Quoted {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A list of words for a sentence: `` `a`, `b`, `c` ``.
pub(crate) struct Words(pub(crate) &'static [&'static str]);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, word) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(", ")?;
            }
            f.write_char('`')?;
            f.write_str(word)?;
            f.write_char('`')?;
        }
        Ok(())
    }
}

/// A key in a path, as messages show it.
pub(crate) struct ShownKey<'k>(pub(crate) &'k str);

impl fmt::Display for ShownKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_word(self.0) { f.write_str(self.0) } else { Quoted::new(self.0).fmt(f) }
    }
}

/// Returns true if a key needs no quotes in a path.
fn is_word(key: &str) -> bool {
    matches!(key.len(), 1..=64) && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::Quoted;

    #[test]
    fn a_text_is_shown_on_one_line_and_not_at_any_length() {
        let quoted = |text: &str| Quoted::new(text).to_string();
        assert_eq!(quoted(""), "``");
        assert_eq!(quoted("Grüße"), "`Grüße`");
        assert_eq!(quoted("a\r\nb\u{1b}[2J"), "`a\\r\\nb\\u{1b}[2J`");
        assert_eq!(quoted("a\u{202e}b\u{200b}"), "`a\\u{202e}b\\u{200b}`");
        assert_eq!(quoted(&"é".repeat(80)), format!("`{}`", "é".repeat(80)));
        assert_eq!(quoted(&"é".repeat(81)), format!("`{}…`", "é".repeat(80)));
    }
}
