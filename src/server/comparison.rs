//! Compares a shadow configuration with the active one: queues each answered check for a second decision. Never waits: a check for which
//! there is no room is dropped and counted.

mod difference;

pub use difference::{Difference, EnforcedOutcome, ShadowDecision};

use super::decision_log::RequestFields;
use crate::envoy::{Check, read};
use crate::log_throttle::LogThrottle;
use crate::telemetry::metrics::{Counted, ShadowConfigMetrics};
use bytes::Bytes;
use modgud_core::authz::RuleName;
use modgud_core::http::request::RequestSettings;
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Maximum number of waiting checks. Beyond it checks are dropped and counted.
const MAX_QUEUED: usize = 4_096;
/// Maximum bytes of checks that wait or are being decided: clients choose the size of a check. Beyond it checks are dropped and counted.
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of a check in addition to its content.
const OVERHEAD: usize = 1_024;

/// An answered check. Has no `Debug`, since it can hold a credential.
pub struct CheckRecord {
    /// The encoded check.
    pub message: Bytes,
    /// The enforced outcome.
    pub done: EnforcedOutcome,
    /// The time of the decision.
    pub at: Timestamp,
    _held: Held,
}

/// The queue of answered checks.
#[derive(Debug)]
pub struct Queue {
    sender: mpsc::Sender<CheckRecord>,
    bytes: Arc<AtomicUsize>,
    metrics: Arc<ShadowConfigMetrics>,
}

/// Bytes in the queue, released on drop.
#[derive(Debug)]
struct Held {
    bytes: usize,
    of: Arc<AtomicUsize>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Creates a queue and its receiver.
#[must_use]
pub fn queue(metrics: Arc<ShadowConfigMetrics>) -> (Queue, mpsc::Receiver<CheckRecord>) {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED);
    (Queue { sender, bytes: Arc::default(), metrics }, receiver)
}

impl Queue {
    /// Queues a check that holds this much memory when it is decoded. If there is no room, counts it as dropped.
    pub(super) fn offer(&self, message: Bytes, memory: usize, done: EnforcedOutcome, at: Timestamp) {
        let bytes = memory.saturating_add(OVERHEAD);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        // From here on released on drop, whatever happens to the check.
        let held = Held { bytes, of: Arc::clone(&self.bytes) };
        let room = before.saturating_add(bytes) <= MAX_QUEUED_BYTES;
        if !room || self.sender.try_send(CheckRecord { message, done, at, _held: held }).is_err() {
            self.metrics.dropped();
        }
    }
}

/// Maximum number of concurrent decisions: checks that wait for another server must not delay the others. Beyond it checks stay in the
/// queue.
const MAX_CONCURRENT: usize = 256;

/// A check that was decided again. Has no `Debug`, since `CheckRecord` has none.
pub struct Comparison {
    /// The answered check.
    pub answered: CheckRecord,
    /// The difference; `None` if the outcomes are equal.
    pub difference: Option<Difference>,
}

/// Decides queued checks until all senders are gone. Runs on a thread of its own, inside a [`LocalSet`](tokio::task::LocalSet).
pub async fn run<E, F>(mut queue: mpsc::Receiver<CheckRecord>, metrics: Arc<ShadowConfigMetrics>, decide: E)
where
    E: Fn(CheckRecord) -> F,
    F: Future<Output = Comparison> + 'static,
{
    let mut throttles = HashMap::new();
    let mut deciding = JoinSet::new();
    loop {
        tokio::select! {
            answered = queue.recv(), if deciding.len() < MAX_CONCURRENT => match answered {
                Some(answered) => {
                    deciding.spawn_local(decide(answered));
                }
                None => return,
            },
            Some(decided) = deciding.join_next() => match decided {
                Ok(Comparison { difference: None, .. }) => metrics.compared(),
                Ok(Comparison { answered, difference: Some(difference) }) => {
                    metrics.compared();
                    report(&difference, &answered.message, &metrics, &mut throttles);
                }
                Err(_) => metrics.failed(),
            },
        }
    }
}

/// A kind of difference with a throttle of its own: the rule and both outcomes.
type Kind = (Option<RuleName>, &'static str, &'static str);

/// Counts a difference, and logs it unless its kind has just been logged.
fn report(
    difference: &Difference,
    message: &[u8],
    metrics: &ShadowConfigMetrics,
    throttles: &mut HashMap<Kind, LogThrottle>,
) {
    let Difference { rule, enforced, shadow, shadow_rule, detail } = difference;
    let (enforced, shadow) = (enforced.map_or("allowed", Reason::code), shadow.code());
    let kind = match metrics.differs(rule.as_ref(), enforced, shadow) {
        Counted::AsItself => (rule.clone(), enforced, shadow),
        // The log distinguishes as many rules as the metrics do.
        Counted::WithOthers => (None, enforced, shadow),
    };
    let Some(before) = throttles.entry(kind).or_default().tick() else { return };
    let (rule, shadow_rule) = (rule.as_ref().map(RuleName::as_str), shadow_rule.as_ref().map(RuleName::as_str));
    // The active configuration has accepted its length.
    let mut check = Check::decode(message).unwrap_or_default();
    let request = read(&mut check, RequestSettings { max_target: usize::MAX, ..RequestSettings::default() }).ok();
    let fields = request.as_ref().map(RequestFields::of_request).unwrap_or_default();
    let (request_id, method, path) = fields.shown();
    let detail = detail.as_deref();
    tracing::info!(
        rule,
        enforced,
        shadow,
        shadow_rule,
        detail,
        http.request.method = method,
        url.path = path,
        http.request.id = request_id,
        before,
        "shadow configuration"
    );
}

#[cfg(test)]
mod tests;
