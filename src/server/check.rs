//! The RPC: read, decide, record, answer.

use crate::authz::RuleName;
use crate::decision::{Decision, Fault, LoggedDecisions, Verdict};
use crate::driver::Driver;
use crate::envoy::proto::{Authorization, CheckRequest, CheckResponse};
use crate::envoy::{denial, response};
use crate::principal::AuthenticatorName;
use crate::reason::{Class, Reason};
use crate::request::{Lookup, Request};
use crate::telemetry::metrics::Metrics;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What every check needs.
#[derive(Debug)]
pub struct Checks {
    /// Who decides.
    pub driver: Driver,
    /// What is counted.
    pub metrics: Metrics,
    /// How many checks are under way.
    under_way: AtomicUsize,
}

/// The service that Envoy calls.
#[derive(Debug, Clone)]
pub(super) struct CheckService(pub(super) Arc<Checks>);

#[tonic::async_trait]
impl Authorization for CheckService {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        let started = Instant::now();
        let check = request.into_inner();
        Ok(tonic::Response::new(self.0.answer(&check, started).await))
    }
}

impl Checks {
    /// Checks by a driver; nothing has been counted yet.
    #[must_use]
    pub fn new(driver: Driver) -> Self {
        Self { driver, metrics: Metrics::default(), under_way: AtomicUsize::new(0) }
    }

    /// Whether one more check may be under way. If so, [`leave`](Self::leave) is owed when it is not any more.
    pub(super) fn enter(&self, most: usize) -> bool {
        let entered = self.under_way.fetch_add(1, Ordering::Relaxed) < most;
        if !entered {
            self.leave();
        }
        entered
    }

    /// A check is not under way any more.
    pub(super) fn leave(&self) {
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }

    async fn answer(&self, check: &CheckRequest, started: Instant) -> CheckResponse {
        let snapshot = self.driver.snapshot();
        let (decision, request) = self.driver.decide(check, &snapshot, started).await;
        self.metrics.record(decision.reason(), started.elapsed());
        match (snapshot.logged, &decision.verdict) {
            (LoggedDecisions::All, _) | (LoggedDecisions::Denied, Verdict::Deny(_)) => log(&decision, request.as_ref()),
            (LoggedDecisions::Denied, Verdict::Allow(_)) | (LoggedDecisions::None, _) => {}
        }
        response(decision, &snapshot.answers)
    }

    /// The answer to a check that did not come to a decision.
    pub(super) fn undecided(&self, fault: Fault, started: Instant) -> CheckResponse {
        let decision = Decision::refused(fault);
        self.metrics.record(decision.reason(), started.elapsed());
        log(&decision, None);
        let reason = decision.reason().unwrap_or(Reason::Internal);
        denial(reason, &self.driver.snapshot().answers)
    }
}

/// One event for one decision. The path is logged without its query, and only if it could be read: it is then plain.
fn log(decision: &Decision, request: Option<&Request<'_>>) {
    let rule = decision.rule.as_ref().map(RuleName::as_str);
    let method = request.map(|request| request.method.as_str());
    let path = request.map(|request| request.path.as_str());
    let request_id = request.and_then(request_id);
    match &decision.verdict {
        Verdict::Allow(_) => {
            let authenticator = decision.authenticator.as_ref().map(AuthenticatorName::as_str);
            tracing::info!(decision = "allowed", rule, authenticator, method, path, request_id, "check");
        }
        Verdict::Deny(fault) => {
            let reason = fault.reason();
            let (class, code) = (reason.class().name(), reason.code());
            match reason.class() {
                Class::Unavailable => {
                    tracing::warn!(decision = "unavailable", class, reason = code, detail = %fault, rule, method, path, request_id, "check");
                }
                Class::Unauthenticated | Class::Forbidden | Class::Refused => {
                    tracing::info!(decision = "denied", class, reason = code, detail = %fault, rule, method, path, request_id, "check");
                }
            }
        }
    }
}

/// Envoy's id of the request, to find it in Envoy's own log; only if it looks like an id.
fn request_id<'a>(request: &Request<'a>) -> Option<&'a str> {
    let Lookup::One(id) = request.headers.get("x-request-id") else { return None };
    let plain = id.len() <= 64 && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if plain { std::str::from_utf8(id).ok() } else { None }
}
