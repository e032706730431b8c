//! Validates the required claims, which are written alike for signed tokens and for introspection.

use super::super::super::diagnostic::Problems;
use super::super::super::path::Path;
use super::super::super::raw::{AnyWord, Audiences, Claim, Sender};
use super::super::Span;
use super::super::principal::claim_path;
use super::sender;
use modgud_core::authn::{AudiencePolicy, ClaimsPolicy};
use modgud_core::principal::ClaimMapping;
use std::sync::Arc;
use std::time::Duration;

/// The keys that both kinds have.
pub(super) struct Written<'a> {
    pub(super) audiences: &'a Audiences,
    pub(super) require: &'a [Claim],
    /// The written leeway, and its default.
    pub(super) leeway: (Option<&'a String>, Duration),
    pub(super) sender_constraint: Option<Sender>,
    pub(super) proof_lifetime: Option<&'a String>,
}

/// Returns the checks of these keys. Types and lifetimes remain unchecked.
pub(super) fn check(
    at: &Path,
    written: &Written<'_>,
    identity: &Arc<ClaimMapping>,
    problems: &mut Problems,
) -> ClaimsPolicy {
    let Written { audiences, require, leeway, sender_constraint, proof_lifetime } = written;
    let span = Span { least: ("0s", 0), most: ("5m", 300_000) };
    let (written, default) = *leeway;
    let written = written.map(|text| span.read(&at.key("leeway"), Some(text), problems));
    let sender = sender::constraint(at, *sender_constraint, *proof_lifetime, written, problems);
    let mut required = Vec::new();
    for (number, claim) in require.iter().enumerate() {
        required.extend(problems.take(&at.key("require").position(number), claim_path(claim)));
    }
    ClaimsPolicy {
        audience: match audiences {
            Audiences::List(list) if list.is_empty() => AudiencePolicy::Absent,
            Audiences::List(list) => AudiencePolicy::AnyOf(list.iter().map(|one| one.as_str().into()).collect()),
            Audiences::Any(AnyWord::Any) => AudiencePolicy::Unchecked,
        },
        require: required,
        leeway: written.unwrap_or(default),
        max_lifetime: None,
        types: Vec::new(),
        sender,
        identity: Arc::clone(identity),
    }
}
