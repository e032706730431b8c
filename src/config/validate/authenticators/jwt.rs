//! Checks `jwt`: the keys and the checks of one issuer's tokens.

use super::super::super::document::{self, Audiences, Source};
use super::super::super::path::Path;
use super::super::super::problem::{Problem, Problems};
use super::super::super::quoted::Quoted;
use super::super::super::source::Reader;
use super::super::Span;
use super::super::principal::claim_path;
use crate::authn::{AudiencePolicy, ClaimChecks, JwtAuthenticator, SenderConstraint};
use crate::jose::{Algorithm, KeySet, VerificationKey};
use crate::principal::{AuthenticatorName, IdentityClaims};
use std::sync::Arc;

pub(super) fn check(
    at: &Path,
    name: &str,
    jwt: &document::Jwt,
    identity: &Arc<IdentityClaims>,
    reader: &Reader,
    problems: &mut Problems,
) -> JwtAuthenticator {
    let document::Jwt { issuer, algorithms, keys, audiences, require, leeway, max_lifetime, types, sender_constraint } =
        jwt;
    if issuer.is_empty() {
        problems.add(at.key("issuer"), Problem::Empty("write the exact `iss` of the tokens"));
    }
    if algorithms.is_empty() {
        problems.add(
            at.key("algorithms"),
            Problem::Empty("name the algorithms that tokens may be signed with, such as `RS256`"),
        );
    }
    let mut allowed = Vec::new();
    for (number, algorithm) in algorithms.iter().enumerate() {
        let parsed = Algorithm::parse(algorithm).ok_or_else(|| Problem::Algorithm(Quoted::new(algorithm)));
        allowed.extend(problems.take(&at.key("algorithms").position(number), parsed));
    }
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
        sender: sender_constraint.map(|sender| match sender {
            document::Sender::Certificate => SenderConstraint::Certificate,
        }),
        identity: Arc::clone(identity),
    };
    JwtAuthenticator {
        name: AuthenticatorName::new(name),
        issuer: issuer.as_str().into(),
        keys: self::keys(&at.key("keys"), keys, &allowed, reader, problems),
        algorithms: allowed,
        checks,
    }
}

fn keys(at: &Path, list: &[document::Key], allowed: &[Algorithm], reader: &Reader, problems: &mut Problems) -> KeySet {
    if list.is_empty() {
        problems.add(at.clone(), Problem::Empty("name at least one key, such as `pem: { file: issuer.pem }`"));
    }
    let mut keys = Vec::new();
    for (number, document::Key { pem }) in list.iter().enumerate() {
        keys.extend(problems.take(&at.position(number).key("pem"), key(pem, allowed, reader)));
    }
    problems.take(at, KeySet::new(keys)).unwrap_or_default()
}

/// The key, for the allowed algorithms; for any if none of those that are written is one, which is told where it stands.
fn key(pem: &Source, allowed: &[Algorithm], reader: &Reader) -> Result<VerificationKey, Problem> {
    let (text, origin) = reader.read_key(pem)?;
    let allowed = if allowed.is_empty() { Algorithm::ALL } else { allowed };
    let key = VerificationKey::from_pem(&text).and_then(|key| key.restricted_to(allowed));
    key.map_err(|fault| Problem::Key { origin, fault })
}
