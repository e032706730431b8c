//! The outcome of a request, as far as two configurations are compared.

use crate::cli::explain::report::{Report, Word};
use crate::config::Config;
use crate::envoy::proto::CheckRequest;
use crate::envoy::{Check, read};
use modgud_core::authn::{LookupResult, PendingLookup};
use modgud_core::authz::{Access, RuleName};
use modgud_core::decide::{DecisionError, Verdict, decide_with};
use modgud_core::reason::{Class, Reason};
use modgud_core::time::Timestamp;
use serde::Serialize;
use std::fmt;

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

/// The facts of a request that are missing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missing {
    /// True if the credential is not known.
    pub(super) credential: bool,
    /// True if headers are not known.
    pub(super) headers: bool,
}

/// The evaluation of a request by one configuration.
#[derive(Debug)]
pub(super) struct Evaluation {
    pub(super) outcome: Outcome,
    /// The reason why the outcome is not certain; `None` if it is.
    pub(super) doubt: Option<&'static str>,
    pub(super) pending: Option<PendingLookup>,
}

impl Evaluation {
    /// Evaluates a check of which some facts are missing. The query is always one of them.
    pub(super) fn of(
        check: &CheckRequest,
        config: &Config,
        now: Timestamp,
        lookup: &LookupResult,
        missing: Missing,
    ) -> Self {
        let snapshot = &config.snapshot;
        let mut check = Check::of(check);
        let request = match read(&mut check, snapshot.scheme, snapshot.max_target) {
            Ok(request) => request,
            Err(error) => {
                let reason = DecisionError::Request(error).reason();
                let outcome = Outcome { rule: None, decision: Verb::Denied, reason: Some(reason.code()) };
                return Self { outcome, doubt: None, pending: None };
            }
        };
        let decision = decide_with(&request, snapshot, now, lookup);
        let (reason, pending) = (decision.reason(), decision.pending_lookup());
        let rule = decision.rule.as_ref().map(RuleName::as_str);
        let access = snapshot.rules.select(&request).ok().map(|selection| selection.access());
        let needs_credential = match access {
            Some(Access::Authenticated | Access::Optional) => missing.credential,
            Some(Access::Public | Access::Preflight | Access::Denied) | None => false,
        };
        let reads = |test: &dyn Fn(&str) -> bool| !needs_credential && rule.is_some_and(test);
        let doubt = if reason.is_some_and(|reason| reason.class() == Class::Unavailable) {
            Some("a lookup for the decision failed; see the messages on standard error")
        } else if reads(&|rule| snapshot.rules.reads_query(rule)) {
            Some("a rule reads the query: no log has it; use --path without --log")
        } else if missing.headers && reads(&|rule| snapshot.rules.reads_headers(rule)) {
            Some("a rule reads headers: no log has them; use --header")
        } else {
            None
        };
        let (decision, reason) = match (&decision.verdict, needs_credential) {
            (_, true) => (Verb::DependsOnCredential, None),
            (Verdict::Allow(_), false) => (Verb::Allowed, None),
            (Verdict::Deny(_), false) => (Verb::Denied, reason.map(Reason::code)),
        };
        Self { outcome: Outcome { rule: rule.map(str::to_owned), decision, reason }, doubt, pending }
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

    /// Returns true if only a credential could decide.
    pub(super) const fn depends_on_credential(&self) -> bool {
        matches!(self.decision, Verb::DependsOnCredential)
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
