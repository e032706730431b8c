//! The needs of modgud's filter in Envoy: request data that it sees, headers that it may change, and headers that Envoy
//! removes before any filter. They are no more than the configuration needs.

use super::names::expression;
use modgud_core::upstream::OVERRIDE_HEADERS;
use std::collections::BTreeSet;

/// Envoy's handling of requests for modgud.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The headers that modgud sets or removes: names in any case, and prefixes such as `x-core-*`.
    pub changed: Vec<String>,
    /// Client headers that Envoy removes before any filter, also on routes without modgud.
    pub removed_early: Vec<String>,
    /// Header names, in lower case, that are not removed early: modgud reads them, or `upstream.keep` names them.
    pub spared: BTreeSet<String>,
    /// Modgud's access to cookies.
    pub cookies: SentAlong,
    /// Modgud's access to the certificate of the client's connection.
    pub certificate: SentAlong,
    /// Modgud's access to bodies.
    pub bodies: SentAlong,
}

/// Modgud's access to a part of the request.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum SentAlong {
    /// Withheld: no authenticator reads it.
    #[default]
    HeldBack,
    /// Sent to modgud.
    Sent,
}

impl Filter {
    /// Returns a regular expression (RE2, anchored) for all headers that modgud changes, in every spelling that a
    /// server folds into them. It omits names that a prefix covers.
    pub(super) fn expression(&self) -> String {
        let overrides = OVERRIDE_HEADERS.iter().map(|header| header.name);
        let changed = self.changed.iter().map(String::as_str).chain(overrides);
        expression(changed, &BTreeSet::new()).unwrap_or_default()
    }

    /// Returns the expression for headers that are removed early. If all are spared, it matches no name.
    pub(super) fn early_expression(&self) -> String {
        let overrides = OVERRIDE_HEADERS.iter().map(|header| header.name);
        let removed = self.removed_early.iter().map(String::as_str).chain(overrides);
        expression(removed, &self.spared).unwrap_or_else(|| "[^ -~]".to_owned())
    }
}
