//! Traces of templates that were not filled in: unreplaced variables (`${NAME}`, `$(NAME)`, `{{ .Values.name }}`, `<%= name %>`), and keys
//! without a value.
//!
//! Every text that can't contain a variable legitimately is searched for one.

use super::de::error::{FormError, Found};
use super::diagnostic::MAX_REPORTED;
use super::path::Path;
use crate::diagnostic::Quoted;
use crate::yaml::{Node, Value};

/// Keys whose texts are free, or have braces of their own: conditions, details of denials, constants, and path patterns. Path patterns have
/// their own check.
const FREE: [&str; 6] = ["when", "detail", "expression", "cel", "paths", "absent"];

/// Finds variables in `node` and below it. `root` is the user's document.
pub(super) fn find(node: &Node, path: &Path, root: &Node, found: &mut Vec<Found>) {
    if found.len() >= MAX_REPORTED {
        return;
    }
    match &node.value {
        Value::Map(entries) => {
            for entry in entries.iter().filter(|entry| !FREE.contains(&entry.key.as_str())) {
                find(&entry.node, &path.key(&entry.key), root, found);
            }
        }
        Value::List(items) => {
            for (position, item) in items.iter().enumerate() {
                find(&item.node, &path.position(position), root, found);
            }
        }
        Value::Text(text) => {
            let error = match placeholder(text) {
                None => return,
                Some(_) if path.ends_with("value") => FormError::PlaceholderHidden,
                Some(name) => FormError::Placeholder(Quoted::new(&name)),
            };
            let path = path.shown(root).to_string();
            found.push(Found { location: node.place.clone(), path, error });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Finds keys within a section that have no value.
///
/// Their author meant something by them, such as a template variable that turned out to be empty. Taken as omitted, they could loosen a
/// check. A whole section may be empty: it is then as in the profile.
pub(super) fn find_empty(node: &Node, path: &Path, root: &Node, found: &mut Vec<Found>) {
    if found.len() >= MAX_REPORTED {
        return;
    }
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                find_empty(&entry.node, &path.key(&entry.key), root, found);
            }
        }
        Value::List(items) => {
            for (position, item) in items.iter().enumerate() {
                find_empty(&item.node, &path.position(position), root, found);
            }
        }
        Value::Null if path.is_within_a_section() => {
            found.push(Found {
                location: node.place.clone(),
                path: path.shown(root).to_string(),
                error: FormError::Nothing,
            });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

/// Returns the first variable in a text, by its name only: the text around the name, such as a default, may be a secret. `None` if there is
/// none.
pub(super) fn placeholder(text: &str) -> Option<String> {
    const FORMS: [(&str, &str); 4] = [("${", "}"), ("$(", ")"), ("{{", "}}"), ("<%", "%>")];
    let starts = |rest: &&str| rest.starts_with(|first: char| first.is_ascii_alphabetic() || "_ .=".contains(first));
    FORMS.iter().find_map(|(open, close)| {
        let after = text.match_indices(open).filter_map(|(at, _)| text.get(at.saturating_add(open.len())..));
        let rest = after.filter(starts).find(|rest| rest.contains(close))?;
        let name = rest.split(|other: char| !other.is_ascii_alphanumeric() && !"_ .=".contains(other)).next()?;
        Some(format!("{open}{name}{close}"))
    })
}

#[cfg(test)]
mod tests {
    use super::placeholder;

    #[test]
    fn variables_are_found_in_texts() {
        for (text, shown) in [
            ("${ISSUER}", "${ISSUER}"),
            ("https://user:password@${HOST}/realms/a", "${HOST}"),
            ("${SECRET:-hunter2}", "${SECRET}"),
            ("$(ISSUER)", "$(ISSUER)"),
            ("{{ .Values.issuer }}", "{{ .Values.issuer }}"),
            ("{{issuer}}", "{{issuer}}"),
            ("<%= issuer %>", "<%= issuer %>"),
            ("https://$/${a}", "${a}"),
        ] {
            assert_eq!(placeholder(text).as_deref(), Some(shown), "{text}");
        }
        for text in [
            "",
            "$",
            "${",
            "${}",
            "$1",
            "$metadata",
            "{id}",
            "spiffe://example.org/{name}",
            "{{",
            "a $ b",
            "<a>",
            "${1}",
            "$(1)",
        ] {
            assert_eq!(placeholder(text), None, "{text}");
        }
    }
}
