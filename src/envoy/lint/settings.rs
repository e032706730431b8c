//! The settings of modgud that Envoy's configuration has to fit.

use crate::config::Config;
use crate::envoy::bootstrap::{Filter, Transport};
use modgud_core::authn::SenderConstraint;
use modgud_core::authz::Case;
use modgud_core::http::header::folds_to_same_name;
use modgud_core::http::request::RequestSettings;
use modgud_core::upstream::OVERRIDE_HEADERS;
use std::collections::BTreeSet;
use std::time::Duration;

/// The settings of modgud that Envoy's configuration has to fit.
#[derive(Debug)]
pub struct Settings<'c> {
    pub(super) deadline: Duration,
    pub(super) max_message: u64,
    pub(super) max_in_flight: u64,
    pub(super) request: RequestSettings,
    /// True if a rule reads the client's address.
    pub(super) reads_client: bool,
    pub(super) filter: &'c Filter,
    pub(super) transport: Transport,
    /// The names of the identity headers.
    pub(super) identity: Vec<&'c str>,
    /// True if tokens are bound to certificates.
    pub(super) binds_to_certificates: bool,
    /// True if every module ignores letter case, and modgud too.
    pub(super) folds_case: bool,
}

impl<'c> Settings<'c> {
    /// Gathers them from a configuration.
    #[must_use]
    pub fn of(config: &'c Config) -> Self {
        let Config { server, snapshot, gateway, .. } = config;
        let wide = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        let modules = &gateway.modules;
        Self {
            deadline: snapshot.deadline,
            max_message: wide(server.max_message),
            max_in_flight: wide(server.max_in_flight),
            request: snapshot.request,
            reads_client: snapshot.rules.reading_client().next().is_some(),
            filter: &gateway.filter,
            transport: gateway.transport,
            identity: snapshot.upstream.identity.headers().iter().map(|header| header.name.as_str()).collect(),
            binds_to_certificates: snapshot.authenticators.list().iter().any(|one| {
                let sender = one.as_jwt().and_then(|jwt| jwt.checks.sender.as_ref());
                matches!(sender, Some(SenderConstraint::Certificate))
            }),
            folds_case: !modules.is_empty() && modules.iter().all(|module| module.reading.case == Case::Fold),
        }
    }
}

/// The names of headers that matter, as samples: a name for each pattern such as `x-core-*`.
#[derive(Debug)]
pub(super) struct Names {
    /// Headers that modgud writes or removes, and those that override a part of the request.
    pub(super) written: BTreeSet<String>,
    /// Headers that modgud reads.
    pub(super) read: BTreeSet<String>,
}

impl Names {
    /// Returns the names of a configuration; without one, those of every configuration.
    pub(super) fn of(settings: Option<&Settings<'_>>) -> Self {
        let overrides = OVERRIDE_HEADERS.iter().map(|header| header.name.to_owned());
        // `Connection: x-user` removes what modgud writes: modgud refuses it, if it sees it.
        let connection = || "connection".to_owned();
        let sample = |pattern: &String| pattern.to_ascii_lowercase().replace('*', "zz");
        match settings {
            Some(Settings { filter, .. }) => {
                let is_written = |name: &&String| filter.removed_early.iter().any(|pattern| is_of(pattern, name));
                let both = filter.spared.iter().filter(is_written).cloned();
                Self {
                    written: filter.removed_early.iter().map(sample).chain(overrides).chain(both).collect(),
                    read: filter.spared.iter().cloned().chain([connection()]).collect(),
                }
            }
            None => {
                Self { written: overrides.collect(), read: BTreeSet::from(["authorization".to_owned(), connection()]) }
            }
        }
    }
}

/// Returns true if a name is one of a pattern such as `x-core-*`.
pub(super) fn is_of(pattern: &str, name: &str) -> bool {
    let starts = |stem: &str| name.get(..stem.len()).is_some_and(|start| is_same(stem, start));
    pattern.strip_suffix('*').map_or_else(|| is_same(pattern, name), starts)
}

/// Returns true if some service takes both names for one: `x.user` for `x-user`.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    folds_to_same_name(one.as_bytes(), other.as_bytes())
}
