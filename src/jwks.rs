//! Where the keys of an authenticator come from when somebody else publishes them: asked for in the background, kept when the
//! provider can't be asked, asked for at once when a token names one that is not known. Verifies nothing, and keeps no request
//! waiting that does not need it.

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

/// Every provider whose keys the present configuration uses.
#[derive(Debug)]
pub struct JwksRegistry {
    clock: Clock,
    /// Never asked for on the way of a request that lacks nothing.
    followed: Mutex<Vec<Arc<JwksRefresher>>>,
    changes: Changes,
}

/// A provider as it is now, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderStatus {
    /// Its name: an address without a query, or an issuer.
    pub name: String,
    /// How often it was asked.
    pub fetches: FetchCounts,
}

impl JwksRegistry {
    /// Nobody is followed yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, followed: Mutex::default(), changes: Arc::new(watch::Sender::new(())) }
    }

    /// Follows these providers and no others. One that is followed already goes on being followed, with the keys that were had
    /// and with what is known about its being down; `authenticators` get those keys in the place of their own.
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

    /// Asks for the keys of now, wherever it is not too soon, and waits for every answer.
    pub async fn ask(&self, keys: &[RemoteJwks]) -> JwksRefresh {
        let mut asked = JoinSet::new();
        for keys in keys {
            match self.of(keys) {
                Some(follower) => asked.spawn(async move { follower.ask().await }),
                // The configuration that this check began with is not the present one any more.
                None => return JwksRefresh::Failed,
            };
        }
        let mut all = JwksRefresh::Refreshed;
        while let Some(one) = asked.join_next().await {
            all = worse(all, one.unwrap_or(JwksRefresh::Failed));
        }
        all
    }

    /// How the provider of these keys is; `None` when it is not followed.
    #[must_use]
    pub fn status(&self, keys: &RemoteJwks) -> Option<ProviderStatus> {
        let follower = self.of(keys)?;
        Some(ProviderStatus { name: follower.provider().location.to_string(), fetches: follower.counts() })
    }

    /// Whether every provider has been asked once, however that ended.
    #[must_use]
    pub fn all_asked_once(&self) -> bool {
        self.followed().iter().all(|follower| follower.asked_once())
    }

    /// Lets those who hear of changes look again: the configuration is another.
    pub fn told(&self) {
        self.changes.send_replace(());
    }

    /// Hears of every answer, of every failure to get one, and of another configuration.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn of(&self, keys: &RemoteJwks) -> Option<Arc<JwksRefresher>> {
        self.followed().iter().find(|follower| follower.keys().is(keys)).map(Arc::clone)
    }

    fn followed(&self) -> MutexGuard<'_, Vec<Arc<JwksRefresher>>> {
        // Nothing that could panic half-way is done under the lock.
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A provider that is asked in another way than before, or less often, is still the same one: what it last said still holds.
fn take_over(followed: &[Arc<JwksRefresher>], provider: &Provider, keys: &RemoteJwks) {
    let same = |known: &&Arc<JwksRefresher>| {
        let Provider { location, plain, roots, refresh: _, stale_if_error: _, cache_file: _ } = known.provider();
        (location, plain, roots) == (&provider.location, &provider.plain, &provider.roots)
    };
    if let Some(last) = followed.iter().find(same).and_then(|known| known.keys().last()) {
        let until = last.had.plus(provider.stale_if_error);
        keys.publish(JwksSnapshot { until, ..JwksSnapshot::clone(&last) });
    }
}

/// What two providers' answers come to: a key may be that of either.
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
    /// Asks the provider once and publishes its keys as those of a time, without following it: for commands.
    ///
    /// # Errors
    /// [`KeysError`], and nothing is published.
    pub async fn fetch_once(&self, had: Timestamp) -> Result<Summary, KeysError> {
        let client = HttpClient::new(self.provider.roots.clone());
        let text = provider::fetch(&client, &self.provider).await?;
        let (keys, skipped) = provider::parse(text).await?;
        let summary = log::summary(&keys, &skipped);
        let until = had.plus(self.provider.stale_if_error);
        self.keys.publish(JwksSnapshot { keys: Arc::new(keys), had, until });
        Ok(summary)
    }
}

#[cfg(test)]
mod tests;
