//! Decides live checks a second time by a shadow configuration, after they are answered, and reports where the outcomes differ. All of its
//! work runs on a thread of its own, so that no check ever waits for it.

use crate::clock::Clock;
use crate::config::{Config, Loaded, ServerConfig};
use crate::envoy::Check;
use crate::server::CheckHandler;
use crate::server::authorizer::Authorizer;
use crate::server::comparison::{CheckRecord, Comparison, queue, run};
use crate::server::reload::{ReloadTarget, Reloader};
use crate::server::revocation_watcher::{self, ListReload};
use crate::telemetry::log::SHADOW_THREAD;
use crate::telemetry::metrics::ShadowConfigMetrics;
use modgud_core::authn::Revocations;
use std::fmt::Display;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use tokio::runtime::Builder;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

/// Starts the comparison: `loaded`, too, decides the checks that `checks` answers from now on, until `checks` is dropped. `reloader`
/// watches the files of that configuration, and loads them when `requests` receives one.
///
/// # Errors
/// `io::Error` if the system provides no thread.
pub fn start(
    loaded: Loaded,
    reloader: Reloader,
    requests: mpsc::Receiver<()>,
    clock: Clock,
    checks: &CheckHandler,
) -> io::Result<()> {
    let metrics = Arc::clone(&checks.metrics.shadow_config);
    let (queue, answered) = queue(Arc::clone(&metrics));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name(SHADOW_THREAD.to_owned()).spawn(move || {
        LocalSet::new().block_on(&runtime, compare(loaded, reloader, requests, clock, metrics, answered));
        // Does not wait for a load that hangs.
        runtime.shutdown_background();
    })?;
    checks.set_shadow(queue);
    Ok(())
}

async fn compare(
    loaded: Loaded,
    reloader: Reloader,
    requests: mpsc::Receiver<()>,
    clock: Clock,
    metrics: Arc<ShadowConfigMetrics>,
    answered: mpsc::Receiver<CheckRecord>,
) {
    warn(&loaded, &clock);
    let Loaded { config, origin, .. } = loaded;
    // The active configuration supplies the listeners, their TLS settings, and the texts for clients.
    let Config { server: _, tls: _, snapshot, gateway: _, key_sources, introspection_sources, otlp: _, shown: _ } =
        config;
    metrics.loaded(clock.now());
    let authorizer = Arc::new(Authorizer::new(snapshot, key_sources, introspection_sources, clock.clone()));
    tracing::info!(config = origin, "shadow configuration loaded");
    let shadow = Shadow { authorizer: Arc::clone(&authorizer), metrics: Arc::clone(&metrics), clock };
    let (lists, reloads) = (shadow.clone(), Arc::clone(&metrics));
    let watching = revocation_watcher::watch(
        move || lists.revocations(),
        move |reload| match reload {
            ListReload::Replaced => {}
            ListReload::Rejected => reloads.rejected(),
        },
    );
    let decide = move |answered: CheckRecord| {
        let authorizer = Arc::clone(&authorizer);
        async move {
            let CheckRecord { message, done, at, .. } = &answered;
            // It was decoded before: only checks are queued.
            let mut check = Check::decode(message).unwrap_or_default();
            let snapshot = authorizer.snapshot();
            // As of the time of the answer: expiry since then makes no difference.
            let (would, _, _) = authorizer.decide(&mut check, &snapshot, Instant::now(), || *at, || Some(())).await;
            let difference = done.differs(would);
            Comparison { answered, difference }
        }
    };
    // Both end with the runtime.
    tokio::spawn(watching);
    tokio::spawn(reloader.run(shadow, requests));
    run(answered, metrics, decide).await;
}

/// The shadow configuration; clones share it.
#[derive(Debug, Clone)]
struct Shadow {
    authorizer: Arc<Authorizer>,
    metrics: Arc<ShadowConfigMetrics>,
    clock: Clock,
}

impl ReloadTarget for Shadow {
    fn revocations(&self) -> Option<Revocations> {
        self.authorizer.snapshot().authenticators.revocations().cloned()
    }

    fn replace(&self, loaded: Loaded, _: &ServerConfig) -> bool {
        warn(&loaded, &self.clock);
        let Loaded { config, origin, .. } = loaded;
        let Config { server: _, tls: _, snapshot, gateway: _, key_sources, introspection_sources, otlp: _, shown: _ } =
            config;
        self.authorizer.replace(snapshot, key_sources, introspection_sources);
        self.metrics.loaded(self.clock.now());
        tracing::info!(config = origin, "shadow configuration reloaded");
        true
    }

    fn reject(&self, error: &dyn Display) {
        self.metrics.rejected();
        tracing::error!(%error, "shadow configuration rejected; the active one stays in use");
    }
}

/// Logs the warnings about a configuration, except those about its listeners: a shadow configuration opens none.
fn warn(loaded: &Loaded, clock: &Clock) {
    for warning in loaded.warnings(clock.now()).into_iter().filter(|warning| !warning.is_within("server")) {
        tracing::warn!(%warning, "shadow configuration warning");
    }
}
