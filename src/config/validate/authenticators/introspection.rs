//! Validates `introspection`: the authorization server, and the requirements on its responses.

use super::super::super::diagnostic::{Problem, Problems};
use super::super::super::path::Path;
use super::super::super::raw;
use super::super::super::secret_source::SecretLoader;
use super::super::Span;
use super::claims::{self, Written};
use super::keys::{plain, roots};
use crate::http_client::{FetchUrl, TrustAnchors, UrlError};
use crate::introspection::{ClientAuthentication, ClientCredential, IntrospectionSource};
use modgud_core::authn::{CacheTtl, IntrospectionAuthenticator, IntrospectionCache};
use modgud_core::principal::{AuthenticatorName, ClaimMapping};
use std::sync::Arc;
use std::time::Duration;

/// The default of `cache`.
const CACHE: &str = "30s";
/// The default of `negative_cache`.
const NEGATIVE_CACHE: &str = "5s";
/// The default of `max_concurrent`.
const DEFAULT_MAX_CONCURRENT: u32 = 64;
/// The maximum of `max_concurrent`; more is an error.
const MAX_MAX_CONCURRENT: u32 = 10_000;

pub(super) fn check(
    at: &Path,
    name: &str,
    introspection: &raw::Introspection,
    identity: &Arc<ClaimMapping>,
    (reader, sources): (&SecretLoader, &mut Vec<IntrospectionSource>),
    problems: &mut Problems,
) -> IntrospectionAuthenticator {
    let raw::Introspection {
        url: _,
        client_id: _,
        client_secret: _,
        client_authentication: _,
        cache,
        negative_cache,
        stale_if_error,
        max_concurrent: _,
        ca: _,
        insecure_http: _,
        issuer,
        audiences,
        require,
        leeway,
        sender_constraint,
        proof_lifetime,
    } = introspection;
    let name = AuthenticatorName::new(name);
    sources.extend(source(at, &name, introspection, reader, problems));
    if issuer.as_ref().is_some_and(String::is_empty) {
        problems.add(at.key("issuer"), Problem::Empty("write the exact `iss` of the tokens, or leave it out"));
    }
    let mut span =
        |key: &str, text: Option<&String>, most| Span { least: ("0s", 0), most }.read(&at.key(key), text, problems);
    let (hour, day) = (("1h", 3_600_000), ("24h", 86_400_000));
    let or = |text: &Option<String>, unset: &str| text.clone().unwrap_or_else(|| unset.to_owned());
    let lifetimes = CacheTtl {
        active: span("cache", Some(&or(cache, CACHE)), hour),
        inactive: span("negative_cache", Some(&or(negative_cache, NEGATIVE_CACHE)), hour),
        stale_if_error: span("stale_if_error", stale_if_error.as_ref(), day),
    };
    // The server has just confirmed that the token is active: no clock decides about that again.
    let (leeway, proof_lifetime) = ((leeway.as_ref(), Duration::ZERO), proof_lifetime.as_ref());
    let written = Written { audiences, require, leeway, sender_constraint: *sender_constraint, proof_lifetime };
    let checks = claims::check(at, &written, identity, problems);
    let issuer = issuer.as_deref().map(Box::from);
    IntrospectionAuthenticator { name, issuer, checks, lifetimes, known: IntrospectionCache::default() }
}

/// Returns the authorization server, and modgud's credential for it.
fn source(
    at: &Path,
    name: &AuthenticatorName,
    introspection: &raw::Introspection,
    reader: &SecretLoader,
    problems: &mut Problems,
) -> Option<IntrospectionSource> {
    let raw::Introspection {
        url,
        client_id,
        client_secret,
        client_authentication,
        max_concurrent,
        ca,
        insecure_http,
        ..
    } = introspection;
    let url = FetchUrl::parse(url, plain(*insecure_http)).map_err(|fault| match fault {
        UrlError::Plain => Problem::PlainIntrospection,
        UrlError::NotAbsolute => Problem::IntrospectionUrl,
        fault => Problem::Url(fault),
    });
    let url = problems.take(&at.key("url"), url);
    if client_id.is_empty() {
        problems.add(at.key("client_id"), Problem::Empty("write the id by which the server knows modgud"));
    }
    let most = max_concurrent.unwrap_or(DEFAULT_MAX_CONCURRENT);
    if !(1..=MAX_MAX_CONCURRENT).contains(&most) {
        problems.add(at.key("max_concurrent"), Problem::Concurrent(most));
    }
    let (secret, roots) = if reader.replaces_keys() {
        // A policy test sends no requests.
        (Some(String::new()), Some(TrustAnchors::public()))
    } else {
        let secret = reader.read_secret(client_secret).map(|(secret, _)| secret).map_err(Problem::from);
        let secret = secret.and_then(|secret| match secret.as_str() {
            "" => Err(Problem::Empty("write the secret that belongs to `client_id`")),
            _ => Ok(secret),
        });
        let secret = problems.take(&at.key("client_secret"), secret);
        (secret, problems.take(&at.key("ca"), roots(reader, ca.as_deref())))
    };
    let how = match client_authentication.unwrap_or_default() {
        raw::ClientAuthentication::Basic => ClientAuthentication::Basic,
        raw::ClientAuthentication::Post => ClientAuthentication::Post,
    };
    Some(IntrospectionSource {
        authenticator: name.clone(),
        url: url?,
        client: ClientCredential::new(client_id, &secret?, how),
        trust_anchors: roots?,
        max_concurrent: usize::try_from(most).unwrap_or(usize::MAX),
    })
}
