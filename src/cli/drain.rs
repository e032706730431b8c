//! `modgud drain`: the preStop hook of modgud's container in a pod with Envoy. It asks that Envoy to drain, and waits until its
//! clients are gone.

mod stats;

use super::admin::{AdminError, LocalAdminAddr};
use super::{Exit, counted, print_error, print_line, runtime};
use http::Method;
use stats::{Clients, StatsError};
use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

/// The path that makes Envoy drain: it then fails its health checks, and ends each connection with its next response.
const FAIL: &str = "/healthcheck/fail";
/// Interval at which Envoy's connections are counted.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// Least time between two progress lines.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// Drains the Envoy of the same pod: the preStop hook of modgud's container.
///
/// It sends `POST /healthcheck/fail` to Envoy's admin interface, again until `--at-most` while an overloaded Envoy does not answer. Envoy
/// then answers further requests, with `connection: close` in HTTP/1.1 and GOAWAY in HTTP/2. The command waits until no client is
/// connected. Idle connections stay open: an idle client gets no response that could close its connection.
///
/// Exit code 0: no connection remains, or Envoy ended meanwhile. 1: Envoy is not reachable or is not Envoy, it does not answer or
/// connections remain after `--at-most`, or a signal stopped the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example, in the pod's manifest:\n  \
    lifecycle: { preStop: { exec: { command: [modgud, drain, --at-least, 5s, --at-most, 20s] } } }\n\n\
    Example:\n  \
    modgud drain\n  \
    modgud drain --admin unix:/run/envoy/admin.sock --stat-prefix ingress_http --at-most 1m")]
pub(super) struct Args {
    /// Envoy's admin interface, on this machine: `IP:PORT`, `http://IP:PORT` or `unix:/PATH`
    #[arg(long, value_name = "ADDRESS", default_value = "http://127.0.0.1:9901")]
    admin: LocalAdminAddr,
    /// The time to wait in any case: that in which others may still send new clients to this pod
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = humantime::parse_duration)]
    at_least: Duration,
    /// The time after which the command fails although clients are connected. Keep it below `terminationGracePeriodSeconds`, and not
    /// above the time for which the module's own `preStop` hook sleeps
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = humantime::parse_duration)]
    at_most: Duration,
    /// The `stat_prefix` of a listener's HTTP connection manager, whose connections count; can be given more than once.
    /// `modgud envoy` writes `gateway`
    #[arg(long = "stat-prefix", value_name = "PREFIX", default_value = "gateway", value_parser = stats::prefix)]
    stat_prefixes: Vec<String>,
}

/// How a drain succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Drained {
    /// No client is connected.
    NoClients,
    /// Envoy ended, and with it all connections.
    EnvoyEnded,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoClients => "0 connections remain",
            Self::EnvoyEnded => "Envoy ended",
        })
    }
}

#[derive(Debug, thiserror::Error)]
enum DrainError {
    #[error("signals can't be received: {0}")]
    Signals(io::Error),
    #[error(
        "Envoy's admin interface at {address} can't be reached: {error}; start Envoy, or use --admin with the address of `admin` in its configuration"
    )]
    Unreachable { address: LocalAdminAddr, error: AdminError },
    #[error(
        "{address} does not answer {request} as Envoy does: {error}; use --admin with the address of `admin` in Envoy's configuration"
    )]
    NotEnvoy { address: LocalAdminAddr, request: &'static str, error: AdminError },
    #[error(
        "Envoy's admin interface at {0} has not answered POST /healthcheck/fail within {time}; see whether Envoy is overloaded, or use --admin \
         with the address of `admin` in its configuration",
        time = humantime::format_duration(*.1)
    )]
    NoAnswer(LocalAdminAddr, Duration),
    #[error(transparent)]
    Stats(StatsError),
    #[error("{} after {}; {}", .0.remain(), humantime::format_duration(*.1), .0.help())]
    TimeOver(Clients, Duration),
    #[error(
        "Envoy's connections can't be counted: no statistics within {}; see whether Envoy is overloaded",
        humantime::format_duration(*.0)
    )]
    Unknown(Duration),
    #[error("a signal stopped the command while Envoy drains; {}", remaining(.0.as_ref()))]
    Interrupted(Option<Clients>),
    #[error("a signal stopped the command before Envoy answered POST /healthcheck/fail")]
    InterruptedEarly,
}

fn remaining(clients: Option<&Clients>) -> String {
    clients.map_or_else(|| "its connections are not counted yet".to_owned(), Clients::remain)
}

pub(super) fn run(args: &Args) -> Exit {
    let Args { at_least, at_most, .. } = args;
    if at_least > at_most {
        let [least, most] = [*at_least, *at_most].map(humantime::format_duration);
        let _ = print_error(format_args!("--at-least {least} is longer than --at-most {most}; use a longer --at-most"));
        return Exit::Usage;
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return print_error(error),
    };
    let started = Instant::now();
    match runtime.block_on(drain(args)) {
        Ok(drained) => {
            print_line(format_args!("drained in {:.1} s: {drained}", started.elapsed().as_secs_f64()));
            Exit::Done
        }
        Err(error) => print_error(error),
    }
}

async fn drain(args: &Args) -> Result<Drained, DrainError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(DrainError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DrainError::Signals)?;
    let mut progress = Progress::default();
    let ended = tokio::select! {
        ended = timeout(args.at_most, wait(args, &mut progress)) => Some(ended),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    match (ended, progress.last) {
        (Some(Ok(ended)), _) => ended,
        (None, Some(Err(DrainError::NoAnswer(..)))) => Err(DrainError::InterruptedEarly),
        (None, last) => Err(DrainError::Interrupted(last.and_then(Result::ok))),
        // `--at-least` is as long as `--at-most`.
        (Some(Err(_)), Some(Ok(Clients { connections: 0, .. }))) => Ok(Drained::NoClients),
        (Some(Err(_)), Some(Ok(clients))) => Err(DrainError::TimeOver(clients, args.at_most)),
        (Some(Err(_)), Some(Err(error))) => Err(error),
        (Some(Err(_)), None) => Err(DrainError::Unknown(args.at_most)),
    }
}

/// Makes Envoy drain. Returns false if Envoy ended before it answered.
async fn begin(args: &Args, progress: &mut Progress) -> Result<bool, DrainError> {
    let Args { admin, at_most, .. } = args;
    progress.last = Some(Err(DrainError::NoAnswer(admin.clone(), *at_most)));
    let mut tried = false;
    loop {
        match admin.send(Method::POST, FAIL).await {
            Ok(_) => break,
            Err(error) if tried && error.is_gone() => return Ok(false),
            Err(error) if error.is_unreachable() => {
                return Err(DrainError::Unreachable { address: admin.clone(), error });
            }
            Err(error) if error.is_lasting() => return Err(not_envoy(admin, "POST /healthcheck/fail", error)),
            // An overloaded Envoy is slow. Drains matter most then, and a second request does no harm.
            Err(_) => tried = true,
        }
        sleep(POLL_INTERVAL).await;
    }
    progress.last = None;
    Ok(true)
}

fn not_envoy(admin: &LocalAdminAddr, request: &'static str, error: AdminError) -> DrainError {
    DrainError::NotEnvoy { address: admin.clone(), request, error }
}

/// Makes Envoy drain, and waits until its clients are gone.
async fn wait(args: &Args, progress: &mut Progress) -> Result<Drained, DrainError> {
    let Args { admin, at_least, at_most: _, stat_prefixes } = args;
    if !begin(args, progress).await? {
        return Ok(Drained::EnvoyEnded);
    }
    let begun = Instant::now();
    loop {
        let waited = begun.elapsed() >= *at_least;
        match admin.send(Method::GET, stats::TARGET).await {
            Ok(body) => match Clients::read(&body, stat_prefixes) {
                Ok(clients) => {
                    progress.report(clients);
                    if waited && clients.connections == 0 {
                        return Ok(Drained::NoClients);
                    }
                }
                // Envoy drains all the same. Others need their time to forget the pod, so an early end would lose requests.
                Err(error) if waited => return Err(DrainError::Stats(error)),
                Err(error) => progress.last = Some(Err(DrainError::Stats(error))),
            },
            Err(error) if error.is_gone() => return Ok(Drained::EnvoyEnded),
            Err(error) if waited && error.is_lasting() => return Err(not_envoy(admin, "GET /stats", error)),
            // Envoy is slow or about to end: the next response shows which.
            Err(error) => progress.last = Some(Err(not_envoy(admin, "GET /stats", error))),
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// The last count, and when a line showed one.
#[derive(Debug, Default)]
struct Progress {
    last: Option<Result<Clients, DrainError>>,
    shown: Option<(usize, Instant)>,
}

impl Progress {
    /// Keeps a count, and prints it on standard error if it differs from the last one shown.
    fn report(&mut self, clients: Clients) {
        self.last = Some(Ok(clients));
        let is_due = self
            .shown
            .is_none_or(|(connections, at)| connections != clients.connections && at.elapsed() >= PROGRESS_INTERVAL);
        if is_due {
            self.shown = Some((clients.connections, Instant::now()));
            let Clients { connections: _, requests } = clients;
            let requests = counted(requests, "request", "requests");
            // A closed standard error is no reason to stop.
            let _ = writeln!(
                io::stderr().lock(),
                "modgud: Envoy drains: {}, {requests} in progress",
                counted(clients.connections, "connection", "connections")
            );
        }
    }
}
