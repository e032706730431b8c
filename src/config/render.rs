//! The effective configuration as YAML: each value has a comment with its origin. The output can be loaded, except that secrets are
//! omitted.

use crate::yaml::scalar;
use crate::yaml::{Element, Member, Node, Value};
use aws_lc_rs::digest::{SHA256, digest};
use std::borrow::Cow;
use std::fmt::{self, Write};

/// The replacement of a text that may be a secret.
const REDACTED: &str = "(not shown)";

/// The column at which comments begin, if the line is short enough.
const COMMENT_COLUMN: usize = 64;

/// Renders the tree as YAML.
pub(super) fn yaml(root: &Node) -> Result<String, fmt::Error> {
    let mut printer = Printer { text: String::new(), has_origins: true };
    printer.node(root, 0, "")?;
    Ok(printer.text)
}

/// Returns a hash of what [`yaml`] renders, without the origins: 48 bits, which a 64-bit float holds exactly.
pub(super) fn hash(root: &Node) -> u64 {
    let mut printer = Printer { text: String::new(), has_origins: false };
    // Writing to a string does not fail.
    let _ = printer.node(root, 0, "");
    let digest = digest(&SHA256, printer.text.as_bytes());
    digest.as_ref().iter().take(6).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

struct Printer {
    text: String,
    /// True if each value is followed by its origin.
    has_origins: bool,
}

impl Printer {
    /// Writes a value whose key or dash, `lead`, begins its first line.
    fn node(&mut self, node: &Node, depth: usize, lead: &str) -> fmt::Result {
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => self.map(entries, depth, lead),
            Value::List(items) if !items.is_empty() => self.list(items, depth, lead),
            scalar => self.line(lead, &plain(scalar), node),
        }
    }

    fn map(&mut self, entries: &[Member], depth: usize, lead: &str) -> fmt::Result {
        // A map in a list begins on the line of its dash; one under a key begins below it.
        let mut lead = match lead.trim_end() {
            "" => String::new(),
            head if head.ends_with('-') => lead.to_owned(),
            head => {
                writeln!(self.text, "{head}")?;
                String::new()
            }
        };
        for entry in entries {
            if lead.is_empty() {
                lead = " ".repeat(depth.saturating_mul(2));
            }
            let key = scalar(&entry.key);
            let separator = if nested(&entry.node) { ":" } else { ": " };
            let start = format!("{}{key}{separator}", std::mem::take(&mut lead));
            match (entry.key.as_str(), &entry.node.value) {
                ("value", Value::Text(_)) => self.line(&start, &scalar(REDACTED), &entry.node)?,
                _ => self.node(&entry.node, depth.saturating_add(1), &start)?,
            }
        }
        Ok(())
    }

    fn list(&mut self, items: &[Element], depth: usize, lead: &str) -> fmt::Result {
        writeln!(self.text, "{}", lead.trim_end())?;
        let indent = " ".repeat(depth.saturating_mul(2));
        items.iter().try_for_each(|item| self.node(&item.node, depth.saturating_add(1), &format!("{indent}- ")))
    }

    fn line(&mut self, lead: &str, value: &str, node: &Node) -> fmt::Result {
        let line = format!("{lead}{value}");
        if !self.has_origins {
            return writeln!(self.text, "{line}");
        }
        writeln!(self.text, "{line:COMMENT_COLUMN$}  # {}", node.place)
    }
}

fn nested(node: &Node) -> bool {
    match &node.value {
        Value::Map(entries) => !entries.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => false,
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Text(text) => scalar(&without_secrets(text)),
        Value::List(_) => "[]".to_owned(),
        Value::Map(_) => "{}".to_owned(),
    }
}

/// Returns a URL without the parts that may be secret: its query, and the user before its host.
fn without_secrets(text: &str) -> Cow<'_, str> {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Cow::Borrowed(text);
    }
    let (address, query) = text.split_once('?').map_or((text, ""), |(address, _)| (address, "?not-shown"));
    let (scheme, rest) = address.split_once("://").unwrap_or_default();
    let authority = rest.split('/').next().unwrap_or_default();
    let user = match authority.rsplit_once('@') {
        Some((user, _)) => user.len().saturating_add(1),
        None => 0,
    };
    Cow::Owned(format!("{scheme}://{}{query}", rest.get(user..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn what_may_be_a_secret_in_an_address_is_not_shown() {
        for (text, shown) in [
            ("https://idp.example.com/keys", "https://idp.example.com/keys"),
            ("https://idp.example.com/keys?key=s3cret", "https://idp.example.com/keys?not-shown"),
            ("HTTPS://idp.example.com?s3cret?b", "HTTPS://idp.example.com?not-shown"),
            ("https://me:s3cret@idp.example.com:8/a@b", "https://idp.example.com:8/a@b"),
            ("http://s3cret@a@b/?c", "http://b/?not-shown"),
            ("https://", "https://"),
            ("/a?b", "/a?b"),
            ("é", "é"),
        ] {
            assert_eq!(without_secrets(text), shown, "{text}");
        }
    }
}
