//! The composition root: from a configuration to running servers. Returns the bound addresses, so that port 0 can be configured.

use crate::clock::Clock;
use crate::config::{Config, HttpListener};
use crate::forward_auth::Proxy;
use crate::net::listen_addr::ListenAddr;
use crate::net::socket_access::SocketAccess;
use crate::server::accept::{Listener, ListenerLimits};
use crate::server::activation::{ActivatedSocket, ActivatedSockets, ActivationError};
use crate::server::authorizer::Authorizer;
use crate::server::connection_slots::UsedConnections;
use crate::server::decision_log::SUMMARY_INTERVAL;
use crate::server::grpc::{self, GrpcError};
use crate::server::limits::Limits;
use crate::server::readiness::{BlockReady, DRAINING, KeyReadiness, Readiness};
use crate::server::revocation_watcher::{self, ListReload};
use crate::server::{CheckHandler, SharedState, Socket, SocketError, admin, http1};
use crate::telemetry::metrics::{ListenerName, Metrics};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// Minimum time since the last check at the end of a drain: Envoy may reconnect.
const DRAIN_IDLE_PERIOD: Duration = Duration::from_secs(1);
/// Interval at which a drain looks at checks and connections.
const DRAIN_POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Time beyond a check's deadline for open calls to end, once the listeners are closed. Then modgud exits all the same.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// An error that ends modgud, at startup or later.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A listener can't be opened.
    #[error("can't listen on {address} for {purpose}: {error}")]
    Bind {
        /// The address.
        address: ListenAddr,
        /// Its purpose.
        purpose: &'static str,
        /// The cause.
        error: SocketError,
    },
    /// The service manager passed a socket that is not the configured one.
    #[error(transparent)]
    Activation(#[from] ActivationError),
    /// The gRPC server failed.
    #[error(transparent)]
    Grpc(#[from] GrpcError),
    /// The admin server failed.
    #[error("the admin server failed: {0}")]
    Admin(io::Error),
}

/// The way in which a process stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Report not ready at once, and answer checks until none come or the drain time is over: SIGTERM.
    Graceful,
    /// Answer the calls under way and exit: SIGINT, or a second signal.
    Immediate,
}

impl Shutdown {
    /// Returns the word for the log.
    const fn name(self) -> &'static str {
        match self {
            Self::Graceful => "graceful",
            Self::Immediate => "immediate",
        }
    }
}

/// A process that listens but does not serve yet.
#[derive(Debug)]
pub struct App {
    grpc: Socket,
    http: Option<(Socket, Proxy)>,
    admin: Socket,
    addresses: Addresses,
    live: SharedState,
    readiness: Readiness,
    starting: BlockReady,
    max_in_flight: usize,
    max_message: usize,
    max_connections: usize,
    drain: Duration,
}

/// The addresses that were bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// The address that Envoy connects to.
    pub grpc: ListenAddr,
    /// The address that another proxy connects to; `None` without `server.http`.
    pub http: Option<ListenAddr>,
    /// The address of probes and metrics.
    pub admin: SocketAddr,
}

impl App {
    /// Opens the listeners of a configuration.
    ///
    /// # Errors
    /// [`AppError::Bind`] if an address can't be bound.
    pub async fn bind(config: Config, clock: Clock) -> Result<Self, AppError> {
        // Boxed, since moving so large a future is expensive.
        Box::pin(Self::bind_or_take(config, clock, ActivatedSockets::default())).await
    }

    /// Takes the listeners that the service manager has opened, and opens the others.
    ///
    /// # Errors
    /// [`AppError::Bind`] if an address can't be bound, [`AppError::Activation`] if a listener is not the configured one.
    pub async fn bind_or_take(config: Config, clock: Clock, activated: ActivatedSockets) -> Result<Self, AppError> {
        // Only `modgud envoy` uses the gateway's settings.
        let Config { server, tls, mut snapshot, gateway: _, key_sources, introspection_sources, otlp, shown } = config;
        let readiness = Readiness::default();
        let starting = readiness.register("starting");
        let ActivatedSockets { grpc, http, admin } = activated;
        let (grpc, grpc_bound) = listen(grpc, &server.grpc, &server.socket, "checks (server.grpc)").await?;
        let purpose = "probes and metrics (server.admin)";
        let (admin, admin_bound) = listen(admin, &server.admin.into(), &SocketAccess::default(), purpose).await?;
        let (http, http_bound) = match (server.http.clone(), http) {
            (None, None) => (None, None),
            (None, Some(_)) => return Err(ActivationError::WithoutListener.into()),
            (Some(HttpListener { listen: address, proxy }), activated) => {
                let (socket, bound) =
                    listen(activated, &address, &server.socket, "checks of a proxy (server.http)").await?;
                (Some((socket, proxy)), Some(bound.map_or(address, ListenAddr::Tcp)))
            }
        };
        let max_connections = server.max_connections();
        if let Some((wanted, files)) = server.lacking_files() {
            tracing::warn!(wanted, files, max_connections, "server.max_connections reduced: open file limit too low");
        }
        let now = clock.now();
        let metrics = Metrics::default();
        metrics.assign_counters(&mut snapshot);
        metrics.config_active(shown.hash, shown.certificates);
        metrics.config_loaded(now);
        let authorizer = Authorizer::new(snapshot, key_sources, introspection_sources, clock);
        let checks = Arc::new(CheckHandler::new(authorizer, metrics));
        checks.traces.replace(otlp);
        let addresses = Addresses {
            grpc: grpc_bound.map_or(server.grpc, ListenAddr::Tcp),
            http: http_bound,
            admin: admin_bound.unwrap_or(server.admin),
        };
        Ok(Self {
            grpc,
            http,
            admin,
            addresses,
            live: SharedState::new(checks, tls),
            readiness,
            starting,
            max_in_flight: server.max_in_flight,
            max_message: server.max_message,
            max_connections,
            drain: server.drain,
        })
    }

    /// Returns the bound addresses.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// Returns the state that a reload replaces.
    #[must_use]
    pub const fn live(&self) -> &SharedState {
        &self.live
    }

    /// Returns the readiness of this process, so that others can delay it.
    #[must_use]
    pub const fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// Serves until `stop` receives a `Shutdown`, and stops in that way. A second one ends a drain. If all senders are gone, modgud stops
    /// immediately.
    ///
    /// # Errors
    /// [`AppError`] if a server fails.
    pub async fn run(self, stop: mpsc::Receiver<Shutdown>) -> Result<(), AppError> {
        let checks = Arc::clone(&self.live.checks);
        // Boxed, since moving so large a future is expensive.
        let ended = Box::pin(self.serve(stop)).await;
        checks.decisions.write_summary();
        ended
    }

    async fn serve(self, mut stop: mpsc::Receiver<Shutdown>) -> Result<(), AppError> {
        let Self {
            grpc,
            http,
            admin,
            addresses: _,
            live,
            readiness,
            starting,
            max_in_flight,
            max_message,
            max_connections,
            drain,
        } = self;
        let limits = Arc::new(Limits::new(max_in_flight, max_message));
        let checks = Arc::clone(&live.checks);
        let is_draining = CancellationToken::new();
        let closing = CancellationToken::new();
        let closed = || closing.clone().cancelled_owned();
        // Boxed, since moving so large a future is expensive.
        let listener =
            Listener::new(grpc, ListenerName::Grpc, ListenerLimits::checks(max_connections), &checks.metrics);
        let connections = listener.used_connections();
        let grpc = Box::pin(grpc::serve(listener, live, readiness.clone(), Arc::clone(&limits), closed()));
        let http = http.map(|(socket, proxy)| {
            let listener =
                Listener::new(socket, ListenerName::Http, ListenerLimits::http(max_connections), &checks.metrics);
            let limits = Arc::clone(&limits);
            let server = http1::Server { checks: Arc::clone(&checks), limits, proxy, draining: is_draining.clone() };
            Box::pin(server.serve(listener, closed()))
        });
        let admin = admin::serve(admin, Arc::clone(&checks), limits, readiness.clone(), closed());
        let servers = async {
            // One server that fails ends all: half of modgud must not look like the whole.
            let grpc = async { grpc.await.map_err(AppError::from) };
            let admin = async { admin.await.map_err(AppError::Admin) };
            let http = async {
                if let Some(http) = http {
                    http.await;
                }
                Ok(())
            };
            tokio::try_join!(grpc, http, admin).map(|((), (), ())| ())
        };
        tokio::pin!(servers);
        // Aborted when this function returns.
        let mut tasks = JoinSet::new();
        let (lists, reloads) = (Arc::clone(&checks), Arc::clone(&checks));
        tasks.spawn(revocation_watcher::watch(
            move || lists.authorizer.snapshot().authenticators.revocations().cloned(),
            move |reload| match reload {
                ListReload::Replaced => reloads.metrics.revocations_replaced(reloads.authorizer.now()),
                ListReload::Rejected => reloads.metrics.revocations_rejected(),
            },
        ));
        let decisions = Arc::clone(&checks);
        tasks.spawn(async move {
            let mut summaries = interval(SUMMARY_INTERVAL);
            loop {
                summaries.tick().await;
                decisions.decisions.write_summary();
            }
        });
        let keys = KeyReadiness::register(&checks, &readiness);
        drop(starting);
        tasks.spawn(keys.wait());

        let shutdown_begun = async {
            let shutdown = stop.recv().await.unwrap_or(Shutdown::Immediate);
            let draining = readiness.register(DRAINING);
            tracing::info!(how = shutdown.name(), "shutting down");
            is_draining.cancel();
            if shutdown == Shutdown::Graceful {
                tokio::select! {
                    () = wait_until_drained(&checks, &connections, drain) => {}
                    _ = stop.recv() => {}
                }
            }
            draining
        };
        // Held to the end: a probe during shutdown must not see modgud as ready again.
        let _draining = tokio::select! {
            ended = &mut servers => return ended,
            draining = shutdown_begun => draining,
        };
        closing.cancel();
        // A check under way is answered by its deadline at the latest.
        let limit = checks.authorizer.snapshot().deadline.saturating_add(SHUTDOWN_GRACE);
        // If it is over, the remaining calls are kept open by their clients, and are no checks.
        let ended = timeout(limit, servers).await.unwrap_or(Ok(()));
        checks.traces.close().await;
        ended
    }
}

/// Takes a listening socket of the service manager, or opens one; for TCP, also returns its address.
async fn listen(
    activated: Option<ActivatedSocket>,
    address: &ListenAddr,
    access: &SocketAccess,
    purpose: &'static str,
) -> Result<(Socket, Option<SocketAddr>), AppError> {
    let fail = |error| AppError::Bind { address: address.clone(), purpose, error };
    let socket = match activated {
        Some(activated) => activated.into_socket(address, access)?,
        None => Socket::open(address, access).await.map_err(fail)?,
    };
    let bound = socket.tcp_address().map_err(|error| fail(error.into()))?;
    Ok((socket, bound))
}

/// Waits until every gRPC connection that carried calls is closed and no check has come for [`DRAIN_IDLE_PERIOD`], or until `limit` is over.
/// Envoy closes the connection of its health checks when its own drain is over; before that, its next check may come at any time. It
/// closes those of its checks as soon as it knows that modgud is not healthy, and opens them again for the next request.
async fn wait_until_drained(checks: &CheckHandler, connections: &UsedConnections, limit: Duration) {
    let count = async {
        let mut seen = (checks.metrics.checks(), Instant::now());
        while seen.1.elapsed() < DRAIN_IDLE_PERIOD || connections.any() {
            sleep(DRAIN_POLL_INTERVAL).await;
            let answered = checks.metrics.checks();
            if answered != seen.0 {
                seen = (answered, Instant::now());
            }
        }
    };
    // A timeout ends the wait just as well.
    let _ = timeout(limit, count).await;
}
