//! What the page shows of checks: kept while they are answered, at a bounded cost.

use super::explanation;
use super::history::{self, History};
use super::recent::Recent;
use crate::server::CheckHandler;
use crate::server::decision_log::RequestFields;
use bytes::Bytes;
use modgud_core::decide::{Decision, Snapshot};
use modgud_core::time::Timestamp;
use serde::Serialize;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The recent decisions, the plots and the text of the configuration.
#[derive(Debug)]
pub(in crate::server) struct LiveView {
    pub(super) recent: Arc<Recent>,
    pub(super) history: History,
    /// As JSON: responses share it.
    config: Mutex<Bytes>,
}

/// The active configuration, as `modgud config` prints it.
#[derive(Debug, Serialize)]
struct ShownConfig {
    /// `None` if the file has no `server.admin.ui` any more.
    yaml: Option<String>,
    /// The time since which it is active, in milliseconds since 1970.
    since: u64,
}

impl LiveView {
    /// Starts to keep the decisions of `checks`, until that is dropped.
    ///
    /// # Errors
    /// `io::Error` if the system provides no thread.
    pub(in crate::server) fn start(checks: &Arc<CheckHandler>, yaml: Option<String>) -> io::Result<Arc<Self>> {
        let (recent, jobs) = Recent::new();
        let recent = Arc::new(recent);
        explanation::start(Arc::downgrade(checks), Arc::downgrade(&recent), jobs)?;
        let live = Arc::new(Self { recent, history: History::default(), config: Mutex::default() });
        live.set_config(yaml, checks);
        checks.set_live(Arc::clone(&live));
        Ok(live)
    }

    /// Keeps a decision, as [`Recent::offer`] says.
    pub(in crate::server) fn offer<'f>(
        &self,
        decision: &Decision,
        snapshot: &Snapshot,
        (at, took): (Timestamp, Duration),
        fields: impl FnOnce() -> RequestFields<'f>,
        message: impl FnOnce() -> Bytes,
    ) {
        self.recent.offer(decision, snapshot, (at, took), fields, message);
    }

    /// Replaces the text of the configuration.
    pub(in crate::server) fn set_config(&self, yaml: Option<String>, checks: &CheckHandler) {
        let since = checks.authorizer.now().as_millis();
        let json = serde_json::to_vec(&ShownConfig { yaml, since }).unwrap_or_default();
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = json.into();
    }

    pub(super) fn config(&self) -> Bytes {
        self.config.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes a sample of the counters at each interval, for ever.
    pub(in crate::server) async fn sample(self: Arc<Self>, checks: Arc<CheckHandler>) {
        history::sample(&self.history, &checks).await;
    }
}
