//! The `Check` RPC: reads, decides, records and responds.

use super::comparison::{EnforcedOutcome, Queue};
use super::limits::ConnectionState;
use crate::envoy::proto::{CheckRequest, CheckResponse};
use crate::envoy::{memory, read_headers, response};
use crate::log_throttle::LogThrottle;
use crate::server::authorizer::Authorizer;
use crate::telemetry::metrics::Metrics;
use modgud_core::authz::RuleName;
use modgud_core::decide::{Decision, DecisionError, LoggedDecisions, ShadowOutcome, Verdict};
use modgud_core::denial::ParsedRequest;
use modgud_core::http::request::{HeaderLookup, Request};
use modgud_core::principal::AuthenticatorName;
use modgud_core::reason::{Class, Reason};
use modgud_core::time::Timestamp;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;
use tonic::codegen::BoxFuture;
use tonic::server::UnaryService;

/// Maximum bytes of a path in the log; longer ones are cut. Lines wait in memory for a slow reader, and clients choose the length of paths.
const MAX_LOGGED_PATH_BYTES: usize = 256;

/// The state that all checks share.
#[derive(Debug)]
pub struct CheckHandler {
    /// The authorizer that decides.
    pub authorizer: Authorizer,
    /// The metrics.
    pub metrics: Metrics,
    /// Throttle of the message about overload.
    overload: Mutex<LogThrottle>,
    /// Queue of answered checks, if a shadow configuration is compared with the active one.
    shadow: OnceLock<Queue>,
}

/// The service that Envoy calls on one connection.
#[derive(Debug, Clone)]
pub(super) struct CheckService(pub(super) Arc<ConnectionState>);

impl UnaryService<CheckRequest> for CheckService {
    type Response = CheckResponse;
    type Future = BoxFuture<tonic::Response<CheckResponse>, tonic::Status>;

    /// Answers a check whose message was decoded. Only such a call counts as a check that the connection has carried.
    fn call(&mut self, request: tonic::Request<CheckRequest>) -> Self::Future {
        let started = Instant::now();
        let check = request.into_inner();
        let state = Arc::clone(&self.0);
        state.activity.record_check();
        Box::pin(async move {
            let try_acquire = |bytes| state.try_acquire(bytes);
            Ok(tonic::Response::new(state.checks.check(check, started, try_acquire).await))
        })
    }
}

impl CheckHandler {
    /// Creates a handler with this authorizer and empty metrics.
    #[must_use]
    pub fn new(authorizer: Authorizer) -> Self {
        Self { authorizer, metrics: Metrics::default(), overload: Mutex::default(), shadow: OnceLock::new() }
    }

    /// Sends each check that is answered from now on to `queue`, for comparison. Only the first queue is used.
    pub fn set_shadow(&self, queue: Queue) {
        let _ = self.shadow.set(queue);
    }

    /// Decides a check whose message has arrived. One that waits for the network counts as under way meanwhile, and needs a slot from
    /// `try_acquire` for its bytes.
    async fn check<S>(
        &self,
        check: CheckRequest,
        started: Instant,
        try_acquire: impl FnOnce(usize) -> Option<S>,
    ) -> CheckResponse {
        let snapshot = self.authorizer.snapshot();
        // Recorded for the shadow configuration, which decides as of the same time.
        let at = AtomicU64::new(0);
        let now = || {
            let now = self.authorizer.now();
            at.store(now.as_millis(), Ordering::Relaxed);
            now
        };
        let (decision, request) =
            self.authorizer.decide(&check, &snapshot, started, now, || try_acquire(memory(&check))).await;
        let reason = decision.reason();
        self.metrics.record(reason, started.elapsed());
        if let (Some(Reason::ConditionError), Some(rule)) = (reason, &decision.rule) {
            self.metrics.condition_error(rule.as_str());
        }
        if let Verdict::Allow(mutations) = &decision.verdict {
            self.metrics.headers_dropped(&mutations.dropped);
        }
        match (snapshot.logged, &decision.verdict) {
            (LoggedDecisions::All | LoggedDecisions::Denied, Verdict::Deny(DecisionError::Overload)) => {
                self.log_overload();
            }
            (LoggedDecisions::All, _) | (LoggedDecisions::Denied, Verdict::Deny(_)) => log(&decision, request.as_ref()),
            (LoggedDecisions::Denied, Verdict::Allow(_)) | (LoggedDecisions::None, _) => {}
        }
        if let Some(shadow) = &decision.shadow {
            self.metrics.shadow_rules.record(&shadow.rule, shadow.reason());
            match snapshot.logged {
                LoggedDecisions::All | LoggedDecisions::Denied if shadow.reason() != decision.reason() => {
                    log_shadow(shadow, &decision, request.as_ref());
                }
                LoggedDecisions::All | LoggedDecisions::Denied | LoggedDecisions::None => {}
            }
        }
        let done = self.shadow.get().map(|queue| (queue, EnforcedOutcome::of(&decision)));
        let unread = if request.is_none() { read_headers(&check) } else { None };
        let seen = ParsedRequest::of(request.as_ref(), unread.as_ref());
        let response = response(decision, seen, &snapshot.denials, &snapshot.upstream.metadata);
        if let Some((queue, done)) = done {
            queue.offer(check, done, Timestamp::from_millis(at.into_inner()));
        }
        response
    }

    /// Denies a check that could not be decided, and records it.
    pub(super) fn deny_with(&self, error: DecisionError, started: Instant) -> CheckResponse {
        let decision = Decision::denied(error);
        self.metrics.record(decision.reason(), started.elapsed());
        let snapshot = self.authorizer.snapshot();
        match (snapshot.logged, &decision.verdict) {
            (LoggedDecisions::None, _) => {}
            (LoggedDecisions::All | LoggedDecisions::Denied, Verdict::Deny(DecisionError::Overload)) => {
                self.log_overload();
            }
            (LoggedDecisions::All | LoggedDecisions::Denied, _) => log(&decision, None),
        }
        response(decision, ParsedRequest::None, &snapshot.denials, &snapshot.upstream.metadata)
    }

    /// Logs many decisions as one event: all are alike, and a line for each would add load during an overload.
    fn log_overload(&self) {
        let before = self.overload.lock().unwrap_or_else(PoisonError::into_inner).tick();
        if let Some(before) = before {
            let reason = Reason::Overloaded;
            let (class, code) = (reason.class().name(), reason.code());
            tracing::warn!(decision = "unavailable", class, reason = code, detail = %DecisionError::Overload, before, "check");
        }
    }
}

/// Logs one decision. The path is logged without its query, and only if it could be read: it is plain text then.
fn log(decision: &Decision, request: Option<&Request<'_>>) {
    let rule = decision.rule.as_ref().map(RuleName::as_str);
    let method = request.map(|request| request.method.as_str());
    let path = request.map(|request| shown(request.path.as_str()));
    let path = path.as_deref();
    let request_id = request.and_then(request_id);
    match &decision.verdict {
        Verdict::Allow(_) => {
            let authenticator = decision.authenticator.as_ref().map(AuthenticatorName::as_str);
            tracing::info!(decision = "allowed", rule, authenticator, method, path, request_id, "check");
        }
        Verdict::Deny(error) => {
            let reason = error.reason();
            let (class, code) = (reason.class().name(), reason.code());
            match reason.class() {
                Class::Unavailable => {
                    tracing::warn!(decision = "unavailable", class, reason = code, detail = %error, rule, method, path, request_id, "check");
                }
                Class::Unauthenticated | Class::Forbidden | Class::BadRequest => {
                    tracing::info!(decision = "denied", class, reason = code, detail = %error, rule, method, path, request_id, "check");
                }
            }
        }
    }
}

/// Logs a shadow rule whose outcome differs from the enforced one.
fn log_shadow(shadow: &ShadowOutcome, decision: &Decision, request: Option<&Request<'_>>) {
    let words = |reason: Option<Reason>| reason.map_or("allowed", |reason| reason.class().decision());
    let (would, done) = (words(shadow.reason()), words(decision.reason()));
    let (reason, done_reason) = (shadow.reason().map(Reason::code), decision.reason().map(Reason::code));
    let detail = shadow.error.as_ref().map(tracing::field::display);
    let (rule, done_rule) = (shadow.rule.as_str(), decision.rule.as_ref().map(RuleName::as_str));
    let method = request.map(|request| request.method.as_str());
    let path = request.map(|request| shown(request.path.as_str()));
    let path = path.as_deref();
    let request_id = request.and_then(request_id);
    tracing::info!(rule, would, reason, detail, done, done_reason, done_rule, method, path, request_id, "shadow");
}

/// Returns a path for the log: its beginning, and a mark if it was cut.
pub(super) fn shown(path: &str) -> Cow<'_, str> {
    if path.len() <= MAX_LOGGED_PATH_BYTES {
        return Cow::Borrowed(path);
    }
    let whole = path.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_LOGGED_PATH_BYTES).last();
    let beginning = whole.and_then(|end| path.get(..end)).unwrap_or_default();
    Cow::Owned(format!("{beginning}…"))
}

/// Returns Envoy's id of the request, to find it in Envoy's own log; `None` unless it looks like an id.
pub(super) fn request_id<'a>(request: &Request<'a>) -> Option<&'a str> {
    let HeaderLookup::One(id) = request.headers.get("x-request-id") else { return None };
    let plain = id.len() <= 64 && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain { std::str::from_utf8(id).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::{MAX_LOGGED_PATH_BYTES, shown};

    #[test]
    fn a_long_path_is_cut_and_marked() {
        let path = |bytes: usize| format!("/{}", "a".repeat(bytes - 1));
        assert_eq!(shown(&path(MAX_LOGGED_PATH_BYTES)), path(MAX_LOGGED_PATH_BYTES));
        assert_eq!(shown(&path(MAX_LOGGED_PATH_BYTES + 1)), format!("{}…", path(MAX_LOGGED_PATH_BYTES)));
        assert_eq!(shown(&path(8_000)), format!("{}…", path(MAX_LOGGED_PATH_BYTES)));
        // Not within a letter.
        let letters = format!("{}é{}", path(MAX_LOGGED_PATH_BYTES - 1), path(9));
        assert_eq!(shown(&letters), format!("{}…", path(MAX_LOGGED_PATH_BYTES - 1)));
    }
}
