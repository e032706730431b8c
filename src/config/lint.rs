//! Warnings about valid but risky settings.
//!
//! A warning never prevents a configuration from serving; errors do (`validate`). An operator can follow each warning, or silence it by
//! writing the intended value explicitly. A warning that stays teaches operators to ignore all of them.
//!
//! Settings that are always a deliberate choice cause no warning: `audiences: any`, no `max_lifetime`, `server.admin` beyond this machine
//! (Prometheus and probes must reach it).

mod claims;
mod clients;
mod correlation;
mod names;
mod otlp;
mod rules;
mod server;
mod telemetry;

use super::Config;
use super::diagnostic::Diagnostics;
use super::path::Path;
use super::raw::{Denials, Deny, Document, Jwks, Key, Mint, Oidc, Statuses, Upstream};
use super::secret_source::{MAX_JWKS_BYTES, SecretLoader};
use crate::diagnostic::{Diagnostic, Issue, Quoted};
use crate::jwks::{KeyFormat, distrust};
use crate::yaml::Node;
use modgud_core::authn::Authenticator;
use modgud_core::authz::Fallback;
use modgud_core::denial::OnError;
use modgud_core::jose::SkippedKey;
use modgud_core::upstream::{OverrideHeader, StripPattern};
use std::time::Duration;

/// The maximum leeway without a warning: synchronized clocks need no more.
const MAX_LEEWAY_WITHOUT_WARNING: Duration = Duration::from_secs(60);

/// Statuses that make clients and proxies repeat the request (RFC 9110 §15.5.9 and §15.5.20, RFC 8470 §5.2, RFC 6585 §4).
const RETRIED: [u16; 4] = [408, 421, 425, 429];

/// Finds all warnings of a valid configuration. `document` and `root` are its two forms; `profile` is the base of the user's file.
pub(super) fn find(
    document: &Document,
    root: &Node,
    profile: &Document,
    config: &Config,
    loader: &SecretLoader,
) -> Vec<Diagnostic> {
    let mut diagnostics = Diagnostics::default();
    rules::find(document, profile, &config.snapshot.rules, &mut diagnostics);
    authenticators(document, root, profile, config.snapshot.authenticators.list(), &mut diagnostics);
    upstream(&document.upstream, &profile.upstream, &mut diagnostics);
    denials(document, &mut diagnostics);
    server::find(&document.server, &config.server, &mut diagnostics);
    server::over_http(document, &config.snapshot.rules, &mut diagnostics);
    claims::find(document, &mut diagnostics);
    clients::find(document, &config.snapshot.rules, &mut diagnostics);
    telemetry::find(document, &mut diagnostics);
    mint(&document.mint, &mut diagnostics);
    names::find(document, &mut diagnostics);
    correlation::find(document, root, loader, &mut diagnostics);
    otlp::find(document, config.otlp.as_ref(), &mut diagnostics);
    unauthenticated(document, root, &mut diagnostics);
    if loader.replaced().is_none() {
        keys(document, loader, &mut diagnostics);
    }
    diagnostics.located(root, &[])
}

/// Warns about a file without an authenticator that requires a credential of every request. A profile alone is not a mistake.
fn unauthenticated(document: &Document, root: &Node, diagnostics: &mut Diagnostics) {
    let at = Path::root("profile");
    let requires_one = document.fallback == Some(Fallback::Authenticated) && document.authenticators.is_empty();
    if requires_one && at.is_in_a_file(root) {
        let message = "the profile has no authenticator, and neither has the file, so every request is denied that no public rule matches";
        let help = "name one under `authenticators`, or write `fallback: denied`";
        diagnostics.add(at, Issue::warning("authenticators-missing", message, help));
    }
}

/// Warns about client headers that reach modules: because a list replaces the profile's, or because they are kept.
fn upstream(upstream: &Upstream, profile: &Upstream, diagnostics: &mut Diagnostics) {
    for (number, kept) in upstream.keep.iter().enumerate() {
        if let Some(OverrideHeader { overrides, .. }) = OverrideHeader::of(kept.as_bytes()) {
            let message = format!(
                "clients choose {}, from which some servers take {overrides}, while modgud decides on the request itself",
                Quoted::new(kept)
            );
            let help = "keep it only if Envoy or a proxy in front of it overwrites it in every request, or if no module reads it";
            let at = Path::root("upstream").key("keep").position(number);
            diagnostics.add(at, Issue::warning("override-header-kept", message, help));
        }
    }
    let patterns: Vec<StripPattern> = upstream.strip.iter().filter_map(|text| StripPattern::parse(text).ok()).collect();
    // An empty list is intentional.
    if patterns.is_empty() {
        return;
    }
    for known in &profile.strip {
        // Two names represent all that a prefix matches; a name represents itself.
        let names = match known.strip_suffix('*') {
            Some(prefix) => [prefix.to_owned(), format!("{prefix}-any")],
            None => [known.clone(), known.clone()],
        };
        let removed = |pattern: &StripPattern| names.iter().all(|name| pattern.matches(name.as_bytes()));
        if !patterns.iter().any(removed) {
            let known = Quoted::new(known);
            let message = format!(
                "the profile removes {known} from clients' requests, but this list replaces the profile's: modules would accept such \
                 headers from clients"
            );
            let help = format!("repeat {known}, or write `strip: []` to remove nothing");
            let at = Path::root("upstream").key("strip");
            diagnostics.add(at, Issue::warning("strip-of-profile-lost", message, help));
        }
    }
}

/// Warns about minted tokens without an audience. An empty list is intentional.
fn mint(list: &[Mint], diagnostics: &mut Diagnostics) {
    for (number, _) in list.iter().enumerate().filter(|(_, one)| one.audience.is_none()) {
        let message = "has no `audience`, so that every service that trusts the key accepts the tokens, whichever module they are for";
        let help =
            "write the `aud` that modules require, such as `audience: modules`, or `audience: []` if they require none";
        diagnostics.add(Path::root("mint").position(number), Issue::warning("mint-without-audience", message, help));
    }
}

/// Warns about responses that do not help clients, and about undecided checks that can pass.
fn denials(document: &Document, diagnostics: &mut Diagnostics) {
    let Denials { status: Statuses { unauthenticated, forbidden }, unavailable, .. } = &document.denials;
    let at = Path::root("denials");
    if let Some(found) = unauthenticated.filter(|status| RETRIED.contains(status)) {
        diagnostics.add(at.key("status").key("unauthenticated"), retried(found, 401));
    }
    forbidden_status(at.key("status").key("forbidden"), *forbidden, diagnostics);
    match unavailable {
        OnError::Deny => {}
        OnError::DeferToEnvoy => {
            let message = "with `error`, an Envoy with `failure_mode_allow: true` admits EVERY request, with any token or none, while an \
                           issuer's keys or an authorization server are unavailable";
            let help = "write `deny`, unless availability matters more than security";
            diagnostics.add(at.key("unavailable"), Issue::warning("unavailable-can-admit", message, help));
        }
    }
    for (number, rule) in document.rules.iter().enumerate() {
        if let Some(Deny { status, .. }) = &rule.deny {
            let at = Path::root("rules").position(number).key("deny").key("status");
            forbidden_status(at, *status, diagnostics);
        }
    }
}

/// Warns also about 401, upon which clients log in again. That does not help an authenticated caller without access.
fn forbidden_status(at: Path, status: Option<u16>, diagnostics: &mut Diagnostics) {
    match status {
        Some(401) => {
            let message =
                "`401` makes clients log in again, which does not help an authenticated caller without access";
            let help = "write `403`, or `404` to hide the resource";
            diagnostics.add(at, Issue::warning("forbidden-401", message, help));
        }
        Some(found) if RETRIED.contains(&found) => diagnostics.add(at, retried(found, 403)),
        Some(_) | None => {}
    }
}

fn retried(found: u16, right: u16) -> Issue {
    let message = format!("`{found}` makes clients and proxies repeat the request, which is denied again");
    Issue::warning("status-retried", message, format!("write `{right}`"))
}

/// Warns about authenticators that require less than expected.
fn authenticators(
    document: &Document,
    root: &Node,
    profile: &Document,
    checked: &[Authenticator],
    diagnostics: &mut Diagnostics,
) {
    for (number, (entry, checked)) in document.authenticators.iter().zip(checked).enumerate() {
        let (Some(jwt), Some(checked)) = (&entry.jwt, checked.as_jwt()) else { continue };
        let at = Path::root("authenticators").position(number).key("jwt");
        let of_the_profile = profile
            .authenticators
            .iter()
            .filter_map(|known| Some((&known.name, known.jwt.as_ref()?)))
            .find(|(name, known)| **name == entry.name || known.issuer.is_some() && known.issuer == jwt.issuer)
            .filter(|(_, known)| !known.require.is_empty());
        if let Some((name, known)) = of_the_profile
            && !at.key("require").exists(root)
        {
            let claims: Vec<String> = known.require.iter().map(|required| required.claim().to_string()).collect();
            let quoted: Vec<String> = claims.iter().map(|claim| Quoted::new(claim).to_string()).collect();
            let message = format!(
                "replaces the profile's authenticator {} without `require`, so tokens without {} are accepted",
                Quoted::new(name),
                quoted.join(" or ")
            );
            let help =
                format!("repeat `require: [{}]`, or write `require: []` if no claim is needed", claims.join(", "));
            diagnostics.add(at.clone(), Issue::warning("require-of-profile-lost", message, help));
        }
        if checked.checks.leeway > MAX_LEEWAY_WITHOUT_WARNING {
            let message = format!(
                "{} is more than synchronized clocks differ, and every token is accepted for that long after it has expired",
                Quoted::new(jwt.leeway.as_deref().unwrap_or_default())
            );
            diagnostics.add(at.key("leeway"), Issue::warning("leeway-long", message, "write `60s` or less"));
        }
    }
}

/// Warns about unusable keys in a JWKS file, whose other keys are used, and about cache files that modgud would not trust.
fn keys(document: &Document, loader: &SecretLoader, diagnostics: &mut Diagnostics) {
    for (number, entry) in document.authenticators.iter().enumerate() {
        let at = Path::root("authenticators").position(number).key("jwt").key("keys");
        for (number, key) in entry.jwt.iter().flat_map(|jwt| &jwt.keys).enumerate() {
            let at = at.position(number);
            if let Some((kind, issue)) = cache_file(key, loader) {
                diagnostics.add(at.key(kind).key("cache_file"), issue);
            }
            let (kind, set, format) = match key {
                Key::Jwks(set) => ("jwks", set, KeyFormat::Jwks),
                Key::Certificates(set) => ("certificates", set, KeyFormat::Certificates),
                Key::Pem(_) | Key::Secret(_) | Key::Jwk(_) | Key::Oidc(_) => continue,
            };
            for key in skipped(set, format, loader) {
                let message = format!("the {} has an unusable key: {key}", format.name());
                let issue =
                    Issue::warning("jwks-key-unusable", message, "remove it; the other keys are used without it");
                diagnostics.add(at.key(kind).key("file"), issue);
            }
        }
    }
}

/// Returns a warning about a provider's cache file if another user could have written it, and the kind of the key.
fn cache_file(key: &Key, loader: &SecretLoader) -> Option<(&'static str, Issue)> {
    let (kind, file) = match key {
        Key::Jwks(jwks) => ("jwks", jwks.cache_file.as_ref()?),
        Key::Certificates(map) => ("certificates", map.cache_file.as_ref()?),
        Key::Oidc(Oidc::Provider(provider)) => ("oidc", provider.cache_file.as_ref()?),
        Key::Oidc(Oidc::Issuer(_)) | Key::Pem(_) | Key::Secret(_) | Key::Jwk(_) => return None,
    };
    let error = distrust(&loader.path(file))?.to_string();
    let (cause, help) = error.split_once("; ").unwrap_or((&error, ""));
    let message = format!("modgud does not use {}: {cause}", Quoted::new(&file.display().to_string()));
    let help = format!("{help}; until then, modgud has no keys after a restart while the provider is down");
    Some((kind, Issue::warning("cache-file-untrusted", message, help)))
}

fn skipped(jwks: &Jwks, format: KeyFormat, loader: &SecretLoader) -> Vec<SkippedKey> {
    let read = jwks.file.as_ref().and_then(|file| loader.read_file(file, MAX_JWKS_BYTES).ok());
    let set = read.and_then(|(text, _)| format.parse(&text).ok());
    set.map(|set| set.into_parts().1).unwrap_or_default()
}
