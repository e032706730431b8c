//! The metrics of shadow rules and of the shadow configuration.

use super::{encode, seconds};
use modgud_core::authz::RuleName;
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::{fmt, iter};

/// The outcomes of shadow rules: for each rule, a counter per reason and one for allowed requests.
#[derive(Debug, Default)]
pub struct ShadowRuleMetrics(RwLock<HashMap<RuleName, Arc<[AtomicU64]>>>);

impl ShadowRuleMetrics {
    /// Counts the outcome of a shadow rule (`None` if the request would have been allowed).
    pub fn record(&self, rule: &RuleName, outcome: Option<Reason>) {
        let counted_already = self.0.read().unwrap_or_else(PoisonError::into_inner).get(rule).map(Arc::clone);
        let counts = counted_already.unwrap_or_else(|| {
            let mut rules = self.0.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(rules.entry(rule.clone()).or_insert_with(|| outcomes().map(|_| AtomicU64::new(0)).collect()))
        });
        if let Some(count) = outcomes().position(|one| one == outcome).and_then(|at| counts.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns how many requests a shadow rule would have allowed, and how many it would have denied.
    #[must_use]
    pub fn counts(&self, rule: &str) -> (u64, u64) {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let Some(counts) = rules.get(rule) else { return (0, 0) };
        let mut counts = counts.iter().map(|count| count.load(Ordering::Relaxed));
        let allowed = counts.next().unwrap_or_default();
        (allowed, counts.fold(0, u64::saturating_add))
    }

    /// Forgets rules that are not shadow rules any more.
    pub fn keep(&self, is_shadow: impl Fn(&RuleName) -> bool) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|rule, _| is_shadow(rule));
    }
}

impl Collector for ShadowRuleMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let rules = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let counted = rules.iter().flat_map(|(rule, counts)| {
            outcomes().zip(counts.iter()).map(move |(outcome, count)| {
                // The reason is empty if the request would have been allowed.
                let (decision, reason) =
                    outcome.map_or(("allowed", ""), |reason| (reason.class().decision(), reason.code()));
                ([("rule", rule.as_str()), ("decision", decision), ("reason", reason)], count.load(Ordering::Relaxed))
            })
        });
        let help = "Outcomes of shadow rules, none of which was enforced";
        encode(&mut encoder, "shadow_checks", help, MetricType::Counter, counted.filter(|(_, count)| *count > 0))
    }
}

/// Returns every outcome of a decision; `None` is an allowed request.
fn outcomes() -> impl Iterator<Item = Option<Reason>> {
    iter::once(None).chain(Reason::ALL.iter().copied().map(Some))
}

/// The labels of a difference: the rule that decided (empty: the fallback, or nothing), the enforced outcome, and the shadow outcome.
/// Outcomes are `allowed`, `headers` (allowed as enforced, with other headers), or a reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Difference {
    rule: String,
    enforced: &'static str,
    shadow: &'static str,
}

/// The metrics of the shadow configuration.
#[derive(Debug, Default)]
pub struct ShadowConfigMetrics {
    compared: Counter,
    dropped: Counter,
    failed: Counter,
    differences: Family<Difference, Counter>,
    kinds: AtomicUsize,
    /// The differences by rule, for the page: as many at most as there are kinds.
    by_rule: Mutex<HashMap<String, u64>>,
    loaded: Gauge,
    rejected: Counter,
}

/// The labels under which a difference was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Its own.
    AsItself,
    /// The shared labels of all differences beyond the limit.
    WithOthers,
}

impl ShadowConfigMetrics {
    /// Maximum number of kinds of differences with a count of their own: more than operators read, and few enough to hold. Beyond it they
    /// are counted together, by their outcomes.
    pub const MAX_KINDS: usize = 2_000;
    /// The rule label of all others. No rule has a space in its name.
    const OTHERS: &'static str = "(other rules)";

    /// Counts a check that was decided again.
    pub fn compared(&self) {
        self.compared.inc();
    }

    /// Counts a check that was dropped for lack of room.
    pub fn dropped(&self) {
        self.dropped.inc();
    }

    /// Counts a check that failed internally.
    pub fn failed(&self) {
        self.failed.inc();
    }

    /// Counts a difference, by the rule that decided and by the two outcomes.
    pub fn differs(&self, rule: Option<&RuleName>, enforced: &'static str, shadow: &'static str) -> Counted {
        let rule = rule.map(RuleName::as_str).unwrap_or_default().to_owned();
        let mut difference = Difference { rule, enforced, shadow };
        // One thread counts differences, so none is added in between.
        let is_known = self.differences.get(&difference).is_some();
        let kinds = self.kinds.load(Ordering::Relaxed);
        let counted = if is_known || kinds < Self::MAX_KINDS { Counted::AsItself } else { Counted::WithOthers };
        match counted {
            Counted::AsItself if is_known => {}
            Counted::AsItself => self.kinds.store(kinds.saturating_add(1), Ordering::Relaxed),
            Counted::WithOthers => Self::OTHERS.clone_into(&mut difference.rule),
        }
        let mut by_rule = self.by_rule.lock().unwrap_or_else(PoisonError::into_inner);
        let count = by_rule.entry(difference.rule.clone()).or_default();
        *count = count.saturating_add(1);
        drop(by_rule);
        self.differences.get_or_create(&difference).inc();
        counted
    }

    /// Returns the differences by the rule that decided, and the number of checks that were decided again.
    #[must_use]
    pub fn differences_by_rule(&self) -> (HashMap<String, u64>, u64) {
        (self.by_rule.lock().unwrap_or_else(PoisonError::into_inner).clone(), self.compared.get())
    }

    /// Records when the configuration was loaded.
    pub fn loaded(&self, now: Timestamp) {
        self.loaded.set(seconds(now));
    }

    /// Counts a changed configuration or revocation list that was rejected.
    pub fn rejected(&self) {
        self.rejected.inc();
    }

    /// Returns how many checks were decided again, were dropped for lack of room, and failed internally.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        (self.compared.get(), self.dropped.get(), self.failed.get())
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Checks that the shadow configuration evaluated";
        registry.register("shadow_config_checks", help, self.compared.clone());
        let help = "Checks not evaluated because too many were queued";
        registry.register("shadow_config_dropped", help, self.dropped.clone());
        let help = "Checks not evaluated because modgud failed internally";
        registry.register("shadow_config_failures", help, self.failed.clone());
        let help = "Checks that the shadow configuration would have answered differently";
        registry.register("shadow_config_differences", help, self.differences.clone());
        let help = "Time at which the shadow configuration was loaded, in seconds since 1970; 0 without one";
        registry.register("shadow_config_loaded_timestamp_seconds", help, self.loaded.clone());
        let help = "Changed shadow configurations, and revocation lists of one, that were rejected";
        registry.register("shadow_config_reload_failures", help, self.rejected.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, Difference, ShadowConfigMetrics};
    use modgud_core::authz::RuleName;

    #[test]
    fn differences_beyond_so_many_kinds_are_counted_together() {
        let metrics = ShadowConfigMetrics::default();
        let differs =
            |number: usize| metrics.differs(Some(&RuleName::new(&format!("rule-{number}"))), "allowed", "no_rule");
        for number in 0..ShadowConfigMetrics::MAX_KINDS {
            assert_eq!(differs(number), Counted::AsItself);
        }
        for number in ShadowConfigMetrics::MAX_KINDS..ShadowConfigMetrics::MAX_KINDS + 10 {
            assert_eq!((differs(number), differs(0)), (Counted::WithOthers, Counted::AsItself));
        }
        let of = |rule: &str| {
            let difference = Difference { rule: rule.to_owned(), enforced: "allowed", shadow: "no_rule" };
            metrics.differences.get_or_create(&difference).get()
        };
        assert_eq!((of("rule-0"), of("(other rules)")), (11, 10));
    }
}
