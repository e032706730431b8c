//! User texts as messages show them: in backticks, on one line, and of limited length.

use crate::yaml::is_format_char;
use std::fmt::{self, Write};

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
pub(super) struct Words(pub(super) &'static [&'static str]);

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
