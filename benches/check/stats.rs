//! Percentiles of one round, and the spread over rounds.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The reported percentiles and the maximum, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

impl Percentiles {
    /// Computes the exact percentiles of all values.
    pub(crate) fn of(mut nanos: Vec<u64>) -> Self {
        nanos.sort_unstable();
        let Some(last) = nanos.len().checked_sub(1) else { return Self::default() };
        let at = |per_mille: usize| nanos[(nanos.len() * per_mille).div_ceil(1_000).saturating_sub(1).min(last)];
        Self { p50: at(500), p90: at(900), p99: at(990), p999: at(999), max: nanos[last] }
    }
}

/// One figure over several rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (values.first(), values.last()) else {
            return Self { min: f64::NAN, median: f64::NAN, max: f64::NAN };
        };
        let middle = values[(values.len() - 1) / 2].midpoint(values[values.len() / 2]);
        Self { min: *min, median: middle, max: *max }
    }
}

/// A confidence interval of a median: with 15 values, at least 99 % of such intervals contain the true one, for any
/// distribution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Interval {
    /// The share of intervals that may miss the true median, on each side: half a percent.
    const MISSED: f64 = 0.005;

    /// Returns the interval between two order statistics: the tightest pair whose binomial tails stay below
    /// [`Self::MISSED`]. With too few values it is the whole range.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let Spread { median, .. } = Spread::of(values.iter().copied());
        let count = values.len();
        let (mut tail, mut term, mut cut) = (0.0, 0.5_f64.powi(count as i32), 0);
        for below in 0..count / 2 {
            tail += term;
            if tail > Self::MISSED {
                break;
            }
            cut = below + 1;
            term *= (count - below) as f64 / (below + 1) as f64;
        }
        let at = cut.saturating_sub(1);
        let (low, high) = if count == 0 { (f64::NAN, f64::NAN) } else { (values[at], values[count - 1 - at]) };
        Self { low, median, high }
    }
}

/// Formats as `median (min–max)`, with the requested precision.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(1);
        write!(f, "{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.min, self.max)
    }
}

/// Formats a number with a comma between thousands.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}
