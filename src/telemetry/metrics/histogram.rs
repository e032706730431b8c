//! A histogram of durations that is recorded without a lock. The library's takes one for each observation, and every check makes one.

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A histogram of durations.
#[derive(Debug, Clone, Default)]
pub(super) struct Histogram(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    count: AtomicU64,
    nanos: AtomicU64,
}

/// The upper bounds of the buckets, in nanoseconds and in seconds.
const BOUNDS: [(u64, f64); 12] = [
    (2_000, 0.000_002),
    (5_000, 0.000_005),
    (10_000, 0.000_01),
    (25_000, 0.000_025),
    (50_000, 0.000_05),
    (100_000, 0.000_1),
    (250_000, 0.000_25),
    (1_000_000, 0.001),
    (5_000_000, 0.005),
    (25_000_000, 0.025),
    (150_000_000, 0.15),
    (1_000_000_000, 1.0),
];

impl Histogram {
    /// The number of buckets: one for each bound, and one beyond.
    pub(super) const BUCKETS: usize = BOUNDS.len() + 1;

    /// Returns the upper bound of each bucket in nanoseconds; `None` for the last.
    pub(super) fn upper_bounds() -> impl Iterator<Item = Option<u64>> {
        BOUNDS.iter().map(|(nanos, _)| Some(*nanos)).chain([None])
    }

    /// Adds the number of observations in each bucket.
    pub(super) fn add_to(&self, sums: &mut [u64; Self::BUCKETS]) {
        for (sum, bucket) in sums.iter_mut().zip(&self.0.buckets) {
            *sum = sum.saturating_add(bucket.load(Ordering::Relaxed));
        }
    }

    /// Returns the number of observations.
    pub(super) fn count(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// Records one duration.
    pub(super) fn observe(&self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|(bound, _)| nanos <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.0.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let bounds = BOUNDS.iter().map(|(_, seconds)| *seconds).chain([f64::INFINITY]);
        let counts = self.0.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        let seconds = Duration::from_nanos(self.0.nanos.load(Ordering::Relaxed)).as_secs_f64();
        encoder.encode_histogram::<NoLabelSet>(seconds, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
