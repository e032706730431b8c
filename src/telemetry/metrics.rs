//! Counters for `/metrics`, in Prometheus' text format (OpenMetrics 1.0). Recording costs a few atomic additions. A registry holds them for the
//! life of the process; what is not counted here is read at each scrape, by a `Collector`.

mod histogram;
mod shadow;

pub use shadow::{Counted, ShadowConfigMetrics, ShadowRuleMetrics};

use histogram::Histogram;
use modgud_core::http::header::HeaderName;
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use modgud_core::upstream::DroppedHeader;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::fmt;
use std::sync::Arc;
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
    /// For checks over HTTP.
    Http,
    /// For probes and metrics.
    Admin,
}

impl ListenerName {
    /// Returns its name in the configuration, in metrics and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
            Self::Admin => "admin",
        }
    }
}

/// The reason for closing a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Another connection needed its slot.
    Room,
    /// Its client did not read responses.
    UnreadResponses,
    /// Its client reset too many calls.
    Resets,
    /// Its client sent frames that no gRPC client sends.
    Frames,
    /// Its client spoke HTTP/1.1.
    Http1,
    /// Its client spoke TLS, and the listener does not.
    Tls,
    /// Its client did not speak TLS, and the listener does.
    Plaintext,
    /// Its client spoke another protocol.
    UnknownProtocol,
    /// Its client sent a message that is not HTTP/1.1, or too large a head.
    Malformed,
}

impl Closing {
    const ALL: [Self; 9] = [
        Self::Room,
        Self::UnreadResponses,
        Self::Resets,
        Self::Frames,
        Self::Http1,
        Self::Tls,
        Self::Plaintext,
        Self::UnknownProtocol,
        Self::Malformed,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::UnreadResponses => "unread_responses",
            Self::Resets => "resets",
            Self::Frames => "frames",
            Self::Http1 => "http1",
            Self::Tls => "tls",
            Self::Plaintext => "plaintext",
            Self::UnknownProtocol => "unknown_protocol",
            Self::Malformed => "malformed",
        }
    }
}

/// The label of a number of connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OnListener {
    listener: &'static str,
}

/// The labels of a count of closed connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClosedOnListener {
    listener: &'static str,
    reason: &'static str,
}

/// The label of a count of headers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfHeader {
    header: String,
}

/// The label of a rule's count.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRule {
    rule: String,
}

/// All metrics that are counted.
#[derive(Debug)]
pub struct Metrics {
    checks: Family<Outcome, Counter>,
    allowed: Counter,
    denied: Vec<Counter>,
    condition_errors: Family<OfRule, Counter>,
    seconds: Histogram,
    loaded: Gauge,
    reloads: Counter,
    reload_failures: Counter,
    revocations_loaded: Gauge,
    revocations_failures: Counter,
    warnings: Gauge,
    last_reload: Gauge,
    connections: Family<OnListener, Gauge>,
    closed: Family<ClosedOnListener, Counter>,
    headers_dropped: Family<OfHeader, Counter>,
    /// The outcomes of shadow rules.
    pub shadow_rules: Arc<ShadowRuleMetrics>,
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
            loaded: Gauge::default(),
            reloads: Counter::default(),
            reload_failures: Counter::default(),
            revocations_loaded: Gauge::default(),
            revocations_failures: Counter::default(),
            warnings: Gauge::default(),
            last_reload: Gauge::default(),
            connections: Family::default(),
            closed: Family::default(),
            headers_dropped: Family::default(),
            shadow_rules: Arc::default(),
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
        self.loaded.set(seconds(now));
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
    pub fn config_rejected(&self) {
        self.last_reload.set(0);
        self.reload_failures.inc();
    }

    /// Records when the active revocation list was read.
    pub fn revocations_replaced(&self, now: Timestamp) {
        self.revocations_loaded.set(seconds(now));
    }

    /// Counts a rejected revocation list.
    pub fn revocations_rejected(&self) {
        self.revocations_failures.inc();
    }

    /// Counts identity headers that were removed because their value can't be encoded.
    pub fn headers_dropped(&self, headers: &[DroppedHeader]) {
        for header in headers {
            self.of_header(&header.name).inc();
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
        let counter = |reason: Closing| {
            self.closed.get_or_create_owned(&ClosedOnListener { listener: listener.as_str(), reason: reason.as_str() })
        };
        Closed(Arc::new(Closing::ALL.map(counter)))
    }

    /// Returns how many checks have been answered.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.seconds.count()
    }

    /// Registers all metrics. Each is read when it is encoded, in this order. So a reader who sees a reload counted also sees its warnings.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("checks", "Checks answered, by outcome and reason", self.checks.clone());
        let help = "Checks denied because a condition could not be evaluated, by rule";
        registry.register("condition_errors", help, self.condition_errors.clone());
        registry.register(
            "check_duration_seconds",
            "Time from a check's message to its response",
            self.seconds.clone(),
        );
        let help = "Time at which the active configuration was loaded, in seconds since 1970";
        registry.register("config_loaded_timestamp_seconds", help, self.loaded.clone());
        registry.register("config_reloads", "Successful configuration reloads", self.reloads.clone());
        let help = "Changed configurations that were rejected; the active one stays";
        registry.register("config_reload_failures", help, self.reload_failures.clone());
        let help = "1 if the last loaded configuration is active, 0 if it was rejected";
        registry.register("config_reload_last_success", help, self.last_reload.clone());
        registry.register("config_warnings", "Warnings about the active configuration", self.warnings.clone());
        let help = "Time at which the revocation list was read, in seconds since 1970; 0 without one";
        registry.register("revocations_loaded_timestamp_seconds", help, self.revocations_loaded.clone());
        let help = "Changed revocation lists that were rejected; the active one stays";
        registry.register("revocations_reload_failures", help, self.revocations_failures.clone());
        registry.register("connections", "Open connections, by listener", self.connections.clone());
        registry.register("connections_closed", "Connections that modgud closed, by reason", self.closed.clone());
        let help = "Identity headers removed because the value of an optional claim can't be written";
        registry.register("headers_dropped", help, self.headers_dropped.clone());
        registry.register("build", "Version of this build", Info::new([("version", VERSION)]));
        self.shadow_config.register(registry);
        registry.register_collector(Box::new(Arc::clone(&self.shadow_rules)));
        registry.register_collector(Box::new(LogMetrics));
    }
}

/// The counts of closed connections of one listener.
#[derive(Debug, Clone, Default)]
pub struct Closed(Arc<[Counter; 9]>);

impl Closed {
    /// Counts one connection.
    pub fn count(&self, reason: Closing) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.inc();
        }
    }
}

/// The collector of the log's metrics.
#[derive(Debug)]
struct LogMetrics;

impl Collector for LogMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Log lines not written because their reader was too slow";
        encode(&mut encoder, "log_lines_dropped", help, MetricType::Counter, [([], super::log::dropped_lines())])?;
        let help = "Log lines not written because writing failed, for example because their reader is gone";
        encode(&mut encoder, "log_lines_failed", help, MetricType::Counter, [([], super::log::failed_lines())])
    }
}

/// The labels of one value: their names, and their values.
pub type Labels<'l, const N: usize> = [(&'static str, &'l str); N];

/// Encodes a counter or a gauge in a collector, with its value for each set of labels; nothing if there is none.
///
/// # Errors
/// `fmt::Error` if the text can't be written.
pub fn encode<'l, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    kind: MetricType,
    values: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
) -> fmt::Result {
    let mut values = values.into_iter().peekable();
    if values.peek().is_none() {
        return Ok(());
    }
    let mut encoder = encoder.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in values {
        let mut encoder = encoder.encode_family(&labels)?;
        match kind {
            MetricType::Counter => encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)?,
            _ => encoder.encode_gauge(&value)?,
        }
    }
    Ok(())
}

/// Returns a time as the value of a gauge.
fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Metrics, Reason};
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;
    use std::time::Duration;

    #[test]
    fn checks_are_counted_by_outcome() {
        let metrics = Metrics::default();
        let mut registry = Registry::with_prefix("modgud");
        metrics.register(&mut registry);
        metrics.record(None, Duration::from_micros(4));
        metrics.record(Some(Reason::TokenExpired), Duration::from_micros(40));
        metrics.record(Some(Reason::Internal), Duration::from_secs(3));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "modgud_checks_total{decision=\"allowed\",reason=\"\"} 1",
            "modgud_checks_total{decision=\"denied\",reason=\"token_expired\"} 1",
            "modgud_checks_total{decision=\"unavailable\",reason=\"internal\"} 1",
            "modgud_checks_total{decision=\"denied\",reason=\"no_rule\"} 0",
            "modgud_check_duration_seconds_bucket{le=\"0.000005\"} 1",
            "modgud_check_duration_seconds_bucket{le=\"0.00005\"} 2",
            "modgud_check_duration_seconds_bucket{le=\"+Inf\"} 3",
            "modgud_check_duration_seconds_count 3",
            "modgud_log_lines_dropped_total 0",
            "# TYPE modgud_log_lines_failed counter",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert_eq!(metrics.checks(), 3);
    }
}
