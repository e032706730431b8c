//! Diagnostics about YAML documents: errors and warnings with a code, a location and a path. Messages show what the user wrote, but never a
//! key or secret.

use crate::yaml::{Location, is_format_char};
use std::fmt::{self, Write};

/// The severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The document is invalid.
    Error,
    /// The document is valid but risky.
    Warning,
}

/// A diagnostic before its location is known: checks create it where they fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub(crate) severity: Severity,
    pub(crate) code: &'static str,
    message: String,
    help: String,
}

impl Issue {
    /// Creates an error: a stable code, what is wrong, and what to write instead. No `help` if the message says it.
    pub(crate) fn error(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), help: help.into() }
    }

    /// Creates a warning, like [`Issue::error`].
    pub(crate) fn warning(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message, help) }
    }

    /// Creates an error from a text that has its help after a semicolon, as the errors of other modules have.
    pub(crate) fn parse(code: &'static str, text: impl fmt::Display) -> Self {
        let text = text.to_string();
        let (message, help) = text.split_once("; ").unwrap_or((&text, ""));
        Self::error(code, message, help)
    }

    /// Creates a warning, like [`Issue::parse`].
    pub(crate) fn parse_warning(code: &'static str, text: impl fmt::Display) -> Self {
        Self { severity: Severity::Warning, ..Self::parse(code, text) }
    }
}

/// Writes the message and the help.
impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.help.is_empty() { "" } else { "; " };
        write!(f, "{}{separator}{}", self.message, self.help)
    }
}

/// An error or a warning about a document.
#[derive(Debug, Clone)]
pub struct Diagnostic {
    /// The stable code, such as `duration-out-of-range`.
    pub(crate) code: &'static str,
    pub(crate) location: Location,
    /// The path of keys; empty for the whole document.
    pub(crate) path: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead; empty if the message says it.
    pub(crate) help: String,
    /// The locations of other values that are part of it.
    pub(crate) related: Vec<Location>,
}

impl Diagnostic {
    /// Creates a diagnostic of the value at this location and path.
    pub(crate) fn new(location: Location, path: String, issue: Issue) -> Self {
        let Issue { severity: _, code, message, help } = issue;
        Self { code, location, path, message, help, related: Vec::new() }
    }

    /// Creates a diagnostic of a whole file or document.
    pub(crate) fn of_file(origin: &str, issue: Issue) -> Self {
        Self::new(Location { origin: origin.into(), position: None }, String::new(), issue)
    }

    /// Returns the sort key: the file, then the position in it.
    pub(crate) fn order(&self) -> (&str, Option<(u64, u64)>) {
        (&self.location.origin, self.location.position)
    }

    /// Returns true if it is about this section of a configuration, or a value in it.
    #[must_use]
    pub fn is_within(&self, section: &str) -> bool {
        self.path.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

/// Writes `file:line:column: path: message; help; see file:line:column [code]`.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, location, path, message, help, related } = self;
        write!(f, "{location}: ")?;
        for (text, separator) in [(path, ": "), (message, "")] {
            if !text.is_empty() {
                write!(f, "{text}{separator}")?;
            }
        }
        if !help.is_empty() {
            write!(f, "; {help}")?;
        }
        for (number, other) in related.iter().enumerate() {
            write!(f, "{}{other}", if number == 0 { "; see " } else { ", " })?;
        }
        write!(f, " [{code}]")
    }
}

/// A value or finding of a document, with its location and path.
#[derive(Debug, Clone)]
pub struct Located<T> {
    location: Location,
    path: String,
    what: T,
}

impl<T> Located<T> {
    /// Creates one for this location and path.
    pub(crate) const fn here(location: Location, path: String, what: T) -> Self {
        Self { location, path, what }
    }

    /// Creates another one for the same value.
    pub(crate) fn with<U>(&self, what: U) -> Located<U> {
        Located { location: self.location.clone(), path: self.path.clone(), what }
    }

    /// Creates a diagnostic of the same value.
    pub(crate) fn diagnostic(&self, issue: Issue) -> Diagnostic {
        Diagnostic::new(self.location.clone(), self.path.clone(), issue)
    }

    /// Returns the path of the value in its document.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns the value or finding.
    pub(crate) const fn what(&self) -> &T {
        &self.what
    }

    /// Returns the sort key: the file, then the position in it.
    pub(crate) fn order(&self) -> (&str, Option<(u64, u64)>) {
        (&self.location.origin, self.location.position)
    }
}

impl<T: fmt::Display> fmt::Display for Located<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { location, path, what } = self;
        match path.as_str() {
            "" => write!(f, "{location}: {what}"),
            path => write!(f, "{location}: {path}: {what}"),
        }
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
            if c.is_control() || is_format_char(c) {
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
