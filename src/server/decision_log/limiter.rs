//! The share of lines that are written, of all that the configuration asks for. A flood of one kind of lines leaves room for every other
//! kind, and lines that are left out are counted: so it can't hide anything, and it can't fill a disk.

#[cfg(test)]
mod tests;

use crate::telemetry::metrics::{LeftOutLines, OTHER};
use modgud_core::decide::LogLimits;
use modgud_core::reason::Reason;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Maximum number of kinds with a row of their own. Lines of further kinds are counted with the rule and the authenticator `other`, which
/// takes at most a row for each reason.
const MAX_KINDS: usize = 1_000;
/// A kind may have so many times as many lines in a second as are left of the budget. So one kind that floods gets four fifths of it, and
/// ten of them get four 41ths each, and leave one.
const SHARE: u64 = 4;

/// The kind of a line.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Kind<'a> {
    /// The message of the line.
    pub(super) message: &'static str,
    pub(super) decision: &'static str,
    /// The reason; `None` if the request was allowed.
    pub(super) reason: Option<Reason>,
    pub(super) rule: Option<&'a str>,
    pub(super) authenticator: Option<&'a str>,
    /// True if the line is about an allowed request, and so one of the sampled ones.
    pub(super) is_allowed: bool,
}

/// Lines of one kind that were left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) message: &'static str,
    pub(super) decision: &'static str,
    pub(super) reason: Option<Reason>,
    pub(super) rule: Option<Box<str>>,
    pub(super) authenticator: Option<Box<str>>,
    pub(super) sampled: u64,
    pub(super) rate_limited: u64,
}

/// The limiter of the lines of one process.
#[derive(Debug)]
pub(super) struct Limiter {
    /// The hashes are random, so that clients can't choose kinds that collide.
    hasher: RandomState,
    started: Instant,
    /// The number of draws, which the keyed hash makes unpredictable.
    draws: AtomicU64,
    counts: Arc<LeftOutLines>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The second that the budgets are for.
    second: u64,
    /// Used parts of the budgets: of allowed requests, and of all others. So neither takes the room of the other.
    used: [u64; 2],
    rows: HashMap<u64, Row>,
}

/// The counts of a kind.
#[derive(Debug)]
struct Row {
    left_out: LeftOut,
    /// The second of the last line.
    second: u64,
    /// The lines that were written in that second.
    written: u64,
    /// True if there was a line since the last summary.
    is_used: bool,
}

impl Limiter {
    pub(super) fn new(counts: Arc<LeftOutLines>) -> Self {
        Self {
            hasher: RandomState::new(),
            started: Instant::now(),
            draws: AtomicU64::new(0),
            counts,
            state: Mutex::default(),
        }
    }

    /// Returns true if a line of this kind is written now. Otherwise it is counted.
    pub(super) fn admits(&self, kind: Kind<'_>, limits: LogLimits) -> bool {
        self.admits_at(kind, limits, self.started.elapsed().as_secs())
    }

    fn admits_at(&self, kind: Kind<'_>, limits: LogLimits, second: u64) -> bool {
        let is_drawn = !kind.is_allowed || self.draw(limits.sample);
        let hash = self.hasher.hash_one(kind);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_admitted = if state.rows.len() < MAX_KINDS || state.rows.contains_key(&hash) {
            state.admits(hash, kind, is_drawn, limits.max_per_second, second)
        } else {
            let kind = Kind { rule: Some(OTHER), authenticator: Some(OTHER), ..kind };
            state.admits(self.hasher.hash_one(kind), kind, is_drawn, limits.max_per_second, second)
        };
        drop(state);
        match (is_drawn, is_admitted) {
            (_, true) => {}
            (false, false) => self.counts.count_sampled(),
            (true, false) => self.counts.count_limited(),
        }
        is_admitted
    }

    /// Draws a line with this probability. Neither a request nor the time decides it, so no client can foresee it.
    fn draw(&self, sample: f64) -> bool {
        if sample >= 1.0 {
            return true;
        }
        let hash = self.hasher.hash_one(self.draws.fetch_add(1, Ordering::Relaxed));
        f64::from(u32::try_from(hash >> u32::BITS).unwrap_or(u32::MAX)) < sample * 4_294_967_296.0
    }

    /// Takes the counts of the lines that were left out since the last call, and forgets kinds without a line since then.
    pub(super) fn take_left_out(&self) -> Vec<LeftOut> {
        let mut left_out = Vec::new();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.rows.retain(|_, row| {
            left_out.extend(row.left_out.take());
            std::mem::take(&mut row.is_used)
        });
        left_out
    }
}

impl State {
    fn admits(&mut self, hash: u64, kind: Kind<'_>, is_drawn: bool, most: u32, second: u64) -> bool {
        // Another thread may be a second ahead.
        if second > self.second {
            *self = Self { second, used: [0; 2], rows: std::mem::take(&mut self.rows) };
        }
        let row = self.rows.entry(hash).or_insert_with(|| Row::new(kind));
        row.is_used = true;
        if !is_drawn {
            row.left_out.sampled = row.left_out.sampled.saturating_add(1);
            return false;
        }
        if row.second != self.second {
            (row.second, row.written) = (self.second, 0);
        }
        let [allowed, other] = &mut self.used;
        let used = if kind.is_allowed { allowed } else { other };
        let left = u64::from(most).saturating_sub(*used);
        if row.written > 0 && row.written >= left.saturating_mul(SHARE) {
            row.left_out.rate_limited = row.left_out.rate_limited.saturating_add(1);
            return false;
        }
        row.written = row.written.saturating_add(1);
        *used = used.saturating_add(1);
        true
    }
}

impl Row {
    fn new(kind: Kind<'_>) -> Self {
        let Kind { message, decision, reason, rule, authenticator, is_allowed: _ } = kind;
        let (rule, authenticator) = (rule.map(Box::from), authenticator.map(Box::from));
        let left_out = LeftOut { message, decision, reason, rule, authenticator, sampled: 0, rate_limited: 0 };
        Self { left_out, second: 0, written: 0, is_used: true }
    }
}

impl LeftOut {
    /// Returns the counts, and begins anew; `None` if there are none.
    fn take(&mut self) -> Option<Self> {
        let Self { message, decision, reason, rule, authenticator, sampled, rate_limited } = self;
        if (*sampled, *rate_limited) == (0, 0) {
            return None;
        }
        let (sampled, rate_limited) = (std::mem::take(sampled), std::mem::take(rate_limited));
        let (rule, authenticator) = (rule.clone(), authenticator.clone());
        Some(Self {
            message: *message,
            decision: *decision,
            reason: *reason,
            rule,
            authenticator,
            sampled,
            rate_limited,
        })
    }
}
