//! JWKS of remote providers: fetched in the background, cached while a provider is unreachable, and refreshed at once
//! for an unknown `kid`. Checks that need no refresh never wait.

mod cache_file;
mod format;
mod provider;
mod refresh_limit;
mod refresher;

pub use cache_file::{CacheDistrust, distrust};
pub use format::{KeyFormat, ParseError};
pub use provider::{DiscoveryError, KeySource, KeysError, Location, Provider, WELL_KNOWN};
pub use refresher::{FetchCounts, JwksSummary, describe};

use crate::clock::Clock;
use crate::http_client::{ClockOffset, HttpClient};
use modgud_core::authn::{Authenticators, JwksRefresh, JwksSnapshot, RemoteJwks};
use modgud_core::time::Timestamp;
use refresher::{Changes, FetchSchedule, JwksRefresher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The providers of the active configuration.
#[derive(Debug)]
pub struct JwksRegistry {
    clock: Clock,
    /// Not locked by checks that need no lookup.
    refreshers: Mutex<Vec<Arc<JwksRefresher>>>,
    changes: Changes,
}

/// The current state of a provider, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderStatus {
    /// Its name: a URL without query, or an issuer.
    pub name: String,
    /// Numbers of fetches.
    pub fetches: FetchCounts,
    /// The time of the next fetch; `None` while one is under way.
    pub next_fetch: Option<Timestamp>,
    /// The last failed fetch, and its error; `None` without one.
    pub last_error: Option<(Timestamp, String)>,
}

impl JwksRegistry {
    /// Creates an empty registry.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self { clock, refreshers: Mutex::default(), changes: Arc::new(watch::Sender::new(())) }
    }

    /// Replaces the providers. A known provider keeps its refresher, its JWKS and its failure state; `authenticators`
    /// get that JWKS instead of their own.
    pub fn replace(&self, sources: Vec<KeySource>, authenticators: &mut Authenticators) {
        let mut current = self.refreshers();
        let mut next: Vec<Arc<JwksRefresher>> = Vec::new();
        for KeySource { keys, provider } in sources {
            let known = next.iter().chain(current.iter()).find(|known| *known.provider() == provider).map(Arc::clone);
            let shared = known.unwrap_or_else(|| {
                adopt(&current, &provider, &keys);
                Arc::new(JwksRefresher::start(provider, keys.clone(), self.clock.clone(), Arc::clone(&self.changes)))
            });
            authenticators.attach_jwks(&keys, shared.keys());
            if !next.iter().any(|one| Arc::ptr_eq(one, &shared)) {
                next.push(shared);
            }
        }
        *current = next;
    }

    /// Refreshes the JWKS of these providers, subject to the rate limit, and waits for all results.
    pub async fn refresh(&self, keys: &[RemoteJwks]) -> JwksRefresh {
        let mut tasks = JoinSet::new();
        for keys in keys {
            match self.refresher(keys) {
                Some(refresher) => tasks.spawn(async move { refresher.refresh().await }),
                // The configuration of this check is no longer active.
                None => return JwksRefresh::Failed,
            };
        }
        let mut combined = JwksRefresh::Refreshed;
        while let Some(one) = tasks.join_next().await {
            combined = worse(combined, one.unwrap_or(JwksRefresh::Failed));
        }
        combined
    }

    /// Returns the state of the provider of this JWKS; `None` if no refresher has it.
    #[must_use]
    pub fn status(&self, keys: &RemoteJwks) -> Option<ProviderStatus> {
        let refresher = self.refresher(keys)?;
        let FetchSchedule { next_fetch, last_error } = refresher.schedule();
        let name = refresher.provider().location.to_string();
        Some(ProviderStatus { name, fetches: refresher.counts(), next_fetch, last_error })
    }

    /// Returns true after a first fetch from every provider, successful or not.
    #[must_use]
    pub fn has_fetched_all_once(&self) -> bool {
        self.refreshers().iter().all(|refresher| refresher.has_fetched_once())
    }

    /// Notifies subscribers of a new configuration.
    pub fn notify(&self) {
        self.changes.send_replace(());
    }

    /// Subscribes to fetches, successful or not, and to new configurations.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    fn refresher(&self, keys: &RemoteJwks) -> Option<Arc<JwksRefresher>> {
        self.refreshers().iter().find(|refresher| refresher.keys().ptr_eq(keys)).map(Arc::clone)
    }

    fn refreshers(&self) -> MutexGuard<'_, Vec<Arc<JwksRefresher>>> {
        // Code under the lock never panics half-way.
        self.refreshers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adopts the last JWKS of the same provider: other transport or refresh settings don't invalidate it.
fn adopt(current: &[Arc<JwksRefresher>], provider: &Provider, keys: &RemoteJwks) {
    let same = |known: &&Arc<JwksRefresher>| {
        let Provider { location, plain, trust_anchors, refresh: _, stale_if_error: _, cache_file: _ } =
            known.provider();
        (location, plain, trust_anchors) == (&provider.location, &provider.plain, &provider.trust_anchors)
    };
    if let Some(last) = current.iter().find(same).and_then(|known| known.keys().last()) {
        let expires_at = last.fetched_at.plus(provider.stale_if_error);
        keys.publish(JwksSnapshot { expires_at, ..JwksSnapshot::clone(&last) });
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
    /// Fetches the JWKS once and publishes it as of `fetched_at`, without a refresher: for commands.
    ///
    /// # Errors
    /// [`KeysError`], and nothing is published.
    pub async fn fetch_once(&self, fetched_at: Timestamp) -> Result<JwksSummary, KeysError> {
        self.fetch_timed(fetched_at, &mut None).await
    }

    /// Fetches the JWKS like [`Self::fetch_once`]. Sets `clock` to the offset of the provider's clock if a response has a `Date`.
    ///
    /// # Errors
    /// The errors of [`Self::fetch_once`].
    pub async fn fetch_timed(
        &self,
        fetched_at: Timestamp,
        clock: &mut Option<ClockOffset>,
    ) -> Result<JwksSummary, KeysError> {
        let client = HttpClient::new(self.provider.trust_anchors.clone());
        let text = provider::fetch_timed(&client, &self.provider, clock).await?;
        let (keys, skipped) = provider::parse(text, self.provider.location.format()).await?;
        let summary = JwksSummary::new(&keys, &skipped);
        let expires_at = fetched_at.plus(self.provider.stale_if_error);
        self.keys.publish(JwksSnapshot { keys: Arc::new(keys), fetched_at, expires_at });
        Ok(summary)
    }

    /// Publishes the last JWKS again, as of another time: for commands that decide as of several times.
    pub fn publish_as_of(&self, fetched_at: Timestamp) {
        if let Some(last) = self.keys.last() {
            let expires_at = fetched_at.plus(self.provider.stale_if_error);
            self.keys.publish(JwksSnapshot { keys: Arc::clone(&last.keys), fetched_at, expires_at });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::worse;
    use modgud_core::authn::JwksRefresh::{Failed, RateLimited, Refreshed};
    use modgud_core::time::Timestamp;

    #[test]
    fn the_worse_of_two_results_counts_because_the_key_may_be_of_that_provider() {
        let (early, late) =
            (RateLimited { last: Timestamp::from_secs(1) }, RateLimited { last: Timestamp::from_secs(2) });
        let order = [Failed, early, late, Refreshed];
        for (place, one) in order.into_iter().enumerate() {
            for other in order.into_iter().skip(place) {
                assert_eq!((worse(one, other), worse(other, one)), (one, one));
            }
        }
    }
}
