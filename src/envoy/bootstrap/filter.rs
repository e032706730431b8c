//! What Envoy has to show modgud of a request, which headers it has to let modgud change, and which it removes itself before any filter:
//! no more than the configuration needs.

use super::names::expression;
use modgud_core::upstream::OVERRIDE_HEADERS;
use std::collections::BTreeSet;

/// What Envoy does with requests for modgud.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The headers that modgud sets or removes: names in any case, and prefixes such as `x-core-*`.
    pub changed: Vec<String>,
    /// Those of clients that Envoy removes before any filter, on routes for which modgud is not asked too.
    pub removed_early: Vec<String>,
    /// Header names, in lower case, that are not removed early: modgud reads them, or `upstream.keep` names them.
    pub spared: BTreeSet<String>,
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
        let overrides = OVERRIDE_HEADERS.iter().map(|header| header.name);
        let changed = self.changed.iter().map(String::as_str).chain(overrides);
        expression(changed, &BTreeSet::new()).unwrap_or_default()
    }

    /// The same for what is removed early. Where all of it is spared it matches no name.
    pub(super) fn early_expression(&self) -> String {
        let overrides = OVERRIDE_HEADERS.iter().map(|header| header.name);
        let removed = self.removed_early.iter().map(String::as_str).chain(overrides);
        expression(removed, &self.spared).unwrap_or_else(|| "[^ -~]".to_owned())
    }
}
