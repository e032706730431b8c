//! Reloads the configuration at runtime. A new configuration is validated completely before it replaces the active one; an invalid one is
//! rejected.

use crate::config::{
    Change, Config, ConfigError, Environment, FileWatcher, Loaded, Overrides, ServerConfig, load_watched,
};
use crate::server::SharedState;
use crate::telemetry::warning;
use modgud_core::authn::Revocations;
use std::fmt::Display;
use std::mem;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Interval at which the files are polled. A change is loaded when the next poll finds no further one, so that no file is read while it is
/// being written.
const POLL_INTERVAL: Duration = Duration::from_millis(400);
/// Time that a load may take. One that takes longer waits for a pipe or an unavailable file system; it is rejected, and tried again.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of late loads, since each holds a thread. Beyond it no further load starts.
const MAX_PENDING_LOADS: usize = 4;

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
        self.load_beside(None)
    }

    /// Loads the configuration while another one is active, whose revocation list is watched already.
    fn load_beside(&self, running: Option<Revocations>) -> (Result<Loaded, ConfigError>, FileWatcher) {
        load_watched(self.file.as_deref(), &self.overrides, &self.environment, running)
    }
}

/// The place where a changed configuration takes effect.
pub trait ReloadTarget: Send + Sync + 'static {
    /// Returns the active revocation list; `None` if there is none.
    fn revocations(&self) -> Option<Revocations>;

    /// Replaces the active configuration. Settings that differ from `fixed` need a restart.
    fn replace(&self, loaded: Loaded, fixed: &ServerConfig);

    /// Reports a rejected configuration, and the cause.
    fn refused(&self, error: &dyn Display);
}

/// The reloader, which follows the files of a configuration.
#[derive(Debug)]
pub struct Reloader {
    origin: ConfigSource,
    /// The active settings that only a restart can change.
    fixed: ServerConfig,
    watched: FileWatcher,
    /// Loads that were late and may still finish; at most [`MAX_PENDING_LOADS`].
    late: Vec<JoinHandle<Read>>,
}

/// The result of a load: the configuration, the watcher of its files, and whether one of them has changed meanwhile.
type Read = (Result<Loaded, ConfigError>, FileWatcher, Change);

/// The outcome of an attempt to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoadOutcome {
    /// Replaced, rejected, or left to the next poll.
    Done,
    /// Late: it is tried again.
    TimedOut,
}

impl Reloader {
    /// Creates a reloader for the active configuration, which was made from these files.
    #[must_use]
    pub fn new(origin: ConfigSource, config: &Config, watched: FileWatcher) -> Self {
        Self { origin, fixed: config.server.clone(), watched, late: Vec::new() }
    }

    /// Reloads when a file changes, and when `asked` receives a request. Ends when all senders of `asked` are gone.
    pub async fn run(mut self, place: impl ReloadTarget, mut asked: mpsc::Receiver<()>) {
        let mut looks = interval(POLL_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut changed = false;
        loop {
            tokio::select! {
                asked = asked.recv() => if asked.is_none() { return },
                _ = looks.tick() => match (self.look().await, changed) {
                    (Change::Some, _) => {
                        changed = true;
                        continue;
                    }
                    (Change::None, false) => continue,
                    (Change::None, true) => {}
                },
            }
            // The load reads all changes so far.
            changed = self.reload(&place).await == LoadOutcome::TimedOut;
        }
    }

    /// Checks whether a file has changed, on a thread that answers no checks: an unavailable file system does not answer.
    async fn look(&mut self) -> Change {
        let mut watched = mem::take(&mut self.watched);
        let looked = spawn_blocking(move || {
            let change = watched.look();
            (change, watched)
        });
        match looked.await {
            Ok((change, watched)) => {
                self.watched = watched;
                change
            }
            // The watcher is lost: a load finds again which files to watch.
            Err(_) => Change::Some,
        }
    }

    async fn reload(&mut self, place: &impl ReloadTarget) -> LoadOutcome {
        let refused = |error: &dyn Display| {
            place.refused(error);
            LoadOutcome::Done
        };
        // A late load that has finished by now is as good as a new one. One that hangs does not prevent further attempts, since its cause
        // may be gone. But an unavailable file system would hold a thread for each.
        let done = self.late.iter().rposition(JoinHandle::is_finished).map(|at| self.late.swap_remove(at));
        if done.is_none() && self.late.len() >= MAX_PENDING_LOADS {
            return LoadOutcome::TimedOut;
        }
        let mut loading = done.unwrap_or_else(|| self.start_to_load(place));
        let (loaded, watched, change) = match timeout(LOAD_TIMEOUT, &mut loading).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => return refused(&"modgud failed inside while it loaded it"),
            Err(_) => {
                // Reported and counted once: the next attempts are retries.
                if self.late.is_empty() {
                    refused(&format_args!(
                        "its files could not be read in {} s; it is tried again",
                        LOAD_TIMEOUT.as_secs()
                    ));
                }
                self.late.push(loading);
                return LoadOutcome::TimedOut;
            }
        };
        self.watched = watched;
        self.late.clear();
        match change {
            Change::None => {}
            // Some of it was read before the change and some after, so it is neither valid nor invalid. The next poll sees the change.
            Change::Some => return LoadOutcome::Done,
        }
        match loaded {
            Ok(loaded) => place.replace(loaded, &self.fixed),
            Err(error) => return refused(&error),
        }
        LoadOutcome::Done
    }

    /// Starts a load on a thread that answers no checks, since it reads files.
    fn start_to_load(&self, place: &impl ReloadTarget) -> JoinHandle<Read> {
        let origin = self.origin.clone();
        let running = place.revocations();
        spawn_blocking(move || {
            let (loaded, watched) = origin.load_beside(running);
            let change = if watched.have_changed() { Change::Some } else { Change::None };
            (loaded, watched, change)
        })
    }
}

/// The active configuration of the process.
impl ReloadTarget for SharedState {
    fn revocations(&self) -> Option<Revocations> {
        self.checks.authorizer.snapshot().authenticators.revocations().cloned()
    }

    fn replace(&self, loaded: Loaded, fixed: &ServerConfig) {
        let checks = &self.checks;
        let now = checks.authorizer.now();
        let warnings = loaded.warnings(now);
        let Loaded { config, origin, .. } = loaded;
        let Config { server, tls, snapshot, gateway: _, key_sources, introspection_sources } = config;
        self.swap(snapshot, key_sources, introspection_sources, tls);
        checks.metrics.tried.keep(|rule| checks.authorizer.snapshot().rules.is_shadow(rule));
        warning::tell(&warnings, &checks.metrics);
        checks.metrics.config_replaced(now);
        tracing::info!(config = origin, "the changed configuration serves");
        warn_restart_required(&server, fixed);
    }

    fn refused(&self, error: &dyn Display) {
        self.checks.metrics.config_refused();
        tracing::error!(%error, "the changed configuration is refused; the one before goes on serving");
    }
}

/// Logs which changed keys need a restart.
fn warn_restart_required(changed: &ServerConfig, fixed: &ServerConfig) {
    let ServerConfig { grpc, admin, drain, max_in_flight, max_connections, log } = changed;
    let keys = [
        ("server.grpc", *grpc != fixed.grpc),
        ("server.admin", *admin != fixed.admin),
        ("server.drain", *drain != fixed.drain),
        ("server.max_in_flight", *max_in_flight != fixed.max_in_flight),
        ("server.max_connections", *max_connections != fixed.max_connections),
        ("telemetry.log", *log != fixed.log),
    ];
    for (key, _) in keys.iter().filter(|(_, differs)| *differs) {
        tracing::warn!(
            key,
            "this key can't be changed while modgud runs: restart it; everything else has been applied"
        );
    }
}
