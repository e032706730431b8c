//! The metrics of the shadow configuration, which is compared with the active one.

use super::gauge;
use modgud_core::authz::RuleName;
use modgud_core::time::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

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
    compared: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    differences: Mutex<HashMap<Difference, u64>>,
    loaded: AtomicU64,
    refused: AtomicU64,
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
        self.compared.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a check that was dropped for lack of room.
    pub fn dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a check over which modgud failed inside.
    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a difference, by the rule that decided and by the two outcomes.
    pub fn differs(&self, rule: Option<&RuleName>, enforced: &'static str, shadow: &'static str) -> Counted {
        let rule = rule.map(RuleName::as_str).unwrap_or_default().to_owned();
        let mut difference = Difference { rule, enforced, shadow };
        let mut differences = self.differences.lock().unwrap_or_else(PoisonError::into_inner);
        let room = differences.len() < Self::MAX_KINDS || differences.contains_key(&difference);
        let counted = if room { Counted::AsItself } else { Counted::WithOthers };
        if !room {
            Self::OTHERS.clone_into(&mut difference.rule);
        }
        let count = differences.entry(difference).or_default();
        *count = count.saturating_add(1);
        counted
    }

    /// Records when the configuration was loaded.
    pub fn loaded(&self, now: Timestamp) {
        self.loaded.store(now.as_secs(), Ordering::Relaxed);
    }

    /// Counts a changed configuration or revocation list that was rejected.
    pub fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many checks were decided again, were dropped for lack of room, and failed inside modgud.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.compared), count(&self.dropped), count(&self.failed))
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let count = |counter: &AtomicU64| ConstCounter::new(counter.load(Ordering::Relaxed));
        let help = "Checks that were decided a second time, by the shadow configuration";
        registry.register("shadow_config_checks", help, count(&self.compared));
        let help = "Checks that were not, since too many were waiting";
        registry.register("shadow_config_dropped", help, count(&self.dropped));
        let help = "Checks that were not, since modgud failed inside";
        registry.register("shadow_config_failures", help, count(&self.failed));
        let family = Family::<Difference, Counter>::default();
        for (difference, count) in self.differences.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            family.get_or_create(difference).inc_by(*count);
        }
        let help = "Checks that the shadow configuration would have answered otherwise";
        registry.register("shadow_config_differences", help, family);
        let help = "When the shadow configuration was loaded, in seconds since 1970; 0 without one";
        let loaded = ConstGauge::new(gauge(self.loaded.load(Ordering::Relaxed)));
        registry.register("shadow_config_loaded_timestamp_seconds", help, loaded);
        let help = "Changed shadow configurations, and lists of revocations of one, that were refused";
        registry.register("shadow_config_reload_failures", help, count(&self.refused));
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, ShadowConfigMetrics};
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
        let differences = metrics.differences.lock().unwrap();
        let of = |rule: &str| *differences.iter().find(|(one, _)| one.rule == rule).unwrap().1;
        assert_eq!(
            (differences.len(), of("rule-0"), of("(other rules)")),
            (ShadowConfigMetrics::MAX_KINDS + 1, 11, 10)
        );
    }
}
