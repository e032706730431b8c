//! The counters as numbers, for the page: read without a lock that a check could wait for.

use super::Metrics;
use super::histogram::Histogram;
use super::slots::OTHER;
use modgud_core::reason::Reason;
use std::collections::HashMap;
use std::time::Duration;

/// The checks since the start of the process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// The checks by outcome; `None` is an allowed request. Outcomes without a check are left out.
    pub outcomes: HashMap<Option<Reason>, u64>,
    /// The checks by duration, in the buckets of the histogram.
    durations: [u64; Histogram::BUCKETS],
}

/// The outcomes of the checks of one rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Allowed checks.
    pub allowed: u64,
    /// Denied checks, and those that could not be decided.
    pub denied: u64,
}

impl Totals {
    /// Returns the checks since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let outcomes = self.outcomes.iter().filter_map(|(outcome, count)| {
            let more = count.saturating_sub(before.outcomes.get(outcome).copied().unwrap_or_default());
            (more > 0).then_some((*outcome, more))
        });
        let mut durations = self.durations;
        for (count, before) in durations.iter_mut().zip(before.durations) {
            *count = count.saturating_sub(before);
        }
        Self { outcomes: outcomes.collect(), durations }
    }

    /// Returns the duration that so many of a thousand checks did not exceed, estimated within its bucket; `None` without a check.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Option<Duration> {
        let total: u64 = self.durations.iter().sum();
        let wanted = total.saturating_mul(per_mille).div_ceil(1_000).max(1);
        let (mut below, mut lower) = (0_u64, 0_u64);
        for (count, upper) in self.durations.iter().zip(Histogram::upper_bounds()) {
            // The last bucket has no end.
            let upper = upper.unwrap_or(lower);
            if *count > 0 && below.saturating_add(*count) >= wanted {
                let into = wanted.saturating_sub(below).saturating_mul(upper.saturating_sub(lower));
                let nanos = lower.saturating_add(into.checked_div(*count).unwrap_or_default());
                return Some(Duration::from_nanos(nanos));
            }
            (below, lower) = (below.saturating_add(*count), upper);
        }
        None
    }
}

impl Metrics {
    /// Returns the checks since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.checks.for_each(|_, outcome, count| {
            let sum = totals.outcomes.entry(outcome).or_default();
            *sum = sum.saturating_add(count);
        });
        self.durations.histograms().iter().for_each(|histogram| histogram.add_to(&mut totals.durations));
        totals
    }

    /// Returns the checks of each rule with counters of its own, by its name. A rule without any has had no check.
    #[must_use]
    pub fn rule_hits(&self) -> HashMap<String, Hits> {
        let names = self.checks.rules.names();
        let mut hits: HashMap<String, Hits> = HashMap::new();
        self.checks.for_each(|rule, outcome, count| {
            let Some(name) = names.get(usize::from(rule)).filter(|name| !name.is_empty()) else { return };
            let of_rule = hits.entry(name.to_string()).or_default();
            let sum = if outcome.is_none() { &mut of_rule.allowed } else { &mut of_rule.denied };
            *sum = sum.saturating_add(count);
        });
        hits
    }

    /// Returns the names of the rules without counters of their own, given all names.
    pub fn uncounted_rules<'n>(&self, rules: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
        let known = self.checks.rules.names();
        let is_known = |name: &&str| name != &OTHER && known.iter().any(|one| &**one == *name);
        rules.into_iter().filter(|name| !is_known(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;
    use std::time::Duration;

    #[test]
    fn a_quantile_is_within_the_bucket_that_holds_it() {
        let mut totals = Totals::default();
        assert_eq!(totals.quantile(500), None);
        // 90 checks of up to 2 µs, 10 of 10 to 25 µs.
        (totals.durations[0], totals.durations[3]) = (90, 10);
        let micros = |per_mille| totals.quantile(per_mille).unwrap();
        assert!(micros(500) <= Duration::from_micros(2), "{:?}", micros(500));
        let p99 = micros(990);
        assert!(Duration::from_micros(10) < p99 && p99 <= Duration::from_micros(25), "{p99:?}");
        let later = Totals { durations: totals.durations.map(|count| count * 2), ..Totals::default() };
        assert_eq!(later.since(&totals), totals);
    }
}
