//! Validates `jwt`: the keys and the checks of one issuer's tokens. Required claims are written alike for introspection.

use super::super::{DurationRange, algorithm};
use super::{keys, locations, require, without_issuer};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, AnyWord, Audiences, Required, Sender};
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::Issue;
use crate::jwks::KeySource;
use modgud_core::authn::{AudiencePolicy, ClaimsPolicy, IssuerKeys, JwtAuthenticator};
use modgud_core::jose::{Algorithm, KeyType};
use modgud_core::principal::{AuthenticatorName, ClaimMapping};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn check(
    at: &Path,
    name: &str,
    jwt: &raw::Jwt,
    (identity, default_leeway): (&Arc<ClaimMapping>, Duration),
    (loader, sources): (&SecretLoader, &mut Vec<KeySource>),
    diagnostics: &mut Diagnostics,
) -> JwtAuthenticator {
    let raw::Jwt {
        issuer: _,
        without_issuer: _,
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
    let issuer = without_issuer::issuer(at, jwt, diagnostics);
    if algorithms.is_empty() {
        let help = "name the algorithms with which the issuer signs tokens, such as `RS256`";
        diagnostics.add(at.key("algorithms"), Issue::error("empty", "is empty", help));
    }
    if types.as_ref().is_some_and(Vec::is_empty) {
        let help = "name the `typ` values of the tokens, such as `JWT`, or leave the key out to accept every `typ`";
        diagnostics.add(at.key("types"), Issue::error("empty", "is empty", help));
    }
    let mut written = Vec::new();
    for (number, algorithm) in algorithms.iter().enumerate() {
        written.push(diagnostics.ok_or_report(&at.key("algorithms").position(number), self::algorithm(algorithm)));
    }
    let allowed: Vec<Algorithm> = written.iter().copied().flatten().collect();
    let lifetime_span = DurationRange { least: ("0s", 0), most: ("365d", 31_536_000_000) };
    let max_lifetime = lifetime_span.read(&at.key("max_lifetime"), max_lifetime.as_ref(), diagnostics);
    let (leeway, proof_lifetime) = ((leeway.as_ref(), default_leeway), proof_lifetime.as_ref());
    let written_checks =
        ClaimKeys { audiences, require, leeway, sender_constraint: *sender_constraint, proof_lifetime };
    let checks = ClaimsPolicy {
        max_lifetime: Some(max_lifetime).filter(|span| !span.is_zero()),
        types: types.iter().flatten().map(|one| one.as_str().into()).collect(),
        ..claims(at, &written_checks, identity, diagnostics)
    };
    let before = diagnostics.count();
    let mut context = keys::Context { issuer: issuer.as_deref(), algorithms: &allowed, loader, sources, diagnostics };
    let checked_keys = context.keys(&at.key("keys"), keys);
    // The algorithms of a key that could not be loaded are unknown.
    if diagnostics.count() == before && loader.replaced().is_none() {
        each_has_a_key(&at.key("algorithms"), &written, &checked_keys, diagnostics);
    }
    JwtAuthenticator { name: AuthenticatorName::new(name), issuer, algorithms: allowed, keys: checked_keys, checks }
}

/// Checks that every algorithm has a key: one without can't work, or its key was forgotten.
///
/// The keys that a provider publishes are unknown here, but secrets are never among them.
fn each_has_a_key(at: &Path, written: &[Option<Algorithm>], keys: &IssuerKeys, diagnostics: &mut Diagnostics) {
    for (number, algorithm) in written.iter().enumerate() {
        let Some(algorithm) = algorithm else { continue };
        let served = keys.static_keys.keys().iter().any(|key| key.supports(*algorithm));
        let may_be_published = !keys.remote.is_empty() && algorithm.key_type() != KeyType::Hmac;
        if !served && !may_be_published {
            let message = format!("no key of this authenticator supports `{}`", algorithm.name());
            let help = "add one under `keys`, or leave the algorithm out";
            diagnostics.add(at.position(number), Issue::error("algorithm-without-key", message, help));
        }
    }
}

/// The keys that both kinds have.
pub(super) struct ClaimKeys<'a> {
    pub(super) audiences: &'a Audiences,
    pub(super) require: &'a [Required],
    /// The written leeway, and its default.
    pub(super) leeway: (Option<&'a String>, Duration),
    pub(super) sender_constraint: Option<Sender>,
    pub(super) proof_lifetime: Option<&'a String>,
}

/// Returns the checks of these keys. Types and lifetimes remain unchecked.
pub(super) fn claims(
    at: &Path,
    written: &ClaimKeys<'_>,
    identity: &Arc<ClaimMapping>,
    diagnostics: &mut Diagnostics,
) -> ClaimsPolicy {
    let ClaimKeys { audiences, require, leeway, sender_constraint, proof_lifetime } = written;
    let span = DurationRange { least: ("0s", 0), most: ("5m", 300_000) };
    let (written, default) = *leeway;
    let written = written.map(|text| span.read(&at.key("leeway"), Some(text), diagnostics));
    let mut required = Vec::new();
    for (number, one) in require.iter().enumerate() {
        required.extend(require::check(&at.key("require").position(number), one, diagnostics));
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
        sender: locations::constraint(at, *sender_constraint, *proof_lifetime, written, diagnostics),
        identity: Arc::clone(identity),
    }
}
