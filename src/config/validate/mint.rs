//! Validates `mint`: each key is strong enough to sign, no other issuer signs with it, and no claim replaces one of modgud's own.
//!
//! Gathers the public keys to publish.

use super::super::diagnostic::{Problem, Problems};
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw::{self, MintClaim};
use super::super::secret_source::SecretLoader;
use super::upstream::source;
use super::{Span, named, scheme};
use modgud_core::authn::Authenticator;
use modgud_core::credential::Scheme;
use modgud_core::jose::{Algorithm, KeyId, KeyType, PublicJwk, SigningKey, VerificationKey};
use modgud_core::upstream::{Mint, RESERVED_CLAIMS, ValueSource};
use std::collections::{BTreeMap, HashSet};

/// The default of `lifetime`.
const LIFETIME: &str = "60s";
/// The default of `scheme`.
const SCHEME: &str = "Bearer";

/// The mints, and the keys that verify their tokens.
#[derive(Default)]
pub(super) struct Checked {
    pub(super) mints: Vec<Mint>,
    pub(super) published: Vec<PublicJwk>,
}

pub(super) fn check(
    list: &[raw::Mint],
    authenticators: &[Authenticator],
    reader: &SecretLoader,
    problems: &mut Problems,
) -> Checked {
    let mut checked = Checked::default();
    let mut taken = HashSet::new();
    for (number, one) in list.iter().enumerate() {
        let at = Path::root("mint").position(number);
        named(&at, "name", &one.name, &mut taken, problems);
        let mint = mint(&at, one, reader, &mut checked.published, problems);
        if let Some(mint) = &mint
            && !reader.replaces_keys()
        {
            not_an_issuers(&at.key("key"), mint, authenticators, problems);
        }
        checked.mints.extend(mint);
    }
    checked
}

fn mint(
    at: &Path,
    one: &raw::Mint,
    reader: &SecretLoader,
    published: &mut Vec<PublicJwk>,
    problems: &mut Problems,
) -> Option<Mint> {
    let raw::Mint { name, algorithm, key, also_published, issuer, audience, lifetime, scheme, claims } = one;
    for (key, text, right) in [
        ("issuer", issuer, "write the `iss` that modules ask for, such as `modgud`"),
        ("audience", audience, "write the `aud` that modules ask for, such as `modules`"),
    ] {
        if text.is_empty() {
            problems.add(at.key(key), Problem::Empty(right));
        }
    }
    let unset = LIFETIME.to_owned();
    let span = Span { least: ("10s", 10_000), most: ("1h", 3_600_000) };
    let lifetime = span.read(&at.key("lifetime"), Some(lifetime.as_ref().unwrap_or(&unset)), problems);
    let scheme = problems.take(&at.key("scheme"), self::scheme(scheme.as_deref().unwrap_or(SCHEME)));
    let claims = self::claims(&at.key("claims"), claims, problems);
    let parsed = Algorithm::parse(algorithm).ok_or_else(|| Problem::Algorithm(Quoted::new(algorithm)));
    let algorithm = problems.take(&at.key("algorithm"), parsed)?;
    let (key, verification) = problems.take(&at.key("key"), signing_key(key, algorithm, reader))?;
    let public = self::published(at, also_published, algorithm, reader, problems);
    let key = match algorithm.key_type() {
        KeyType::Hmac => key,
        KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::Ed25519 => {
            let pem = key.public_pem().map_err(Problem::from).and_then(|pem| own(&pem, algorithm));
            let own = problems.take(&at.key("key"), pem)?;
            let id: KeyId = own.id().clone();
            published.push(own);
            key.with_id(id)
        }
    };
    published.extend(public);
    let scheme: Scheme = scheme?;
    let (name, issuer, audience) = (name.as_str().into(), issuer.as_str().into(), audience.as_str().into());
    Some(Mint { name, key, verification, issuer, audience, lifetime, scheme, claims })
}

fn own(pem: &str, algorithm: Algorithm) -> Result<PublicJwk, Problem> {
    let origin = || "the public half of this key".to_owned();
    PublicJwk::from_pem(pem, algorithm).map_err(|fault| Problem::Key { origin: origin(), fault })
}

/// Returns the signing key and its verification key. The latter is read like any other, so that a key too weak there is too weak here.
fn signing_key(
    source: &raw::SecretSource,
    algorithm: Algorithm,
    reader: &SecretLoader,
) -> Result<(SigningKey, VerificationKey), Problem> {
    if let Some(throw_away) = reader.replaced() {
        let key = throw_away.signing(algorithm)?;
        let verification = key.verification_key()?;
        return Ok((key, verification));
    }
    match algorithm.key_type() {
        KeyType::Hmac => {
            let (text, origin) = reader.read_secret(source)?;
            let verification = VerificationKey::from_secret(text.as_bytes());
            let verification = verification.map_err(|fault| Problem::Key { origin: origin.clone(), fault })?;
            let key = SigningKey::from_secret(&text).and_then(|key| key.with_algorithm(algorithm));
            let key = key.map_err(|fault| Problem::PrivateKey { origin, fault })?;
            Ok((key, verification))
        }
        KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::Ed25519 => {
            let (text, origin) = reader.read_private_key(source)?;
            let key = SigningKey::from_pem(&text).and_then(|key| key.with_algorithm(algorithm));
            let key = key.map_err(|fault| Problem::PrivateKey { origin: origin.clone(), fault })?;
            let verification = VerificationKey::from_pem(&key.public_pem()?);
            let verification = verification.map_err(|fault| Problem::Key { origin, fault })?;
            Ok((key, verification))
        }
    }
}

/// Returns the public keys to publish in addition to that of `key`.
fn published(
    at: &Path,
    list: &[raw::SecretSource],
    algorithm: Algorithm,
    reader: &SecretLoader,
    problems: &mut Problems,
) -> Vec<PublicJwk> {
    let at = at.key("also_published");
    if algorithm.key_type() == KeyType::Hmac {
        if !list.is_empty() {
            problems.add(at, Problem::NothingToPublish(algorithm.name()));
        }
        return Vec::new();
    }
    if reader.replaces_keys() {
        return Vec::new();
    }
    let mut keys = Vec::new();
    for (number, source) in list.iter().enumerate() {
        let key = reader.read_pem(source).map_err(Problem::from).and_then(|(text, origin)| {
            PublicJwk::from_pem(&text, algorithm).map_err(|fault| Problem::Key { origin, fault })
        });
        keys.extend(problems.take(&at.position(number), key));
    }
    keys
}

fn claims(at: &Path, list: &BTreeMap<String, MintClaim>, problems: &mut Problems) -> Vec<(Box<str>, ValueSource)> {
    let mut claims = Vec::new();
    for (name, written) in list {
        let at = at.key(name);
        if name.is_empty() {
            problems.add(at.clone(), Problem::ClaimUnnamed);
        } else if RESERVED_CLAIMS.contains(&name.as_str()) {
            problems.add(at.clone(), Problem::ClaimOfOurs(Quoted::new(name)));
        }
        let MintClaim { claim, principal, value } = written;
        let source = source(&at, (claim.as_ref(), *principal, value.as_ref()), problems);
        claims.extend(source.map(|source| (name.as_str().into(), source)));
    }
    claims
}

/// Checks that no issuer of clients' tokens signs with the key: under another `iss`, each could sign for the other.
fn not_an_issuers(at: &Path, mint: &Mint, authenticators: &[Authenticator], problems: &mut Problems) {
    for jwt in authenticators.iter().filter_map(Authenticator::as_jwt).filter(|jwt| jwt.issuer != mint.issuer) {
        if jwt.keys.static_keys.keys().iter().any(|key| key.same_key_material(&mint.verification)) {
            let fingerprint = mint.verification.fingerprint();
            let (of, issuer) = (Quoted::new(jwt.name.as_str()), Quoted::new(&jwt.issuer));
            problems.add(at.clone(), Problem::KeyShared { fingerprint, of, issuer });
        }
    }
}
