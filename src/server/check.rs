//! The `Check` RPC: reads, decides, records and responds.

use super::comparison::{EnforcedOutcome, Queue};
use super::decision_log::{Decided, DecisionLog, RequestFields};
use super::traces::{CallTrace, Traces};
use super::ui::{LiveView, MAX_EXPLAINED_BYTES};
use crate::envoy::proto::CheckResponse;
use crate::envoy::{Check, response, unread_headers};
use crate::server::authorizer::Authorizer;
use crate::telemetry::metrics::Metrics;
use bytes::Bytes;
use modgud_core::decide::{Decision, DecisionError, Snapshot, Verdict};
use modgud_core::denial::ParsedRequest;
use modgud_core::http::request::RequestError;
use modgud_core::time::Timestamp;
use modgud_core::upstream::Mutations;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// The state that all checks share.
#[derive(Debug)]
pub struct CheckHandler {
    /// The authorizer that decides.
    pub authorizer: Authorizer,
    /// The metrics.
    pub metrics: Metrics,
    /// The log of decisions.
    pub(super) decisions: DecisionLog,
    /// The export of spans.
    pub(super) traces: Traces,
    /// Queue of answered checks, if a shadow configuration is compared with the active one.
    shadow: OnceLock<Queue>,
    /// The recent decisions, if the configuration has a page that shows them.
    live: OnceLock<Arc<LiveView>>,
}

impl CheckHandler {
    /// Creates a handler with this authorizer. The metrics have assigned the counters of its snapshot.
    #[must_use]
    pub fn new(authorizer: Authorizer, metrics: Metrics) -> Self {
        let decisions = DecisionLog::new(Arc::clone(&metrics.left_out));
        let (traces, shadow, live) = (Traces::default(), OnceLock::new(), OnceLock::new());
        Self { authorizer, metrics, decisions, traces, shadow, live }
    }

    /// Sends each check that is answered from now on to `queue`, for comparison. Only the first queue is used.
    pub fn set_shadow(&self, queue: Queue) {
        let _ = self.shadow.set(queue);
    }

    /// Returns true if a shadow configuration is compared with the active one.
    pub(super) fn has_shadow(&self) -> bool {
        self.shadow.get().is_some()
    }

    /// Shows each check that is answered from now on. Only the first view is used.
    pub(super) fn set_live(&self, live: Arc<LiveView>) {
        let _ = self.live.set(live);
    }

    /// Returns the view of recent decisions; `None` without a page.
    pub(super) fn live(&self) -> Option<&Arc<LiveView>> {
        self.live.get()
    }

    /// Decides a check that was decoded from this message. One that waits for the network counts as under way meanwhile, and needs a slot from
    /// `try_acquire` for its bytes.
    pub(super) async fn check<S>(
        &self,
        check: Check<'_>,
        message: &Bytes,
        began: (Instant, CallTrace),
        try_acquire: impl FnOnce(usize) -> Option<S>,
    ) -> CheckResponse {
        let snapshot = self.authorizer.snapshot();
        self.check_by(&snapshot, check, || message.clone(), began, try_acquire, |_| None).await
    }

    /// Decides a check like [`check`](Self::check), by this snapshot. An allowed request is denied if `objection` finds that its mutations
    /// can't be carried out. `message` is called only for a shadow configuration and for the page.
    pub(super) async fn check_by<S>(
        &self,
        snapshot: &Snapshot,
        mut check: Check<'_>,
        message: impl Fn() -> Bytes,
        (started, trace): (Instant, CallTrace),
        try_acquire: impl FnOnce(usize) -> Option<S>,
        objection: impl FnOnce(&Mutations) -> Option<RequestError>,
    ) -> CheckResponse {
        // Recorded for the shadow configuration, which decides as of the same time.
        let at = AtomicU64::new(0);
        let now = || {
            let now = self.authorizer.now();
            at.store(now.as_millis(), Ordering::Relaxed);
            now
        };
        let memory = check.memory();
        let mut span = self.traces.begin(trace, &check, (started, snapshot.deadline), &self.authorizer);
        let (mut decision, request, lookup) =
            self.authorizer.decide(&mut check, snapshot, started, now, || try_acquire(memory)).await;
        let objection = match &decision.verdict {
            Verdict::Allow(mutations) => objection(mutations),
            Verdict::Deny(_) => None,
        };
        // A shadow configuration is compared by what it decides, not by what a proxy can carry out.
        let shadow = self.shadow.get().filter(|_| objection.is_none());
        if let Some(error) = objection {
            decision.verdict = Verdict::Deny(DecisionError::Request(error));
        }
        let took = started.elapsed();
        self.metrics.record(&decision, &snapshot.slots, took);
        if let Verdict::Allow(mutations) = &decision.verdict {
            self.metrics.headers_dropped(&mutations.dropped);
        }
        let unread = if request.is_none() { unread_headers(&check) } else { None };
        if let Some(shadow) = &decision.shadow {
            self.metrics.shadow_rules.record(&shadow.rule, shadow.reason());
        }
        let request = request.as_ref();
        self.decisions.record(Decided { check: &check, decision: &decision, request, unread, snapshot });
        if let Some(span) = &mut span {
            span.decided(&decision, request, snapshot, lookup);
        }
        if let Some(live) = self.live.get() {
            let fields = || RequestFields::of(&check, request, unread, snapshot.fields);
            // Not set if the request could not be read.
            let at = Some(Timestamp::from_millis(at.load(Ordering::Relaxed))).filter(|at| *at > Timestamp::EPOCH);
            let at = at.unwrap_or_else(|| self.authorizer.now());
            // Over HTTP the message is made here: none is that would be too large to explain.
            let message = || if memory > MAX_EXPLAINED_BYTES { Bytes::new() } else { message() };
            live.offer(&decision, snapshot, (at, took), fields, message);
        }
        let done = shadow.map(|queue| (queue, EnforcedOutcome::of(&decision)));
        let seen = ParsedRequest::of(request, unread);
        let response = response(decision, seen, snapshot);
        if let Some(span) = span {
            span.answered(&response);
        }
        if let Some((queue, done)) = done {
            queue.offer(message(), memory, done, Timestamp::from_millis(at.into_inner()));
        }
        response
    }

    /// Denies a check that could not be decided, and records it.
    pub(super) fn deny_with(&self, error: DecisionError, started: Instant) -> CheckResponse {
        let decision = Decision::denied(error);
        let snapshot = self.authorizer.snapshot();
        let took = started.elapsed();
        self.metrics.record(&decision, &snapshot.slots, took);
        if let Some(live) = self.live.get() {
            live.offer(&decision, &snapshot, (self.authorizer.now(), took), RequestFields::default, Bytes::new);
        }
        self.decisions.record_undecoded(&decision, &snapshot);
        response(decision, ParsedRequest::None, &snapshot)
    }
}
