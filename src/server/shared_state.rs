//! The state of a running process that a reload replaces: the snapshot that decides checks, and the TLS settings of new connections.

use super::check::CheckHandler;
use crate::introspection::IntrospectionSource;
use crate::jwks::KeySource;
use crate::net::tls::Tls;
use arc_swap::ArcSwapOption;
use modgud_core::decide::Snapshot;
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;

/// The replaceable state; clones share it.
#[derive(Debug, Clone)]
pub struct SharedState {
    /// The handler of checks, and their metrics.
    pub checks: Arc<CheckHandler>,
    tls: Arc<ArcSwapOption<ServerConfig>>,
}

impl SharedState {
    /// Creates the state that a process starts with.
    #[must_use]
    pub fn new(checks: Arc<CheckHandler>, tls: Option<Tls>) -> Self {
        Self { checks, tls: Arc::new(ArcSwapOption::new(tls.map(Tls::into_server))) }
    }

    /// Replaces the state. Checks under way end on what they began with, and so do connections.
    pub fn swap(
        &self,
        mut snapshot: Snapshot,
        key_sources: Vec<KeySource>,
        introspection_sources: Vec<IntrospectionSource>,
        tls: Option<Tls>,
    ) {
        snapshot.authenticators.inherit_replay_cache(&self.checks.authorizer.snapshot().authenticators);
        self.checks.authorizer.replace(snapshot, key_sources, introspection_sources);
        self.tls.store(tls.map(Tls::into_server));
    }

    /// Returns the TLS settings of the next connection; `None` without TLS.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.load_full()
    }
}
