//! What one check came to under two configurations, and where that differs: whether it is let through, the reason, and what the module
//! is told. A rule of another name, and another text for the client, are no difference.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud_core::authz::RuleName;
use modgud_core::decide::{Decision, Verdict};
use modgud_core::reason::Reason;
use modgud_core::upstream::Mutations;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// How many headers are named, at most.
const NAMED: usize = 8;

/// What was answered.
#[derive(Debug)]
pub struct Done {
    rule: Option<RuleName>,
    /// `Err`: turned away.
    outcome: Result<Mutations, Reason>,
}

/// What would have been decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Would {
    /// Let through, where it was not.
    Allow,
    /// Let through, as it was, with other changes to the request.
    Headers,
    /// Turned away.
    Deny(Reason),
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The rule that decided; `None`: the fallback did, or nothing.
    pub rule: Option<RuleName>,
    /// Why the request was turned away; `None`: it was let through.
    pub enforced: Option<Reason>,
    /// What the other configuration would have done.
    pub shadow: Would,
    /// Its rule.
    pub shadow_rule: Option<RuleName>,
    /// What it found: why it would have turned the request away, or which headers differ.
    pub detail: Option<String>,
}

impl Would {
    /// The word for it in the log and in metrics.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Allow => "allowed",
            Self::Headers => "headers",
            Self::Deny(reason) => reason.code(),
        }
    }
}

impl Done {
    /// What a decision is answered with.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        let outcome = match &decision.verdict {
            Verdict::Allow(mutations) => Ok(mutations.clone()),
            Verdict::Deny(fault) => Err(fault.reason()),
        };
        Self { rule: decision.rule.clone(), outcome }
    }

    /// Where what would have been decided differs.
    #[must_use]
    pub fn differs(&self, would: Decision) -> Option<Difference> {
        let Self { rule, outcome } = self;
        let enforced = outcome.as_ref().err().copied();
        let (shadow, detail) = match (outcome, would.verdict) {
            (Ok(done), Verdict::Allow(would)) => (Would::Headers, Some(headers(done, &would)?)),
            (Err(_), Verdict::Allow(_)) => (Would::Allow, None),
            (Err(done), Verdict::Deny(fault)) if *done == fault.reason() => return None,
            (Ok(_) | Err(_), Verdict::Deny(fault)) => (Would::Deny(fault.reason()), Some(fault.to_string())),
        };
        Some(Difference { rule: rule.clone(), enforced, shadow, shadow_rule: would.rule, detail })
    }
}

/// The names of the headers and query parameters that are changed in another way; `None`: none is. Values are not told.
fn headers(done: &Mutations, would: &Mutations) -> Option<String> {
    let (done, would) = (changes(done), changes(would));
    let other = done.symmetric_difference(&would).map(|(name, _)| *name).filter(|name| !minted(name, &done, &would));
    let told: BTreeSet<_> = other.map(String::from_utf8_lossy).collect();
    let told: Vec<_> = told.into_iter().take(NAMED).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// Whether a header is set to tokens of our own that only differ in when they were made.
fn minted(name: &[u8], done: &BTreeSet<(&[u8], Change<'_>)>, would: &BTreeSet<(&[u8], Change<'_>)>) -> bool {
    let value = |changes: &BTreeSet<(&[u8], Change<'_>)>| {
        changes.iter().find_map(|(one, change)| match change {
            Change::Set(value) if *one == name => says(value),
            Change::Set(_) | Change::Remove | Change::RemoveFromQuery => None,
        })
    };
    value(done).is_some_and(|done| value(would).is_some_and(|would| done == would))
}

/// What a signed token says (RFC 7515 §7.1), but for when it was made, and what stands before it. A client's token is handed on as it
/// is or not at all, so that two that differ are ours.
fn says(value: &[u8]) -> Option<(String, Map<String, Value>)> {
    let text = std::str::from_utf8(value).ok()?;
    let (scheme, token) = text.rsplit_once(' ').unwrap_or(("", text));
    let [header, claims, _] = <[&str; 3]>::try_from(token.split('.').collect::<Vec<_>>()).ok()?;
    let mut claims: Map<String, Value> = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    claims.retain(|name, _| !["iat", "nbf", "exp", "jti"].contains(&name.as_str()));
    Some((format!("{scheme} {header}"), claims))
}

/// Each change: the name, and what becomes of it. The order in which they are made means nothing.
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
