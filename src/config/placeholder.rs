//! Unreplaced variables of shells and templates: `${NAME}`, `$(NAME)`, `{{ .Values.name }}`, `<%= name %>`.
//!
//! Every text that can't contain one legitimately is searched for them.

use super::de::{FormError, Found};
use super::diagnostic::MAX_REPORTED;
use super::path::Path;
use crate::diagnostic::Quoted;
use crate::yaml::{Node, Value};

/// Keys whose texts are free, or have braces of their own: conditions, details of denials, constants, and path patterns. Path patterns have
/// their own check.
const FREE: [&str; 6] = ["when", "detail", "expression", "cel", "paths", "absent"];

/// Finds variables in `node` and below it. `root` is the user's document.
pub(super) fn find(node: &Node, way: &Path, root: &Node, found: &mut Vec<Found>) {
    if found.len() >= MAX_REPORTED {
        return;
    }
    match &node.value {
        Value::Map(entries) => {
            for entry in entries.iter().filter(|entry| !FREE.contains(&entry.key.as_str())) {
                find(&entry.node, &way.key(&entry.key), root, found);
            }
        }
        Value::List(items) => {
            for (position, item) in items.iter().enumerate() {
                find(&item.node, &way.position(position), root, found);
            }
        }
        Value::Text(text) => {
            let what = match placeholder(text) {
                None => return,
                Some(_) if way.ends_with("value") => FormError::PlaceholderHidden,
                Some(name) => FormError::Placeholder(Quoted::new(&name)),
            };
            found.push(Found { place: node.place.clone(), shown: way.shown(root).to_string(), what });
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
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
    fn variables_are_told_from_other_texts() {
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
