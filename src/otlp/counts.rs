//! Counts of spans, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// The reason for which a span was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full.
    QueueFull,
    /// The collector is unreachable, does not answer in time, or answered with an error.
    ExportFailed,
    /// The collector accepted other spans of the batch.
    Rejected,
    /// modgud stopped, or the configuration of the collector changed, before the span was sent.
    Shutdown,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::QueueFull, Self::ExportFailed, Self::Rejected, Self::Shutdown];

    /// Returns the value of the label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ExportFailed => "export_failed",
            Self::Rejected => "rejected",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Numbers of spans since the start of the process.
#[derive(Debug, Default)]
pub struct SpanCounts {
    exported: AtomicU64,
    queue_full: AtomicU64,
    export_failed: AtomicU64,
    rejected: AtomicU64,
    shutdown: AtomicU64,
}

impl SpanCounts {
    /// Returns how many spans a collector accepted.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Returns how many spans were dropped for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.of(reason).load(Ordering::Relaxed)
    }

    pub(super) fn add_exported(&self, spans: u64) {
        self.exported.fetch_add(spans, Ordering::Relaxed);
    }

    pub(super) fn add_dropped(&self, reason: DropReason, spans: u64) {
        self.of(reason).fetch_add(spans, Ordering::Relaxed);
    }

    const fn of(&self, reason: DropReason) -> &AtomicU64 {
        match reason {
            DropReason::QueueFull => &self.queue_full,
            DropReason::ExportFailed => &self.export_failed,
            DropReason::Rejected => &self.rejected,
            DropReason::Shutdown => &self.shutdown,
        }
    }
}
