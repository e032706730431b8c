//! The rules that admit requests without a credential, each with its origin, for `modgud check`.

use super::path::Path;
use super::raw::{Document, Rule};
use crate::yaml::Node;
use std::fmt;

/// A rule that admits requests without a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRule {
    /// The name.
    pub name: String,
    /// Its access: `public`, `optional` or `preflight`.
    pub access: &'static str,
    /// The methods; empty for every method.
    pub methods: Vec<String>,
    /// The hosts; empty for every host.
    pub hosts: Vec<String>,
    /// The path patterns; empty if only a route that names the rule selects it.
    pub paths: Vec<String>,
    /// True if a route that names it is open, whatever other rules require.
    pub is_open_by_name: bool,
    /// True if a condition must hold, too.
    pub has_condition: bool,
    /// The profile or file that contains it, with the line.
    pub origin: String,
}

/// Finds the rules, in the order of the document.
pub(super) fn find(document: &Document, root: &Node) -> Vec<OpenRule> {
    let rules = document.rules.iter().enumerate();
    // A shadow rule decides nothing.
    let open = rules.filter(|(_, rule)| rule.access.admits_without_credential() && !rule.shadow);
    open.map(|(number, rule)| {
        let Rule { name, matches, allow_by_name, access, when, .. } = rule;
        OpenRule {
            name: name.clone(),
            access: access.name(),
            methods: matches.methods().to_vec(),
            hosts: matches.hosts().to_vec(),
            paths: matches.paths.clone(),
            is_open_by_name: *allow_by_name,
            has_condition: when.is_some(),
            origin: Path::root("rules").position(number).location(root).to_string(),
        }
    })
    .collect()
}

impl fmt::Display for OpenRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, access, methods, hosts, paths, is_open_by_name, has_condition, origin } = self;
        write!(f, "{name} ({access}): ")?;
        if paths.is_empty() {
            f.write_str("routes that name it")?;
        } else {
            let methods = match (methods.as_slice(), *access) {
                ([], "preflight") => "OPTIONS (preflights)".to_owned(),
                ([], _) => "every method".to_owned(),
                (methods, _) => methods.join(", "),
            };
            let hosts = if hosts.is_empty() { "every host".to_owned() } else { hosts.join(", ") };
            write!(f, "{methods}; {hosts}; {}", paths.join(", "))?;
            if *is_open_by_name {
                f.write_str("; routes that name it")?;
            }
        }
        if *has_condition {
            f.write_str("; only if its condition holds")?;
        }
        write!(f, " [{origin}]")
    }
}
