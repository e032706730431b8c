//! Compares a second configuration with the one that serves: hands each check that was answered to whoever decides it again. Never
//! waits: what there is no room for is dropped and counted.

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

/// How many checks wait, at most.
const MAX_QUEUED: usize = 4_096;
/// How many bytes the checks that wait or are being decided hold, at most: a client chooses how large one is.
const MAX_QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// What a check costs beside what it says.
const OVERHEAD: usize = 1_024;

/// A check that was answered. Has no `Debug`: it can hold a credential.
pub struct Answered {
    /// What was asked.
    pub check: CheckRequest,
    /// What was answered.
    pub done: Done,
    /// When.
    pub at: Timestamp,
    _held: Held,
}

/// Where answered checks are handed in.
#[derive(Debug)]
pub struct Queue {
    sender: mpsc::Sender<Answered>,
    bytes: Arc<AtomicUsize>,
    metrics: Arc<ShadowConfigMetrics>,
}

/// Bytes that are given back when it is dropped.
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

/// A queue, and its other end.
#[must_use]
pub fn queue(metrics: Arc<ShadowConfigMetrics>) -> (Queue, mpsc::Receiver<Answered>) {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED);
    (Queue { sender, bytes: Arc::default(), metrics }, receiver)
}

impl Queue {
    /// Hands in a check, if there is room.
    pub(super) fn offer(&self, check: CheckRequest, done: Done, at: Timestamp) {
        let bytes = memory(&check).saturating_add(OVERHEAD);
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        // From here on given back, whatever becomes of it.
        let held = Held { bytes, of: Arc::clone(&self.bytes) };
        let room = before.saturating_add(bytes) <= MAX_QUEUED_BYTES;
        if !room || self.sender.try_send(Answered { check, done, at, _held: held }).is_err() {
            self.metrics.dropped();
        }
    }
}

#[cfg(test)]
mod tests;
