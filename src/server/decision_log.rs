//! The log of decisions. Each line identifies the request and, as far as it is known, the caller; `docs/decision-log.md` lists the fields.

mod fields;
mod limiter;
mod line;

pub(super) use fields::RequestFields;

use crate::envoy::Check;
use crate::log_throttle::LogThrottle;
use crate::telemetry::log::{self, DecisionWriter};
use crate::telemetry::metrics::LeftOutLines;
use fields::{CallerFields, PrincipalFields, detail};
use limiter::{Kind, LeftOut, Limiter};
use line::{CHECK, HEADER_OMITTED, LEFT_OUT, Level, Line, SHADOW};
use modgud_core::authz::RuleName;
use modgud_core::decide::{Decision, DecisionError, LoggedDecisions, ShadowOutcome, Snapshot, Verdict};
use modgud_core::http::request::{Headers, Request};
use modgud_core::reason::{Class, Reason};
use modgud_core::upstream::{DroppedHeader, Mutations};
use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Interval of the summaries of lines that were left out.
pub(super) const SUMMARY_INTERVAL: Duration = Duration::from_secs(10);

/// The name of an allowed request's decision.
const ALLOWED: &str = "allowed";

/// The log of the decisions of one process.
#[derive(Debug)]
pub(super) struct DecisionLog {
    limiter: Limiter,
    /// Throttle of the message about overload.
    overload: Mutex<LogThrottle>,
}

/// A decided check.
#[derive(Clone, Copy)]
pub(super) struct Decided<'a> {
    pub(super) check: &'a Check<'a>,
    pub(super) decision: &'a Decision,
    /// `None` if it can't be read.
    pub(super) request: Option<&'a Request<'a>>,
    /// The headers of a request that can't be read.
    pub(super) unread: Option<&'a Headers<'a>>,
    pub(super) snapshot: &'a Snapshot,
}

impl DecisionLog {
    /// Creates a log that counts the lines that it leaves out.
    pub(super) fn new(left_out: Arc<LeftOutLines>) -> Self {
        Self { limiter: Limiter::new(left_out), overload: Mutex::default() }
    }

    /// Logs a decision, its shadow rule and its omitted headers, as far as the configuration asks for it.
    pub(super) fn record(&self, decided: Decided<'_>) {
        let Decided { check, decision, request, unread, snapshot } = decided;
        let is_logged = match (snapshot.logged, &decision.verdict) {
            (LoggedDecisions::None, _) => return,
            (LoggedDecisions::All, _) | (LoggedDecisions::Denied, Verdict::Deny(_)) => true,
            (LoggedDecisions::Denied, Verdict::Allow(_)) => false,
        };
        let dropped = match &decision.verdict {
            Verdict::Allow(Mutations { dropped, .. }) => dropped.as_slice(),
            Verdict::Deny(_) => &[],
        };
        let shadow = decision.shadow.as_ref().filter(|shadow| shadow.reason() != decision.reason());
        if !is_logged && dropped.is_empty() && shadow.is_none() {
            return;
        }
        let Some(writer) = log::decisions() else { return };
        // Made only for a line that is written.
        let fields = OnceCell::new();
        let fields = || fields.get_or_init(|| RequestFields::of(check, request, unread, snapshot));
        if is_logged {
            if matches!(decision.verdict, Verdict::Deny(DecisionError::Overload)) {
                self.overload(writer);
            } else if self.admits(CHECK, decision.reason(), decision.rule.as_ref(), decided) {
                write_check(decided, fields(), writer);
            }
        }
        for header in dropped {
            if self.admits(HEADER_OMITTED, None, decision.rule.as_ref(), decided) {
                write_omitted(header, decided, fields(), writer);
            }
        }
        if let Some(shadow) = shadow
            && self.admits(SHADOW, shadow.reason(), Some(&shadow.rule), decided)
        {
            write_shadow(shadow, decision, fields(), writer);
        }
    }

    /// Logs a denial of a check that was not decoded.
    pub(super) fn record_undecoded(&self, decision: &Decision, snapshot: &Snapshot) {
        let check = Check::default();
        self.record(Decided { check: &check, decision, request: None, unread: None, snapshot });
    }

    /// Returns true if a line of this kind is written now.
    fn admits(
        &self,
        message: &'static str,
        reason: Option<Reason>,
        rule: Option<&RuleName>,
        decided: Decided<'_>,
    ) -> bool {
        let Decided { decision, snapshot, .. } = decided;
        let authenticator = decision.credential_for.and_then(|id| snapshot.authenticators.list().get(id.0));
        let kind = Kind {
            message,
            decision: reason.map_or(ALLOWED, |reason| reason.class().decision()),
            reason,
            rule: rule.map(RuleName::as_str),
            authenticator: authenticator.map(|one| one.name().as_str()),
            is_allowed: message == CHECK && reason.is_none(),
        };
        self.limiter.admits(kind, snapshot.log_limits)
    }

    /// Logs many decisions as one event: all are alike, and a line for each would add load during an overload.
    fn overload(&self, writer: DecisionWriter) {
        let before = self.overload.lock().unwrap_or_else(PoisonError::into_inner).tick();
        if before.is_none() {
            self.limiter.count_limited();
            return;
        }
        let line = Line { level: Level::Warn, before, ..denial(&DecisionError::Overload) };
        line.write(writer);
    }

    /// Logs how many lines were left out since the last summary, for each kind.
    pub(super) fn write_summary(&self) {
        let Some(writer) = log::decisions() else { return };
        let overloads = self.overload.lock().unwrap_or_else(PoisonError::into_inner).take_suppressed();
        if overloads > 0 {
            let lines = Some(CHECK);
            let (sampled, rate_limited) = (Some(0), Some(overloads));
            let denial = denial(&DecisionError::Overload);
            let line =
                Line { level: Level::Info, detail: None, lines, sampled, rate_limited, message: LEFT_OUT, ..denial };
            line.write(writer);
        }
        for left_out in self.limiter.take_left_out() {
            let LeftOut { message, decision, reason, rule, authenticator, sampled, rate_limited } = left_out;
            let line = Line {
                decision: Some(decision),
                class: reason.map(|reason| reason.class().name()),
                reason: reason.map(Reason::code),
                rule: rule.as_deref(),
                caller: CallerFields::named(authenticator.as_deref()),
                lines: Some(message),
                sampled: Some(sampled),
                rate_limited: Some(rate_limited),
                message: LEFT_OUT,
                ..Line::default()
            };
            line.write(writer);
        }
    }
}

/// Returns the line of a denial, without its request.
fn denial(error: &DecisionError) -> Line<'static> {
    let reason = error.reason();
    let class = reason.class();
    let level = match class {
        Class::Unavailable => Level::Warn,
        Class::Unauthenticated | Class::Forbidden | Class::BadRequest => Level::Info,
    };
    Line {
        level,
        decision: Some(class.decision()),
        class: Some(class.name()),
        reason: Some(reason.code()),
        detail: Some(detail(error)),
        message: CHECK,
        ..Line::default()
    }
}

fn write_check(decided: Decided<'_>, fields: &RequestFields<'_>, writer: DecisionWriter) {
    let Decided { decision, request, snapshot, .. } = decided;
    let outcome = match &decision.verdict {
        Verdict::Allow(_) => Line { decision: Some(ALLOWED), message: CHECK, ..Line::default() },
        Verdict::Deny(error) => denial(error),
    };
    let line = Line {
        rule: decision.rule.as_ref().map(RuleName::as_str),
        caller: CallerFields::of(decision, request, snapshot),
        request: Some(fields),
        ..outcome
    };
    line.write(writer);
}

/// Logs a shadow rule whose outcome differs from the enforced one.
fn write_shadow(shadow: &ShadowOutcome, decision: &Decision, fields: &RequestFields<'_>, writer: DecisionWriter) {
    let word = |reason: Option<Reason>| Some(reason.map_or(ALLOWED, |reason| reason.class().decision()));
    let line = Line {
        rule: Some(shadow.rule.as_str()),
        would: word(shadow.reason()),
        reason: shadow.reason().map(Reason::code),
        detail: shadow.error.as_ref().map(detail),
        done: word(decision.reason()),
        done_reason: decision.reason().map(Reason::code),
        done_rule: decision.rule.as_ref().map(RuleName::as_str),
        request: Some(fields),
        message: SHADOW,
        ..Line::default()
    };
    line.write(writer);
}

/// Logs an identity header that an allowed request lacks, because its value can't be written.
fn write_omitted(
    DroppedHeader { name, error }: &DroppedHeader,
    decided: Decided<'_>,
    fields: &RequestFields<'_>,
    writer: DecisionWriter,
) {
    let Decided { decision, snapshot, .. } = decided;
    let line = Line {
        level: Level::Warn,
        header: Some(name.as_str()),
        detail: Some(detail(error)),
        rule: decision.rule.as_ref().map(RuleName::as_str),
        caller: CallerFields::from(PrincipalFields::of(decision, snapshot.fields)),
        request: Some(fields),
        message: HEADER_OMITTED,
        ..Line::default()
    };
    line.write(writer);
}
