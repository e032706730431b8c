//! The outcome of a request, as far as two configurations are compared.

use crate::cli::explain::log::LogLine;
use crate::cli::explain::report::{Report, Word};
use crate::cli::input::{ContextArg, HeaderArg};
use crate::config::Config;
use crate::envoy::proto::CheckRequest;
use crate::envoy::{Check, read};
use modgud_core::authn::{LookupResult, PendingLookup};
use modgud_core::authz::{Access, RuleName};
use modgud_core::decide::{DecisionError, Snapshot, Verdict, decide_with};
use modgud_core::http::request::SchemeSource;
use modgud_core::reason::{Class, Reason};
use modgud_core::time::Timestamp;
use serde::Serialize;
use std::fmt;

/// The cause if a lookup failed.
pub(super) const FAILED_LOOKUP: &str = "a lookup for the decision failed; see the messages on standard error";

/// A decision with its rule. Two outcomes are equal if neither the rule, the decision nor the reason changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub(super) struct Outcome {
    rule: Option<String>,
    decision: Verb,
    /// The reason of a denial.
    reason: Option<&'static str>,
}

/// The decision, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verb {
    Allowed,
    Denied,
    /// The rule accepts callers, and the credential is not known.
    DependsOnCredential,
}

/// The facts of recorded requests that the command line adds.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) headers: &'a [HeaderArg],
    pub(super) context: &'a [ContextArg],
    /// True if the client's address is known.
    pub(super) has_client: bool,
    /// True if the request had no credential.
    pub(super) has_no_credential: bool,
}

/// The evaluation of a request by one configuration.
#[derive(Debug)]
pub(super) struct Evaluation {
    pub(super) outcome: Outcome,
    /// The reason why the outcome is not certain; `None` if it is.
    pub(super) doubt: Option<&'static str>,
    pub(super) pending: Option<PendingLookup>,
    /// True if the rule or the fallback accepts callers.
    accepts_callers: bool,
}

impl Evaluation {
    /// Evaluates a check of a recorded request, whose query is never known.
    pub(super) fn of(
        check: &CheckRequest,
        config: &Config,
        now: Timestamp,
        lookup: &LookupResult,
        known: Known<'_>,
    ) -> Self {
        let snapshot = &config.snapshot;
        let mut check = Check::of(check);
        let request = match read(&mut check, snapshot.request) {
            Ok(request) => request,
            Err(error) => {
                let reason = DecisionError::Request(error).reason();
                let outcome = Outcome { rule: None, decision: Verb::Denied, reason: Some(reason.code()) };
                return Self { outcome, doubt: None, pending: None, accepts_callers: false };
            }
        };
        let decision = decide_with(&request, snapshot, now, lookup);
        let (reason, pending) = (decision.reason(), decision.pending_lookup());
        let rule = decision.rule.as_ref().map(RuleName::as_str);
        let access = snapshot.rules.select(&request).ok().map(|selection| selection.access());
        let accepts_callers = matches!(access, Some(Access::Authenticated | Access::Optional));
        let needs_credential =
            accepts_callers && !known.has_no_credential && matches!(snapshot.extractor.find(&request), Ok(None));
        let doubt = if pending.is_some() || reason.is_some_and(|reason| reason.class() == Class::Unavailable) {
            Some(FAILED_LOOKUP)
        } else if snapshot.rules.may_be_preflight(&request) {
            Some("no log says if `OPTIONS` was a preflight; use --path without --log")
        } else if reason == Some(Reason::SenderUnproven) {
            Some("a proof of the token's key decides: no log has it; use --path without --log")
        } else if !known.has_client && rule.is_some_and(|rule| snapshot.rules.reads_client(rule)) {
            Some("a rule reads the client's address: the log has masked it, or has none; use --client")
        } else if needs_credential || reason == Some(Reason::CredentialMissing) {
            // Conditions are evaluated after the credential.
            None
        } else if accepts_callers && known.lacks_impersonation(snapshot) {
            Some("impersonation decides too: no log has its header or body; use --header")
        } else {
            rule.and_then(|rule| known.lack(rule, snapshot))
        };
        let (decision, reason) = match (&decision.verdict, needs_credential) {
            (_, true) => (Verb::DependsOnCredential, None),
            (Verdict::Allow(_), false) => (Verb::Allowed, None),
            (Verdict::Deny(_), false) => (Verb::Denied, reason.map(Reason::code)),
        };
        let outcome = Outcome { rule: rule.map(str::to_owned), decision, reason };
        Self { outcome, doubt, pending, accepts_callers }
    }

    /// Returns true if the request was denied for the length of its path and query.
    pub(super) fn is_too_long(&self) -> bool {
        self.outcome.reason == Some(Reason::UriTooLong.code())
    }

    /// Returns true if both accept callers by the same rule, and the credential is not known.
    pub(super) fn differ_by_credential(&self, other: &Self) -> bool {
        let depends = |one: &Self| matches!(one.outcome.decision, Verb::DependsOnCredential);
        self.accepts_callers
            && other.accepts_callers
            && self.outcome.rule == other.outcome.rule
            && (depends(self) || depends(other))
    }
}

impl Known<'_> {
    /// Returns true if callers may impersonate others by a part of the request that is not known.
    fn lacks_impersonation(self, snapshot: &Snapshot) -> bool {
        let correlation = snapshot.correlation.as_ref();
        let impersonation = correlation.and_then(|correlation| correlation.impersonation.as_ref());
        let is_known = |name: &str| self.headers.iter().any(|header| header.is_named(name));
        impersonation.is_some_and(|one| one.source.header().is_none_or(|name| !is_known(name.as_str())))
    }

    /// Returns the fact that a rule reads and no log has; `None` if all are known.
    fn lack(self, rule: &str, snapshot: &Snapshot) -> Option<&'static str> {
        let rules = &snapshot.rules;
        let is_header = |name: &str| self.headers.iter().any(|header| header.is_named(name));
        let is_context = |key: &str| self.context.iter().any(|entry| entry.is_named(key));
        let is_scheme_known = snapshot.request.scheme != SchemeSource::Forwarded || is_header("x-forwarded-proto");
        if rules.reads_query(rule) {
            Some("a rule reads the query: no log has it; use --path without --log")
        } else if rules.has_condition(rule, |condition| condition.reads_headers_beyond(is_header)) {
            Some("a rule reads headers: no log has them; use --header")
        } else if rules.compares_context_beyond(rule, is_context)
            || rules.has_condition(rule, |condition| condition.reads_context_beyond(is_context))
        {
            Some("a rule reads context extensions: no log has them; use --context")
        } else if rules.has_condition(rule, |condition| {
            condition.reads_field("port")
                || condition.reads_field("size")
                || !is_scheme_known && condition.reads_field("scheme")
        }) {
            Some("a rule reads the scheme, the port or the size: no log has them; use --path without --log")
        } else {
            None
        }
    }
}

impl Outcome {
    /// Returns the outcome of a report.
    pub(super) fn of(report: &Report) -> Self {
        let Report { rule, decision, reason, .. } = report;
        let decision = match decision {
            Word::Allowed => Verb::Allowed,
            Word::Denied => Verb::Denied,
        };
        Self { rule: rule.clone(), decision, reason: *reason }
    }

    #[cfg(test)]
    pub(super) fn allowed(rule: &str) -> Self {
        Self { rule: Some(rule.to_owned()), decision: Verb::Allowed, reason: None }
    }

    /// Returns true if the line may record this outcome. A line without a rule records that none was selected.
    pub(super) fn is_recorded(&self, line: &LogLine) -> bool {
        let decision = match (self.decision, line.text("decision")) {
            (Verb::Allowed | Verb::DependsOnCredential, Some("allowed")) => true,
            (Verb::Denied, Some("denied")) => line.text("reason") == self.reason,
            (Verb::DependsOnCredential, Some("denied")) => line.reason().is_some_and(may_follow_from_credential),
            _ => false,
        };
        decision && line.text("rule") == self.rule.as_deref()
    }
}

/// Returns true if a rule that accepts callers can deny a request for this reason.
const fn may_follow_from_credential(reason: Reason) -> bool {
    match reason.class() {
        Class::Unauthenticated => true,
        Class::Forbidden => {
            !matches!(reason, Reason::RuleDenied | Reason::NoRule | Reason::RuleUnknown | Reason::ContextInvalid)
        }
        Class::BadRequest | Class::Unavailable => false,
    }
}

/// For people: `` `rule` denied (role_missing) ``.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, decision, reason } = self;
        match rule {
            Some(rule) => write!(f, "`{rule}` ")?,
            None => f.write_str("no rule, ")?,
        }
        match decision {
            Verb::Allowed => f.write_str("allowed"),
            Verb::Denied => write!(f, "denied ({})", reason.unwrap_or_default()),
            Verb::DependsOnCredential => f.write_str("decides by the credential"),
        }
    }
}
