//! The metrics of the log: lines that were lost, and lines of decisions that were left out.

use super::encode;
use crate::telemetry::log::lost_lines;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of lines of decisions that were left out.
#[derive(Debug, Default)]
pub struct LeftOutLines {
    /// By `telemetry.decisions.sample`.
    sampled: AtomicU64,
    /// By `telemetry.decisions.max_per_second`.
    limited: AtomicU64,
}

impl LeftOutLines {
    /// Counts a line that sampling left out.
    pub fn count_sampled(&self) {
        self.sampled.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a line that the rate limit left out.
    pub fn count_limited(&self) {
        self.limited.fetch_add(1, Ordering::Relaxed);
    }
}

/// The collector of the log's metrics.
#[derive(Debug)]
pub(super) struct LogMetrics(pub(super) Arc<LeftOutLines>);

impl Collector for LogMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let lost = lost_lines();
        let values = lost.iter().map(|lost| ([("destination", lost.destination)], lost.dropped));
        let help = "Log lines not written because their reader was too slow";
        encode(&mut encoder, "log_lines_dropped", help, MetricType::Counter, values)?;
        let values = lost.iter().map(|lost| ([("destination", lost.destination)], lost.failed));
        let help = "Log lines not written because writing failed, for example because their reader is gone or the disk is full";
        encode(&mut encoder, "log_lines_failed", help, MetricType::Counter, values)?;
        let values = [("sample", &self.0.sampled), ("rate_limit", &self.0.limited)];
        let values = values.map(|(why, count)| ([("why", why)], count.load(Ordering::Relaxed)));
        let help = "Lines of decisions left out by telemetry.decisions.sample or max_per_second";
        encode(&mut encoder, "decision_lines_left_out", help, MetricType::Counter, values)
    }
}
