//! Validates `jwt`: the keys and the checks of one issuer's tokens.

use super::super::super::diagnostic::{Problem, Problems};
use super::super::super::path::Path;
use super::super::super::quoted::Quoted;
use super::super::super::raw;
use super::super::super::secret_source::SecretLoader;
use super::super::Span;
use super::claims::{self, Written};
use super::keys;
use crate::jwks::KeySource;
use modgud_core::authn::{ClaimsPolicy, IssuerKeys, JwtAuthenticator};
use modgud_core::jose::{Algorithm, KeyType};
use modgud_core::principal::{AuthenticatorName, ClaimMapping};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn check(
    at: &Path,
    name: &str,
    jwt: &raw::Jwt,
    (identity, default_leeway): (&Arc<ClaimMapping>, Duration),
    (reader, sources): (&SecretLoader, &mut Vec<KeySource>),
    problems: &mut Problems,
) -> JwtAuthenticator {
    let raw::Jwt {
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
    if types.as_ref().is_some_and(Vec::is_empty) {
        let right = "every `typ` would be accepted; name those of the tokens, such as `JWT`, or leave the key out";
        problems.add(at.key("types"), Problem::Empty(right));
    }
    let mut written = Vec::new();
    for (number, algorithm) in algorithms.iter().enumerate() {
        let parsed = Algorithm::parse(algorithm).ok_or_else(|| Problem::Algorithm(Quoted::new(algorithm)));
        written.push(problems.take(&at.key("algorithms").position(number), parsed));
    }
    let allowed: Vec<Algorithm> = written.iter().copied().flatten().collect();
    let lifetime_span = Span { least: ("0s", 0), most: ("365d", 31_536_000_000) };
    let max_lifetime = lifetime_span.read(&at.key("max_lifetime"), max_lifetime.as_ref(), problems);
    let (leeway, proof_lifetime) = ((leeway.as_ref(), default_leeway), proof_lifetime.as_ref());
    let written_checks = Written { audiences, require, leeway, sender_constraint: *sender_constraint, proof_lifetime };
    let checks = ClaimsPolicy {
        max_lifetime: Some(max_lifetime).filter(|span| !span.is_zero()),
        types: types.iter().flatten().map(|one| one.as_str().into()).collect(),
        ..claims::check(at, &written_checks, identity, problems)
    };
    let before = problems.count();
    let mut context = keys::Context { issuer, algorithms: &allowed, reader, sources, problems };
    let checked_keys = context.keys(&at.key("keys"), keys);
    // The algorithms of a key that could not be loaded are unknown.
    if problems.count() == before && reader.replaced().is_none() {
        each_has_a_key(&at.key("algorithms"), &written, &checked_keys, problems);
    }
    let (name, issuer) = (AuthenticatorName::new(name), issuer.as_str().into());
    JwtAuthenticator { name, issuer, algorithms: allowed, keys: checked_keys, checks }
}

/// Checks that every algorithm has a key: one without can't work, or its key was forgotten.
///
/// The keys that a provider publishes are unknown here, but secrets are never among them.
fn each_has_a_key(at: &Path, written: &[Option<Algorithm>], keys: &IssuerKeys, problems: &mut Problems) {
    for (number, algorithm) in written.iter().enumerate() {
        let Some(algorithm) = algorithm else { continue };
        let served = keys.static_keys.keys().iter().any(|key| key.supports(*algorithm));
        let may_be_published = !keys.remote.is_empty() && algorithm.key_type() != KeyType::Hmac;
        if !served && !may_be_published {
            problems.add(at.position(number), Problem::AlgorithmWithoutKey(algorithm.name()));
        }
    }
}
