//! Validates `sender_constraint` and its keys: proofs are required exactly where the scheme is `DPoP`.

use super::super::super::diagnostic::{Problem, Problems};
use super::super::super::path::Path;
use super::super::super::raw::{self, Sender};
use super::super::{Span, scheme};
use modgud_core::authn::{Authenticator, DpopPolicy, SenderConstraint};
use modgud_core::denial::ChallengeSchemes;
use std::time::Duration;

/// The default lifetime of a proof.
const LIFETIME: Duration = Duration::from_secs(60);
/// The minimum leeway for clients' clocks, which are less accurate than those of issuers.
const LEAST_LEEWAY: Duration = Duration::from_secs(5);

/// Returns the proof of possession that a token requires. `None` if it requires none. `leeway` is the written one: the default of tokens would
/// let proofs be dated further ahead.
pub(super) fn constraint(
    at: &Path,
    constraint: Option<Sender>,
    lifetime: Option<&String>,
    leeway: Option<Duration>,
    problems: &mut Problems,
) -> Option<SenderConstraint> {
    let span = Span { least: ("1s", 1_000), most: ("5m", 300_000) };
    let at = at.key("proof_lifetime");
    match (constraint, lifetime) {
        (Some(Sender::Dpop), lifetime) => {
            let lifetime = lifetime.map_or(LIFETIME, |text| span.read(&at, Some(text), problems));
            return Some(SenderConstraint::Dpop(DpopPolicy {
                lifetime,
                leeway: leeway.unwrap_or_default().max(LEAST_LEEWAY),
            }));
        }
        (Some(Sender::Certificate) | None, Some(_)) => problems.add(at, Problem::ProofLifetime),
        (Some(Sender::Certificate) | None, None) => {}
    }
    constraint.map(|_| SenderConstraint::Certificate)
}

/// Returns the schemes of challenges: `Bearer` where no proof is required.
pub(in super::super) fn challenge_schemes(list: &[Authenticator]) -> ChallengeSchemes {
    let sender = |one: &Authenticator| one.checks().and_then(|checks| checks.sender);
    let is_dpop = |one: &Authenticator| matches!(sender(one), Some(SenderConstraint::Dpop(_)));
    match (list.iter().any(is_dpop), list.iter().all(is_dpop)) {
        (false, _) => ChallengeSchemes::Bearer,
        (true, true) => ChallengeSchemes::Dpop,
        (true, false) => ChallengeSchemes::BearerAndDpop,
    }
}

/// Checks that tokens that require a proof follow the scheme `DPoP` and have no other location (RFC 9449 §7.1, §7.2).
///
/// Other tokens never follow that scheme, because their holder would believe that a thief can't use them.
pub(super) fn places(at: &Path, entry: &raw::Authenticator, problems: &mut Problems) {
    let raw::Authenticator { jwt, introspection, .. } = entry;
    let of_jwt = jwt.as_ref().and_then(|jwt| jwt.sender_constraint);
    let bound = introspection.as_ref().and_then(|one| one.sender_constraint).or(of_jwt) == Some(Sender::Dpop);
    for (number, from) in entry.from.iter().enumerate() {
        let at = at.key("from").position(number);
        let schemes = from.schemes.as_deref().unwrap_or_default();
        let is_dpop = |text: &String| scheme(text).is_ok_and(|scheme| scheme.is_dpop());
        match schemes.iter().position(is_dpop) {
            Some(_) if bound && schemes.iter().all(is_dpop) => {}
            Some(place) if !bound => problems.add(at.key("schemes").position(place), Problem::SchemeOfProofs),
            Some(_) | None if bound => problems.add(at, Problem::PlaceOfProofs),
            Some(_) | None => {}
        }
    }
}
