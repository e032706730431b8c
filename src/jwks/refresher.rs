//! The refresher of one provider: fetches its JWKS at startup, periodically, and for an unknown `kid`, and publishes
//! it. A failed fetch never removes keys.

use super::backoff::Schedule;
use super::cache_file::{self, CacheError, CachedJwks};
use super::log::{StateLog, summary};
use super::provider::{self, KeysError};
use super::single_flight::{Join, SingleFlight};
use super::source::Provider;
use crate::clock::Clock;
use crate::http_client::HttpClient;
use bytes::Bytes;
use modgud_core::authn::{JwksRefresh, JwksSnapshot, RemoteJwks};
use modgud_core::jose::KeySet;
use modgud_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::sleep;

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
    asking: SingleFlight,
    successes: AtomicU64,
    failures: AtomicU64,
    /// Notified after each fetch and publication.
    changes: Changes,
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
        let shared =
            Arc::new(Shared { provider, keys, clock, asking: SingleFlight::default(), successes, failures, changes });
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

    /// Returns true after the first fetch, successful or not.
    pub(super) fn asked_once(&self) -> bool {
        let FetchCounts { successes, failures } = self.counts();
        successes.saturating_add(failures) > 0
    }

    /// Refreshes the JWKS, subject to the rate limit, and waits for the result.
    pub(super) async fn ask(&self) -> JwksRefresh {
        let Shared { keys, clock, asking, .. } = &*self.shared;
        match asking.begin(clock.now()) {
            Join::Leader(waiting) => match waiting.ended().await {
                Ok(()) => JwksRefresh::Refreshed,
                Err(()) => JwksRefresh::Failed,
            },
            Join::Follower { began, waiting } => match waiting.ended().await {
                // The provider may have responded before the wanted key existed.
                Ok(()) => JwksRefresh::RateLimited { last: began },
                Err(()) => JwksRefresh::Failed,
            },
            Join::RateLimited => match keys.last() {
                Some(published) => JwksRefresh::RateLimited { last: published.fetched_at },
                None => JwksRefresh::Failed,
            },
        }
    }
}

/// Fetches repeatedly until the refresher is dropped.
async fn run(shared: Arc<Shared>) {
    let client = HttpClient::new(shared.provider.roots.clone());
    let mut schedule = Schedule::new(shared.provider.refresh);
    let mut told = StateLog::default();
    let mut last = None;
    shared.asking.started(shared.clock.now());
    shared.read_kept(&mut told, &mut last).await;
    loop {
        let began = shared.clock.now();
        shared.asking.started(began);
        let asked = shared.fetch(&client, began, &mut told, &mut last).await;
        let wait = if asked.is_ok() {
            shared.successes.fetch_add(1, Ordering::Relaxed);
            schedule.after_success(chance())
        } else {
            shared.failures.fetch_add(1, Ordering::Relaxed);
            schedule.after_failure(chance())
        };
        told.outcome(&shared.provider, &asked);
        shared.asking.ended(asked.map_err(|_| ()));
        shared.changes.send_replace(());
        tokio::select! {
            () = sleep(wait) => {}
            () = shared.asking.wanted(&shared.clock) => {}
        }
    }
}

/// The last parsed text and its keys.
type Last = Option<(Bytes, Arc<KeySet>)>;

impl Shared {
    async fn fetch(
        &self,
        client: &HttpClient,
        began: Timestamp,
        told: &mut StateLog,
        last: &mut Last,
    ) -> Result<(), KeysError> {
        let text = provider::fetch(client, &self.provider).await?;
        self.take(text.clone(), began, told, last).await?;
        if let Err(fault) = self.keep(text, began).await {
            told.not_kept(&self.provider, &fault);
        }
        Ok(())
    }

    /// Publishes the keys of a text.
    async fn take(&self, text: Bytes, had: Timestamp, told: &mut StateLog, last: &mut Last) -> Result<(), KeysError> {
        let keys = match last {
            Some((before, keys)) if *before == text => Arc::clone(keys),
            Some(_) | None => {
                let (keys, skipped) = provider::parse(text.clone()).await?;
                told.keys(&self.provider, summary(&keys, &skipped));
                let keys = Arc::new(keys);
                *last = Some((text, Arc::clone(&keys)));
                keys
            }
        };
        let until = had.plus(self.provider.stale_if_error);
        self.keys.publish(JwksSnapshot { keys, fetched_at: had, expires_at: until });
        self.changes.send_replace(());
        Ok(())
    }

    /// Publishes the cached JWKS if it is not too old.
    async fn read_kept(&self, told: &mut StateLog, last: &mut Last) {
        let Some(path) = self.provider.cache_file.clone() else { return };
        let (location, now) = (self.provider.location.clone(), self.clock.now());
        let read = spawn_blocking(move || cache_file::read(&path, &location, now)).await;
        match read.unwrap_or(Err(CacheError::Internal)) {
            Ok(None) => {}
            Ok(Some(CachedJwks { text, had })) if now < had.plus(self.provider.stale_if_error) => {
                if let Err(fault) = self.take(text, had, told, last).await {
                    StateLog::kept_unusable(&self.provider, &fault);
                }
            }
            Ok(Some(CachedJwks { had, .. })) => StateLog::kept_too_old(&self.provider, had),
            Err(fault) => StateLog::kept_unusable(&self.provider, &fault),
        }
    }

    /// Writes the JWKS to the cache file for the next start.
    async fn keep(&self, text: Bytes, had: Timestamp) -> Result<(), CacheError> {
        let Some(path) = self.provider.cache_file.clone() else { return Ok(()) };
        let location = self.provider.location.clone();
        let written = spawn_blocking(move || cache_file::write(&path, &location, &text, had)).await;
        written.unwrap_or(Err(CacheError::Internal))
    }
}

/// Returns a random number, which differs between sidecars.
fn chance() -> u32 {
    let mut bytes = [0; 4];
    // On failure it is zero: delays are then the shortest, which does no harm.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u32::from_le_bytes(bytes)
}
