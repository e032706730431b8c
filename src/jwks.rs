//! JWKS of remote providers: fetched in the background, cached while a provider is unreachable, and refreshed at once
//! for an unknown `kid`. Checks that need no refresh never wait.

mod backoff;
mod cache_file;
mod discovery;
mod log;
mod provider;
mod refresher;
mod single_flight;
mod source;

pub use cache_file::{CacheDistrust, distrust};
pub use discovery::{DiscoveryError, WELL_KNOWN};
pub use log::{Summary, in_words};
pub use provider::KeysError;
pub use refresher::FetchCounts;
pub use source::{KeySource, Location, Provider};

use crate::clock::Clock;
use crate::http_client::HttpClient;
use modgud_core::authn::{Authenticators, JwksRefresh, JwksSnapshot, RemoteJwks};
use modgud_core::time::Timestamp;
use refresher::{Changes, JwksRefresher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The providers of the active configuration.
#[derive(Debug)]
pub struct JwksRegistry {
    clock: Clock,
    /// Not locked by checks that need no lookup.
    followed: Mutex<Vec<Arc<JwksRefresher>>>,
    changes: Changes,
}

/// The current state of a provider, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderStatus {
    /// Its name: a URL without query, or an issuer.
    pub name: String,
    /// Numbers of fetches.
    pub fetches: FetchCounts,
}

impl JwksRegistry {
    /// Creates an empty registry.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, followed: Mutex::default(), changes: Arc::new(watch::Sender::new(())) }
    }

    /// Replaces the providers. A known provider keeps its refresher, its JWKS and its failure state; `authenticators`
    /// get that JWKS instead of their own.
    pub fn follow(&self, sources: Vec<KeySource>, authenticators: &mut Authenticators) {
        let mut followed = self.followed();
        let mut next: Vec<Arc<JwksRefresher>> = Vec::new();
        for KeySource { keys, provider } in sources {
            let known = next.iter().chain(followed.iter()).find(|known| *known.provider() == provider).map(Arc::clone);
            let shared = known.unwrap_or_else(|| {
                take_over(&followed, &provider, &keys);
                Arc::new(JwksRefresher::start(provider, keys.clone(), self.clock.clone(), Arc::clone(&self.changes)))
            });
            authenticators.attach_jwks(&keys, shared.keys());
            if !next.iter().any(|one| Arc::ptr_eq(one, &shared)) {
                next.push(shared);
            }
        }
        *followed = next;
    }

    /// Refreshes the JWKS of these providers, subject to the rate limit, and waits for all results.
    pub async fn ask(&self, keys: &[RemoteJwks]) -> JwksRefresh {
        let mut asked = JoinSet::new();
        for keys in keys {
            match self.of(keys) {
                Some(follower) => asked.spawn(async move { follower.ask().await }),
                // The configuration of this check is no longer active.
                None => return JwksRefresh::Failed,
            };
        }
        let mut all = JwksRefresh::Refreshed;
        while let Some(one) = asked.join_next().await {
            all = worse(all, one.unwrap_or(JwksRefresh::Failed));
        }
        all
    }

    /// Returns the state of the provider of this JWKS; `None` if no refresher has it.
    #[must_use]
    pub fn status(&self, keys: &RemoteJwks) -> Option<ProviderStatus> {
        let follower = self.of(keys)?;
        Some(ProviderStatus { name: follower.provider().location.to_string(), fetches: follower.counts() })
    }

    /// Returns true if every provider was fetched from at least once, with or without success.
    #[must_use]
    pub fn all_asked_once(&self) -> bool {
        self.followed().iter().all(|follower| follower.asked_once())
    }

    /// Notifies subscribers of a new configuration.
    pub fn told(&self) {
        self.changes.send_replace(());
    }

    /// Subscribes to fetches, successful or not, and to new configurations.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn of(&self, keys: &RemoteJwks) -> Option<Arc<JwksRefresher>> {
        self.followed().iter().find(|follower| follower.keys().ptr_eq(keys)).map(Arc::clone)
    }

    fn followed(&self) -> MutexGuard<'_, Vec<Arc<JwksRefresher>>> {
        // Code under the lock never panics half-way.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adopts the last JWKS of the same provider: other transport or refresh settings don't invalidate it.
fn take_over(followed: &[Arc<JwksRefresher>], provider: &Provider, keys: &RemoteJwks) {
    let same = |known: &&Arc<JwksRefresher>| {
        let Provider { location, plain, roots, refresh: _, stale_if_error: _, cache_file: _ } = known.provider();
        (location, plain, roots) == (&provider.location, &provider.plain, &provider.roots)
    };
    if let Some(last) = followed.iter().find(same).and_then(|known| known.keys().last()) {
        let until = last.fetched_at.plus(provider.stale_if_error);
        keys.publish(JwksSnapshot { expires_at: until, ..JwksSnapshot::clone(&last) });
    }
}

/// Combines the results of two providers: either may have the key.
fn worse(one: JwksRefresh, other: JwksRefresh) -> JwksRefresh {
    match (one, other) {
        (JwksRefresh::Failed, _) | (_, JwksRefresh::Failed) => JwksRefresh::Failed,
        (JwksRefresh::RateLimited { last }, JwksRefresh::RateLimited { last: other }) => {
            JwksRefresh::RateLimited { last: last.min(other) }
        }
        (JwksRefresh::RateLimited { last }, JwksRefresh::Refreshed)
        | (JwksRefresh::Refreshed, JwksRefresh::RateLimited { last }) => JwksRefresh::RateLimited { last },
        (JwksRefresh::Refreshed, JwksRefresh::Refreshed) => JwksRefresh::Refreshed,
    }
}

impl KeySource {
    /// Fetches the JWKS once and publishes it as of `had`, without a refresher: for commands.
    ///
    /// # Errors
    /// [`KeysError`], and nothing is published.
    pub async fn fetch_once(&self, had: Timestamp) -> Result<Summary, KeysError> {
        let client = HttpClient::new(self.provider.roots.clone());
        let text = provider::fetch(&client, &self.provider).await?;
        let (keys, skipped) = provider::parse(text).await?;
        let summary = log::summary(&keys, &skipped);
        let until = had.plus(self.provider.stale_if_error);
        self.keys.publish(JwksSnapshot { keys: Arc::new(keys), fetched_at: had, expires_at: until });
        Ok(summary)
    }
}

#[cfg(test)]
mod tests;
