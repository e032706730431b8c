//! Warnings about names of claims in a syntax that modgud reads differently: URLs with dots, and lists meant as alternatives.

use super::names::audience_wildcard;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Audiences, Claim, Document, OwnPrincipal, Principal, Required, RequiredValue, Roles};
use crate::config::validate::claim_path;
use crate::diagnostic::{Issue, Quoted};
use std::iter;

pub(super) fn find(document: &Document, diagnostics: &mut Diagnostics) {
    let at_roles: Vec<Path> = principals(document).map(|(at, ..)| at.key("roles")).collect();
    for (at, claim) in claims(document) {
        let Ok(path) = claim_path(claim) else { continue };
        match claim {
            Claim::Text(text) if text.contains("://") && path.is_nested() => {
                let message = format!("the name {} means the claim {}", Quoted::new(text), path.described());
                let help = format!("for a claim whose own name has dots, write a list: `[\"{text}\"]`");
                diagnostics.add(at, Issue::warning("claim-name-is-url", message, help));
            }
            Claim::Names(names) if path.is_nested() => {
                if let Some(dotted) = names.iter().find_map(|name| nested(names, name)) {
                    let message = format!("a list names one nested claim, here the claim {}", path.described());
                    let several = if at_roles.contains(&at) {
                        "for the first of several claims, write `{ first_of: [roles, role] }`"
                    } else {
                        "of several claims, name one"
                    };
                    let help = format!("write {} for the nested claim; {several}", Quoted::new(dotted));
                    diagnostics.add(at, Issue::warning("claim-list-is-path", message, help));
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
            for (index, text) in list.iter().enumerate().filter(|(_, text)| text.contains('*')) {
                diagnostics.add(at.key(key).key("audiences").position(index), audience_wildcard(text));
            }
        }
    }
}

/// Returns the name if it looks like the path of a claim: it ends like another name, as in `[roles, realm_access.roles]`, or begins as
/// Keycloak's do.
///
/// Other names contain dots of their own, as in `[kubernetes.io, namespace]` and URLs.
fn nested<'n>(names: &[String], name: &'n str) -> Option<&'n str> {
    let (start, end) = name.rsplit_once('.')?;
    let is_of_keycloak = start == "realm_access" || start.starts_with("resource_access");
    (is_of_keycloak || names.iter().any(|other| other == end)).then_some(name)
}

/// The claims of a `principal`: subject and organization, roles, then permissions and scopes.
type PrincipalClaims<'d> = (Path, [&'d Option<Claim>; 2], &'d Option<Roles>, [&'d [Claim]; 2]);

/// Returns the claims of the common `principal`, and of those of authenticators.
fn principals(document: &Document) -> impl Iterator<Item = PrincipalClaims<'_>> {
    let Principal { subject, organization, roles, permissions, scopes, grants: _, absent: _ } = &document.principal;
    let common = (Path::root("principal"), [subject, organization], roles, [permissions.as_slice(), scopes]);
    let own = document.authenticators.iter().enumerate().filter_map(|(number, one)| {
        let at = Path::root("authenticators").position(number).key("principal");
        let OwnPrincipal { subject, organization, roles, permissions, scopes, grants: _, absent: _ } =
            one.principal.as_ref()?;
        let lists = [permissions, scopes].map(|claims| claims.as_deref().unwrap_or_default());
        Some((at, [subject, organization], roles, lists))
    });
    iter::once(common).chain(own)
}

/// Returns every claim that the document names, with its path.
fn claims(document: &Document) -> Vec<(Path, &Claim)> {
    let mut found = Vec::new();
    for (at, [subject, organization], roles, lists) in principals(document) {
        for (key, claim) in [("subject", subject), ("organization", organization)] {
            found.extend(claim.iter().map(|claim| (at.key(key), claim)));
        }
        found.extend(roles.iter().flat_map(|roles| roles.claims(&at.key("roles"))));
        for (key, claims) in ["permissions", "scopes"].into_iter().zip(lists) {
            let at = at.key(key);
            found.extend(claims.iter().enumerate().map(|(index, claim)| (at.position(index), claim)));
        }
    }
    for (number, one) in document.authenticators.iter().enumerate() {
        let at = Path::root("authenticators").position(number);
        let jwt = one.jwt.iter().map(|jwt| ("jwt", &jwt.require));
        for (key, claims) in jwt.chain(one.introspection.iter().map(|one| ("introspection", &one.require))) {
            let at = at.key(key).key("require");
            found.extend(claims.iter().enumerate().map(|(index, required)| match required {
                Required::Claim(claim) => (at.position(index), claim),
                Required::Value(RequiredValue { claim, values: _ }) => (at.position(index).key("claim"), claim),
            }));
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
