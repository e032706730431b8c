//! What Envoy's filter has to show modgud of a request, and which headers it has to let modgud change: no more than the configuration
//! needs.

use crate::header::fold;
use std::collections::BTreeSet;

/// What the filter that asks modgud does with requests.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The headers that modgud sets or removes: names in any case, and prefixes such as `x-core-*`.
    pub changed: Vec<String>,
    /// Whether modgud gets to see cookies.
    pub cookies: SentAlong,
    /// Whether modgud gets to see the certificate of the client's connection.
    pub certificate: SentAlong,
    /// Whether modgud gets to see bodies.
    pub bodies: SentAlong,
}

/// Whether modgud gets to see something.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum SentAlong {
    /// It does not: no authenticator reads it.
    #[default]
    HeldBack,
    /// It does.
    Sent,
}

impl Filter {
    /// A regular expression (RE2, of the whole name) for all that modgud changes, in every spelling that a server could take for it. A
    /// name that a prefix reaches is not repeated.
    pub(super) fn expression(&self) -> String {
        let folded: BTreeSet<String> = self.changed.iter().map(|name| folded(name)).collect();
        let prefixes: Vec<&str> = folded.iter().filter_map(|name| name.strip_suffix('*')).collect();
        let reached = |name: &str| {
            let stem = name.strip_suffix('*').unwrap_or(name);
            prefixes.iter().any(|prefix| stem.starts_with(prefix) && (*prefix != stem || !name.ends_with('*')))
        };
        let names: Vec<String> = folded.iter().filter(|name| !reached(name)).map(|name| pattern(name)).collect();
        names.join("|")
    }
}

/// The one spelling of all those that servers take for one.
fn folded(name: &str) -> String {
    let (stem, star) = name.strip_suffix('*').map_or((name, ""), |stem| (stem, "*"));
    stem.bytes().map(|byte| char::from(fold(byte))).chain(star.chars()).collect()
}

fn pattern(folded: &str) -> String {
    let mut pattern = String::new();
    for character in folded.chars() {
        match character {
            '-' => pattern.push_str("[^a-z0-9]"),
            '*' => pattern.push_str(".*"),
            other => pattern.push(other),
        }
    }
    pattern
}
