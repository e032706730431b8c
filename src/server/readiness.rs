//! The readiness of modgud, and the names of what it still waits for. Each part that is not ready holds a guard; modgud is ready when none
//! is held.

use super::CheckHandler;
use modgud_core::authn::Authenticator;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// The name under which shutdown delays readiness.
pub(super) const DRAINING: &str = "draining";

/// The pending names, each with its number of guards.
type Blocks = BTreeMap<Arc<str>, usize>;

/// The readiness of a process; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Readiness(watch::Sender<Blocks>);

impl Readiness {
    /// Delays readiness under this name until the guard is dropped.
    #[must_use]
    pub fn register(&self, name: impl Into<Arc<str>>) -> BlockReady {
        let name = name.into();
        self.0.send_modify(|held| {
            let count = held.entry(Arc::clone(&name)).or_default();
            *count = count.saturating_add(1);
        });
        BlockReady { name, readiness: self.clone() }
    }

    /// Returns the pending names; empty if ready.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        self.0.borrow().keys().map(|name| name.as_ref().to_owned()).collect()
    }

    /// Subscribes to changes.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.0.subscribe())
    }
}

/// A subscription to the readiness of a process.
#[derive(Debug)]
pub struct Subscription(watch::Receiver<Blocks>);

impl Subscription {
    /// Returns true if the process is ready now.
    pub fn is_ready(&mut self) -> bool {
        self.0.borrow_and_update().is_empty()
    }

    /// Waits for the next change; `None` if there will be none.
    pub async fn changed(&mut self) -> Option<()> {
        self.0.changed().await.ok()
    }
}

/// A guard that delays readiness until it is dropped.
#[derive(Debug)]
pub struct BlockReady {
    name: Arc<str>,
    readiness: Readiness,
}

impl Drop for BlockReady {
    fn drop(&mut self) {
        self.readiness.0.send_modify(|held| {
            if let Some(count) = held.get_mut(&self.name) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    held.remove(&self.name);
                }
            }
        });
    }
}

/// The authenticators of the initial configuration that still wait for keys, by name.
#[derive(Debug)]
pub struct KeyReadiness {
    checks: Arc<CheckHandler>,
    held: Vec<(Arc<str>, BlockReady)>,
}

impl KeyReadiness {
    /// Delays `readiness` for every authenticator that has no key yet.
    #[must_use]
    pub fn register(checks: &Arc<CheckHandler>, readiness: &Readiness) -> Self {
        let wait_for = |name: &str| (Arc::from(name), readiness.register(format!("keys of {name}")));
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
            let has_usable = without.len() < all;
            if self.held.is_empty() || (has_usable && self.checks.authorizer.keys().has_fetched_all_once()) {
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

#[cfg(test)]
mod tests {
    use super::Readiness;

    #[test]
    fn ready_when_the_last_guard_is_gone() {
        let readiness = Readiness::default();
        let mut subscription = readiness.subscribe();
        assert!(subscription.is_ready());
        let keys = readiness.register("keys");
        let more_keys = readiness.register("keys");
        let listener = readiness.register("listener");
        assert_eq!(readiness.pending(), ["keys", "listener"]);
        drop(keys);
        drop(listener);
        assert_eq!(readiness.pending(), ["keys"]);
        assert!(!subscription.is_ready());
        drop(more_keys);
        assert!(subscription.is_ready());
    }
}
