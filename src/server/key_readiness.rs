//! Delays readiness until keys are available. Once ready, a process stays ready; each denial then reports missing keys.

use super::CheckHandler;
use super::readiness::{Pending, Readiness};
use modgud_core::authn::Authenticator;
use std::sync::Arc;

/// The authenticators of the initial configuration that still wait for keys, by name.
#[derive(Debug)]
pub struct KeyReadiness {
    checks: Arc<CheckHandler>,
    held: Vec<(Arc<str>, Pending)>,
}

impl KeyReadiness {
    /// Delays `readiness` for every authenticator that has no key yet.
    #[must_use]
    pub fn hold(checks: &Arc<CheckHandler>, readiness: &Readiness) -> Self {
        let wait_for = |name: &str| (Arc::from(name), readiness.hold(format!("keys of {name}")));
        let held = without_keys(checks).iter().map(|name| wait_for(name)).collect();
        Self { checks: Arc::clone(checks), held }
    }

    /// Releases each authenticator once it has keys. Releases all once every provider was asked and at least one authenticator has keys.
    /// One provider that is down must not lock out the users of the others.
    pub async fn wait(mut self) {
        let mut changes = self.checks.authorizer.keys().changes();
        loop {
            let without = without_keys(&self.checks);
            self.held.retain(|(name, _)| without.contains(name));
            let all = self.checks.authorizer.snapshot().authenticators.list().len();
            let somebody_can = without.len() < all;
            if self.held.is_empty() || (somebody_can && self.checks.authorizer.keys().has_fetched_all_once()) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Returns the authenticators without usable keys.
fn without_keys(checks: &CheckHandler) -> Vec<Arc<str>> {
    let now = checks.authorizer.now();
    let snapshot = checks.authorizer.snapshot();
    let without = snapshot.authenticators.list().iter().filter(|one| !one.has_usable_keys(now));
    without.map(|one| Authenticator::name(one).as_str().into()).collect()
}
