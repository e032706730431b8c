//! Counters for `/metrics`, in Prometheus' text format (OpenMetrics 1.0). Recording costs a few atomic additions; names and labels are
//! built on request.

mod connections;
mod introspection;
mod keys;
mod shadow;
mod shadow_config;

pub use connections::{Closed, Closing};
pub use introspection::IntrospectionMetrics;
pub use keys::KeyMetrics;
pub use shadow::TriedRules;
pub use shadow_config::{Counted, ShadowConfigMetrics};

use self::connections::ClosedConnections;
use modgud_core::authn::CacheStats;
use modgud_core::http::header::HeaderName;
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The labels of a check's outcome. `reason` is empty if the request was allowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    decision: &'static str,
    reason: &'static str,
}

/// A listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerName {
    /// For checks.
    Grpc,
    /// For probes and metrics.
    Admin,
}

impl ListenerName {
    /// Returns its name in the configuration, in metrics and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Admin => "admin",
        }
    }
}

/// The labels of a number of connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OnListener {
    listener: &'static str,
}

/// The labels of a count of headers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHeader {
    header: String,
}

/// The labels of a rule's count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRule {
    rule: String,
}

/// All metrics.
#[derive(Debug)]
pub struct Metrics {
    checks: Family<Outcome, Counter>,
    allowed: Counter,
    denied: Vec<Counter>,
    condition_errors: Family<OfRule, Counter>,
    seconds: Histogram,
    loaded: AtomicU64,
    reloads: Counter,
    reload_failures: Counter,
    revocations_loaded: AtomicU64,
    revocations_failures: Counter,
    warnings: Gauge,
    last_reload: Gauge,
    connections: Family<OnListener, Gauge>,
    closed: ClosedConnections,
    headers_dropped: Family<OfHeader, Counter>,
    /// The outcomes of shadow rules.
    pub tried: TriedRules,
    /// The metrics of the shadow configuration, shared with the thread that compares it.
    pub shadow_config: Arc<ShadowConfigMetrics>,
}

impl Default for Metrics {
    fn default() -> Self {
        let checks = Family::<Outcome, Counter>::default();
        let counter = |decision, reason| checks.get_or_create_owned(&Outcome { decision, reason });
        let denied = |reason: &Reason| counter(reason.class().decision(), reason.code());
        Self {
            allowed: counter("allowed", ""),
            denied: Reason::ALL.iter().map(denied).collect(),
            condition_errors: Family::default(),
            seconds: Histogram::default(),
            loaded: AtomicU64::new(0),
            reloads: Counter::default(),
            reload_failures: Counter::default(),
            revocations_loaded: AtomicU64::new(0),
            revocations_failures: Counter::default(),
            warnings: Gauge::default(),
            last_reload: Gauge::default(),
            connections: Family::default(),
            closed: ClosedConnections::default(),
            headers_dropped: Family::default(),
            tried: TriedRules::default(),
            shadow_config: Arc::default(),
            checks,
        }
    }
}

impl Metrics {
    /// Counts one check: the reason of its denial (`None` if allowed), and its duration.
    pub fn record(&self, outcome: Option<Reason>, took: Duration) {
        let counter = match outcome {
            None => Some(&self.allowed),
            Some(reason) => self.denied.get(reason as usize),
        };
        if let Some(counter) = counter {
            counter.inc();
        }
        self.seconds.observe(took);
    }

    /// Counts a condition that could not be evaluated, by rule: a mistake in the rule, or in the tokens.
    pub fn condition_error(&self, rule: &str) {
        self.condition_errors.get_or_create_owned(&OfRule { rule: rule.to_owned() }).inc();
    }

    /// Records when the active configuration was loaded.
    pub fn config_loaded(&self, now: Timestamp) {
        self.loaded.store(now.as_secs(), Ordering::Relaxed);
        self.last_reload.set(1);
    }

    /// Counts a successful reload.
    pub fn config_replaced(&self, now: Timestamp) {
        self.config_loaded(now);
        self.reloads.inc();
    }

    /// Records the number of warnings about the active configuration.
    pub fn config_warnings(&self, warnings: usize) {
        self.warnings.set(i64::try_from(warnings).unwrap_or(i64::MAX));
    }

    /// Counts a rejected configuration.
    pub fn config_refused(&self) {
        self.last_reload.set(0);
        self.reload_failures.inc();
    }

    /// Records when the active revocation list was read.
    pub fn revocations_replaced(&self, now: Timestamp) {
        self.revocations_loaded.store(now.as_secs(), Ordering::Relaxed);
    }

    /// Counts a rejected revocation list.
    pub fn revocations_refused(&self) {
        self.revocations_failures.inc();
    }

    /// Counts identity headers that were removed because their value can't be encoded.
    pub fn headers_dropped(&self, headers: &[HeaderName]) {
        for header in headers {
            self.of_header(header).inc();
        }
    }

    /// Creates the counts of these headers, so that the first removal is visible as a change.
    pub fn headers_may_be_dropped<'h>(&self, headers: impl IntoIterator<Item = &'h HeaderName>) {
        headers.into_iter().for_each(|header| drop(self.of_header(header)));
    }

    fn of_header(&self, header: &HeaderName) -> Counter {
        self.headers_dropped.get_or_create_owned(&OfHeader { header: header.as_str().to_owned() })
    }

    /// Returns the gauge of open connections on a listener.
    #[must_use]
    pub fn connections(&self, listener: ListenerName) -> Gauge {
        self.connections.get_or_create_owned(&OnListener { listener: listener.as_str() })
    }

    /// Returns the counts of connections on a listener that modgud closed.
    #[must_use]
    pub fn closed(&self, listener: ListenerName) -> Closed {
        self.closed.on(listener)
    }

    /// Returns how many checks have been answered.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.seconds.0.count.load(Ordering::Relaxed)
    }

    /// Returns the text for `/metrics`.
    ///
    /// # Errors
    /// `fmt::Error` never occurs: writing to a string does not fail.
    pub fn render(
        &self,
        cache: CacheStats,
        revocations: usize,
        keys: &KeyMetrics,
        introspection: &IntrospectionMetrics,
    ) -> Result<String, fmt::Error> {
        let CacheStats { hits, misses, entries, bytes } = cache;
        let mut registry = Registry::with_prefix("modgud");
        registry.register("checks", "Checks answered, by outcome and reason", self.checks.clone());
        let help = "Checks denied because a rule's condition could not be evaluated, by rule";
        registry.register("condition_errors", help, self.condition_errors.clone());
        registry.register(
            "check_duration_seconds",
            "Time spent on a check, from message to answer",
            self.seconds.clone(),
        );
        registry.register("token_cache_hits", "Look-ups of a token that was verified before", ConstCounter::new(hits));
        registry.register("token_cache_misses", "Look-ups of a token that was not", ConstCounter::new(misses));
        registry.register("token_cache_entries", "Verified tokens that are held", ConstGauge::new(gauge(entries)));
        registry.register("token_cache_bytes", "Their estimated size in bytes", ConstGauge::new(gauge(bytes)));
        let loaded = ConstGauge::new(gauge(self.loaded.load(Ordering::Relaxed)));
        registry.register(
            "config_loaded_timestamp_seconds",
            "When the configuration that serves was loaded, in seconds since 1970",
            loaded,
        );
        registry.register("config_reloads", "Configurations put in the place of another", self.reloads.clone());
        let help = "Changed configurations that were refused; the one before goes on serving";
        registry.register("config_reload_failures", help, self.reload_failures.clone());
        let revocations = ConstGauge::new(gauge(u64::try_from(revocations).unwrap_or(u64::MAX)));
        registry.register("revocations_entries", "Names on the list of revocations", revocations);
        registry.register(
            "revocations_loaded_timestamp_seconds",
            "When the list of revocations that counts was read, in seconds since 1970; 0 without one",
            ConstGauge::new(gauge(self.revocations_loaded.load(Ordering::Relaxed))),
        );
        let help = "Changed lists of revocations that were refused; the one before goes on counting";
        registry.register("revocations_reload_failures", help, self.revocations_failures.clone());
        let help = "Warnings about the configuration that serves, as of when it was loaded; `modgud check` tells them";
        // Read when it is encoded, which is after `config_reloads`: a reader who sees a reload counted also sees its warnings.
        registry.register("config_warnings", help, self.warnings.clone());
        keys.register(&mut registry);
        introspection.register(&mut registry);
        let help = "1: the configuration that was loaded last is the one that serves; 0: it was refused";
        registry.register("config_reload_last_success", help, self.last_reload.clone());
        registry.register("connections", "Connections that are open, by listener", self.connections.clone());
        self.closed.register(&mut registry);
        let help = "Identity headers that were removed because the value of an optional claim can't be written";
        registry.register("headers_dropped", help, self.headers_dropped.clone());
        self.tried.register(&mut registry);
        self.shadow_config.register(&mut registry);
        let dropped = ConstCounter::new(super::log::dropped_lines());
        registry.register(
            "log_lines_dropped",
            "Lines of the log that were not written: its reader was too slow",
            dropped,
        );
        registry.register("build", "This build", Info::new([("version", VERSION)]));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A histogram of durations that is recorded without a lock.
#[derive(Debug, Clone, Default)]
struct Histogram(Arc<Cells>);

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
    fn observe(&self, took: Duration) {
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

#[cfg(test)]
mod tests {
    use super::{IntrospectionMetrics, KeyMetrics, Metrics, Reason};
    use modgud_core::authn::CacheStats;
    use std::time::Duration;

    #[test]
    fn metrics_tell_how_checks_ended() {
        let metrics = Metrics::default();
        metrics.record(None, Duration::from_micros(4));
        metrics.record(Some(Reason::TokenExpired), Duration::from_micros(40));
        metrics.record(Some(Reason::Internal), Duration::from_secs(3));
        let text = metrics
            .render(
                CacheStats { hits: 3, misses: 2, entries: 1, bytes: 1_500 },
                0,
                &KeyMetrics::default(),
                &IntrospectionMetrics::default(),
            )
            .unwrap();
        for line in [
            "modgud_checks_total{decision=\"allowed\",reason=\"\"} 1",
            "modgud_checks_total{decision=\"denied\",reason=\"token_expired\"} 1",
            "modgud_checks_total{decision=\"unavailable\",reason=\"internal\"} 1",
            "modgud_checks_total{decision=\"denied\",reason=\"no_rule\"} 0",
            "modgud_check_duration_seconds_bucket{le=\"0.000005\"} 1",
            "modgud_check_duration_seconds_bucket{le=\"0.00005\"} 2",
            "modgud_check_duration_seconds_bucket{le=\"+Inf\"} 3",
            "modgud_check_duration_seconds_count 3",
            "modgud_token_cache_hits_total 3",
            "modgud_token_cache_entries 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert_eq!(metrics.checks(), 3);
    }
}
