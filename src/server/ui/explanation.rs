//! Explanations of decisions. A thread of its own evaluates a copy of the check again, as of the time of the decision, and keeps the steps
//! without values; the copy, which can hold a credential, is then dropped.
//!
//! The second evaluation makes no lookup and leaves no trace. Where it ends in another way, the explanation says so.

use super::recent::Recent;
use super::redaction::Explained;
use crate::envoy::{Check, read};
use crate::server::CheckHandler;
use crate::server::background;
use bytes::Bytes;
use modgud_core::authn::ReplayMode;
use modgud_core::authz::RuleName;
use modgud_core::decide::{Decision, DecisionError, Snapshot, decide_dry};
use modgud_core::explain::Steps;
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use serde::Serialize;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};
use std::thread;

/// A check to explain. Has no `Debug`, since it can hold a credential.
pub(super) struct Job {
    /// The number of the decision.
    pub(super) id: u64,
    /// The encoded check.
    pub(super) message: Bytes,
    /// The time of the decision.
    pub(super) at: Timestamp,
    /// The rule that decided.
    pub(super) rule: Option<RuleName>,
    /// The reason of the denial.
    pub(super) reason: Option<Reason>,
    /// The address of the snapshot that decided, to see if another one is active.
    pub(super) snapshot: usize,
}

/// An explanation of a decision that was made.
#[derive(Debug, Serialize)]
struct Explanation {
    #[serde(flatten)]
    explained: Explained,
    /// True if the second evaluation ends as the decision did, by the same rule.
    same: bool,
    /// True if the configuration was replaced in between.
    reloaded: bool,
}

/// Starts the thread, which ends with `recent`.
///
/// # Errors
/// `io::Error` if the system provides no thread.
pub(super) fn start(checks: Weak<CheckHandler>, recent: Weak<Recent>, jobs: Receiver<Job>) -> io::Result<()> {
    thread::Builder::new().name("explanations".to_owned()).spawn(move || {
        background::lower_priority();
        for job in jobs {
            let (Some(checks), Some(recent)) = (checks.upgrade(), recent.upgrade()) else { return };
            // A custom authenticator can panic.
            let made = catch_unwind(AssertUnwindSafe(|| explain(&job, &checks)));
            if let Ok(Some(text)) = made {
                recent.explain(job.id, &text);
            }
        }
    })?;
    Ok(())
}

fn explain(job: &Job, checks: &CheckHandler) -> Option<String> {
    let snapshot: Arc<Snapshot> = Arc::clone(&checks.authorizer.snapshot());
    // A proof that the decision recorded must not look as if it had been used before. One that was denied for that reason must.
    let mode = if job.reason == Some(Reason::SenderUnproven) { ReplayMode::Explain } else { ReplayMode::Repeat };
    let mut check = Check::decode(&job.message).ok()?;
    let (decision, explained) = evaluate(&mut check, &snapshot, job.at, mode);
    let same = (&decision.rule, decision.reason()) == (&job.rule, job.reason);
    let reloaded = ptr::from_ref(&*snapshot).addr() != job.snapshot;
    serde_json::to_string(&Explanation { explained, same, reloaded }).ok()
}

/// Evaluates a check and describes how.
pub(super) fn evaluate(
    check: &mut Check<'_>,
    snapshot: &Snapshot,
    now: Timestamp,
    mode: ReplayMode,
) -> (Decision, Explained) {
    let mut steps = Steps::default();
    let decision = match read(check, snapshot.request) {
        Ok(request) => decide_dry(&request, snapshot, (now, mode), &mut steps),
        Err(error) => Decision::denied(DecisionError::Request(error)),
    };
    let explained = Explained::new(&decision, &steps.into_vec());
    (decision, explained)
}
