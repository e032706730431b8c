//! Checks `jwt`: the keys and the checks of one issuer's tokens.

use super::super::super::document::{self, Audiences};
use super::super::super::path::Path;
use super::super::super::problem::{Problem, Problems};
use super::super::super::quoted::Quoted;
use super::super::super::source::Reader;
use super::super::Span;
use super::super::principal::claim_path;
use super::{keys, sender};
use crate::authn::{AudiencePolicy, ClaimChecks, IssuerKeys, JwtAuthenticator};
use crate::jose::{Algorithm, Family};
use crate::keys::KeySource;
use crate::principal::{AuthenticatorName, IdentityClaims};
use std::sync::Arc;

pub(super) fn check(
    at: &Path,
    name: &str,
    jwt: &document::Jwt,
    identity: &Arc<IdentityClaims>,
    (reader, sources): (&Reader, &mut Vec<KeySource>),
    problems: &mut Problems,
) -> JwtAuthenticator {
    let document::Jwt {
        issuer,
        algorithms,
        keys,
        audiences,
        require,
        leeway,
        max_lifetime,
        types,
        sender_constraint,
        proof_lifetime,
    } = jwt;
    if issuer.is_empty() {
        problems.add(at.key("issuer"), Problem::Empty("write the exact `iss` of the tokens"));
    }
    if algorithms.is_empty() {
        problems.add(
            at.key("algorithms"),
            Problem::Empty("name the algorithms that tokens may be signed with, such as `RS256`"),
        );
    }
    let mut written = Vec::new();
    for (number, algorithm) in algorithms.iter().enumerate() {
        let parsed = Algorithm::parse(algorithm).ok_or_else(|| Problem::Algorithm(Quoted::new(algorithm)));
        written.push(problems.take(&at.key("algorithms").position(number), parsed));
    }
    let allowed: Vec<Algorithm> = written.iter().copied().flatten().collect();
    let leeway_span = Span { least: ("0s", 0), most: ("5m", 300_000) };
    let lifetime_span = Span { least: ("0s", 0), most: ("365d", 31_536_000_000) };
    let leeway = leeway_span.read(&at.key("leeway"), leeway.as_ref(), problems);
    let max_lifetime = lifetime_span.read(&at.key("max_lifetime"), max_lifetime.as_ref(), problems);
    let max_lifetime = Some(max_lifetime).filter(|span| !span.is_zero());
    let mut required = Vec::new();
    for (number, claim) in require.iter().enumerate() {
        required.extend(problems.take(&at.key("require").position(number), claim_path(claim)));
    }
    let checks = ClaimChecks {
        audience: match audiences {
            Audiences::List(list) if list.is_empty() => AudiencePolicy::Absent,
            Audiences::List(list) => AudiencePolicy::AnyOf(list.iter().map(|one| one.as_str().into()).collect()),
            Audiences::Any(document::AnyWord::Any) => AudiencePolicy::Unchecked,
        },
        require: required,
        leeway,
        max_lifetime,
        types: types.iter().map(|one| one.as_str().into()).collect(),
        sender: sender::constraint(at, *sender_constraint, proof_lifetime.as_ref(), leeway, problems),
        identity: Arc::clone(identity),
    };
    let before = problems.count();
    let mut context = keys::Context { issuer, algorithms: &allowed, reader, sources, problems };
    let checked_keys = context.keys(&at.key("keys"), keys);
    // Where a key could not be had, it is not known what it would have served.
    if problems.count() == before && reader.replaced().is_none() {
        each_has_a_key(&at.key("algorithms"), &written, &checked_keys, problems);
    }
    let (name, issuer) = (AuthenticatorName::new(name), issuer.as_str().into());
    JwtAuthenticator { name, issuer, algorithms: allowed, keys: checked_keys, checks }
}

/// Every algorithm needs a key: one without would be a promise that is not kept, or a key that was forgotten. What a provider
/// publishes is not known here, but that it publishes no secrets is.
fn each_has_a_key(at: &Path, written: &[Option<Algorithm>], keys: &IssuerKeys, problems: &mut Problems) {
    for (number, algorithm) in written.iter().enumerate() {
        let Some(algorithm) = algorithm else { continue };
        let served = keys.fixed.keys().iter().any(|key| key.can(*algorithm));
        let may_be_published = !keys.remote.is_empty() && algorithm.family() != Family::Hmac;
        if !served && !may_be_published {
            problems.add(at.position(number), Problem::AlgorithmWithoutKey(algorithm.name()));
        }
    }
}
