//! Holds readiness back until there are keys. Once ready, a process stays so: what is not known is told by each answer.

use super::CheckHandler;
use super::readiness::{Pending, Readiness};
use modgud_core::authn::Authenticator;
use std::sync::Arc;

/// What is waited for, by the place of the authenticator in the configuration that modgud starts with.
#[derive(Debug)]
pub struct KeyReadiness {
    checks: Arc<CheckHandler>,
    held: Vec<(Arc<str>, Pending)>,
}

impl KeyReadiness {
    /// Holds `readiness` back for every authenticator that has no key yet.
    #[must_use]
    pub fn hold(checks: &Arc<CheckHandler>, readiness: &Readiness) -> Self {
        let wait_for = |name: &str| (Arc::from(name), readiness.hold(format!("keys of {name}")));
        let held = without_keys(checks).iter().map(|name| wait_for(name)).collect();
        Self { checks: Arc::clone(checks), held }
    }

    /// Lets go of each when it has keys, and of all of them when every provider has been asked and somebody can vouch: one provider
    /// that is down must not keep the users of the others out.
    pub async fn wait(mut self) {
        let mut changes = self.checks.authorizer.keys().changes();
        loop {
            let without = without_keys(&self.checks);
            self.held.retain(|(name, _)| without.contains(name));
            let all = self.checks.authorizer.snapshot().authenticators.list().len();
            let somebody_can = without.len() < all;
            if self.held.is_empty() || (somebody_can && self.checks.authorizer.keys().all_asked_once()) {
                return;
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }
}

/// The authenticators that can't vouch for anybody now.
fn without_keys(checks: &CheckHandler) -> Vec<Arc<str>> {
    let now = checks.authorizer.now();
    let snapshot = checks.authorizer.snapshot();
    let without = snapshot.authenticators.list().iter().filter(|one| !one.has_usable_keys(now));
    without.map(|one| Authenticator::name(one).as_str().into()).collect()
}
