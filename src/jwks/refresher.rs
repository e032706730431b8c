//! The refresher of one provider: fetches its JWKS at startup, periodically, and for an unknown `kid`, and publishes
//! it. A failed fetch never removes keys.

use super::cache_file::{self, CacheError, CachedJwks};
use super::provider::{self, KeysError, Provider};
use super::refresh_limit::{Join, RefreshLimit};
use crate::backoff::{Backoff, with_jitter};
use crate::clock::Clock;
use crate::http_client::HttpClient;
use bytes::Bytes;
use modgud_core::authn::{JwksRefresh, JwksSnapshot, RemoteJwks};
use modgud_core::jose::{KeySet, SkippedKey, VerificationKey};
use modgud_core::time::Timestamp;
use std::path::{Display, Path};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

/// Time that an access to the cache file may take. Beyond it the file is not used, and the fetches go on.
const CACHE_TIMEOUT: Duration = Duration::from_secs(5);

/// The refresher of one provider; its drop stops it.
#[derive(Debug)]
pub(super) struct JwksRefresher {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Drop for JwksRefresher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// State shared by the task and its callers.
#[derive(Debug)]
struct Shared {
    provider: Provider,
    keys: RemoteJwks,
    clock: Clock,
    limit: RefreshLimit,
    successes: AtomicU64,
    failures: AtomicU64,
    schedule: Mutex<FetchSchedule>,
    /// Notified after each fetch and publication.
    changes: Changes,
}

/// The times of fetches, for operators.
#[derive(Debug, Clone, Default)]
pub(super) struct FetchSchedule {
    /// The time of the next fetch; `None` while one is under way.
    pub(super) next_fetch: Option<Timestamp>,
    /// The last failed fetch, and its error; `None` without one.
    pub(super) last_error: Option<(Timestamp, String)>,
}

/// A notification that there may be new keys.
pub(super) type Changes = Arc<watch::Sender<()>>;

/// Numbers of fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchCounts {
    /// Fetches with usable keys.
    pub successes: u64,
    /// Failed fetches.
    pub failures: u64,
}

impl JwksRefresher {
    /// Starts a refresher that publishes the JWKS in `keys`.
    pub(super) fn start(provider: Provider, keys: RemoteJwks, clock: Clock, changes: Changes) -> Self {
        let (successes, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared = Arc::new(Shared {
            provider,
            keys,
            clock,
            limit: RefreshLimit::default(),
            successes,
            failures,
            schedule: Mutex::default(),
            changes,
        });
        let task = tokio::spawn(run(Arc::clone(&shared))).abort_handle();
        Self { shared, task }
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.shared.provider
    }

    pub(super) fn keys(&self) -> &RemoteJwks {
        &self.shared.keys
    }

    pub(super) fn counts(&self) -> FetchCounts {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FetchCounts { successes: count(&self.shared.successes), failures: count(&self.shared.failures) }
    }

    pub(super) fn schedule(&self) -> FetchSchedule {
        self.shared.schedule().clone()
    }

    /// Returns true after the first fetch, successful or not.
    pub(super) fn has_fetched_once(&self) -> bool {
        let FetchCounts { successes, failures } = self.counts();
        successes.saturating_add(failures) > 0
    }

    /// Refreshes the JWKS, subject to the rate limit, and waits for the result.
    pub(super) async fn refresh(&self) -> JwksRefresh {
        let Shared { keys, clock, limit, .. } = &*self.shared;
        match limit.join(clock.now()) {
            Join::Leader(waiter) => match waiter.outcome().await {
                Some(Ok(())) => JwksRefresh::Refreshed,
                Some(Err(())) | None => JwksRefresh::Failed,
            },
            Join::Follower { began, waiter } => match waiter.outcome().await {
                // The provider may have responded before the wanted key existed.
                Some(Ok(())) => JwksRefresh::RateLimited { last: began },
                Some(Err(())) | None => JwksRefresh::Failed,
            },
            Join::RateLimited => match keys.last() {
                Some(published) => JwksRefresh::RateLimited { last: published.fetched_at },
                None => JwksRefresh::Failed,
            },
        }
    }
}

/// Fetches repeatedly until the refresher is dropped: after the operator's interval, or sooner after a failure.
async fn run(shared: Arc<Shared>) {
    let client = HttpClient::new(shared.provider.trust_anchors.clone());
    let refresh = shared.provider.refresh;
    let mut backoff = Backoff::new(refresh);
    let mut log = StateLog::default();
    let mut last = None;
    shared.limit.started(shared.clock.now());
    shared.read_cache(&mut log, &mut last).await;
    loop {
        let began = shared.clock.now();
        shared.limit.started(began);
        shared.schedule().next_fetch = None;
        let fetched = shared.fetch(&client, began, &mut log, &mut last).await;
        let delay = if fetched.is_ok() {
            shared.successes.fetch_add(1, Ordering::Relaxed);
            backoff = Backoff::new(refresh);
            refresh
        } else {
            shared.failures.fetch_add(1, Ordering::Relaxed);
            let delay = backoff.delay();
            backoff = backoff.doubled();
            delay
        };
        let delay = with_jitter(delay);
        {
            let mut schedule = shared.schedule();
            let now = shared.clock.now();
            schedule.next_fetch = Some(now.plus(delay));
            if let Err(error) = &fetched {
                schedule.last_error = Some((now, error.to_string()));
            }
        }
        log.fetched(&shared.provider, &fetched, shared.keys.at(shared.clock.now()).is_some());
        shared.limit.ended(fetched.map_err(|_| ()));
        shared.changes.send_replace(());
        tokio::select! {
            () = sleep(delay) => {}
            () = shared.limit.requested(&shared.clock) => {}
        }
    }
}

/// The last parsed text and its keys.
type Last = Option<(Bytes, Arc<KeySet>)>;

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, FetchSchedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(
        &self,
        client: &HttpClient,
        began: Timestamp,
        log: &mut StateLog,
        last: &mut Last,
    ) -> Result<(), KeysError> {
        let text = provider::fetch(client, &self.provider).await?;
        self.publish(text.clone(), began, log, last).await?;
        if let Err(error) = self.write_cache(text, began).await {
            log.cache_not_written(&self.provider, &error);
        }
        Ok(())
    }

    /// Publishes the keys of a text.
    async fn publish(
        &self,
        text: Bytes,
        fetched_at: Timestamp,
        log: &mut StateLog,
        last: &mut Last,
    ) -> Result<(), KeysError> {
        let keys = match last {
            Some((before, keys)) if *before == text => Arc::clone(keys),
            Some(_) | None => {
                let (keys, skipped) = provider::parse(text.clone(), self.provider.location.format()).await?;
                log.changed(&self.provider, JwksSummary::new(&keys, &skipped));
                let keys = Arc::new(keys);
                *last = Some((text, Arc::clone(&keys)));
                keys
            }
        };
        let expires_at = fetched_at.plus(self.provider.stale_if_error);
        self.keys.publish(JwksSnapshot { keys, fetched_at, expires_at });
        self.changes.send_replace(());
        Ok(())
    }

    /// Publishes the cached JWKS if it is not too old.
    async fn read_cache(&self, log: &mut StateLog, last: &mut Last) {
        let Some(path) = self.provider.cache_file.clone() else { return };
        let (location, now) = (self.provider.location.clone(), self.clock.now());
        let read = spawn_blocking(move || cache_file::read(&path, &location, now));
        match in_time(read).await {
            Ok(None) => {}
            Ok(Some(CachedJwks { text, fetched_at })) if now < fetched_at.plus(self.provider.stale_if_error) => {
                if let Err(error) = self.publish(text, fetched_at, log, last).await {
                    StateLog::cache_unusable(&self.provider, &error);
                }
            }
            Ok(Some(CachedJwks { fetched_at, .. })) => StateLog::cache_too_old(&self.provider, fetched_at),
            Err(error) => StateLog::cache_unusable(&self.provider, &error),
        }
    }

    /// Writes the JWKS to the cache file for the next start.
    async fn write_cache(&self, text: Bytes, fetched_at: Timestamp) -> Result<(), CacheError> {
        let Some(path) = self.provider.cache_file.clone() else { return Ok(()) };
        let location = self.provider.location.clone();
        in_time(spawn_blocking(move || cache_file::write(&path, &location, &text, fetched_at))).await
    }
}

/// Waits for an access to the cache file, for a limited time: an unavailable file system must not end the fetches.
async fn in_time<T>(access: JoinHandle<Result<T, CacheError>>) -> Result<T, CacheError> {
    match timeout(CACHE_TIMEOUT, access).await {
        Ok(done) => done.unwrap_or(Err(CacheError::Internal)),
        Err(_) => Err(CacheError::Late),
    }
}

/// Descriptions of usable and unusable keys.
#[derive(Debug, PartialEq, Eq)]
pub struct JwksSummary {
    /// The usable keys.
    pub usable: Vec<String>,
    /// The unusable keys, and why.
    pub skipped: Vec<String>,
}

impl JwksSummary {
    /// Describes a JWKS.
    pub(super) fn new(keys: &KeySet, skipped: &[SkippedKey]) -> Self {
        let usable = keys.keys().iter().map(describe).collect();
        Self { usable, skipped: skipped.iter().map(ToString::to_string).collect() }
    }
}

/// Describes a key for people.
#[must_use]
pub fn describe(key: &VerificationKey) -> String {
    let id = key.id().map(|id| format!(", id {id}")).unwrap_or_default();
    format!("{}: {} {} bits{id}", key.fingerprint(), key.key_type().name(), key.bits())
}

/// The last logged state: there is one message per change, not one per fetch.
#[derive(Debug, Default)]
struct StateLog {
    is_failing: bool,
    has_unwritable_cache: bool,
    keys: Option<JwksSummary>,
}

impl StateLog {
    /// Logs the provider's keys.
    fn changed(&mut self, provider: &Provider, keys: JwksSummary) {
        if self.keys.as_ref() == Some(&keys) {
            return;
        }
        let location = &provider.location;
        let usable = keys.usable.join("; ");
        let skipped = (!keys.skipped.is_empty()).then(|| keys.skipped.join("; "));
        match (&self.keys, skipped) {
            (None, None) => tracing::info!(provider = %location, keys = usable, "JWKS loaded"),
            (Some(_), None) => tracing::info!(provider = %location, keys = usable, "JWKS changed"),
            (None, Some(skipped)) => {
                tracing::warn!(provider = %location, keys = usable, skipped, "JWKS loaded; some keys are unusable");
            }
            (Some(_), Some(skipped)) => {
                tracing::warn!(provider = %location, keys = usable, skipped, "JWKS changed; some keys are unusable");
            }
        }
        self.keys = Some(keys);
    }

    /// Logs the outcome of a fetch.
    fn fetched(&mut self, provider: &Provider, outcome: &Result<(), KeysError>, has_keys: bool) {
        let location = &provider.location;
        match (outcome, self.is_failing) {
            (Err(error), false) if has_keys => {
                tracing::warn!(provider = %location, %error, "JWKS fetch failed; the last JWKS stays in use");
            }
            (Err(error), false) => {
                tracing::warn!(provider = %location, %error, "JWKS fetch failed; no keys are usable");
            }
            (Ok(()), true) => tracing::info!(provider = %location, "JWKS fetch succeeds again"),
            (Ok(()), false) | (Err(_), true) => {}
        }
        self.is_failing = outcome.is_err();
    }

    /// Logs that the cache file could not be written.
    fn cache_not_written(&mut self, provider: &Provider, error: &CacheError) {
        if !self.has_unwritable_cache {
            tracing::warn!(provider = %provider.location, file = %file(provider), %error, "JWKS cache file not written");
        }
        self.has_unwritable_cache = true;
    }

    /// Logs that the cache file is unusable.
    fn cache_unusable(provider: &Provider, error: &dyn std::error::Error) {
        tracing::warn!(provider = %provider.location, file = %file(provider), %error, "JWKS cache file not used");
    }

    /// Logs that the cache file is too old.
    fn cache_too_old(provider: &Provider, fetched_at: Timestamp) {
        tracing::warn!(provider = %provider.location, file = %file(provider), %fetched_at, "JWKS cache file older than stale_if_error");
    }
}

/// Returns the path of the provider's `cache_file`.
fn file(provider: &Provider) -> Display<'_> {
    provider.cache_file.as_deref().unwrap_or(Path::new("")).display()
}
