//! Validates `introspection`: the authorization server, and the requirements on its responses.

use super::super::{DurationRange, out_of_range};
use super::jwt::{ClaimKeys, claims};
use super::keys::{invalid_url, plain, roots};
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw;
use crate::config::secret_source::SecretLoader;
use crate::diagnostic::Issue;
use crate::http_client::{FetchUrl, TrustAnchors, UrlError};
use crate::introspection::{ClientCredential, IntrospectionSource};
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
    (loader, sources): (&SecretLoader, &mut Vec<IntrospectionSource>),
    diagnostics: &mut Diagnostics,
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
    sources.extend(source(at, &name, introspection, loader, diagnostics));
    if issuer.as_ref().is_some_and(String::is_empty) {
        let issue = Issue::error("empty", "is empty", "write the exact `iss` of the tokens, or leave it out");
        diagnostics.add(at.key("issuer"), issue);
    }
    let mut span = |key: &str, text: Option<&String>, most| {
        DurationRange { least: ("0s", 0), most }.read(&at.key(key), text, diagnostics)
    };
    let (hour, day) = (("1h", 3_600_000), ("24h", 86_400_000));
    let or = |text: &Option<String>, unset: &str| text.clone().unwrap_or_else(|| unset.to_owned());
    let lifetimes = CacheTtl {
        active: span("cache", Some(&or(cache, CACHE)), hour),
        inactive: span("negative_cache", Some(&or(negative_cache, NEGATIVE_CACHE)), hour),
        stale_if_error: span("stale_if_error", stale_if_error.as_ref(), day),
    };
    // The server has just confirmed that the token is active: no clock decides about that again.
    let (leeway, proof_lifetime) = ((leeway.as_ref(), Duration::ZERO), proof_lifetime.as_ref());
    let written = ClaimKeys { audiences, require, leeway, sender_constraint: *sender_constraint, proof_lifetime };
    let checks = claims(at, &written, identity, diagnostics);
    let issuer = issuer.as_deref().map(Box::from);
    IntrospectionAuthenticator { name, issuer, checks, lifetimes, known: IntrospectionCache::default() }
}

/// Returns the authorization server, and modgud's credential for it.
fn source(
    at: &Path,
    name: &AuthenticatorName,
    introspection: &raw::Introspection,
    loader: &SecretLoader,
    diagnostics: &mut Diagnostics,
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
    let url = FetchUrl::parse(url, plain(*insecure_http)).map_err(|error| match error {
        UrlError::Plain => {
            let message = "the value (not shown) is a plain `http` URL of another machine, where attackers on the network path can read \
                           tokens and forge responses";
            Issue::error("url-invalid", message, "write `https://`, or add `insecure_http: true`")
        }
        UrlError::NotAbsolute => {
            let message = "the value (not shown) is not the URL of an introspection endpoint";
            Issue::error("url-invalid", message, "write one such as `https://login.example.com/introspect`")
        }
        error => invalid_url(error),
    });
    let url = diagnostics.ok_or_report(&at.key("url"), url);
    if client_id.is_empty() {
        let issue = Issue::error("empty", "is empty", "write the client id of modgud at the server");
        diagnostics.add(at.key("client_id"), issue);
    }
    let most = max_concurrent.unwrap_or(DEFAULT_MAX_CONCURRENT);
    if !(1..=MAX_MAX_CONCURRENT).contains(&most) {
        diagnostics.add(at.key("max_concurrent"), out_of_range(most, 1, MAX_MAX_CONCURRENT));
    }
    let (secret, roots) = if loader.replaces_keys() {
        // A policy test sends no requests.
        (Some(String::new()), Some(TrustAnchors::public()))
    } else {
        let secret = loader.read_secret(client_secret).map(|(secret, _)| secret);
        let secret = secret.and_then(|secret| match secret.as_str() {
            "" => Err(Issue::error("empty", "is empty", "write the secret that belongs to `client_id`")),
            _ => Ok(secret),
        });
        let secret = diagnostics.ok_or_report(&at.key("client_secret"), secret);
        (secret, diagnostics.ok_or_report(&at.key("ca"), roots(loader, ca.as_deref())))
    };
    Some(IntrospectionSource {
        authenticator: name.clone(),
        url: url?,
        client: ClientCredential::new(client_id, &secret?, client_authentication.unwrap_or_default()),
        trust_anchors: roots?,
        max_concurrent: usize::try_from(most).unwrap_or(usize::MAX),
    })
}
