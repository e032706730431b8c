//! Validates `mint`: each key is strong enough to sign, no other issuer signs with it, and no claim replaces one of modgud's own.
//!
//! Gathers the public keys to publish.

use super::authenticators::{key_shared, unusable_key};
use super::upstream::source;
use super::{DurationRange, algorithm, named, scheme};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, MintClaim};
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authn::{Authenticator, JwtAuthenticator};
use modgud_core::credential::Scheme;
use modgud_core::jose::{Algorithm, KeyId, KeyType, PublicJwk, SigningError, SigningKey, VerificationKey};
use modgud_core::principal::AuthenticatorName;
use modgud_core::upstream::{Mint, RESERVED_CLAIMS, ValueSource};
use std::collections::{BTreeMap, HashSet};

/// The default of `lifetime`.
const LIFETIME: &str = "60s";
/// The default of `backdate`.
const BACKDATE: &str = "0s";
/// The default of `scheme`.
const SCHEME: &str = "Bearer";

/// The mints, and the keys that verify their tokens.
#[derive(Default)]
pub(super) struct ValidatedMints {
    pub(super) mints: Vec<Mint>,
    pub(super) published: Vec<PublicJwk>,
}

pub(super) fn check(
    list: &[raw::Mint],
    authenticators: &[Authenticator],
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> ValidatedMints {
    let mut checked = ValidatedMints::default();
    let mut taken = HashSet::new();
    for (number, one) in list.iter().enumerate() {
        let at = Path::root("mint").position(number);
        named(&at, "name", &one.name, &mut taken, diagnostics);
        let Some((mut mint, others)) = mint(&at, one, loader, &mut checked.published, diagnostics) else { continue };
        if !loader.replaces_keys() {
            not_an_issuers(&at.key("key"), &mint, authenticators, diagnostics);
        }
        mint.accepted_by = accepted_by(&mint, &others, authenticators);
        checked.mints.push(mint);
    }
    checked
}

/// Returns the mint, and the keys that are published in addition to its own.
fn mint(
    at: &Path,
    one: &raw::Mint,
    loader: &SecretLoader,
    published: &mut Vec<PublicJwk>,
    diagnostics: &mut Diagnostics,
) -> Option<(Mint, Vec<VerificationKey>)> {
    let raw::Mint { name, algorithm, key, also_published, issuer, audience, lifetime, backdate, scheme, claims, omit } =
        one;
    if issuer.is_empty() {
        let help = "write the `iss` that modules require, such as `modgud`";
        diagnostics.add(at.key("issuer"), Issue::error("empty", "is empty", help));
    }
    let audiences = audiences(&at.key("audience"), audience.as_ref(), diagnostics);
    let (lifetime_unset, backdate_unset) = (LIFETIME.to_owned(), BACKDATE.to_owned());
    let span = DurationRange { least: ("10s", 10_000), most: ("1h", 3_600_000) };
    let lifetime = span.read(&at.key("lifetime"), Some(lifetime.as_ref().unwrap_or(&lifetime_unset)), diagnostics);
    let span = DurationRange { least: ("0s", 0), most: ("60s", 60_000) };
    let backdate = span.read(&at.key("backdate"), Some(backdate.as_ref().unwrap_or(&backdate_unset)), diagnostics);
    let scheme = diagnostics.ok_or_report(&at.key("scheme"), self::scheme(scheme.as_deref().unwrap_or(SCHEME)));
    let claims = self::claims(&at.key("claims"), claims, diagnostics);
    let algorithm = diagnostics.ok_or_report(&at.key("algorithm"), self::algorithm(algorithm))?;
    let (key, verification) = diagnostics.ok_or_report(&at.key("key"), signing_key(key, algorithm, loader))?;
    let public = self::published(at, also_published, algorithm, loader, diagnostics);
    let key = match algorithm.key_type() {
        KeyType::Hmac => key,
        KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => {
            let pem =
                key.public_pem().map_err(|error| not_signing("the key", &error)).and_then(|pem| own(&pem, algorithm));
            let own = diagnostics.ok_or_report(&at.key("key"), pem)?;
            let id: KeyId = own.id().clone();
            published.push(own);
            key.with_id(id)
        }
    };
    let (public, others): (Vec<PublicJwk>, Vec<VerificationKey>) = public.into_iter().unzip();
    published.extend(public);
    let scheme: Scheme = scheme?;
    let (name, issuer) = (name.as_str().into(), issuer.as_str().into());
    let (omitted, accepted_by) = (omit.clone(), Vec::new());
    let mint =
        Mint { name, key, verification, issuer, audiences, lifetime, backdate, scheme, claims, omitted, accepted_by };
    Some((mint, others))
}

fn audiences(at: &Path, written: Option<&raw::MintAudience>, diagnostics: &mut Diagnostics) -> Vec<Box<str>> {
    let mut audiences = Vec::new();
    for (number, text) in written.map(raw::MintAudience::list).unwrap_or_default().iter().enumerate() {
        if text.is_empty() {
            let at = match written {
                Some(raw::MintAudience::List(_)) => at.position(number),
                Some(raw::MintAudience::One(_)) | None => at.clone(),
            };
            let help =
                "write the `aud` that modules require, such as `modules`, or `audience: []` if they require none";
            diagnostics.add(at, Issue::error("empty", "is empty", help));
        }
        audiences.push(text.as_str().into());
    }
    audiences
}

fn own(pem: &str, algorithm: Algorithm) -> Result<PublicJwk, Issue> {
    PublicJwk::from_pem(pem, algorithm).map_err(|error| unusable_key("the public half of this key", &error))
}

fn not_signing(origin: &str, error: &SigningError) -> Issue {
    Issue::parse("signing-key-unusable", format!("{origin} does not hold a usable signing key: {error}"))
}

/// Returns the signing key and its verification key. The latter is read like any other, so that a key too weak there is too weak here.
fn signing_key(
    source: &raw::SecretSource,
    algorithm: Algorithm,
    loader: &SecretLoader,
) -> Result<(SigningKey, VerificationKey), Issue> {
    if let Some(keys) = loader.replaced() {
        let key = keys.signing(algorithm);
        let both = key.and_then(|key| key.verification_key().map(|verification| (key, verification)));
        return both.map_err(|error| not_signing("a key generated for this run", &error));
    }
    match algorithm.key_type() {
        KeyType::Hmac => {
            let (text, origin) = loader.read_secret(source)?;
            let verification = VerificationKey::from_secret(text.as_bytes());
            let verification = verification.map_err(|error| unusable_key(&origin, &error))?;
            let key = SigningKey::from_secret(&text).and_then(|key| key.with_algorithm(algorithm));
            let key = key.map_err(|error| not_signing(&origin, &error))?;
            Ok((key, verification))
        }
        KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => {
            let (text, origin) = loader.read_private_key(source)?;
            let key = SigningKey::from_pem(&text).and_then(|key| key.with_algorithm(algorithm));
            let key = key.map_err(|error| not_signing(&origin, &error))?;
            let pem = key.public_pem().map_err(|error| not_signing(&origin, &error))?;
            let verification = VerificationKey::from_pem(&pem).map_err(|error| unusable_key(&origin, &error))?;
            Ok((key, verification))
        }
    }
}

/// Returns the public keys to publish in addition to that of `key`.
fn published(
    at: &Path,
    list: &[raw::SecretSource],
    algorithm: Algorithm,
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> Vec<(PublicJwk, VerificationKey)> {
    let at = at.key("also_published");
    if algorithm.key_type() == KeyType::Hmac {
        if !list.is_empty() {
            let message = format!("has no effect with {}, whose secret has no public half", algorithm.name());
            diagnostics.add(at, Issue::error("nothing-to-publish", message, "leave it out, or sign with `EdDSA`"));
        }
        return Vec::new();
    }
    if loader.replaces_keys() {
        return Vec::new();
    }
    let mut keys = Vec::new();
    for (number, source) in list.iter().enumerate() {
        let key = loader.read_pem(source).and_then(|(text, origin)| {
            let both = PublicJwk::from_pem(&text, algorithm)
                .and_then(|key| VerificationKey::from_pem(&text).map(|verification| (key, verification)));
            both.map_err(|error| unusable_key(&origin, &error))
        });
        keys.extend(diagnostics.ok_or_report(&at.position(number), key));
    }
    keys
}

fn claims(
    at: &Path,
    list: &BTreeMap<String, MintClaim>,
    diagnostics: &mut Diagnostics,
) -> Vec<(Box<str>, ValueSource)> {
    let mut claims = Vec::new();
    for (name, written) in list {
        let at = at.key(name);
        if name.is_empty() {
            diagnostics.add(at.clone(), Issue::error("claim-unnamed", "has no name", "write one such as `username`"));
        } else if RESERVED_CLAIMS.contains(&name.as_str()) {
            let message = format!("modgud itself sets or omits {} in every token", Quoted::new(name));
            diagnostics.add(at.clone(), Issue::error("claim-reserved", message, "write another name"));
        }
        let MintClaim { claim, principal, value } = written;
        let source = source(&at, (claim.as_ref(), *principal, value.as_ref()), diagnostics);
        claims.extend(source.map(|source| (name.as_str().into(), source)));
    }
    claims
}

/// Checks that no issuer of clients' tokens signs with the key: under another `iss`, each could sign for the other.
fn not_an_issuers(at: &Path, mint: &Mint, authenticators: &[Authenticator], diagnostics: &mut Diagnostics) {
    for jwt in authenticators.iter().filter_map(Authenticator::as_jwt).filter(|jwt| jwt.issuer() != Some(&*mint.issuer))
    {
        if jwt.keys.static_keys.keys().iter().any(|key| key.same_key_material(&mint.verification)) {
            diagnostics.add(at.clone(), key_shared(mint.verification.fingerprint(), jwt));
        }
    }
}

/// Returns the authenticators of this mint's tokens: those of its issuer whose every key is one of its own, as far as they accept no other
/// algorithm.
fn accepted_by(mint: &Mint, others: &[VerificationKey], authenticators: &[Authenticator]) -> Vec<AuthenticatorName> {
    let is_own =
        |key: &VerificationKey| std::iter::once(&mint.verification).chain(others).any(|own| own.same_key_material(key));
    let accepts_own_only = |jwt: &&JwtAuthenticator| {
        jwt.issuer() == Some(&*mint.issuer)
            && jwt.algorithms == [mint.key.algorithm()]
            && jwt.keys.remote.is_empty()
            && jwt.keys.static_keys.keys().iter().all(is_own)
    };
    let found = authenticators.iter().filter_map(Authenticator::as_jwt).filter(accepts_own_only);
    found.map(|jwt| jwt.name.clone()).collect()
}
