//! Counts and durations of checks. A check finds its counter by small numbers, without a lock and without an allocation; the numbers of rules
//! and authenticators are assigned when a configuration becomes active.

use super::encode;
use super::histogram::Histogram;
use super::slots::{OTHER, SlotNames};
use modgud_core::authz::RuleName;
use modgud_core::decide::{CounterSlots, Decision, NamedSeries};
use modgud_core::reason::{Class, Reason};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Maximum number of authenticators with series of their own. Others are counted as `other`.
const MAX_AUTHENTICATORS: u8 = 20;
/// Maximum number of series of checks. Clients choose reasons, and so how many series there are; beyond it, a check is counted with the rule
/// and the authenticator `other`.
const MAX_SERIES: usize = 5_000;
/// The size of the table: a power of two, and so much above [`MAX_SERIES`] that a free place is near.
const CELLS: usize = 1 << CELL_BITS;
const CELL_BITS: u32 = 13;
/// The slot of a check without a rule or an authenticator.
const NONE: u8 = 0;

/// The counters of checks, by outcome, rule and authenticator.
#[derive(Debug)]
pub(super) struct CheckCounters {
    pub(super) rules: SlotNames,
    pub(super) authenticators: SlotNames,
    cells: Box<[Cell]>,
    used: AtomicUsize,
}

/// A place in the table; free while its key is 0. A key never changes after that.
#[derive(Debug, Default)]
struct Cell {
    key: AtomicU32,
    count: AtomicU64,
}

/// The labels of a series, as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    rule: u8,
    authenticator: u8,
    /// 0 for allowed, else one more than the reason's position.
    outcome: u8,
}

impl Key {
    const fn pack(self) -> u32 {
        u32::from_be_bytes([1, self.rule, self.authenticator, self.outcome])
    }

    const fn unpack(packed: u32) -> Option<Self> {
        match packed.to_be_bytes() {
            [1, rule, authenticator, outcome] => Some(Self { rule, authenticator, outcome }),
            _ => None,
        }
    }
}

/// Returns every outcome; `None` is an allowed request.
fn outcomes() -> impl Iterator<Item = (u8, Option<Reason>)> {
    (0..=u8::MAX).zip(std::iter::once(None).chain(Reason::ALL.iter().copied().map(Some)))
}

impl Default for CheckCounters {
    fn default() -> Self {
        let counters = Self {
            rules: SlotNames::new(NamedSeries::MAX_RULES),
            authenticators: SlotNames::new(MAX_AUTHENTICATORS),
            cells: (0..CELLS).map(|_| Cell::default()).collect(),
            used: AtomicUsize::new(0),
        };
        // There from the start: so the first of each outcome is a change, and the last resort always has a place.
        let (rules, authenticators) = (counters.rules.other(), counters.authenticators.other());
        for (outcome, _) in outcomes() {
            for (rule, authenticator) in [(NONE, NONE), (rules, authenticators)] {
                counters.add(Key { rule, authenticator, outcome }, 0);
            }
        }
        counters
    }
}

impl CheckCounters {
    /// Assigns the slots of a configuration that becomes active, for rules in the order of the file. Names that are known keep theirs.
    pub(super) fn assign<'n>(
        &self,
        rules: impl Iterator<Item = &'n str>,
        authenticators: impl Iterator<Item = &'n str>,
        named_rules: u8,
    ) -> CounterSlots {
        CounterSlots {
            rules: self.rules.assign(rules, named_rules),
            authenticators: self.authenticators.assign(authenticators, MAX_AUTHENTICATORS),
        }
    }

    /// Returns true if some rules of a configuration have no series of their own.
    pub(super) fn has_other_rules(&self, slots: &CounterSlots) -> bool {
        slots.rules.contains(&self.rules.other())
    }

    /// Counts one check.
    pub(super) fn count(&self, decision: &Decision, reason: Option<Reason>, slots: &CounterSlots) {
        let rule = self.rules.slot_in(&slots.rules, decision.rule.as_ref().map(RuleName::number));
        let authenticator =
            self.authenticators.slot_in(&slots.authenticators, decision.credential_for.map(|index| index.0));
        let position = reason.map_or(0, |reason| (reason as usize).saturating_add(1));
        let outcome = u8::try_from(position).unwrap_or(u8::MAX);
        if !self.add(Key { rule, authenticator, outcome }, 1) {
            let (rule, authenticator) = (self.rules.other(), self.authenticators.other());
            self.add(Key { rule, authenticator, outcome }, 1);
        }
    }

    /// Returns the label of a rule.
    pub(super) fn rule_label(&self, rule: &RuleName, slots: &CounterSlots) -> String {
        let slot = self.rules.slot_in(&slots.rules, Some(rule.number()));
        if slot == self.rules.other() { OTHER.to_owned() } else { rule.as_str().to_owned() }
    }

    /// Calls a function for each series with a check: the slot of the rule, the outcome, and the number of checks.
    pub(super) fn for_each(&self, mut call: impl FnMut(u8, Option<Reason>, u64)) {
        let reasons: Vec<_> = outcomes().map(|(_, reason)| reason).collect();
        for cell in &self.cells {
            let count = cell.count.load(Ordering::Relaxed);
            if let Some(Key { rule, authenticator: _, outcome }) = Key::unpack(cell.key.load(Ordering::Relaxed))
                && count > 0
            {
                call(rule, reasons.get(usize::from(outcome)).copied().flatten(), count);
            }
        }
    }

    /// Adds to a series. Returns false if it does not exist and there are too many.
    fn add(&self, key: Key, more: u64) -> bool {
        let packed = key.pack();
        // Fibonacci hashing: neighbouring keys are apart.
        let start = packed.wrapping_mul(0x9E37_79B1) >> (u32::BITS - CELL_BITS);
        let start = usize::try_from(start).unwrap_or_default();
        let Some((before, after)) = self.cells.split_at_checked(start) else { return false };
        for cell in after.iter().chain(before) {
            let found = match cell.key.load(Ordering::Relaxed) {
                0 if self.used.load(Ordering::Relaxed) >= MAX_SERIES => return false,
                0 => match cell.key.compare_exchange(0, packed, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => {
                        self.used.fetch_add(1, Ordering::Relaxed);
                        packed
                    }
                    Err(taken) => taken,
                },
                found => found,
            };
            if found == packed {
                cell.count.fetch_add(more, Ordering::Relaxed);
                return true;
            }
        }
        false
    }
}

impl Collector for CheckCounters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (rules, authenticators) = (self.rules.names(), self.authenticators.names());
        let name = |names: &[Arc<str>], slot: u8| names.get(usize::from(slot)).cloned().unwrap_or_default();
        let used = self.cells.iter().filter_map(|cell| {
            let Key { rule, authenticator, outcome } = Key::unpack(cell.key.load(Ordering::Relaxed))?;
            let count = cell.count.load(Ordering::Relaxed);
            let is_shown = count > 0 || (rule, authenticator) == (NONE, NONE);
            is_shown.then(|| ((name(&rules, rule), name(&authenticators, authenticator), outcome), count))
        });
        let mut series: Vec<_> = used.collect();
        series.sort_unstable();
        let reasons: Vec<_> = outcomes().map(|(_, reason)| reason).collect();
        let values = series.iter().map(|((rule, authenticator, outcome), count)| {
            let reason = reasons.get(usize::from(*outcome)).copied().flatten();
            let (decision, reason) = reason.map_or(("allowed", ""), |one| (one.class().decision(), one.code()));
            let labels = [("decision", decision), ("reason", reason), ("rule", rule), ("authenticator", authenticator)];
            (labels, *count)
        });
        let help = "Checks answered, by outcome, reason, rule and authenticator";
        encode(&mut encoder, "checks", help, MetricType::Counter, values)
    }
}

/// The durations of checks, by decision.
#[derive(Debug, Clone, Default)]
pub(super) struct CheckDurations {
    allowed: Histogram,
    denied: Histogram,
    unavailable: Histogram,
}

impl CheckDurations {
    pub(super) fn observe(&self, reason: Option<Reason>, took: Duration) {
        let histogram = match reason.map(Reason::class) {
            None => &self.allowed,
            Some(Class::Unauthenticated | Class::Forbidden | Class::BadRequest) => &self.denied,
            Some(Class::Unavailable) => &self.unavailable,
        };
        histogram.observe(took);
    }

    /// Returns the histogram of each decision.
    pub(super) const fn histograms(&self) -> [&Histogram; 3] {
        let Self { allowed, denied, unavailable } = self;
        [allowed, denied, unavailable]
    }

    /// Returns the number of checks.
    pub(super) fn count(&self) -> u64 {
        self.histograms().into_iter().map(Histogram::count).fold(0, u64::saturating_add)
    }
}

impl EncodeMetric for CheckDurations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let Self { allowed, denied, unavailable } = self;
        for (decision, histogram) in [("allowed", allowed), ("denied", denied), ("unavailable", unavailable)] {
            histogram.encode(encoder.encode_family(&[("decision", decision)])?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

#[cfg(test)]
mod tests;
