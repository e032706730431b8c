//! Decides live checks a second time by a shadow configuration, after they are answered, and reports where the outcomes differ. All of its
//! work runs on a thread of its own, so that no check ever waits for it.

use crate::clock::Clock;
use crate::config::{Config, Loaded, ServerConfig};
use crate::server::CheckHandler;
use crate::server::authorizer::Authorizer;
use crate::server::comparison::{Answered, Compared, queue, work};
use crate::server::reload::{ReloadTarget, Reloader};
use crate::server::revocation_watcher::{self, Followed};
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
/// follows the files of that configuration, and loads them when `asked` receives a request.
///
/// # Errors
/// `io::Error` if the system provides no thread.
pub fn start(
    loaded: Loaded,
    reloader: Reloader,
    asked: mpsc::Receiver<()>,
    clock: Clock,
    checks: &CheckHandler,
) -> io::Result<()> {
    let metrics = Arc::clone(&checks.metrics.shadow_config);
    let (queue, answered) = queue(Arc::clone(&metrics));
    let runtime = Builder::new_current_thread().enable_all().build()?;
    thread::Builder::new().name(SHADOW_THREAD.to_owned()).spawn(move || {
        LocalSet::new().block_on(&runtime, compare(loaded, reloader, asked, clock, metrics, answered));
        // Does not wait for a load that hangs.
        runtime.shutdown_background();
    })?;
    checks.compare_by(queue);
    Ok(())
}

async fn compare(
    loaded: Loaded,
    reloader: Reloader,
    asked: mpsc::Receiver<()>,
    clock: Clock,
    metrics: Arc<ShadowConfigMetrics>,
    answered: mpsc::Receiver<Answered>,
) {
    warn(&loaded, &clock);
    let Loaded { config, origin, .. } = loaded;
    // The active configuration supplies the listeners, their TLS settings, and the texts for clients.
    let Config { server: _, tls: _, snapshot, gateway: _, key_sources, introspection_sources } = config;
    metrics.loaded(clock.now());
    let authorizer = Arc::new(Authorizer::new(snapshot, key_sources, introspection_sources, clock.clone()));
    tracing::info!(config = origin, "the shadow configuration is compared with the one that serves");
    let shadow = Shadow { authorizer: Arc::clone(&authorizer), metrics: Arc::clone(&metrics), clock };
    let (of, told) = (shadow.clone(), Arc::clone(&metrics));
    let following = revocation_watcher::follow(
        move || of.revocations(),
        move |followed| match followed {
            Followed::Replaced => {}
            Followed::Refused => told.refused(),
        },
    );
    let decide = move |answered: Answered| {
        let authorizer = Arc::clone(&authorizer);
        async move {
            let Answered { check, done, at, .. } = &answered;
            let snapshot = authorizer.snapshot();
            // As of the time of the answer: expiry since then makes no difference.
            let (would, _) = authorizer.decide(check, &snapshot, Instant::now(), || *at, || Some(())).await;
            let difference = done.differs(would);
            Compared { answered, difference }
        }
    };
    // Both end with the runtime.
    tokio::spawn(following);
    tokio::spawn(reloader.run(shadow, asked));
    work(answered, metrics, decide).await;
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

    fn replace(&self, loaded: Loaded, _: &ServerConfig) {
        warn(&loaded, &self.clock);
        let Loaded { config, origin, .. } = loaded;
        let Config { server: _, tls: _, mut snapshot, gateway: _, key_sources, introspection_sources } = config;
        snapshot.authenticators.inherit_replay_cache(&self.authorizer.snapshot().authenticators);
        self.authorizer.replace(snapshot, key_sources, introspection_sources);
        self.metrics.loaded(self.clock.now());
        tracing::info!(config = origin, "the changed shadow configuration is compared with the one that serves");
    }

    fn refused(&self, error: &dyn Display) {
        self.metrics.refused();
        tracing::error!(%error, "the changed shadow configuration is refused; the one before goes on being compared");
    }
}

/// Logs the warnings about a configuration, except those about its listeners: a shadow configuration opens none.
fn warn(loaded: &Loaded, clock: &Clock) {
    for warning in loaded.warnings(clock.now()).into_iter().filter(|warning| !warning.is_within("server")) {
        tracing::warn!(%warning, "the shadow configuration says what it probably should not");
    }
}
