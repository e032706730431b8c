//! Explanations of requests that an operator writes. No provider is asked, no proof is recorded, and no token is cached; one evaluation runs
//! at a time, off the threads that answer checks.

use super::explanation::evaluate;
use super::guard::Refusal;
use super::recent::Gate;
use super::redaction::Explained;
use crate::envoy::{Check, written_check};
use crate::server::CheckHandler;
use modgud_core::authn::ReplayMode;
use modgud_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// Maximum number of evaluations in a second. Beyond it: 429.
const MAX_EVALUATIONS_PER_SECOND: u64 = 5;
/// Time that an evaluation may take, many times what it needs. Beyond it: 503, and no other one begins until it ends.
const EVALUATION_TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of headers, and of context extensions. Beyond it: 400.
const MAX_FIELDS: usize = 200;

/// The form.
#[derive(Debug)]
pub(super) struct Form {
    gate: Gate,
    running: Arc<Semaphore>,
}

impl Default for Form {
    fn default() -> Self {
        Self { gate: Gate::new(MAX_EVALUATIONS_PER_SECOND), running: Arc::new(Semaphore::new(1)) }
    }
}

/// A request as the operator writes it. Has no `Debug`, since it can hold a credential.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRequest {
    method: String,
    path: String,
    host: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    /// The context extensions of the Envoy route.
    #[serde(default)]
    context: Vec<(String, String)>,
}

/// The explanation of a request as of now.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    at: String,
    #[serde(flatten)]
    explained: Explained,
}

impl Form {
    /// Explains the request of a body.
    pub(super) async fn explain(&self, checks: &Arc<CheckHandler>, body: &[u8]) -> Result<Answer, Refusal> {
        let written: WrittenRequest = serde_json::from_slice(body).map_err(|_| Refusal::Malformed)?;
        if written.headers.len() > MAX_FIELDS || written.context.len() > MAX_FIELDS {
            return Err(Refusal::Malformed);
        }
        let now = checks.authorizer.now();
        if !self.gate.admits(now) {
            return Err(Refusal::TooMany);
        }
        let permit = Arc::clone(&self.running).try_acquire_owned().map_err(|_| Refusal::TooMany)?;
        let checks = Arc::clone(checks);
        let evaluation = spawn_blocking(move || {
            // Held until the evaluation ends, also if nobody waits for it any more.
            let _permit = permit;
            explained(written, &checks, now)
        });
        match timeout(EVALUATION_TIMEOUT, evaluation).await {
            Ok(Ok(explained)) => Ok(Answer { at: now.to_string(), explained }),
            Ok(Err(_)) | Err(_) => Err(Refusal::Busy),
        }
    }
}

fn explained(written: WrittenRequest, checks: &CheckHandler, now: Timestamp) -> Explained {
    let WrittenRequest { method, path, host, headers, context } = written;
    let check = written_check((method, path, host), headers, context);
    let snapshot = checks.authorizer.snapshot();
    evaluate(&mut Check::of(&check), &snapshot, now, ReplayMode::Explain).1
}
