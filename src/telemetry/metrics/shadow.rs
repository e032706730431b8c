//! The metrics of shadow rules.

use modgud_core::authz::RuleName;
use modgud_core::reason::Reason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::iter;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// The labels of a shadow rule's outcome. `reason` is empty if the request would have been allowed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    rule: String,
    decision: &'static str,
    reason: &'static str,
}

/// The outcomes of shadow rules: for each rule, a counter per reason and one for allowed requests.
#[derive(Debug, Default)]
pub struct TriedRules(RwLock<HashMap<RuleName, Arc<[AtomicU64]>>>);

impl TriedRules {
    /// Counts the outcome of a shadow rule (`None` if the request would have been allowed).
    pub fn record(&self, rule: &RuleName, outcome: Option<Reason>) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(rule).map(Arc::clone);
        let counts = known.unwrap_or_else(|| {
            let mut rules = self.0.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(rules.entry(rule.clone()).or_insert_with(|| outcomes().map(|_| AtomicU64::new(0)).collect()))
        });
        if let Some(count) = outcomes().position(|one| one == outcome).and_then(|at| counts.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Forgets rules that are not shadow rules any more.
    pub fn keep(&self, is_tried: impl Fn(&RuleName) -> bool) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|rule, _| is_tried(rule));
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let family = Family::<Outcome, Counter>::default();
        for (rule, counts) in self.0.read().unwrap_or_else(PoisonError::into_inner).iter() {
            for (outcome, count) in outcomes().zip(counts.iter()) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let (decision, reason) = words(outcome);
                    let labels = Outcome { rule: rule.as_str().to_owned(), decision, reason };
                    family.get_or_create(&labels).inc_by(count);
                }
            }
        }
        registry.register("shadow_checks", "What rules that are tried out would have come to", family);
    }
}

/// Returns every outcome of a decision; `None` is an allowed request.
fn outcomes() -> impl Iterator<Item = Option<Reason>> {
    iter::once(None).chain(Reason::ALL.iter().copied().map(Some))
}

/// Returns the labels of an outcome: the decision, and the reason, which is empty if the request is allowed.
fn words(outcome: Option<Reason>) -> (&'static str, &'static str) {
    outcome.map_or(("allowed", ""), |reason| (reason.class().decision(), reason.code()))
}
