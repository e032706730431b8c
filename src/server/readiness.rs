//! Whether modgud is ready, and what it still waits for by name. Whoever is needed holds a guard; ready is when none is held.

use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// What is waited for, by name, with how many guards are held for it.
type Held = BTreeMap<Arc<str>, usize>;

/// The readiness of a process; clones speak of the same one.
#[derive(Debug, Clone, Default)]
pub struct Readiness(watch::Sender<Held>);

impl Readiness {
    /// Something is waited for, until the guard is dropped.
    #[must_use]
    pub fn hold(&self, name: impl Into<Arc<str>>) -> Pending {
        let name = name.into();
        self.0.send_modify(|held| {
            let count = held.entry(Arc::clone(&name)).or_default();
            *count = count.saturating_add(1);
        });
        Pending { name, readiness: self.clone() }
    }

    /// The names that are waited for; none when ready.
    #[must_use]
    pub fn pending(&self) -> Vec<String> {
        self.0.borrow().keys().map(|name| name.as_ref().to_owned()).collect()
    }

    /// Follows the changes.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.0.subscribe())
    }
}

/// Follows the readiness of a process.
#[derive(Debug)]
pub struct Subscription(watch::Receiver<Held>);

impl Subscription {
    /// Whether it is ready now.
    pub fn is_ready(&mut self) -> bool {
        self.0.borrow_and_update().is_empty()
    }

    /// Waits for the next change; `None` when there will be none.
    pub async fn changed(&mut self) -> Option<()> {
        self.0.changed().await.ok()
    }
}

/// Holds readiness back while it lives.
#[derive(Debug)]
pub struct Pending {
    name: Arc<str>,
    readiness: Readiness,
}

impl Drop for Pending {
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

#[cfg(test)]
mod tests {
    use super::Readiness;

    #[test]
    fn ready_when_the_last_guard_is_gone() {
        let readiness = Readiness::default();
        let mut follower = readiness.subscribe();
        assert!(follower.is_ready());
        let keys = readiness.hold("keys");
        let more_keys = readiness.hold("keys");
        let listener = readiness.hold("listener");
        assert_eq!(readiness.pending(), ["keys", "listener"]);
        drop(keys);
        drop(listener);
        assert_eq!(readiness.pending(), ["keys"]);
        assert!(!follower.is_ready());
        drop(more_keys);
        assert!(follower.is_ready());
    }
}
