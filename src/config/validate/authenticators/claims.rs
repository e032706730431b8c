//! Validates the required claims, which are written alike for signed tokens and for introspection.

use super::super::DurationRange;
use super::super::principal::claim_path;
use super::sender;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{AnyWord, Audiences, Claim, Sender};
use modgud_core::authn::{AudiencePolicy, ClaimsPolicy};
use modgud_core::principal::ClaimMapping;
use std::sync::Arc;

/// The keys that both kinds have.
pub(super) struct Written<'a> {
    pub(super) audiences: &'a Audiences,
    pub(super) require: &'a [Claim],
    pub(super) leeway: Option<&'a String>,
    pub(super) sender_constraint: Option<Sender>,
    pub(super) proof_lifetime: Option<&'a String>,
}

/// Returns the checks of these keys. Types and lifetimes remain unchecked.
pub(super) fn check(
    at: &Path,
    written: &Written<'_>,
    identity: &Arc<ClaimMapping>,
    diagnostics: &mut Diagnostics,
) -> ClaimsPolicy {
    let Written { audiences, require, leeway, sender_constraint, proof_lifetime } = written;
    let span = DurationRange { least: ("0s", 0), most: ("5m", 300_000) };
    let leeway = span.read(&at.key("leeway"), *leeway, diagnostics);
    let mut required = Vec::new();
    for (number, claim) in require.iter().enumerate() {
        required.extend(diagnostics.ok_or_report(&at.key("require").position(number), claim_path(claim)));
    }
    ClaimsPolicy {
        audience: match audiences {
            Audiences::List(list) if list.is_empty() => AudiencePolicy::Absent,
            Audiences::List(list) => AudiencePolicy::AnyOf(list.iter().map(|one| one.as_str().into()).collect()),
            Audiences::Any(AnyWord::Any) => AudiencePolicy::Unchecked,
        },
        require: required,
        leeway,
        max_lifetime: None,
        types: Vec::new(),
        sender: sender::constraint(at, *sender_constraint, *proof_lifetime, leeway, diagnostics),
        identity: Arc::clone(identity),
    }
}
