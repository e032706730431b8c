//! Texts in YAML syntax, and invisible characters in them.

use std::fmt::Write;

/// Returns a text in YAML, quoted unless it is unambiguous.
#[must_use]
pub fn scalar(text: &str) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '~'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if word { text.to_owned() } else { quoted(text) }
}

/// Returns a text in double quotes (YAML 1.2.2 §7.3.1). Escapes characters that are unprintable or invisible, or that an older YAML takes
/// for the end of a line (§5.1, §5.7).
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. if !is_format_char(c) => {
                quoted.push(c);
            }
            // Writing to a string does not fail.
            '\u{10000}'.. => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
            other => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(other));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Returns true for line and paragraph separators and format characters (Unicode categories Zl, Zp and Cf). They are
/// invisible, so they change a text without a reviewer's notice unless they are written as escapes.
pub(crate) const fn is_format_char(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_quoted_text_shows_all_that_is_in_it() {
        assert_eq!(quoted("a é 😀"), "\"a é 😀\"");
        assert_eq!(quoted("\"\\\n\t\u{85}\u{2028}"), r#""\"\\\n\u0009\u0085\u2028""#);
        assert_eq!(quoted("\u{202e}\u{200b}\u{feff}\u{e0041}"), r#""\u202e\u200b\ufeff\U000e0041""#);
    }
}
