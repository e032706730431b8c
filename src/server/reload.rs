//! Puts a changed configuration in the place of the present one while modgud serves. Loads it beside, whole; one with anything
//! wrong is refused, and the present one goes on.

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

/// How often the files are looked at. A change is loaded when a second look finds no further one: what is being written is
/// left to be finished.
const POLL_INTERVAL: Duration = Duration::from_millis(400);
/// How long a load may take. One that takes longer waits for a file system that is away, or for a pipe.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How many loads may be late at once.
const MAX_PENDING_LOADS: usize = 4;

/// Where a configuration comes from, to load it again.
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
    /// Loads the configuration, and names the files that it is made from.
    pub fn load(&self) -> (Result<Loaded, ConfigError>, FileWatcher) {
        self.load_beside(None)
    }

    /// The same beside a configuration that serves, whose list of revocations is followed already.
    fn load_beside(&self, running: Option<Revocations>) -> (Result<Loaded, ConfigError>, FileWatcher) {
        load_watched(self.file.as_deref(), &self.overrides, &self.environment, running)
    }
}

/// Where a changed configuration takes effect.
pub trait ReloadTarget: Send + Sync + 'static {
    /// The list of revocations that counts there.
    fn revocations(&self) -> Option<Revocations>;

    /// Puts a configuration in the place of the present one.
    fn replace(&self, loaded: Loaded, fixed: &ServerConfig);

    /// Tells that one was refused, and why.
    fn refused(&self, error: &dyn Display);
}

/// Follows the files of a configuration.
#[derive(Debug)]
pub struct Reloader {
    origin: ConfigSource,
    /// What serves now and can't be changed.
    fixed: ServerConfig,
    watched: FileWatcher,
    /// Loads that were not done in time, and may be done yet; at most [`MAX_PENDING_LOADS`].
    late: Vec<JoinHandle<Read>>,
}

/// What a load gives: the configuration, the files that it is made from, and whether one of them has changed meanwhile.
type Read = (Result<Loaded, ConfigError>, FileWatcher, Change);

/// How an attempt to load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoadOutcome {
    /// It is settled: served, or refused.
    Done,
    /// It was not done in time: to be tried again.
    TimedOut,
}

impl Reloader {
    /// A reloader for a configuration that serves, made from these files.
    #[must_use]
    pub fn new(origin: ConfigSource, config: &Config, watched: FileWatcher) -> Self {
        Self { origin, fixed: config.server.clone(), watched, late: Vec::new() }
    }

    /// Loads again whenever a file changes, and whenever `asked` says so. Ends when nobody is left to ask.
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
            // Whatever has changed so far is in what is read now.
            changed = self.reload(&place).await == LoadOutcome::TimedOut;
        }
    }

    /// Looks whether a file has changed. Not on a thread that answers checks: a file system that is away does not answer.
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
            // Nothing is watched any more: what there is to watch is found by loading.
            Err(_) => Change::Some,
        }
    }

    async fn reload(&mut self, place: &impl ReloadTarget) -> LoadOutcome {
        let refused = |error: &dyn Display| {
            place.refused(error);
            LoadOutcome::Done
        };
        // A late one that is done by now is as good as another. One that hangs does not keep others from being tried, since what it
        // hangs on may have been put in order; but a file system that is away would hold a thread for each.
        let done = self.late.iter().rposition(JoinHandle::is_finished).map(|at| self.late.swap_remove(at));
        if done.is_none() && self.late.len() >= MAX_PENDING_LOADS {
            return LoadOutcome::TimedOut;
        }
        let mut loading = done.unwrap_or_else(|| self.start_to_load(place));
        let (loaded, watched, change) = match timeout(LOAD_TIMEOUT, &mut loading).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => return refused(&"modgud failed inside while it loaded it"),
            Err(_) => {
                // Said and counted once: those that follow are tries of the same.
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
            // Some of it was read before the change and some after: neither good nor bad. The next look sees the change.
            Change::Some => return LoadOutcome::Done,
        }
        match loaded {
            Ok(loaded) => place.replace(loaded, &self.fixed),
            Err(error) => return refused(&error),
        }
        LoadOutcome::Done
    }

    /// Reads files: not on a thread that answers checks.
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

/// What serves.
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
        checks.metrics.tried.keep(|rule| checks.authorizer.snapshot().rules.is_tried(rule));
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

/// Says which changes wait for a restart.
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
