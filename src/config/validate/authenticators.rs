//! Checks `authenticators`: what each needs, and that no credential could belong to two of them.

mod jwt;
mod keys;
mod places;

use super::super::document::{self};
use super::super::path::Path;
use super::super::problem::{Problem, Problems};
use super::super::quoted::Quoted;
use super::super::source::Reader;
use super::name;
use crate::authn::{Authenticator, Authenticators};
use crate::credential::{AuthenticatorIndex, Places};
use crate::keys::KeySource;
use crate::principal::IdentityClaims;
use std::collections::HashSet;
use std::sync::Arc;

/// The kinds, for whoever wrote none.
const KINDS: &str = "`jwt`";

pub(super) fn check(
    list: &[document::Authenticator],
    identity: &Arc<IdentityClaims>,
    reader: &Reader,
    problems: &mut Problems,
) -> (Authenticators, Places, Vec<KeySource>) {
    let mut sources = Vec::new();
    let mut authenticators = Vec::new();
    let mut places = Places::default();
    let mut taken = HashSet::new();
    for (number, entry) in list.iter().enumerate() {
        let document::Authenticator { name: entry_name, from, jwt } = entry;
        let at = Path::root("authenticators").position(number);
        name(&at, entry_name, &mut taken, problems);
        places::check(&at, from, AuthenticatorIndex(number), &mut places, problems);
        match jwt {
            None => problems.add(at, Problem::Kind(KINDS)),
            Some(jwt) => {
                sole_issuer(&at, list, number, problems);
                let jwt = jwt::check(&at.key("jwt"), entry_name, jwt, identity, (reader, &mut sources), problems);
                authenticators.push(Authenticator::Jwt(jwt));
            }
        }
    }
    (Authenticators::new(authenticators), places, sources)
}

/// Tokens of one issuer that stand in one place belong to one authenticator.
fn sole_issuer(at: &Path, list: &[document::Authenticator], number: usize, problems: &mut Problems) {
    let issuer_of = |entry: &document::Authenticator| entry.jwt.as_ref().map(|jwt| jwt.issuer.clone());
    let Some((entry, issuer)) = list.get(number).and_then(|entry| Some((entry, issuer_of(entry)?))) else { return };
    let same = |other: &&document::Authenticator| {
        issuer_of(other).as_ref() == Some(&issuer) && places::share(&other.from, &entry.from)
    };
    if let Some(other) = list.iter().take(number).find(same) {
        let problem = Problem::IssuerTaken { issuer: Quoted::new(&issuer), of: Quoted::new(&other.name) };
        problems.add(at.key("jwt").key("issuer"), problem);
    }
}
