//! Follows one provider: asks it for its keys at the start, every so often, and when somebody meets a key that is not known;
//! publishes what it says. Never gives keys up for an answer without any.

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

/// Follows one provider while it lives.
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

/// What the task and those who ask share.
#[derive(Debug)]
struct Shared {
    provider: Provider,
    keys: RemoteJwks,
    clock: Clock,
    asking: SingleFlight,
    successes: AtomicU64,
    failures: AtomicU64,
    /// StateLog whenever something may have come of a question.
    changes: Changes,
}

/// Tells whoever waits for keys that there may be some.
pub(super) type Changes = Arc<watch::Sender<()>>;

/// How often a provider was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchCounts {
    /// With keys for an answer.
    pub successes: u64,
    /// Without.
    pub failures: u64,
}

impl JwksRefresher {
    /// Begins to follow a provider, and publishes its keys in `keys`.
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

    /// Whether the provider has been asked once, however that ended.
    pub(super) fn asked_once(&self) -> bool {
        let FetchCounts { successes, failures } = self.counts();
        successes.saturating_add(failures) > 0
    }

    /// Asks for the keys of now, if that is not too soon, and waits for the answer.
    pub(super) async fn ask(&self) -> JwksRefresh {
        let Shared { keys, clock, asking, .. } = &*self.shared;
        match asking.begin(clock.now()) {
            Join::Leader(waiting) => match waiting.ended().await {
                Ok(()) => JwksRefresh::Refreshed,
                Err(()) => JwksRefresh::Failed,
            },
            Join::Follower { began, waiting } => match waiting.ended().await {
                // The provider may have answered before the key that is looked for came into being.
                Ok(()) => JwksRefresh::RateLimited { last: began },
                Err(()) => JwksRefresh::Failed,
            },
            Join::RateLimited => match keys.last() {
                Some(published) => JwksRefresh::RateLimited { last: published.had },
                None => JwksRefresh::Failed,
            },
        }
    }
}

/// Asks again and again, until the follower is dropped.
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

/// The text that was last read, and what it holds.
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

    /// Publishes what a text holds.
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
        self.keys.publish(JwksSnapshot { keys, had, until });
        self.changes.send_replace(());
        Ok(())
    }

    /// Publishes what was kept from before, if it may still be used.
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

    /// Keeps what was had for the next start.
    async fn keep(&self, text: Bytes, had: Timestamp) -> Result<(), CacheError> {
        let Some(path) = self.provider.cache_file.clone() else { return Ok(()) };
        let location = self.provider.location.clone();
        let written = spawn_blocking(move || cache_file::write(&path, &location, &text, had)).await;
        written.unwrap_or(Err(CacheError::Internal))
    }
}

/// A number that differs from one sidecar to the next.
fn chance() -> u32 {
    let mut bytes = [0; 4];
    // Without one, waits are the shortest: nothing worse.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u32::from_le_bytes(bytes)
}
