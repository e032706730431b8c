//! How a text is written in YAML. Reading is `config`'s affair.

use std::fmt::Write;

/// A text, quoted unless nobody could take it for anything else.
#[must_use]
pub fn scalar(text: &str) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        );
    if word { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes (YAML 1.2.2 §7.3.1). What is not printable, and what an older YAML takes for the end of a line, is
/// escaped (§5.1, §5.7).
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            ' '..='~'
            | '\u{a0}'..='\u{2027}'
            | '\u{202a}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fefe}'
            | '\u{ff00}'..='\u{fffd}' => {
                quoted.push(c);
            }
            '\u{10000}'.. => quoted.push(c),
            other => {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(other));
            }
        }
    }
    quoted.push('"');
    quoted
}
