//! Differences between the outcomes of one check under two configurations: the verdict, the reason, and the changes to the request. A
//! different rule name or a different text for the client does not count.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud_core::authz::RuleName;
use modgud_core::decide::{Decision, Verdict};
use modgud_core::reason::Reason;
use modgud_core::upstream::Mutations;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Maximum number of headers that a difference names; the others are left out.
const NAMED: usize = 8;

/// The enforced outcome of a check.
#[derive(Debug)]
pub struct EnforcedOutcome {
    rule: Option<RuleName>,
    /// `Err`: denied for this reason.
    outcome: Result<Mutations, Reason>,
}

/// The outcome under the shadow configuration, where it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShadowDecision {
    /// Allowed, although the active configuration denied it.
    Allow,
    /// Allowed, as enforced, with other changes to the request.
    Headers,
    /// Denied for this reason.
    Deny(Reason),
}

/// A difference between two outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The rule that decided; `None` if the fallback or nothing did.
    pub rule: Option<RuleName>,
    /// The reason of the denial; `None` if the request was allowed.
    pub enforced: Option<Reason>,
    /// The outcome under the shadow configuration.
    pub shadow: ShadowDecision,
    /// The rule that decided there.
    pub shadow_rule: Option<RuleName>,
    /// The cause of the denial there, or the headers that differ.
    pub detail: Option<String>,
}

impl ShadowDecision {
    /// Returns its name in the log and in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Headers => "headers",
            Self::Deny(reason) => reason.code(),
        }
    }
}

impl EnforcedOutcome {
    /// Returns the outcome of a decision.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        let outcome = match &decision.verdict {
            Verdict::Allow(mutations) => Ok(mutations.clone()),
            Verdict::Deny(error) => Err(error.reason()),
        };
        Self { rule: decision.rule.clone(), outcome }
    }

    /// Returns the difference from another decision; `None` if there is none.
    #[must_use]
    pub fn differs(&self, would: Decision) -> Option<Difference> {
        let Self { rule, outcome } = self;
        let enforced = outcome.as_ref().err().copied();
        let (shadow, detail) = match (outcome, would.verdict) {
            (Ok(done), Verdict::Allow(would)) => (ShadowDecision::Headers, Some(headers(done, &would)?)),
            (Err(_), Verdict::Allow(_)) => (ShadowDecision::Allow, None),
            (Err(done), Verdict::Deny(error)) if *done == error.reason() => return None,
            (Ok(_) | Err(_), Verdict::Deny(error)) => (ShadowDecision::Deny(error.reason()), Some(error.to_string())),
        };
        Some(Difference { rule: rule.clone(), enforced, shadow, shadow_rule: would.rule, detail })
    }
}

/// Returns the names of headers and query parameters that change differently; `None` if there are none. Values are left out.
fn headers(done: &Mutations, would: &Mutations) -> Option<String> {
    let (done, would) = (changes(done), changes(would));
    let other = done.symmetric_difference(&would).map(|(name, _)| *name).filter(|name| !minted(name, &done, &would));
    let names: BTreeSet<_> = other.map(String::from_utf8_lossy).collect();
    let names: Vec<_> = names.into_iter().take(NAMED).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Returns true if both set a header to minted tokens that differ only in when they were made.
fn minted(name: &[u8], done: &BTreeSet<(&[u8], Change<'_>)>, would: &BTreeSet<(&[u8], Change<'_>)>) -> bool {
    let value = |changes: &BTreeSet<(&[u8], Change<'_>)>| {
        changes.iter().find_map(|(one, change)| match change {
            Change::Set(value) if *one == name => says(value),
            Change::Set(_) | Change::Remove | Change::RemoveFromQuery => None,
        })
    };
    value(done).is_some_and(|done| value(would).is_some_and(|would| done == would))
}

/// Returns the scheme, header and claims of a signed token (RFC 7515 §7.1), without the claims about when it was made. A client's token is
/// forwarded unchanged or not at all, so two that differ are minted ones.
fn says(value: &[u8]) -> Option<(String, Map<String, Value>)> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, token) = text.rsplit_once(' ').unwrap_or(("", text));
    let [header, claims, _] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).ok()?;
    let mut claims: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    claims.retain(|name, _| !["iat", "nbf", "exp", "jti"].contains(&name.as_str()));
    Some((format!("{scheme} {header}"), claims))
}

/// Returns the changes, each with its name. Their order has no meaning.
fn changes(mutations: &Mutations) -> BTreeSet<(&[u8], Change<'_>)> {
    let Mutations { set, remove, remove_query, dropped: _ } = mutations;
    let set = set.iter().map(|(name, value)| (&**name.bytes(), Change::Set(value.bytes())));
    let remove = remove.iter().map(|name| (&**name, Change::Remove));
    let query = remove_query.iter().map(|name| (&**name, Change::RemoveFromQuery));
    set.chain(remove).chain(query).collect()
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Change<'a> {
    Set(&'a [u8]),
    Remove,
    RemoveFromQuery,
}
