//! The last hour as numbers for plots: a sampler takes the difference of the counters every ten seconds.

use crate::server::CheckHandler;
use crate::telemetry::metrics::{Metrics, Totals};
use modgud_core::reason::{Class, Reason};
use modgud_core::time::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// The length of an interval.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);
/// The time that is shown.
const HOUR: Duration = Duration::from_secs(3_600);
/// Maximum number of intervals: an hour. Beyond it the oldest is dropped.
const MAX_SAMPLES: usize = 360;

/// The last intervals.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    samples: VecDeque<Sample>,
    /// The counters at the end of the last interval, and its time.
    last: Option<(Timestamp, Totals)>,
}

/// One interval.
#[derive(Debug, Clone, Serialize)]
struct Sample {
    /// The end, in milliseconds since 1970.
    at: u64,
    /// The length, in milliseconds.
    span: u64,
    allowed: u64,
    denied: u64,
    unavailable: u64,
    /// The median and the 99th percentile of durations, in nanoseconds.
    p50: Option<u64>,
    p99: Option<u64>,
    /// The denials by reason.
    reasons: BTreeMap<&'static str, u64>,
}

/// The plots.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    now: u64,
    /// The length of a whole interval, in milliseconds.
    interval: u64,
    /// The oldest first; the last one is not over.
    samples: Vec<Sample>,
}

impl History {
    /// Returns the intervals, and the one that has begun.
    pub(super) fn shown(&self, metrics: &Metrics, now: Timestamp) -> Shown {
        let state = self.state();
        let current =
            state.last.as_ref().map(|(since, before)| Sample::new(*since, now, &metrics.totals().since(before)));
        // A clock that was set, and a suspended machine, leave samples of other times.
        let range = now.as_millis().saturating_sub(millis(HOUR))..=now.as_millis();
        let samples =
            state.samples.iter().cloned().chain(current).filter(|sample| range.contains(&sample.at)).collect();
        Shown { now: now.as_millis(), interval: millis(SAMPLE_INTERVAL), samples }
    }

    fn take(&self, metrics: &Metrics, now: Timestamp) {
        let totals = metrics.totals();
        let mut state = self.state();
        if let Some((since, before)) = &state.last {
            let sample = Sample::new(*since, now, &totals.since(before));
            state.samples.push_back(sample);
            if state.samples.len() > MAX_SAMPLES {
                state.samples.pop_front();
            }
        }
        state.last = Some((now, totals));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a sample at each interval, for ever.
pub(super) async fn sample(history: &History, checks: &CheckHandler) {
    let mut ticks = interval(SAMPLE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        history.take(&checks.metrics, checks.authorizer.now());
    }
}

impl Sample {
    fn new(since: Timestamp, at: Timestamp, totals: &Totals) -> Self {
        let of = |wanted: &dyn Fn(Option<Class>) -> bool| {
            let counts = totals.outcomes.iter().filter(|(reason, _)| wanted(reason.map(Reason::class)));
            counts.map(|(_, count)| *count).fold(0, u64::saturating_add)
        };
        let nanos = |per_mille| {
            totals.quantile(per_mille).map(|duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
        };
        Self {
            at: at.as_millis(),
            span: at.as_millis().saturating_sub(since.as_millis()),
            allowed: of(&|class| class.is_none()),
            denied: of(&|class| class.is_some_and(|class| class != Class::Unavailable)),
            unavailable: of(&|class| class == Some(Class::Unavailable)),
            p50: nanos(500),
            p99: nanos(990),
            reasons: totals.outcomes.iter().filter_map(|(reason, count)| Some(((*reason)?.code(), *count))).collect(),
        }
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{History, MAX_SAMPLES};
    use crate::telemetry::metrics::Metrics;
    use modgud_core::decide::{CounterSlots, Decision, DecisionError};
    use modgud_core::time::Timestamp;
    use std::time::Duration;

    #[test]
    fn an_hour_is_kept_and_the_current_interval_is_shown() {
        let (history, metrics) = (History::default(), Metrics::default());
        let at = |second: usize| Timestamp::from_secs(second as u64);
        for number in 0..=MAX_SAMPLES + 5 {
            history.take(&metrics, at(10 * number));
            let denied = Decision::denied(DecisionError::Internal);
            metrics.record(&denied, &CounterSlots::default(), Duration::from_micros(30));
        }
        let shown = history.shown(&metrics, at(10 * (MAX_SAMPLES + 5) + 4));
        assert_eq!(shown.samples.len(), MAX_SAMPLES + 1);
        let (last, whole) = (&shown.samples[MAX_SAMPLES], &shown.samples[MAX_SAMPLES - 1]);
        assert_eq!((last.span, last.unavailable, whole.span, whole.unavailable), (4_000, 1, 10_000, 1));
        assert_eq!(whole.reasons.values().sum::<u64>(), 1);
        // The clock was set back, and forward: only the current interval is left.
        assert_eq!(history.shown(&metrics, at(35)).samples.len(), 1);
        assert_eq!(history.shown(&metrics, at(100_000)).samples.len(), 1);
        assert!(whole.p99.is_some_and(|p99| (25_000..=50_000).contains(&p99)), "{whole:?}");
    }
}
