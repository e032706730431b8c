//! Validates `authenticators`: each has what it needs, and no credential can belong to two of them.

mod api_key;
mod claims;
mod introspection;
mod jwt;
mod keys;
mod mtls;
mod places;
mod sender;

use super::super::diagnostic::{Problem, Problems};
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw::{self};
use super::super::secret_source::SecretLoader;
use super::name;
use crate::introspection::IntrospectionSource;
use crate::jwks::KeySource;
use modgud_core::authn::{Authenticator, RegisteredAuthenticator};
use modgud_core::credential::{AuthenticatorId, CredentialExtractor};
use modgud_core::principal::{AuthenticatorName, ClaimMapping};
pub(super) use sender::challenge_schemes;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// The known kinds, for messages.
const KINDS: &str = "`jwt`, `introspection`, `api_key`, `mtls`, `custom`";

/// The servers that authenticators depend on.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) keys: Vec<KeySource>,
    pub(super) introspection: Vec<IntrospectionSource>,
}

pub(super) fn check(
    list: &[raw::Authenticator],
    (identity, leeway): (&Arc<ClaimMapping>, Duration),
    reader: &SecretLoader,
    problems: &mut Problems,
) -> (Vec<Authenticator>, CredentialExtractor, Sources) {
    let mut sources = Sources::default();
    let mut authenticators = Vec::new();
    let mut places = CredentialExtractor::default();
    let mut taken = HashSet::new();
    for (number, entry) in list.iter().enumerate() {
        let raw::Authenticator { name: entry_name, from, jwt, introspection, api_key, mtls, custom } = entry;
        let at = Path::root("authenticators").position(number);
        name(&at, entry_name, &mut taken, problems);
        match (mtls, from.is_empty()) {
            (None, _) => places::check(&at, from, AuthenticatorId(number), &mut places, problems),
            (Some(_), true) => {}
            (Some(_), false) => problems.add(at.key("from"), Problem::MtlsFrom),
        }
        sender::places(&at, entry, problems);
        let found = [jwt.is_some(), introspection.is_some(), api_key.is_some(), mtls.is_some(), custom.is_some()];
        let found = found.into_iter().filter(|is| *is).count();
        if found != 1 {
            problems.add(at.clone(), Problem::Kind { found, known: KINDS });
        }
        if let Some(jwt) = jwt {
            sole_issuer(&at, list, number, problems);
            let jwt =
                jwt::check(&at.key("jwt"), entry_name, jwt, (identity, leeway), (reader, &mut sources.keys), problems);
            authenticators.push(Authenticator::Jwt(jwt));
        } else if let Some(introspection) = introspection {
            let at = at.key("introspection");
            let reading = (reader, &mut sources.introspection);
            let introspection = introspection::check(&at, entry_name, introspection, identity, reading, problems);
            authenticators.push(Authenticator::Introspection(introspection));
        } else if let Some(api_key) = api_key {
            let api_key = api_key::check(&at.key("api_key"), entry_name, api_key, identity, reader, problems);
            authenticators.push(Authenticator::ApiKey(api_key));
        } else if let Some(mtls) = mtls {
            if let Some(other) = list.iter().take(number).find(|other| other.mtls.is_some()) {
                problems.add(at.key("mtls"), Problem::MtlsTwice(Quoted::new(&other.name)));
            }
            let mtls = mtls::check(&at.key("mtls"), entry_name, mtls, identity, problems);
            authenticators.push(Authenticator::Mtls(mtls));
        } else if let Some(custom) = custom {
            let by = reader.authenticator(custom);
            if let Some(by) = problems.take(&at.key("custom"), by) {
                let (name, identity) = (AuthenticatorName::new(entry_name), Arc::clone(identity));
                authenticators.push(Authenticator::Custom(RegisteredAuthenticator { name, identity, inner: by }));
            }
        }
    }
    sole_opaque(list, &places, problems);
    (authenticators, places, sources)
}

/// Checks that at most one authenticator for a location accepts credentials other than signed tokens.
fn sole_opaque(list: &[raw::Authenticator], places: &CredentialExtractor, problems: &mut Problems) {
    for (place, who) in places.all() {
        let mut opaque =
            who.iter().filter_map(|index| Some((index.0, list.get(index.0)?))).filter(|(_, entry)| entry.jwt.is_none());
        if let Some((_, other)) = opaque.next() {
            for (number, _) in opaque {
                let at = Path::root("authenticators").position(number).key("from");
                problems.add(at, Problem::OpaqueTaken { place: place.to_string(), other: Quoted::new(&other.name) });
            }
        }
    }
}

/// Checks that tokens of one issuer in one location belong to one authenticator.
fn sole_issuer(at: &Path, list: &[raw::Authenticator], number: usize, problems: &mut Problems) {
    let issuer_of = |entry: &raw::Authenticator| entry.jwt.as_ref().map(|jwt| jwt.issuer.clone());
    let Some((entry, issuer)) = list.get(number).and_then(|entry| Some((entry, issuer_of(entry)?))) else { return };
    let same = |other: &&raw::Authenticator| {
        issuer_of(other).as_ref() == Some(&issuer) && places::share(&other.from, &entry.from)
    };
    if let Some(other) = list.iter().take(number).find(same) {
        let sender = |entry: &raw::Authenticator| entry.jwt.as_ref().and_then(|jwt| jwt.sender_constraint);
        let (issuer, of) = (Quoted::new(&issuer), Quoted::new(&other.name));
        let problem = if sender(entry) == sender(other) {
            Problem::IssuerTaken { issuer, of }
        } else {
            Problem::IssuerTakenWithProof { issuer, of }
        };
        problems.add(at.key("jwt").key("issuer"), problem);
    }
}
