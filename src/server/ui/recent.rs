//! The recent decisions. A check first asks a gate, with one atomic read; only a few a second pass it and are kept. So a flood costs nearly
//! nothing, and one of allowed requests does not hide denials.

#[cfg(test)]
mod tests;

use super::explanation::Job;
use super::redaction::shown_error;
use crate::server::decision_log::RequestFields;
use bytes::Bytes;
use modgud_core::authz::RuleName;
use modgud_core::decide::{Decision, Snapshot, Verdict};
use modgud_core::reason::Reason;
use modgud_core::time::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// Maximum number of kept decisions. Beyond it the oldest is dropped.
const MAX_DECISIONS: usize = 1_000;
/// Maximum memory of the kept decisions and their explanations, in bytes. Beyond it the oldest are dropped.
const MAX_RECENT_BYTES: usize = 8 * 1024 * 1024;
/// Memory of a decision in addition to its texts.
const OVERHEAD: usize = 512;
/// Maximum number of decisions kept in a second, of those that allow, and as many of the others. Beyond it they are only counted.
const MAX_KEPT_PER_SECOND: u64 = 40;
/// Maximum number of explanations made in a second, of decisions that allow, and as many of the others: 20 in all. Beyond it the decision
/// is kept without one.
const MAX_EXPLAINED_PER_SECOND: u64 = 10;
/// Maximum number of checks that wait for their explanation. Beyond it the decision is kept without one.
const MAX_JOBS: usize = 20;
/// Maximum size of a check that is explained: a copy of it waits for the thread. A larger one is kept without an explanation.
pub(in crate::server) const MAX_EXPLAINED_BYTES: usize = 64 * 1024;

/// Admits so many events in each second, without a lock. Of two at the same moment, one may be turned away.
#[derive(Debug)]
pub(super) struct Gate {
    limit: u64,
    /// The second, and in the low 16 bits the number of events in it.
    state: AtomicU64,
}

impl Gate {
    pub(super) const fn new(limit: u64) -> Self {
        Self { limit, state: AtomicU64::new(0) }
    }

    /// Returns true if one more event is admitted at this time.
    pub(super) fn admits(&self, at: Timestamp) -> bool {
        const COUNT_BITS: u32 = 16;
        const COUNT: u64 = (1 << COUNT_BITS) - 1;
        let second = at.as_secs();
        let state = self.state.load(Ordering::Relaxed);
        let next = if state >> COUNT_BITS != second {
            (second << COUNT_BITS) | 1
        } else if state & COUNT < self.limit {
            state.saturating_add(1)
        } else {
            return false;
        };
        self.state.compare_exchange(state, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

/// Two gates, so that allowed requests take no place of others.
#[derive(Debug)]
struct Gates {
    allowed: Gate,
    others: Gate,
}

impl Gates {
    const fn new(limit: u64) -> Self {
        Self { allowed: Gate::new(limit), others: Gate::new(limit) }
    }

    fn admit(&self, decision: &Decision, at: Timestamp) -> bool {
        match decision.verdict {
            Verdict::Allow(_) => self.allowed.admits(at),
            Verdict::Deny(_) => self.others.admits(at),
        }
    }
}

/// The recent decisions.
#[derive(Debug)]
pub(super) struct Recent {
    kept: Gates,
    explained: Gates,
    ring: Mutex<Ring>,
    jobs: SyncSender<Job>,
    /// A number that differs from that of every other process.
    instance: u64,
}

#[derive(Debug, Default)]
struct Ring {
    /// The decisions, whose numbers are consecutive.
    entries: VecDeque<Kept>,
    bytes: usize,
    /// The number of the last decision; the first is 1.
    last: u64,
}

#[derive(Debug)]
struct Kept {
    entry: Arc<Entry>,
    /// The explanation as JSON; `None` before it is made, and if none is.
    explanation: Option<Arc<str>>,
}

/// A decision, as the page shows it.
#[derive(Debug, Serialize)]
struct Entry {
    id: u64,
    /// The time, in milliseconds since 1970.
    at: u64,
    /// The time until the decision, in microseconds.
    took: u64,
    decision: &'static str,
    reason: Option<&'static str>,
    /// The error, as in the log.
    detail: Option<String>,
    rule: Option<String>,
    authenticator: Option<String>,
    method: Option<String>,
    host: Option<String>,
    path: Option<String>,
    client: Option<String>,
    request_id: Option<String>,
    trace_id: Option<String>,
    shadow: Option<ShownShadow>,
}

/// The outcome of a shadow rule that differs.
#[derive(Debug, Serialize)]
struct ShownShadow {
    rule: String,
    decision: &'static str,
    reason: Option<&'static str>,
}

/// The decisions since one that the page has.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    /// The oldest first.
    #[serde(serialize_with = "entries")]
    decisions: Vec<Arc<Entry>>,
    /// The number of the last one.
    last: u64,
    /// The process: numbers of another one mean other decisions.
    instance: u64,
    /// The checks since the start of the process, of which as many were kept as the last number says.
    checks: u64,
}

/// Serializes what the entries share with the ring.
fn entries<S: Serializer>(entries: &[Arc<Entry>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(entries.iter().map(|entry| &**entry))
}

impl Recent {
    /// Creates a place without decisions, and the receiver of checks to explain.
    pub(super) fn new() -> (Self, Receiver<Job>) {
        let (jobs, receiver) = mpsc::sync_channel(MAX_JOBS);
        // Exact in JavaScript, too.
        let instance = RandomState::new().hash_one(()) >> 12;
        let (kept, explained) = (Gates::new(MAX_KEPT_PER_SECOND), Gates::new(MAX_EXPLAINED_PER_SECOND));
        (Self { kept, explained, ring: Mutex::default(), jobs, instance }, receiver)
    }

    /// Keeps a decision, if the gate admits it. Never waits: while the page reads, a decision is only counted. `message` is the check, empty
    /// if there is none.
    pub(super) fn offer<'f>(
        &self,
        decision: &Decision,
        snapshot: &Snapshot,
        (at, took): (Timestamp, Duration),
        fields: impl FnOnce() -> RequestFields<'f>,
        message: impl FnOnce() -> Bytes,
    ) {
        if self.kept.admit(decision, at) {
            self.keep(Entry::new(decision, snapshot, (at, took), &fields()), decision, snapshot, at, message);
        }
    }

    #[cold]
    fn keep(
        &self,
        entry: Entry,
        decision: &Decision,
        snapshot: &Snapshot,
        at: Timestamp,
        message: impl FnOnce() -> Bytes,
    ) {
        let id = match self.ring.try_lock() {
            Ok(mut ring) => ring.push(entry),
            Err(TryLockError::Poisoned(ring)) => ring.into_inner().push(entry),
            Err(TryLockError::WouldBlock) => return,
        };
        let message = message();
        // A check that is not explained takes no place of another one.
        if (1..=MAX_EXPLAINED_BYTES).contains(&message.len()) && self.explained.admit(decision, at) {
            // A copy, since these bytes may be a small part of a large buffer.
            let message = Bytes::copy_from_slice(&message);
            let snapshot = ptr::from_ref(snapshot).addr();
            let (rule, reason) = (decision.rule.clone(), decision.reason());
            // Without room the decision has no explanation.
            let _ = self.jobs.try_send(Job { id, message, at, rule, reason, snapshot });
        }
    }

    /// Adds an explanation to its decision, if that is still there.
    pub(super) fn explain(&self, id: u64, explanation: &str) {
        self.ring().explain(id, explanation);
    }

    /// Returns the decisions after the one of this number.
    pub(super) fn since(&self, id: u64, checks: u64) -> Shown {
        let ring = self.ring();
        // A number that is not known is of another process.
        let id = if id > ring.last { 0 } else { id };
        let decisions = ring.entries.iter().filter(|kept| kept.entry.id > id).map(|kept| Arc::clone(&kept.entry));
        Shown { decisions: decisions.collect(), last: ring.last, instance: self.instance, checks }
    }

    /// Returns a decision with its explanation as JSON; `None` if it is not there any more.
    pub(super) fn explained(&self, id: u64) -> Option<String> {
        let (entry, explanation) = {
            let mut ring = self.ring();
            let kept = ring.kept(id)?;
            (Arc::clone(&kept.entry), kept.explanation.clone())
        };
        let entry = serde_json::to_string(&*entry).ok()?;
        Some(format!(r#"{{"decision":{entry},"explanation":{}}}"#, explanation.as_deref().unwrap_or("null")))
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    /// Adds a decision and returns its number.
    fn push(&mut self, mut entry: Entry) -> u64 {
        self.last = self.last.saturating_add(1);
        entry.id = self.last;
        self.bytes = self.bytes.saturating_add(entry.bytes());
        self.entries.push_back(Kept { entry: Arc::new(entry), explanation: None });
        self.make_room();
        self.last
    }

    fn explain(&mut self, id: u64, explanation: &str) {
        let Some(kept) = self.kept(id) else { return };
        kept.explanation = Some(explanation.into());
        self.bytes = self.bytes.saturating_add(explanation.len());
        self.make_room();
    }

    fn kept(&mut self, id: u64) -> Option<&mut Kept> {
        let first = self.entries.front()?.entry.id;
        self.entries.get_mut(usize::try_from(id.checked_sub(first)?).ok()?)
    }

    fn make_room(&mut self) {
        while self.entries.len() > MAX_DECISIONS || self.bytes > MAX_RECENT_BYTES {
            let Some(Kept { entry, explanation }) = self.entries.pop_front() else { return };
            let bytes = entry.bytes().saturating_add(explanation.map_or(0, |text| text.len()));
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

impl Entry {
    fn new(
        decision: &Decision,
        snapshot: &Snapshot,
        (at, took): (Timestamp, Duration),
        fields: &RequestFields<'_>,
    ) -> Self {
        let reason = decision.reason();
        let detail = match &decision.verdict {
            Verdict::Allow(_) => None,
            Verdict::Deny(error) => Some(shown_error(error)),
        };
        let text = |text: Option<&str>| text.map(str::to_owned);
        let found = decision.credential_for.and_then(|by| snapshot.authenticators.list().get(by.0));
        let authenticator = decision.authenticator.as_ref().or_else(|| Some(found?.name()));
        let [request_id, trace_id, method, host, path, client] = fields.texts();
        Self {
            id: 0,
            at: at.as_millis(),
            took: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            decision: word(reason),
            reason: reason.map(Reason::code),
            detail,
            rule: decision.rule.as_ref().map(|rule| rule.as_str().to_owned()),
            authenticator: authenticator.map(|name| name.as_str().to_owned()),
            method: text(method),
            host: text(host),
            path: text(path),
            client: text(client),
            request_id: text(request_id),
            trace_id: text(trace_id),
            shadow: decision.shadow.as_ref().filter(|shadow| shadow.reason() != reason).map(|shadow| ShownShadow {
                rule: RuleName::as_str(&shadow.rule).to_owned(),
                decision: word(shadow.reason()),
                reason: shadow.reason().map(Reason::code),
            }),
        }
    }

    /// Returns the memory that the entry counts for.
    fn bytes(&self) -> usize {
        let shadow = self.shadow.as_ref().map(|shadow| &shadow.rule);
        let texts = [
            &self.detail,
            &self.rule,
            &self.authenticator,
            &self.method,
            &self.host,
            &self.path,
            &self.client,
            &self.request_id,
            &self.trace_id,
        ];
        let texts = texts.into_iter().flatten().chain(shadow).map(String::len).fold(0, usize::saturating_add);
        texts.saturating_add(OVERHEAD)
    }
}

/// Returns the word for an outcome.
pub(super) fn word(reason: Option<Reason>) -> &'static str {
    reason.map_or("allowed", |reason| reason.class().decision())
}

/// Maximum length of an error, in bytes: it can name what a client chose. Beyond it the rest is left out.
const MAX_DETAIL_BYTES: usize = 512;

/// Returns a text of bounded length.
pub(super) fn shortened(mut text: String) -> String {
    if text.len() > MAX_DETAIL_BYTES {
        let end = (0..=MAX_DETAIL_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}
