//! Policy test results as JUnit XML, which CI systems show.

use super::Outcome;
use std::fmt::Write;

/// Formats the report.
pub(super) fn xml(outcomes: &[Outcome]) -> String {
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string does not fail.
    let _ = writeln!(xml, "<testsuite name=\"modgud\" tests=\"{}\" failures=\"{failed}\">", outcomes.len());
    for Outcome { file, name, failure } in outcomes {
        let _ = write!(xml, "  <testcase classname=\"{}\" name=\"{}\"", escape(file), escape(name));
        let _ = match failure {
            None => writeln!(xml, "/>"),
            Some(text) => {
                let first = text.lines().next().unwrap_or_default().trim();
                writeln!(xml, "><failure message=\"{}\">{}</failure></testcase>", escape(first), escape(text))
            }
        };
    }
    xml.push_str("</testsuite>\n");
    xml
}

/// Escapes text for an attribute or an element. Control characters that XML 1.0 forbids are replaced.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() => escaped.push(char::REPLACEMENT_CHARACTER),
            c => escaped.push(c),
        }
    }
    escaped
}
