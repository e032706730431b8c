//! Checks `authenticators`: reads their keys, and sees to it that no token could belong to two of them.

use super::super::document::{self, Audiences, Source};
use super::super::path::Path;
use super::super::problem::{Problem, Problems};
use super::super::quoted::Quoted;
use super::super::source::Reader;
use super::{Span, header_name, name, scheme};
use crate::authn::{AudiencePolicy, Authenticators, ClaimChecks, JwtAuthenticator};
use crate::credential::{AuthenticatorIndex, Places};
use crate::jose::{Algorithm, KeySet, VerificationKey};
use crate::principal::{AbsentValues, AuthenticatorName};
use std::collections::HashSet;
use std::sync::Arc;

pub(super) fn check(
    list: &[document::Authenticator],
    absent: &[String],
    reader: &Reader,
    problems: &mut Problems,
) -> (Authenticators, Places) {
    let absent = Arc::new(AbsentValues::new(absent.iter().map(String::as_str)));
    let mut authenticators = Vec::new();
    let mut places = Places::default();
    let mut taken = HashSet::new();
    for (number, entry) in list.iter().enumerate() {
        let document::Authenticator { name: entry_name, from, jwt } = entry;
        let at = Path::root("authenticators").position(number);
        name(&at, entry_name, &mut taken, problems);
        if from.is_empty() {
            problems.add(
                at.key("from"),
                Problem::Empty(
                    "say where the credential stands, such as `{ header: authorization, schemes: [Bearer] }`",
                ),
            );
        }
        for (place, from) in from.iter().enumerate() {
            look(&at.key("from").position(place), from, AuthenticatorIndex(number), &mut places, problems);
        }
        if let Some(other) = list
            .iter()
            .take(number)
            .find(|other| other.jwt.issuer == jwt.issuer && share_a_place(&other.from, &entry.from))
        {
            let problem = Problem::IssuerTaken { issuer: Quoted::new(&jwt.issuer), of: Quoted::new(&other.name) };
            problems.add(at.key("jwt").key("issuer"), problem);
        }
        authenticators.push(self::jwt(&at.key("jwt"), entry_name, jwt, &absent, reader, problems));
    }
    (Authenticators::new(authenticators), places)
}

fn share_a_place(one: &[document::From], other: &[document::From]) -> bool {
    one.iter().any(|one| other.iter().any(|other| one.header.eq_ignore_ascii_case(&other.header)))
}

fn look(at: &Path, from: &document::From, who: AuthenticatorIndex, places: &mut Places, problems: &mut Problems) {
    let document::From { header, schemes } = from;
    if schemes.is_empty() {
        problems.add(at.key("schemes"), Problem::Empty("name at least one scheme, such as `Bearer`"));
    }
    let mut accepted = Vec::new();
    for (number, text) in schemes.iter().enumerate() {
        accepted.extend(problems.take(&at.key("schemes").position(number), scheme(text)));
    }
    if let Some(header) = problems.take(&at.key("header"), header_name(header)) {
        places.add(&header, &accepted, who);
    }
}

fn jwt(
    at: &Path,
    name: &str,
    jwt: &document::Jwt,
    absent: &Arc<AbsentValues>,
    reader: &Reader,
    problems: &mut Problems,
) -> JwtAuthenticator {
    let document::Jwt { issuer, algorithms, keys, audiences, require, leeway, max_lifetime, types } = jwt;
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
    let checks = ClaimChecks {
        audience: match audiences {
            Audiences::List(list) if list.is_empty() => AudiencePolicy::Absent,
            Audiences::List(list) => AudiencePolicy::AnyOf(list.iter().map(|one| one.as_str().into()).collect()),
            Audiences::Any(document::AnyWord::Any) => AudiencePolicy::Unchecked,
        },
        require: require.iter().map(|claim| claim.as_str().into()).collect(),
        leeway,
        max_lifetime,
        types: types.iter().map(|one| one.as_str().into()).collect(),
        absent: Arc::clone(absent),
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
