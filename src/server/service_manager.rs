//! Notifies a service manager, such as systemd, of readiness, reloads and the stop (`sd_notify(3)`). Without `NOTIFY_SOCKET` there is none.

use super::readiness::{DRAINING, Readiness};
use sd_notify::NotifyState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The service manager of this process; clones share it.
#[derive(Debug, Clone, Default)]
pub struct ServiceManager {
    /// True once the service manager knows that modgud is ready. Before, the end of a reload must not tell it so.
    is_ready: Arc<AtomicBool>,
}

impl ServiceManager {
    /// Follows the readiness: reports what modgud waits for, and that it is ready, once. Ends then.
    pub async fn follow(self, readiness: Readiness) {
        let mut subscription = readiness.subscribe();
        while !subscription.is_ready() {
            let pending = readiness.pending();
            if pending.iter().any(|name| name == DRAINING) {
                return;
            }
            send(&[NotifyState::Status(&format!("waiting for: {}", pending.join(", ")))]);
            if subscription.changed().await.is_none() {
                return;
            }
        }
        self.is_ready.store(true, Ordering::Relaxed);
        send(&[NotifyState::Ready, NotifyState::Status("ready")]);
    }

    /// Reports that a requested reload begins. The time tells it from an earlier one (systemd.service(5), `notify-reload`).
    pub fn reloading(&self) {
        if self.is_ready.load(Ordering::Relaxed) {
            match NotifyState::monotonic_usec_now() {
                Ok(now) => send(&[NotifyState::Reloading, now]),
                Err(error) => tracing::warn!(%error, "service manager not notified"),
            }
        }
    }

    /// Reports that a requested reload has ended, and whether the new configuration is in use.
    pub fn reloaded(&self, is_replaced: bool) {
        if self.is_ready.load(Ordering::Relaxed) {
            let status =
                if is_replaced { "ready" } else { "ready; the changed configuration was rejected: see the log" };
            send(&[NotifyState::Ready, NotifyState::Status(status)]);
        }
    }

    /// Reports that modgud stops.
    pub fn stopping() {
        send(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "service manager not notified");
    }
}
