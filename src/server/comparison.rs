//! Compares a shadow configuration with the active one: queues each answered check for a second decision. Never waits: a check for which
//! there is no room is dropped and counted.

mod difference;
mod worker;

pub use difference::{Difference, Done, Would};
pub use worker::{Compared, work};

use crate::envoy::memory;
use crate::envoy::proto::CheckRequest;
use crate::telemetry::metrics::ShadowConfigMetrics;
use modgud_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// Maximum number of waiting checks. Beyond it checks are dropped and counted.
const MAX_QUEUED: usize = 4_096;
/// Maximum bytes of checks that wait or are being decided: clients choose the size of a check. Beyond it checks are dropped and counted.
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of a check in addition to its content.
const OVERHEAD: usize = 1_024;

/// An answered check. Has no `Debug`, since it can hold a credential.
pub struct Answered {
    /// The check.
    pub check: CheckRequest,
    /// The enforced outcome.
    pub done: Done,
    /// The time of the decision.
    pub at: Timestamp,
    _held: Held,
}

/// The queue of answered checks.
#[derive(Debug)]
pub struct Queue {
    sender: mpsc::Sender<Answered>,
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
pub fn queue(metrics: Arc<ShadowConfigMetrics>) -> (Queue, mpsc::Receiver<Answered>) {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED);
    (Queue { sender, bytes: Arc::default(), metrics }, receiver)
}

impl Queue {
    /// Queues a check if there is room; else counts it as dropped.
    pub(super) fn offer(&self, check: CheckRequest, done: Done, at: Timestamp) {
        let bytes = memory(&check).saturating_add(OVERHEAD);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        // From here on released on drop, whatever happens to the check.
        let held = Held { bytes, of: Arc::clone(&self.bytes) };
        let room = before.saturating_add(bytes) <= MAX_QUEUED_BYTES;
        if !room || self.sender.try_send(Answered { check, done, at, _held: held }).is_err() {
            self.metrics.dropped();
        }
    }
}

#[cfg(test)]
mod tests;
