//! The spans of checks: one for each check that is part of a sampled trace, and one for a lookup that it waited for. A check without
//! `telemetry.otlp` pays one branch; one that is not sampled allocates nothing.

mod attributes;

use crate::envoy::Check;
use crate::envoy::proto::{CheckResponse, HttpResponse};
use crate::otlp::{
    AttributeValue, Collector, Exporter, ParentOrigin, SpanCounts, SpanRecord, TraceContext, trace_state,
};
use crate::server::authorizer::{Authorizer, LookupRecord};
use arc_swap::ArcSwapOption;
use aws_lc_rs::rand;
use http::HeaderMap;
use modgud_core::decide::{Decision, Snapshot};
use modgud_core::http::request::{HeaderLookup, Headers, Request};
use modgud_core::principal::ClaimPath;
use modgud_core::reason::Reason;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The header of the context, and the gRPC metadata.
const TRACEPARENT: &str = "traceparent";
/// The header of the vendors' part of the context, and the gRPC metadata.
const TRACESTATE: &str = "tracestate";

/// The export of checks' spans, which a reload replaces.
#[derive(Debug, Default)]
pub(super) struct Traces {
    /// True while there is a recorder: read by every check.
    is_active: AtomicBool,
    recorder: ArcSwapOption<Recorder>,
    counts: Arc<SpanCounts>,
}

#[derive(Debug)]
struct Recorder {
    exporter: Exporter,
    /// The claims whose values are in spans, each with the name of its attribute.
    claims: Box<[(ClaimPath, Box<str>)]>,
}

/// The trace that a check's call belongs to, according to its gRPC metadata, which are headers of HTTP.
pub(super) enum CallTrace {
    /// No span is exported.
    Off,
    /// The call names no trace. The checked request may.
    None,
    /// The trace is not recorded.
    Unsampled,
    /// The trace is recorded, and the check's span has this parent.
    Sampled(Box<Parent>),
}

/// The parent of a check's span.
pub(super) struct Parent {
    context: TraceContext,
    trace_state: Option<Box<str>>,
}

impl Traces {
    /// Exports spans to this collector from now on; `None`: to none. An exporter of another collector sends what it has, and ends.
    pub(super) fn replace(&self, collector: Option<Collector>) {
        let active = self.recorder.load();
        if active.as_ref().map(|recorder| recorder.exporter.collector()) == collector.as_ref() {
            return;
        }
        drop(active);
        self.is_active.store(collector.is_some(), Ordering::Relaxed);
        self.recorder.store(collector.map(|collector| {
            let named = |path: &ClaimPath| (path.clone(), format!("modgud.claim.{path}").into());
            let claims = collector.claims.iter().map(named).collect();
            Arc::new(Recorder { exporter: Exporter::start(collector, Arc::clone(&self.counts)), claims })
        }));
    }

    /// Ends the export: sends what is queued, in bounded time.
    pub(super) async fn close(&self) {
        self.is_active.store(false, Ordering::Relaxed);
        if let Some(recorder) = self.recorder.swap(None) {
            recorder.exporter.close().await;
        }
    }

    /// Returns the numbers of spans.
    pub(super) const fn counts(&self) -> &Arc<SpanCounts> {
        &self.counts
    }

    /// Returns the trace of a call over HTTP, which has no metadata.
    pub(super) fn of_request(&self) -> CallTrace {
        if self.is_active.load(Ordering::Relaxed) { CallTrace::None } else { CallTrace::Off }
    }

    /// Returns the trace of a gRPC call. Envoy's filter makes a span for its call, which is the parent of modgud's.
    pub(super) fn of_call(&self, metadata: &HeaderMap) -> CallTrace {
        if !self.is_active.load(Ordering::Relaxed) {
            return CallTrace::Off;
        }
        let sole = |name: &str| {
            let mut values = metadata.get_all(name).iter();
            values.next().filter(|_| values.next().is_none())
        };
        match sole(TRACEPARENT).and_then(|value| TraceContext::parse(value.as_bytes())) {
            None if !metadata.contains_key(TRACEPARENT) => CallTrace::None,
            // Envoy's own word about the trace can't be read: that of a client does not replace it.
            None => CallTrace::Unsampled,
            Some(context) if !context.is_sampled() => CallTrace::Unsampled,
            Some(context) => {
                let trace_state = sole(TRACESTATE).and_then(|value| trace_state(value.as_bytes()));
                CallTrace::Sampled(Box::new(Parent { context, trace_state: trace_state.map(Box::from) }))
            }
        }
    }

    /// Begins the span of a check. `None` unless its trace is recorded.
    pub(super) fn begin(
        &self,
        trace: CallTrace,
        check: &Check<'_>,
        (started, deadline): (Instant, Duration),
        authorizer: &Authorizer,
    ) -> Option<CheckSpan> {
        let parent = match trace {
            CallTrace::Off | CallTrace::Unsampled => return None,
            CallTrace::None => Parent::of_headers(check.headers()?)?,
            CallTrace::Sampled(parent) => *parent,
        };
        let recorder = self.recorder.load_full()?;
        let start = authorizer.now_nanos().saturating_sub(nanos(started.elapsed()));
        let mut span = span(parent, ParentOrigin::Caller, "check", start);
        let method = check.line().map(|(method, _, _)| attributes::method(method));
        span.attributes.extend(method.map(|method| (Cow::Borrowed("http.request.method"), method.into())));
        Some(CheckSpan(Box::new(State {
            recorder,
            span: Some(span),
            lookup: None,
            started,
            deadline,
            is_decided: false,
        })))
    }
}

impl Parent {
    /// Returns the parent that the checked request names. `None` if it names none, or if its trace is not recorded.
    fn of_headers(headers: &Headers<'_>) -> Option<Self> {
        let HeaderLookup::One(value) = headers.get(TRACEPARENT) else { return None };
        let context = TraceContext::parse(value).filter(|context| context.is_sampled())?;
        let trace_state = match headers.get(TRACESTATE) {
            HeaderLookup::One(value) => trace_state(value),
            _ => None,
        };
        Some(Self { context, trace_state: trace_state.map(Box::from) })
    }
}

/// The span of a check under way. Its drop ends it.
pub(super) struct CheckSpan(Box<State>);

struct State {
    recorder: Arc<Recorder>,
    span: Option<SpanRecord>,
    lookup: Option<SpanRecord>,
    started: Instant,
    deadline: Duration,
    is_decided: bool,
}

impl CheckSpan {
    /// Records the decision, and the lookup that it waited for.
    pub(super) fn decided(
        &mut self,
        decision: &Decision,
        request: Option<&Request<'_>>,
        snapshot: &Snapshot,
        lookup: Option<LookupRecord>,
    ) {
        let State { recorder, span: Some(span), lookup: child, started, is_decided, .. } = &mut *self.0 else { return };
        *is_decided = true;
        attributes::add(span, decision, request, snapshot, &recorder.claims);
        *child = lookup.map(|lookup| lookup_span(span, &lookup, *started, snapshot));
    }

    /// Ends the span of an answered check. The status is the one of a denial: modgud does not see the module's.
    pub(super) fn answered(mut self, response: &CheckResponse) {
        let denied = match &response.http_response {
            Some(HttpResponse::DeniedResponse(denied) | HttpResponse::ErrorResponse(denied)) => denied.status.as_ref(),
            Some(HttpResponse::OkResponse(_)) | None => None,
        };
        if let (Some(status), Some(span)) = (denied, &mut self.0.span) {
            let code = AttributeValue::Integer(status.code.into());
            span.attributes.push(("http.response.status_code".into(), code));
        }
    }
}

impl Drop for CheckSpan {
    fn drop(&mut self) {
        let State { recorder, span, lookup, started, deadline, is_decided } = &mut *self.0;
        let Some(mut span) = span.take() else { return };
        let elapsed = started.elapsed();
        span.end = span.start.saturating_add(nanos(elapsed));
        if !*is_decided {
            undecided(&mut span, elapsed, *deadline);
        }
        // The parent first: if only one has room, it is the one that says more.
        recorder.exporter.offer(span);
        if let Some(lookup) = lookup.take() {
            recorder.exporter.offer(lookup);
        }
    }
}

/// Records why a check ended without a decision: after a panic, at the deadline, or because Envoy cancelled its call.
fn undecided(span: &mut SpanRecord, elapsed: Duration, deadline: Duration) {
    // The timer of the deadline can have started a little earlier than the span.
    let nearly = deadline.saturating_sub(deadline.checked_div(10).unwrap_or_default());
    if thread::panicking() {
        attributes::failed(span, Reason::Internal);
    } else if elapsed >= nearly {
        attributes::failed(span, Reason::DeadlineExceeded);
    } else {
        span.attributes.push(("modgud.decision".into(), "cancelled".into()));
    }
}

/// Returns the span of a lookup, below that of its check.
fn lookup_span(check: &SpanRecord, lookup: &LookupRecord, started: Instant, snapshot: &Snapshot) -> SpanRecord {
    let LookupRecord { pending, began, ended, outcome, has_failed } = lookup;
    let context = TraceContext { span_id: check.id, ..check.parent };
    let parent = Parent { context, trace_state: check.trace_state.clone() };
    let (name, by) = attributes::of_lookup(*pending);
    let at = |instant: &Instant| check.start.saturating_add(nanos(instant.saturating_duration_since(started)));
    let mut span = span(parent, ParentOrigin::Here, name, at(began));
    span.end = at(ended);
    span.failure = has_failed.then_some(*outcome);
    span.attributes.push(("modgud.lookup.outcome".into(), (*outcome).into()));
    span.attributes.extend(attributes::authenticator(snapshot, by));
    span
}

/// Creates a span without attributes, which has not ended yet.
fn span(parent: Parent, origin: ParentOrigin, name: &'static str, start: u64) -> SpanRecord {
    let Parent { context, trace_state } = parent;
    let mut id = [0; 8];
    // On failure, and once in 2^64 times, it would be zero, which is no id.
    if rand::fill(&mut id).is_err() || id == [0; 8] {
        id = start.max(1).to_be_bytes();
    }
    let attributes = Vec::with_capacity(attributes::USUAL);
    SpanRecord { parent: context, trace_state, origin, id, name, start, end: start, attributes, failure: None }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
