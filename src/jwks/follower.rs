//! Follows one provider: asks it for its keys at the start, every so often, and when somebody meets a key that is not known;
//! publishes what it says. Never gives keys up for an answer without any.

use super::asking::{Asking, Part};
use super::cache_file::{self, CacheFault, Kept};
use super::provider::{self, KeysFault};
use super::schedule::Schedule;
use super::source::Provider;
use super::told::{Told, summary};
use crate::clock::Clock;
use crate::http_client::HttpClient;
use bytes::Bytes;
use modgud_core::authn::{KeysAsked, PublishedKeys, RemoteKeys};
use modgud_core::jose::KeySet;
use modgud_core::time::Timestamp;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::sleep;

/// Follows one provider while it lives.
#[derive(Debug)]
pub(super) struct Follower {
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task and those who ask share.
#[derive(Debug)]
struct Shared {
    provider: Provider,
    keys: RemoteKeys,
    clock: Clock,
    asking: Asking,
    successes: AtomicU64,
    failures: AtomicU64,
    /// Told whenever something may have come of a question.
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

impl Follower {
    /// Begins to follow a provider, and publishes its keys in `keys`.
    pub(super) fn start(provider: Provider, keys: RemoteKeys, clock: Clock, changes: Changes) -> Self {
        let (successes, failures) = (AtomicU64::new(0), AtomicU64::new(0));
        let shared =
            Arc::new(Shared { provider, keys, clock, asking: Asking::default(), successes, failures, changes });
        let task = tokio::spawn(run(Arc::clone(&shared))).abort_handle();
        Self { shared, task }
    }

    pub(super) fn provider(&self) -> &Provider {
        &self.shared.provider
    }

    pub(super) fn keys(&self) -> &RemoteKeys {
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
    pub(super) async fn ask(&self) -> KeysAsked {
        let Shared { keys, clock, asking, .. } = &*self.shared;
        match asking.begin(clock.now()) {
            Part::Asks(waiting) => match waiting.ended().await {
                Ok(()) => KeysAsked::Fetched,
                Err(()) => KeysAsked::Failed,
            },
            Part::Joins { began, waiting } => match waiting.ended().await {
                // The provider may have answered before the key that is looked for came into being.
                Ok(()) => KeysAsked::TooSoon { last: began },
                Err(()) => KeysAsked::Failed,
            },
            Part::TooSoon => match keys.last() {
                Some(published) => KeysAsked::TooSoon { last: published.had },
                None => KeysAsked::Failed,
            },
        }
    }
}

/// Asks again and again, until the follower is dropped.
async fn run(shared: Arc<Shared>) {
    let client = HttpClient::new(shared.provider.roots.clone());
    let mut schedule = Schedule::new(shared.provider.refresh);
    let mut told = Told::default();
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
        told: &mut Told,
        last: &mut Last,
    ) -> Result<(), KeysFault> {
        let text = provider::fetch(client, &self.provider).await?;
        self.take(text.clone(), began, told, last).await?;
        if let Err(fault) = self.keep(text, began).await {
            told.not_kept(&self.provider, &fault);
        }
        Ok(())
    }

    /// Publishes what a text holds.
    async fn take(&self, text: Bytes, had: Timestamp, told: &mut Told, last: &mut Last) -> Result<(), KeysFault> {
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
        self.keys.publish(PublishedKeys { keys, had, until });
        self.changes.send_replace(());
        Ok(())
    }

    /// Publishes what was kept from before, if it may still be used.
    async fn read_kept(&self, told: &mut Told, last: &mut Last) {
        let Some(path) = self.provider.cache_file.clone() else { return };
        let (location, now) = (self.provider.location.clone(), self.clock.now());
        let read = spawn_blocking(move || cache_file::read(&path, &location, now)).await;
        match read.unwrap_or(Err(CacheFault::Internal)) {
            Ok(None) => {}
            Ok(Some(Kept { text, had })) if now < had.plus(self.provider.stale_if_error) => {
                if let Err(fault) = self.take(text, had, told, last).await {
                    Told::kept_unusable(&self.provider, &fault);
                }
            }
            Ok(Some(Kept { had, .. })) => Told::kept_too_old(&self.provider, had),
            Err(fault) => Told::kept_unusable(&self.provider, &fault),
        }
    }

    /// Keeps what was had for the next start.
    async fn keep(&self, text: Bytes, had: Timestamp) -> Result<(), CacheFault> {
        let Some(path) = self.provider.cache_file.clone() else { return Ok(()) };
        let location = self.provider.location.clone();
        let written = spawn_blocking(move || cache_file::write(&path, &location, &text, had)).await;
        written.unwrap_or(Err(CacheFault::Internal))
    }
}

/// A number that differs from one sidecar to the next.
fn chance() -> u32 {
    let mut bytes = [0; 4];
    // Without one, waits are the shortest: nothing worse.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u32::from_le_bytes(bytes)
}
