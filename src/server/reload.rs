//! Reloads the configuration at runtime. A new configuration is validated completely before it replaces the active one; an invalid one is
//! rejected.

use super::background::{self, IdleWork};
use super::check::CheckHandler;
use super::file_reads::{FileReads, READ_TIMEOUT, ReadOutcome, polls};
use super::service_manager::ServiceManager;
use crate::config::{
    Config, ConfigError, Environment, FileWatcher, LoadOccasion, Loaded, Overrides, ServerConfig, load_watched,
};
use crate::forward_auth::governed_headers;
use crate::introspection::IntrospectionSource;
use crate::jwks::KeySource;
use crate::net::tls::Tls;
use crate::telemetry::warning;
use arc_swap::ArcSwapOption;
use modgud_core::authn::Revocations;
use modgud_core::decide::Snapshot;
use std::fmt::Display;
use std::mem;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_rustls::rustls;

/// Interval at which the files are polled.
const POLL_INTERVAL: Duration = Duration::from_millis(400);

/// The source of a configuration, from which it can be loaded again.
#[derive(Debug, Clone)]
pub struct ConfigSource {
    /// The user's file.
    pub file: Option<PathBuf>,
    /// The command line.
    pub overrides: Overrides,
    /// The environment.
    pub environment: Environment,
}

impl ConfigSource {
    /// Loads the configuration, and returns a watcher of its files.
    pub fn load(&self) -> (Result<Loaded, ConfigError>, FileWatcher) {
        self.load_on(LoadOccasion::Start)
    }

    fn load_on(&self, occasion: LoadOccasion) -> (Result<Loaded, ConfigError>, FileWatcher) {
        load_watched(self.file.as_deref(), &self.overrides, &self.environment, occasion)
    }
}

/// The place where a changed configuration takes effect. Clones are the same place.
pub trait ReloadTarget: Clone + Send + Sync + 'static {
    /// Returns the active revocation list; `None` if there is none.
    fn revocations(&self) -> Option<Revocations>;

    /// Replaces the active configuration. Settings that differ from `fixed` need a restart. Returns false if it is rejected after all.
    fn replace(&self, loaded: Loaded, fixed: &ServerConfig) -> bool;

    /// Reports a rejected configuration, and the cause.
    fn reject(&self, error: &dyn Display);
}

/// The reloader, which watches the files of a configuration.
#[derive(Debug)]
pub struct Reloader {
    source: ConfigSource,
    /// The active settings that only a restart can change.
    fixed: ServerConfig,
    files: FileWatcher,
    polls: FileReads<(bool, FileWatcher)>,
    loads: FileReads<Load>,
    idle: IdleWork,
    /// The receiver of reports about requested reloads.
    manager: Option<ServiceManager>,
}

/// The result of a load: the configuration, the watcher of its files, and true if one of them has changed meanwhile.
type Load = (Result<Loaded, ConfigError>, FileWatcher, bool);

impl Reloader {
    /// Creates a reloader for the active configuration, which was made from these files.
    #[must_use]
    pub fn new(source: ConfigSource, config: &Config, files: FileWatcher) -> Self {
        let (polls, loads) = (FileReads::new(), FileReads::new());
        Self { source, fixed: config.server.clone(), files, polls, loads, idle: IdleWork::default(), manager: None }
    }

    /// Reports each requested reload to the service manager, which waits for its end.
    #[must_use]
    pub fn reporting_to(self, manager: ServiceManager) -> Self {
        Self { manager: Some(manager), ..self }
    }

    /// Reloads when a file has changed, and when `requests` receives one. Ends when all senders of `requests` are gone.
    pub async fn run(mut self, target: impl ReloadTarget, mut requests: mpsc::Receiver<()>) {
        let mut polls = polls(POLL_INTERVAL);
        loop {
            let manager = tokio::select! {
                request = requests.recv() => match request {
                    Some(()) => self.manager.clone(),
                    None => return,
                },
                _ = polls.tick() => if self.have_files_settled(&target).await { None } else { continue },
            };
            manager.as_ref().inspect(|manager| manager.reloading());
            // The load reads all changes so far.
            let is_replaced = self.reload(&target).await;
            manager.inspect(|manager| manager.reloaded(is_replaced));
        }
    }

    /// Polls the files, on a thread that answers no checks: an unavailable file system does not answer.
    async fn have_files_settled(&mut self, target: &impl ReloadTarget) -> bool {
        let mut files = mem::take(&mut self.files);
        match self.polls.run(move || (files.has_settled(), files)).await {
            ReadOutcome::Done((has_settled, files)) => {
                self.files = files;
                return has_settled;
            }
            ReadOutcome::Late { is_first: true } => target.reject(&late()),
            ReadOutcome::Late { is_first: false } | ReadOutcome::Failed => {}
        }
        // The watcher is lost: a load finds again which files to watch.
        self.files.mark_changed();
        false
    }

    /// Returns true if no configuration was rejected.
    async fn reload(&mut self, target: &impl ReloadTarget) -> bool {
        let (source, running, idle) = (self.source.clone(), target.revocations(), self.idle.clone());
        let load = move || {
            idle.run(move || {
                let (loaded, files) = source.load_on(LoadOccasion::Reload(running.clone()));
                let has_changed = files.has_changed();
                (loaded, files, has_changed)
            })
        };
        match self.loads.run(load).await {
            // Some of it was read before the change and some after, so it is neither valid nor invalid. The next poll sees the change.
            ReadOutcome::Done((_, files, true)) => {
                self.files = files;
                true
            }
            ReadOutcome::Done((loaded, files, false)) => {
                self.files = files;
                match loaded {
                    Ok(loaded) => self.replace(loaded, target).await,
                    Err(error) => {
                        target.reject(&error);
                        false
                    }
                }
            }
            ReadOutcome::Late { is_first } => {
                if is_first {
                    target.reject(&late());
                }
                self.files.mark_changed();
                false
            }
            ReadOutcome::Failed => {
                target.reject(&"internal error while loading");
                false
            }
        }
    }

    /// Replaces the configuration in the background: of a large one, what the snapshot does not need takes milliseconds to free.
    async fn replace(&self, loaded: Loaded, target: &impl ReloadTarget) -> bool {
        let (replaced, fixed) = (target.clone(), self.fixed.clone());
        let replace = move || background::run(|| replaced.replace(loaded, &fixed));
        spawn_blocking(replace).await.unwrap_or_else(|_| {
            target.reject(&"internal error while replacing the configuration");
            false
        })
    }
}

/// Returns the reason for a load that is late.
fn late() -> String {
    format!("its files were not read within {} s; modgud tries again", READ_TIMEOUT.as_secs())
}

/// The state of a running process that a reload replaces: the snapshot that decides checks, and the TLS settings of new connections. Clones
/// share it.
#[derive(Debug, Clone)]
pub struct SharedState {
    /// The handler of checks, and their metrics.
    pub checks: Arc<CheckHandler>,
    tls: Arc<ArcSwapOption<Tls>>,
}

impl SharedState {
    /// Creates the state that a process starts with.
    #[must_use]
    pub fn new(checks: Arc<CheckHandler>, tls: Option<Tls>) -> Self {
        Self { checks, tls: Arc::new(ArcSwapOption::new(tls.map(Arc::new))) }
    }

    /// Replaces the state. Checks under way end on what they began with, and so do connections.
    pub fn swap(
        &self,
        snapshot: Snapshot,
        key_sources: Vec<KeySource>,
        introspection_sources: Vec<IntrospectionSource>,
        tls: Option<Tls>,
    ) {
        let before = self.checks.authorizer.replace(snapshot, key_sources, introspection_sources);
        background::drop_when_unused(before);
        self.tls.store(tls.map(Arc::new));
    }

    /// Returns the TLS settings of the next connection; `None` without TLS.
    pub(super) fn tls(&self) -> Option<Arc<rustls::ServerConfig>> {
        self.tls.load().as_ref().map(|tls| tls.server())
    }
}

/// The active configuration of the process.
impl ReloadTarget for SharedState {
    fn revocations(&self) -> Option<Revocations> {
        self.checks.authorizer.snapshot().authenticators.revocations().cloned()
    }

    fn replace(&self, loaded: Loaded, fixed: &ServerConfig) -> bool {
        let checks = &self.checks;
        let now = checks.authorizer.now();
        let warnings = loaded.warnings(now);
        let Loaded { config, origin, .. } = loaded;
        let Config { server, tls, mut snapshot, gateway: _, key_sources, introspection_sources, otlp, shown } = config;
        if let (Some(new), Some(active)) = (&tls, self.tls.load().as_ref())
            && let Some(expired) = new.expired(now)
            && active.expired(now).is_none()
        {
            // Envoy would reject it, and every request with it.
            self.reject(&format_args!("the certificate of server.tls expired at {expired}; use one that is valid"));
            return false;
        }
        let governed = |snapshot: &Snapshot| -> Option<Vec<String>> {
            let names = governed_headers(snapshot, fixed.http.as_ref()?.proxy);
            Some(names.into_iter().map(str::to_owned).collect())
        };
        let (before, after) = (governed(&checks.authorizer.snapshot()), governed(&snapshot));
        checks.metrics.assign_counters(&mut snapshot);
        self.swap(snapshot, key_sources, introspection_sources, tls);
        checks.traces.replace(otlp);
        checks.metrics.config_active(shown.hash, shown.certificates);
        checks.metrics.shadow_rules.keep(|rule| checks.authorizer.snapshot().rules.is_shadow(rule));
        warning::log_warnings(&warnings, &checks.metrics);
        checks.metrics.config_replaced(now);
        tracing::info!(config = origin, "configuration reloaded");
        warn_restart_required(&server, fixed);
        if let Some(after) = after.filter(|after| before.as_ref() != Some(after)) {
            let headers = after.join(", ");
            tracing::warn!(headers, "the proxy's configuration must name these headers");
        }
        true
    }

    fn reject(&self, error: &dyn Display) {
        self.checks.metrics.config_rejected();
        tracing::error!(%error, "configuration rejected; the active one stays in use");
    }
}

/// Logs which changed keys need a restart.
fn warn_restart_required(changed: &ServerConfig, fixed: &ServerConfig) {
    let ServerConfig {
        grpc,
        http,
        socket,
        admin,
        drain,
        max_in_flight,
        max_message,
        max_connections,
        log,
        decisions_to,
    } = changed;
    let keys = [
        ("server.grpc", *grpc != fixed.grpc),
        ("server.http", *http != fixed.http),
        ("server.socket", *socket != fixed.socket),
        ("server.admin", *admin != fixed.admin),
        ("server.drain", *drain != fixed.drain),
        ("server.max_in_flight", *max_in_flight != fixed.max_in_flight),
        ("server.max_message", *max_message != fixed.max_message),
        ("server.max_connections", *max_connections != fixed.max_connections),
        ("telemetry.log", *log != fixed.log),
        ("telemetry.decisions.to", *decisions_to != fixed.decisions_to),
    ];
    for (key, _) in keys.iter().filter(|(_, differs)| *differs) {
        tracing::warn!(key, "changed key needs a restart");
    }
}
