//! Explanations without values: what the client sent in its credential, and what its claims hold, is left out. A step that is not known
//! here keeps only its name and its outcome, so that a new one can't leak.

use super::recent::{shortened, word};
use modgud_core::decide::{Decision, DecisionError, Verdict};
use modgud_core::explain::{Outcome, Step};
use modgud_core::reason::Reason;
use serde::Serialize;
use std::borrow::Cow;

/// Maximum number of steps that are shown. Beyond it the others are left out.
const MAX_STEPS: usize = 40;
/// Maximum number of header names that are shown, of those set and of those removed. Beyond it the others are left out.
const MAX_NAMES: usize = 40;

/// A decision, and how it came about.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    pub(super) decision: &'static str,
    pub(super) reason: Option<&'static str>,
    detail: Option<String>,
    rule: Option<String>,
    steps: Vec<ShownStep>,
    /// The names of headers that the module receives.
    set: Vec<String>,
    /// The names of headers that the module does not receive.
    removed: Vec<String>,
    /// The lookup that the decision needs, which an explanation does not make.
    pub(super) lookup: Option<String>,
}

#[derive(Debug, Serialize)]
struct ShownStep {
    what: &'static str,
    outcome: Outcome,
    text: String,
}

impl Explained {
    /// Describes a decision and its steps, without values.
    pub(super) fn new(decision: &Decision, steps: &[Step]) -> Self {
        let error = match &decision.verdict {
            Verdict::Allow(_) => None,
            Verdict::Deny(error) => Some(shown_error(error)),
        };
        let (set, removed) = match &decision.verdict {
            Verdict::Allow(mutations) => {
                let set = mutations.set.iter().map(|(name, _)| name.as_str().to_owned());
                let removed = mutations.remove.iter().map(|name| String::from_utf8_lossy(name).into_owned());
                (set.take(MAX_NAMES).collect(), removed.take(MAX_NAMES).collect())
            }
            Verdict::Deny(_) => (Vec::new(), Vec::new()),
        };
        let reason = decision.reason();
        let steps = steps.iter().take(MAX_STEPS).map(|step| ShownStep {
            what: step.what,
            outcome: step.outcome,
            text: shortened(without_values(step, error.as_deref()).into_owned()),
        });
        Self {
            decision: word(reason),
            reason: reason.map(Reason::code),
            steps: steps.collect(),
            detail: error,
            rule: decision.rule.as_ref().map(|rule| rule.as_str().to_owned()),
            set,
            removed,
            lookup: decision.pending_lookup().map(|lookup| lookup.to_string()),
        }
    }
}

/// Returns the text of a step without values. `error` is that of the decision, as it is logged: it holds none.
fn without_values<'s>(step: &'s Step, error: Option<&'s str>) -> Cow<'s, str> {
    let Step { what, outcome, found } = step;
    match (*what, outcome) {
        // Only names of the configuration, and the parts of the request that the page shows anyway.
        ("rule" | "route" | "credential", _)
        | (
            "locations" | "token" | "issuer" | "signature" | "dates" | "required claim" | "introspection" | "active"
            | "sender" | "revocations" | "custom" | "access" | "module" | "organization" | "headers" | "correlation"
            | "nearest" | "shadow",
            Outcome::Passed | Outcome::Noted,
        )
        | ("typ" | "aud", Outcome::Noted) => Cow::Borrowed(found),
        ("typ" | "aud", Outcome::Passed) => Cow::Borrowed("accepted by the authenticator"),
        ("time", Outcome::Passed) => Cow::Borrowed("valid at the time of the check"),
        ("client", Outcome::Passed) => Cow::Borrowed("the client's address is of a network that the rule requires"),
        ("peer", Outcome::Passed) => Cow::Borrowed("accepted by the certificate of the connection"),
        ("when", _) => Cow::Owned(condition(found, *outcome, error.unwrap_or_default())),
        ("api key", Outcome::Passed) => Cow::Borrowed("a key of the authenticator"),
        (_, Outcome::Failed) => Cow::Borrowed(error.unwrap_or_default()),
        _ => Cow::Borrowed(""),
    }
}

/// Returns the condition and its outcome without the values that it read, which are written behind it. It ends at its first back quote: one
/// within it cuts it short, and never shows a value. The outcome is that of the step, whatever the text says.
fn condition(found: &str, outcome: Outcome, error: &str) -> String {
    let text = found.strip_prefix('`').unwrap_or(found);
    let (text, rest) = text.split_once('`').unwrap_or_default();
    match outcome {
        Outcome::Passed => format!("`{text}` is true"),
        Outcome::Failed if rest.starts_with(" is false") => format!("`{text}` is false"),
        Outcome::Failed | Outcome::Noted => format!("`{text}`: {error}"),
    }
}

/// Returns the error of a decision as it is logged, but without the `id` of an API key, which is the claim `jti` of its caller.
pub(super) fn shown_error(error: &DecisionError) -> String {
    match error.reason() {
        Reason::ApiKeyExpired => "the API key has expired".to_owned(),
        _ => shortened(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::without_values;
    use modgud_core::explain::Step;

    #[test]
    fn values_are_left_out() {
        for (step, shown) in [
            (Step::passed("aud", "`canary`"), "accepted by the authenticator"),
            (Step::passed("time", "until 2026-01-31T12:00:00Z"), "valid at the time of the check"),
            (Step::failed("access", "role missing; the caller's roles: `canary`"), "the error"),
            (Step::failed("issuer", "`canary` is not `https://a`"), "the error"),
            (Step::passed("when", "`claims.a == 'x'` is true: claims.a is `canary`"), "`claims.a == 'x'` is true"),
            (Step::failed("when", "`claims.a` is false: claims.a is `x` is true"), "`claims.a` is false"),
            (Step::failed("when", "`claims.a < 1`: no such key: claims.a is `canary`"), "`claims.a < 1`: the error"),
            (Step::failed("when", "`a == 'x` is true' || b` is false: b is `canary`"), "`a == 'x`: the error"),
            (Step::passed("api key", "`canary` of the authenticator `a`"), "a key of the authenticator"),
            (Step::passed("of tomorrow", "canary"), ""),
            (Step::failed("of tomorrow", "canary"), "the error"),
        ] {
            assert_eq!(without_values(&step, Some("the error")), shown, "{step:?}");
        }
        assert_eq!(without_values(&Step::failed("dates", "canary"), None), "");
    }
}
