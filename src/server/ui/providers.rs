//! The authenticators with their keys and providers, for the page.

use crate::introspection::{IntrospectionCounts, ServerStatus};
use crate::jwks::{FetchCounts, ProviderStatus, describe};
use crate::server::CheckHandler;
use crate::server::ui::recent::shortened;
use modgud_core::authn::{Authenticator, RemoteJwks};
use modgud_core::jose::VerificationKey;
use modgud_core::time::Timestamp;
use serde::Serialize;

/// Maximum number of keys that are shown of a source. Beyond it the others are left out.
const MAX_SHOWN_KEYS: usize = 50;

/// The authenticators, in the order of the configuration.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    now: u64,
    authenticators: Vec<ShownAuthenticator>,
}

#[derive(Debug, Serialize)]
struct ShownAuthenticator {
    name: String,
    kind: &'static str,
    issuer: Option<String>,
    /// The keys of the configuration.
    keys: Vec<String>,
    providers: Vec<ShownProvider>,
    server: Option<ShownServer>,
    /// The number of API keys.
    entries: Option<usize>,
}

/// A provider of keys. Times are in milliseconds since 1970.
#[derive(Debug, Serialize)]
struct ShownProvider {
    name: String,
    /// True if its keys may be used now.
    usable: bool,
    keys: Vec<String>,
    fetched: Option<u64>,
    expires: Option<u64>,
    next: Option<u64>,
    successes: u64,
    failures: u64,
    error: Option<ShownError>,
}

/// An authorization server.
#[derive(Debug, Serialize)]
struct ShownServer {
    endpoint: String,
    paused: bool,
    active: u64,
    inactive: u64,
    failed: u64,
    not_asked: u64,
    error: Option<ShownError>,
}

#[derive(Debug, Serialize)]
struct ShownError {
    at: u64,
    text: String,
}

impl ShownError {
    fn of((at, text): (Timestamp, String)) -> Self {
        Self { at: at.as_millis(), text: shortened(text) }
    }
}

pub(super) fn shown(checks: &CheckHandler) -> Shown {
    let (snapshot, now) = (checks.authorizer.snapshot(), checks.authorizer.now());
    let authenticators = snapshot.authenticators.list().iter().map(|one| {
        let kind = match one {
            Authenticator::Jwt(_) => "jwt",
            Authenticator::Introspection(_) => "introspection",
            Authenticator::ApiKey(_) => "api_key",
            Authenticator::Mtls(_) => "mtls",
            Authenticator::Custom(_) => "custom",
        };
        let jwt = one.as_jwt();
        let remote = jwt.map(|jwt| jwt.keys.remote.as_slice()).unwrap_or_default();
        ShownAuthenticator {
            name: one.name().as_str().to_owned(),
            kind,
            issuer: jwt.and_then(|jwt| jwt.issuer()).map(str::to_owned),
            keys: jwt.map(|jwt| described(jwt.keys.static_keys.keys())).unwrap_or_default(),
            providers: remote.iter().filter_map(|keys| provider(checks, keys, now)).collect(),
            server: one
                .as_introspection()
                .and_then(|known| checks.authorizer.introspection().status(known))
                .map(server),
            entries: one.as_api_key().map(|keys| keys.keys.iter().count()),
        }
    });
    Shown { now: now.as_millis(), authenticators: authenticators.collect() }
}

fn described(keys: &[VerificationKey]) -> Vec<String> {
    keys.iter().take(MAX_SHOWN_KEYS).map(describe).collect()
}

fn provider(checks: &CheckHandler, keys: &RemoteJwks, now: Timestamp) -> Option<ShownProvider> {
    let ProviderStatus { name, fetches, next_fetch, last_error } = checks.authorizer.keys().status(keys)?;
    let FetchCounts { successes, failures } = fetches;
    let last = keys.last();
    Some(ShownProvider {
        name,
        usable: keys.at(now).is_some(),
        keys: last.as_ref().map(|last| described(last.keys.keys())).unwrap_or_default(),
        fetched: last.as_ref().map(|last| last.fetched_at.as_millis()),
        expires: last.as_ref().map(|last| last.expires_at.as_millis()),
        next: next_fetch.map(Timestamp::as_millis),
        successes,
        failures,
        error: last_error.map(ShownError::of),
    })
}

fn server(status: ServerStatus) -> ShownServer {
    let ServerStatus { counts, is_open, endpoint, last_error } = status;
    let IntrospectionCounts { active, inactive, failed, busy, open } = counts;
    ShownServer {
        endpoint,
        paused: is_open,
        active,
        inactive,
        failed,
        not_asked: busy.saturating_add(open),
        error: last_error.map(ShownError::of),
    }
}
