//! Validates `authenticators`: each has what it needs, and no credential can belong to two of them.

mod api_key;
mod introspection;
mod jwt;
mod keys;
mod locations;
mod require;
mod secret;
mod without_issuer;

use super::name;
use super::principal::laid_over;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self};
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::{Issue, Quoted};
use crate::introspection::IntrospectionSource;
use crate::jwks::KeySource;
pub(in crate::config) use api_key::ids as api_key_ids;
pub(super) use keys::{key_shared, roots, unshared, unusable_key};
pub(super) use locations::challenge_schemes;
use modgud_core::authn::{Authenticator, MtlsAuthenticator, PrincipalPattern, RegisteredAuthenticator};
use modgud_core::credential::{AuthenticatorId, CredentialExtractor};
use modgud_core::principal::{AuthenticatorName, ClaimMapping};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

/// The known kinds, for messages.
const KINDS: &str = "`jwt`, `introspection`, `api_key`, `mtls`, `custom`";

/// The pattern for every certificate that Envoy accepts.
const ANY: &str = "*";

/// The servers that authenticators depend on.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) keys: Vec<KeySource>,
    pub(super) introspection: Vec<IntrospectionSource>,
}

pub(super) fn check(
    list: &[raw::Authenticator],
    (common, leeway): (&Arc<ClaimMapping>, Duration),
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
) -> (Vec<Authenticator>, CredentialExtractor, Sources) {
    let mut sources = Sources::default();
    let mut authenticators = Vec::new();
    let mut locations = CredentialExtractor::default();
    let mut taken = HashSet::new();
    for (number, entry) in list.iter().enumerate() {
        let raw::Authenticator { name: entry_name, from, principal, jwt, introspection, api_key, mtls, custom } = entry;
        let at = Path::root("authenticators").position(number);
        name(&at, entry_name, &mut taken, diagnostics);
        match (mtls, from.is_empty()) {
            (None, _) => locations::check(&at, from, AuthenticatorId(number), &mut locations, diagnostics),
            (Some(_), true) => {}
            (Some(_), false) => {
                let message = "has no effect with `mtls`, which verifies the certificate of the connection";
                diagnostics.add(at.key("from"), Issue::error("from-with-mtls", message, "leave it out"));
            }
        }
        locations::check_dpop(&at, entry, diagnostics);
        without_issuer::check_alone(&at, list, number, diagnostics);
        let own = principal.as_ref().map(|own| laid_over(common, &at.key("principal"), own, diagnostics));
        let identity = &own.map_or_else(|| Arc::clone(common), Arc::new);
        let found = [jwt.is_some(), introspection.is_some(), api_key.is_some(), mtls.is_some(), custom.is_some()];
        let found = found.into_iter().filter(|is| *is).count();
        if found != 1 {
            let help = format!("write exactly one of {KINDS}");
            let issue = match found {
                0 => Issue::error("kind-missing", "has no kind", help),
                found => Issue::error("kinds-several", format!("has {found} kinds"), help),
            };
            diagnostics.add(at.clone(), issue);
        }
        if let Some(jwt) = jwt {
            sole_issuer(&at, list, number, diagnostics);
            let jwt = jwt::check(
                &at.key("jwt"),
                entry_name,
                jwt,
                (identity, leeway),
                (loader, &mut sources.keys),
                diagnostics,
            );
            authenticators.push(Authenticator::Jwt(jwt));
        } else if let Some(introspection) = introspection {
            let at = at.key("introspection");
            let reading = (loader, &mut sources.introspection);
            let introspection = introspection::check(&at, entry_name, introspection, identity, reading, diagnostics);
            authenticators.push(Authenticator::Introspection(introspection));
        } else if let Some(api_key) = api_key {
            let api_key = api_key::check(&at.key("api_key"), entry_name, api_key, identity, loader, diagnostics);
            authenticators.push(Authenticator::ApiKey(api_key));
        } else if let Some(mtls) = mtls {
            if let Some(other) = list.iter().take(number).find(|other| other.mtls.is_some()) {
                let message =
                    format!("authenticator {} verifies the connection's certificate, too", Quoted::new(&other.name));
                let help = "put the principals of both into one list";
                diagnostics.add(at.key("mtls"), Issue::error("mtls-duplicate", message, help));
            }
            let mtls = self::mtls(&at.key("mtls"), entry_name, mtls, identity, diagnostics);
            authenticators.push(Authenticator::Mtls(mtls));
        } else if let Some(custom) = custom {
            let kind = loader.authenticator(custom);
            if let Some(kind) = diagnostics.ok_or_report(&at.key("custom"), kind) {
                let (name, identity) = (AuthenticatorName::new(entry_name), Arc::clone(identity));
                authenticators.push(Authenticator::Custom(RegisteredAuthenticator { name, identity, kind }));
            }
        }
    }
    sole_opaque(list, &locations, diagnostics);
    (authenticators, locations, sources)
}

/// Checks that at most one authenticator for a location accepts credentials other than signed tokens.
fn sole_opaque(list: &[raw::Authenticator], locations: &CredentialExtractor, diagnostics: &mut Diagnostics) {
    for (location, authenticators) in locations.all() {
        let mut opaque = authenticators
            .iter()
            .filter_map(|index| Some((index.0, list.get(index.0)?)))
            .filter(|(_, entry)| entry.jwt.is_none());
        if let Some((_, other)) = opaque.next() {
            for (number, _) in opaque {
                let at = Path::root("authenticators").position(number).key("from");
                let message = format!(
                    "reads {location}, as {} does, and both verify credentials other than signed tokens",
                    Quoted::new(&other.name)
                );
                diagnostics.add(at, Issue::error("location-shared", message, "let one of them read another location"));
            }
        }
    }
}

/// Checks that tokens of one issuer in one location belong to one authenticator.
fn sole_issuer(at: &Path, list: &[raw::Authenticator], number: usize, diagnostics: &mut Diagnostics) {
    let issuer_of = |entry: &raw::Authenticator| entry.jwt.as_ref().and_then(|jwt| jwt.issuer.clone());
    let Some((entry, issuer)) = list.get(number).and_then(|entry| Some((entry, issuer_of(entry)?))) else { return };
    let same = |other: &&raw::Authenticator| {
        issuer_of(other).as_ref() == Some(&issuer) && locations::share(&other.from, &entry.from)
    };
    if let Some(other) = list.iter().take(number).find(same) {
        let sender = |entry: &raw::Authenticator| entry.jwt.as_ref().and_then(|jwt| jwt.sender_constraint);
        let (issuer, name) = (Quoted::new(&issuer), Quoted::new(&other.name));
        let issue = if sender(entry) == sender(other) {
            let message = format!(
                "authenticator {name} has the issuer {issuer} and reads the same location, so that their tokens look alike"
            );
            let help = "put their keys into one authenticator, or let one read another header";
            Issue::error("issuer-duplicate", message, help)
        } else {
            let message = format!(
                "authenticator {name} has the issuer {issuer} too, and tokens of one issuer are accepted either with a proof or without"
            );
            let help = "keep the authenticator without `sender_constraint` until every client sends proofs";
            Issue::error("issuer-duplicate-with-proof", message, help)
        };
        diagnostics.add(at.key("jwt").key("issuer"), issue);
    }
}

/// Validates `mtls`: the accepted certificates.
fn mtls(
    at: &Path,
    name: &str,
    mtls: &raw::Mtls,
    identity: &Arc<ClaimMapping>,
    diagnostics: &mut Diagnostics,
) -> MtlsAuthenticator {
    let any = [ANY.to_owned()];
    let written = mtls.principals.as_deref().unwrap_or(&any);
    let at = at.key("principals");
    if written.is_empty() {
        let help = "name the accepted principals, such as `spiffe://example.org/ns/prod/sa/api`";
        diagnostics.add(at.clone(), Issue::error("empty", "is empty", help));
    }
    let mut principals = Vec::new();
    for (number, text) in written.iter().enumerate() {
        let pattern = PrincipalPattern::parse(text).map_err(|error| {
            Issue::parse("principal-invalid", format!("{} is not a principal: {error}", Quoted::new(text)))
        });
        principals.extend(diagnostics.ok_or_report(&at.position(number), pattern));
    }
    MtlsAuthenticator { name: AuthenticatorName::new(name), principals, identity: Arc::clone(identity) }
}
