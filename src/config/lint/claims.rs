//! Warnings about names of claims in a syntax that modgud reads differently: URLs with dots, and lists meant as alternatives.

use super::super::path::Path;
use super::super::raw::{Audiences, Claim, Document};
use super::super::validate::claim_path;
use super::{Warning, Warnings};
use crate::diagnostic::Quoted;

pub(super) fn find(document: &Document, warnings: &mut Warnings<'_>) {
    for (at, claim) in claims(document) {
        let Ok(path) = claim_path(claim) else { continue };
        match claim {
            Claim::Text(text) if text.contains("://") && path.is_nested() => {
                let (found, inside) = (Quoted::new(text), path.described());
                warnings.add(&at, Warning::ClaimNameIsUrl { found, inside, whole: text.clone() });
            }
            Claim::Names(names) if path.is_nested() => {
                if let Some(dotted) = names.iter().find_map(|name| way(names, name)) {
                    let (inside, dotted) = (path.described(), Quoted::new(dotted));
                    warnings.add(&at, Warning::ClaimListIsPath { inside, dotted });
                }
            }
            Claim::Text(_) | Claim::Names(_) => {}
        }
    }
    for (number, one) in document.authenticators.iter().enumerate() {
        let at = Path::root("authenticators").position(number);
        let jwt = one.jwt.iter().map(|jwt| ("jwt", &jwt.audiences));
        for (key, audiences) in jwt.chain(one.introspection.iter().map(|one| ("introspection", &one.audiences))) {
            let Audiences::List(list) = audiences else { continue };
            for (place, text) in list.iter().enumerate().filter(|(_, text)| text.contains('*')) {
                warnings.add(&at.key(key).key("audiences").position(place), Warning::NoWildcard(Quoted::new(text)));
            }
        }
    }
}

/// Returns the name if it looks like the path of a claim: it ends like another name, as in `[roles, realm_access.roles]`, or begins as
/// Keycloak's do.
///
/// Other names contain dots of their own, as in `[kubernetes.io, namespace]` and URLs.
fn way<'n>(names: &[String], name: &'n str) -> Option<&'n str> {
    let (start, end) = name.rsplit_once('.')?;
    let is_of_keycloak = start == "realm_access" || start.starts_with("resource_access");
    (is_of_keycloak || names.iter().any(|other| other == end)).then_some(name)
}

/// Returns every claim that the document names, with its path.
fn claims(document: &Document) -> Vec<(Path, &Claim)> {
    let mut found = Vec::new();
    let principal = &document.principal;
    let at = Path::root("principal");
    for (key, claim) in
        [("subject", &principal.subject), ("organization", &principal.organization), ("roles", &principal.roles)]
    {
        found.extend(claim.iter().map(|claim| (at.key(key), claim)));
    }
    for (key, claims) in [("permissions", &principal.permissions), ("scopes", &principal.scopes)] {
        let at = at.key(key);
        found.extend(claims.iter().enumerate().map(|(place, claim)| (at.position(place), claim)));
    }
    for (number, one) in document.authenticators.iter().enumerate() {
        let at = Path::root("authenticators").position(number);
        let jwt = one.jwt.iter().map(|jwt| ("jwt", &jwt.require));
        for (key, claims) in jwt.chain(one.introspection.iter().map(|one| ("introspection", &one.require))) {
            let at = at.key(key).key("require");
            found.extend(claims.iter().enumerate().map(|(place, claim)| (at.position(place), claim)));
        }
    }
    let upstream = Path::root("upstream");
    let headers = document.upstream.headers.iter().map(|(name, source)| (name, &source.claim, "headers"));
    let metadata = document.upstream.metadata.iter().map(|(name, source)| (name, &source.claim, "metadata"));
    for (name, claim, key) in headers.chain(metadata) {
        found.extend(claim.iter().map(|claim| (upstream.key(key).key(name).key("claim"), claim)));
    }
    for (number, mint) in document.mint.iter().enumerate() {
        let at = Path::root("mint").position(number).key("claims");
        for (name, source) in &mint.claims {
            found.extend(source.claim.iter().map(|claim| (at.key(name).key("claim"), claim)));
        }
    }
    if let Some(correlation) = &document.correlation {
        let at = Path::root("correlation");
        for (key, claim) in [("username", &correlation.username), ("email", &correlation.email)] {
            found.extend(claim.iter().map(|claim| (at.key(key), claim)));
        }
    }
    found
}
