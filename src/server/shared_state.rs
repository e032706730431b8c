//! What of a running process can be replaced while it serves: the snapshot that checks are decided by, and what new connections
//! are secured with.

use super::check::CheckHandler;
use crate::introspection::IntrospectionSource;
use crate::jwks::KeySource;
use crate::net::tls::Tls;
use arc_swap::ArcSwapOption;
use modgud_core::decide::Snapshot;
use std::sync::Arc;
use tokio_rustls::rustls::ServerConfig;

/// The parts that can be replaced; clones speak of the same ones.
#[derive(Debug, Clone)]
pub struct SharedState {
    /// What decides and counts.
    pub checks: Arc<CheckHandler>,
    tls: Arc<ArcSwapOption<ServerConfig>>,
}

impl SharedState {
    /// The parts that a process starts with.
    #[must_use]
    pub fn new(checks: Arc<CheckHandler>, tls: Option<Tls>) -> Self {
        Self { checks, tls: Arc::new(ArcSwapOption::new(tls.map(Tls::into_server))) }
    }

    /// Puts others in their place. CheckHandler under way end on what they began with, and so do connections.
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

    /// What the next connection is secured with, if it is.
    pub(super) fn tls(&self) -> Option<Arc<ServerConfig>> {
        self.tls.load_full()
    }
}
