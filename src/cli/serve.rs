//! `modgud serve`: the sidecar.

use super::{Exit, print_error, runtime};
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Environment, Loaded, Overrides, ProfileName};
use crate::jwks::describe;
use crate::net::listen_addr::ListenAddr;
use crate::server::activation::ActivatedSockets;
use crate::server::app::{Addresses, App, AppError, Shutdown};
use crate::server::reload::{ConfigSource, Reloader};
use crate::server::service_manager::ServiceManager;
use crate::server::shadow_config;
use crate::telemetry::log::LogError;
use crate::telemetry::metrics::VERSION;
use crate::telemetry::{log, warning};
use modgud_core::authn::Authenticator;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};

/// Serves Envoy's authorization checks.
///
/// Without a file it serves the profile `bifrost`, which needs only its key in `JWT_PUBLIC_KEY_RSA_BIFROST`. A change
/// to the file or to the files that it names, or SIGHUP, reloads the configuration; a valid one replaces the active
/// one. SIGTERM: reports not ready, answers checks while they still arrive, then stops. SIGINT: stops at once. SIGUSR1 opens the file of
/// `telemetry.decisions.to` again, after it was renamed. Under systemd it
/// takes sockets that are passed to it (`FileDescriptorName=` `grpc`, `http`, `admin`) and reports readiness, reloads and the stop.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  JWT_PUBLIC_KEY_RSA_BIFROST=\"$(cat key.pem)\" modgud serve --grpc 127.0.0.1:9191")]
pub(super) struct Args {
    /// The configuration file (YAML), merged onto the profile
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// The address that Envoy connects to, instead of `server.grpc`: `IP:PORT`, `unix:/PATH` or `unix:@NAME`
    #[arg(long, value_name = "ADDRESS")]
    grpc: Option<ListenAddr>,
    /// The address of probes and metrics, instead of `server.admin`
    #[arg(long, value_name = "IP:PORT", value_parser = address)]
    admin: Option<SocketAddr>,
    /// The address of the page with recent decisions, instead of `server.admin.ui`: `IP:PORT` of this machine, or `unix:/PATH`
    #[arg(long, value_name = "ADDRESS")]
    ui: Option<ListenAddr>,
    /// A shadow configuration (YAML): it decides each check again after the response. Differences are counted
    /// (`modgud_shadow_config_differences_total`) and logged. Its files are watched for changes. Its listeners, denials
    /// and telemetry are validated but have no effect
    #[arg(long, value_name = "FILE")]
    shadow_config: Option<PathBuf>,
    /// The profile of the shadow configuration, instead of the one that its file names
    #[arg(long, value_enum, requires = "shadow_config")]
    shadow_profile: Option<ProfileName>,
}

/// How long the exit waits for the threads of the runtime. A load that hangs is left behind after it.
const THREAD_EXIT_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Debug, thiserror::Error)]
enum ServeError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the configuration can't be loaded: {0}")]
    Load(JoinError),
    #[error(transparent)]
    App(#[from] AppError),
    #[error("signals can't be received: {0}")]
    Signals(io::Error),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the shadow configuration can't be started: {0}")]
    Shadow(io::Error),
}

fn address(text: &str) -> Result<SocketAddr, &'static str> {
    text.parse().map_err(|_| "write an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`")
}

pub(super) fn run(args: Args, environment: Environment) -> Exit {
    let Args { config, profile, grpc, admin, ui, shadow_config, shadow_profile } = args;
    let shadow = shadow_config.map(|file| {
        let overrides = Overrides { profile: shadow_profile, ..Overrides::default() };
        ConfigSource { file: Some(file), overrides, environment: environment.clone() }
    });
    let overrides = Overrides { profile, grpc, admin, ui, ..Overrides::default() };
    // Before the first thread, because it also removes the variables.
    let activated = match ActivatedSockets::take(&environment) {
        Ok(activated) => activated,
        Err(error) => return print_error(error),
    };
    let origin = ConfigSource { file: config, overrides, environment };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return print_error(error),
    };
    let served = runtime.block_on(serve(origin, shadow, activated));
    // Threads that still allocate while the allocator is torn down at exit can crash the process.
    runtime.shutdown_timeout(THREAD_EXIT_TIMEOUT);
    match served {
        Ok(()) => Exit::Done,
        Err(error) => print_error(error),
    }
}

async fn serve(
    origin: ConfigSource,
    shadow: Option<ConfigSource>,
    activated: ActivatedSockets,
) -> Result<(), ServeError> {
    // First of all: a signal during the load must not end the process, as SIGHUP does by default.
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    let mut hangup_signal = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    let mut reopen_signal = signal(SignalKind::user_defined1()).map_err(ServeError::Signals)?;
    let loading = (origin.clone(), shadow.clone());
    let load = move || (loading.0.load(), loading.1.map(|shadow| shadow.load()));
    let ((loaded, watched), shadow_loaded) = tokio::select! {
        loaded = spawn_blocking(load) => loaded.map_err(ServeError::Load)?,
        // No check was served yet, so there is nothing to drain.
        _ = signals.next() => return Ok(()),
    };
    let loaded = loaded?;
    let shadow = match (shadow, shadow_loaded) {
        (Some(origin), Some((loaded, watched))) => {
            let loaded = loaded?;
            let reloader = Reloader::new(origin, &loaded.config, watched);
            Some((loaded, reloader))
        }
        (Some(_) | None, _) => None,
    };
    let warnings = loaded.warnings(Clock::System.now());
    // Kept until the end: its drop writes the buffered log lines.
    let _log = log::start(loaded.config.server.log, &loaded.config.server.decisions_to)?;
    let Loaded { config, origin: described, .. } = loaded;
    let manager = ServiceManager::default();
    let reloader = Reloader::new(origin, &config, watched).reporting_to(manager.clone());
    introduce(&config);
    let app = App::bind_or_take(config, Clock::System, activated).await?;
    let Addresses { grpc, http, admin, ui } = app.addresses();
    let (http, ui) = (http.as_ref().map(ListenAddr::to_string), ui.as_ref().map(ListenAddr::to_string));
    warning::log_warnings(&warnings, &app.live().checks.metrics);
    tracing::info!(version = VERSION, config = described, %grpc, http, %admin, ui, "serving");
    let (hangups, hangup) = mpsc::channel(1);
    let (shadow_hangups, shadow_hangup) = mpsc::channel(1);
    tokio::spawn(async move {
        while hangup_signal.recv().await.is_some() {
            // A pending signal covers this one too.
            let _ = (hangups.try_send(()), shadow_hangups.try_send(()));
        }
    });
    tokio::spawn(async move {
        while reopen_signal.recv().await.is_some() {
            if !log::reopen() {
                tracing::info!("SIGUSR1 ignored: decisions go to standard output");
            }
        }
    });
    if let Some((loaded, reloader)) = shadow {
        shadow_config::start(loaded, reloader, shadow_hangup, Clock::System, &app.live().checks)
            .map_err(ServeError::Shadow)?;
    }
    tokio::spawn(manager.follow(app.readiness().clone()));
    tokio::spawn(reloader.run(app.live().clone(), hangup));
    let (sender, stop) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            let shutdown = signals.next().await;
            ServiceManager::stopping();
            if sender.send(shutdown).await.is_err() {
                return;
            }
        }
    });
    app.run(stop).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Logs the authenticators of the configuration.
fn introduce(config: &Config) {
    for authenticator in config.snapshot.authenticators.list().iter().filter_map(Authenticator::as_jwt) {
        let keys: Vec<String> = authenticator.keys.static_keys.keys().iter().map(describe).collect();
        tracing::info!(
            authenticator = authenticator.name.as_str(),
            issuer = authenticator.issuer(),
            keys = keys.join("; "),
            "authenticator"
        );
    }
}

/// The signals that stop the process.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> Shutdown {
        tokio::select! {
            _ = self.terminate.recv() => Shutdown::Graceful,
            _ = self.interrupt.recv() => Shutdown::Immediate,
        }
    }
}
