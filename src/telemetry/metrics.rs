//! Counters for `/metrics`, in Prometheus' text format (OpenMetrics 1.0). Recording costs a few atomic additions. A registry holds them for the
//! life of the process; what is not counted here is read at each scrape, by a `Collector`.

mod checks;
mod connections;
mod histogram;
mod log;
mod process;
mod shadow;
mod slots;
mod totals;

pub use connections::{Closing, ConnectionCounters, ListenerName};
pub use log::LeftOutLines;
pub use shadow::{Counted, ShadowConfigMetrics, ShadowRuleMetrics};
pub use slots::OTHER;
pub use totals::{Hits, Totals};

use checks::{CheckCounters, CheckDurations};
use connections::ConnectionMetrics;
use log::LogMetrics;
use modgud_core::authz::RuleName;
use modgud_core::decide::{CounterSlots, Decision, Snapshot};
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
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

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
#[derive(Debug, Default)]
pub struct Metrics {
    checks: Arc<CheckCounters>,
    /// True once the log says that some rules have no series of their own. Slots are never freed, so it stays so.
    warned_of_other_rules: AtomicBool,
    durations: CheckDurations,
    condition_errors: Family<OfRule, Counter>,
    active: Arc<Mutex<ActiveConfig>>,
    loaded: Gauge,
    reloads: Counter,
    reload_failures: Counter,
    revocations_loaded: Gauge,
    revocations_failures: Counter,
    warnings: Gauge,
    last_reload: Gauge,
    connections: ConnectionMetrics,
    headers_dropped: Family<OfHeader, Counter>,
    /// The lines of decisions that were not written, shared with the log of decisions.
    pub left_out: Arc<LeftOutLines>,
    /// The outcomes of shadow rules.
    pub shadow_rules: Arc<ShadowRuleMetrics>,
    /// The metrics of the shadow configuration, shared with the thread that compares it.
    pub shadow_config: Arc<ShadowConfigMetrics>,
}

/// What is shown of the active configuration.
#[derive(Debug, Default)]
struct ActiveConfig {
    hash: u64,
    /// The ends of certificates, each with its path in the configuration.
    certificates: Vec<(String, Timestamp)>,
}

impl Metrics {
    /// Assigns the counters of a snapshot that becomes active. Rules and authenticators that are known keep theirs.
    pub fn assign_counters(&self, snapshot: &mut Snapshot) {
        let authenticators = snapshot.authenticators.list().iter().map(|one| one.name().as_str());
        let rules = snapshot.rules.names().into_iter().map(RuleName::as_str);
        let most = snapshot.named_series.rules;
        snapshot.slots = self.checks.assign(rules, authenticators, most);
        if self.checks.has_other_rules(&snapshot.slots) && !self.warned_of_other_rules.swap(true, Ordering::Relaxed) {
            tracing::warn!(limit = most, "metrics: further rules are counted as `other`");
        }
    }

    /// Counts one check, and its duration. `slots` are those of the snapshot that decided.
    pub fn record(&self, decision: &Decision, slots: &CounterSlots, took: Duration) {
        let reason = decision.reason();
        self.checks.count(decision, reason, slots);
        self.durations.observe(reason, took);
        if let (Some(Reason::ConditionError), Some(rule)) = (reason, &decision.rule) {
            // A mistake in the rule, or in the tokens.
            let rule = self.checks.rule_label(rule, slots);
            self.condition_errors.get_or_create_owned(&OfRule { rule }).inc();
        }
    }

    /// Records the hash of the active configuration, and the ends of its certificates.
    pub fn config_active(&self, hash: u64, certificates: Vec<(String, Timestamp)>) {
        *self.active.lock().unwrap_or_else(PoisonError::into_inner) = ActiveConfig { hash, certificates };
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

    /// Returns the metrics of a listener's connections.
    #[must_use]
    pub fn connections(&self, listener: ListenerName) -> ConnectionCounters {
        self.connections.of(listener)
    }

    /// Returns how many checks have been answered.
    #[must_use]
    pub fn checks(&self) -> u64 {
        self.durations.count()
    }

    /// Registers all metrics. Each is read when it is encoded, in this order. So a reader who sees a reload counted also sees its warnings.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Arc::clone(&self.checks)));
        let help = "Checks denied because a condition could not be evaluated, by rule";
        registry.register("condition_errors", help, self.condition_errors.clone());
        registry.register(
            "check_duration_seconds",
            "Time from a check's message to its response, by decision",
            self.durations.clone(),
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
        self.connections.register(registry);
        let help = "Identity headers removed because the value of an optional claim can't be written";
        registry.register("headers_dropped", help, self.headers_dropped.clone());
        registry.register("build", "Version of this build", Info::new([("version", VERSION)]));
        self.shadow_config.register(registry);
        registry.register_collector(Box::new(Arc::clone(&self.shadow_rules)));
        registry.register_collector(Box::new(LogMetrics(Arc::clone(&self.left_out))));
        registry.register_collector(Box::new(ConfigMetrics(Arc::clone(&self.active))));
    }
}

/// Registers the metrics of the process, which have no prefix.
pub fn register_process(registry: &mut Registry) {
    registry.register_collector(Box::new(process::ProcessMetrics));
}

/// The collector of what is shown of the active configuration.
#[derive(Debug)]
struct ConfigMetrics(Arc<Mutex<ActiveConfig>>);

impl ConfigMetrics {
    /// Maximum number of certificates with a series of their own; the earliest end of the others is `other`.
    const MAX_CERTIFICATES: usize = 200;
}

impl Collector for ConfigMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let active = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let help = "Hash of the active configuration without secrets: equal in all processes that have the same one";
        encode(&mut encoder, "config_hash", help, MetricType::Gauge, [([], active.hash)])?;
        let (named, others) =
            active.certificates.split_at_checked(Self::MAX_CERTIFICATES).unwrap_or((&active.certificates, &[]));
        let others = others.iter().map(|(_, until)| (OTHER, *until)).min_by_key(|(_, until)| *until);
        let named = named.iter().map(|(path, until)| (path.as_str(), *until));
        let values = named.chain(others).map(|(path, until)| ([("path", path)], until.as_secs()));
        let help = "End of each certificate in the configuration, in seconds since 1970";
        encode(&mut encoder, "certificate_expiry_timestamp_seconds", help, MetricType::Gauge, values)
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
