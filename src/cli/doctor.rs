//! `modgud doctor`: examines a running modgud, and the Envoy in front of it.

mod clocks;
mod code;
mod configuration;
mod counters;
mod envoy;
mod ext_authz;
mod finding;
mod keys;
mod modgud;
mod probe;
mod providers;
mod samples;

use super::admin::AdminAddr;
use super::call::Tls;
use super::progress::{INTERVAL, Progress};
use super::terminal::Terminal;
use super::{Exit, print_error, print_line, runtime};
use crate::config::{Environment, ProfileName};
use crate::envoy::bootstrap::CheckCluster;
use clap::ColorChoice;
use clocks::Clocks;
use code::Severity;
use configuration::Configuration;
use finding::{Finding, Report};
use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep, timeout};

/// The longest `--interval`: five minutes. A longer one is a wrong command line.
const MAX_INTERVAL: Duration = Duration::from_secs(300);

/// Time in which the files of the configuration must be read, as for a reload of modgud.
const LOAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Examines a running modgud, and with --envoy-admin the Envoy in front of it.
///
/// It asks modgud's admin interface, sends one check without a credential through gRPC, fetches the keys of each provider and asks each
/// authorization server from here, compares clocks, and reads counters twice. Each finding has a severity, what was seen, what it means
/// and what to do; docs/doctor.md lists all. It changes nothing, but modgud counts and logs that check. No secret is printed.
///
/// Exit code 0: no problem. 1: at least one problem. 2: the command line is wrong. 4: no problem was found, but a part could not be
/// examined.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  modgud doctor --config modgud.yaml\n  modgud doctor --config modgud.yaml --envoy-admin 127.0.0.1:9901\n  modgud doctor --admin modgud:9192 --grpc modgud:9191 --tls-ca ca.pem --json\n  kubectl exec deploy/api --container modgud -- modgud doctor --config /etc/modgud/modgud.yaml --envoy-admin 127.0.0.1:9901"
)]
pub(super) struct Args {
    /// The configuration file (YAML) that modgud serves; without it, the file, providers and authorization servers are not examined
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The profile, instead of the one that the file names
    #[arg(long, value_enum)]
    profile: Option<ProfileName>,
    /// modgud's admin interface, `HOST:PORT`; by default `server.admin` of --config, or `127.0.0.1:9192`
    #[arg(long, value_name = "ADDRESS")]
    admin: Option<AdminAddr>,
    /// The address where modgud serves checks: `HOST:PORT`, `unix:/PATH` or `unix:@NAME`; by default `server.grpc` of --config, or
    /// `127.0.0.1:9191`
    #[arg(long, value_name = "ADDRESS")]
    grpc: Option<CheckCluster>,
    #[command(flatten)]
    tls: Tls,
    /// Envoy's admin interface: `HOST:PORT`, `http://HOST:PORT` or `unix:/PATH`
    #[arg(long, value_name = "ADDRESS")]
    envoy_admin: Option<AdminAddr>,
    /// The address at which Envoy reaches modgud, as for `modgud envoy lint`; by default `server.grpc` of --config
    #[arg(long, value_name = "ADDRESS", requires = "envoy_admin")]
    modgud: Option<CheckCluster>,
    /// Check only the listener of this name in Envoy's configuration; can be repeated
    #[arg(long = "listener", value_name = "NAME", requires = "envoy_admin")]
    listeners: Vec<String>,
    /// The path of the check without a credential
    #[arg(long, default_value = "/modgud-doctor", value_parser = path)]
    path: String,
    /// Its host
    #[arg(long, default_value = "api.example.com")]
    host: String,
    /// The time between the two readings of counters, at most 5m
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = interval)]
    interval: Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Colors: on a terminal without `NO_COLOR`, always or never
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
}

fn path(text: &str) -> Result<String, &'static str> {
    if text.starts_with('/') { Ok(text.to_owned()) } else { Err("write a path, such as `/crm/`") }
}

fn interval(text: &str) -> Result<Duration, &'static str> {
    let read = humantime::parse_duration(text).ok();
    read.filter(|interval| *interval <= MAX_INTERVAL).ok_or("write a time of at most 5 minutes, such as `5s`")
}

pub(super) fn run(args: Args, environment: &Environment) -> Exit {
    let terminal = Terminal::new(args.color, environment);
    let as_json = args.json;
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return print_error(error),
    };
    let report = Report::new(runtime.block_on(load_and_examine(args, environment.clone())));
    // A file that never answers must not delay the end.
    runtime.shutdown_background();
    if as_json {
        match report.json() {
            Ok(json) => print_line(json),
            Err(error) => return print_error(error),
        }
    } else {
        print_line(terminal.show(&report.to_string()));
    }
    match (report.count(Severity::Problem), report.count(Severity::Undecided)) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Undecided,
        (_, _) => Exit::Failed,
    }
}

/// Loads the configuration, and examines all with it. A file system that hangs leaves only the configuration out.
async fn load_and_examine(args: Args, environment: Environment) -> Vec<Finding> {
    let args = Arc::new(args);
    let load = {
        let args = Arc::clone(&args);
        spawn_blocking(move || Configuration::load(&args, &environment))
    };
    let (configuration, found) = match timeout(LOAD_TIMEOUT, load).await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(error)) => (Configuration::default(), vec![Finding::not_examined("configuration", error)]),
        Err(_) => {
            let why = format!("its files were not read within {} s", LOAD_TIMEOUT.as_secs());
            (Configuration::default(), vec![Finding::not_examined("configuration", why)])
        }
    };
    examine(args, configuration, found).await
}

/// Examines all parts at once, each in a task of its own.
async fn examine(args: Arc<Args>, configuration: Configuration, found: Vec<Finding>) -> Vec<Finding> {
    let (configuration, steps) = (Arc::new(configuration), Arc::new(Steps::default()));
    let of_modgud = steps.spawn("modgud", {
        let (args, configuration) = (Arc::clone(&args), Arc::clone(&configuration));
        async move { modgud::examine(&args, &configuration).await }
    });
    let of_providers = steps.spawn("providers", {
        let configuration = Arc::clone(&configuration);
        async move { providers::examine(&configuration).await }
    });
    let of_envoy = steps.spawn("Envoy", async move { envoy::examine(&args, &configuration).await });
    let all = async { tokio::join!(of_modgud, of_providers, of_envoy) };
    let (modgud, providers, envoy) = tokio::select! {
        all = all => all,
        never = steps.show() => match never {},
    };
    let mut findings = found;
    let mut clocks = Clocks::default();
    match modgud {
        Ok(modgud::Examined { findings: of_modgud, clock, .. }) => {
            findings.extend(of_modgud);
            clocks.modgud = clock;
        }
        Err(error) => findings.push(Finding::not_examined("modgud", error)),
    }
    match providers {
        Ok(providers::Examined { findings: of_providers, clocks: read }) => {
            findings.extend(of_providers);
            clocks.providers = read;
        }
        Err(error) => findings.push(Finding::not_examined("providers", error)),
    }
    match envoy {
        Ok(envoy::Examined { findings: of_envoy, clock }) => {
            findings.extend(of_envoy);
            clocks.envoy = clock;
        }
        Err(error) => findings.push(Finding::not_examined("Envoy", error)),
    }
    findings.extend(clocks.compare());
    findings
}

/// The steps in progress, for people who wait.
#[derive(Default)]
struct Steps(Mutex<BTreeSet<&'static str>>);

impl Steps {
    /// Starts a step.
    fn spawn<T>(self: &Arc<Self>, name: &'static str, step: impl Future<Output = T> + Send + 'static) -> JoinHandle<T>
    where
        T: Send + 'static,
    {
        let steps = Arc::clone(self);
        steps.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
        tokio::spawn(async move {
            let done = step.await;
            steps.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
            done
        })
    }

    /// Shows them until the future is dropped, which erases the line.
    async fn show(&self) -> std::convert::Infallible {
        struct Erased(Progress);
        impl Drop for Erased {
            fn drop(&mut self) {
                self.0.erase();
            }
        }
        let (started, mut progress) = (Instant::now(), Erased(Progress::new()));
        loop {
            sleep(INTERVAL).await;
            progress.0.show(|| {
                let names: Vec<&str> = self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
                format!("modgud: examining {} ({} s)", names.join(", "), started.elapsed().as_secs())
            });
        }
    }
}
