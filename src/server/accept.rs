//! Accepts connections: at most a fixed number at once, each with a deadline, and without a busy loop when the system has no more
//! resources. TLS handshakes run concurrently. `connection_slots` chooses the connection that is closed when all slots are taken.

use super::connection::{Connection, ReadDeadline, Stream};
use super::connection_slots::{ConnectionSlots, Slot, UsedConnections};
use super::protocol::{PrefaceCheck, ProtocolReports, WrongProtocol, is_plaintext};
use super::reload::SharedState;
use super::socket::Socket;
use crate::log_throttle::LogThrottle;
use crate::telemetry::metrics::{ListenerName, Metrics};
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Time from acceptance to the first bytes of HTTP/2, the handshake included; on the admin listener, to the end of the connection; over
/// HTTP/1.1, from the first byte of a head to its end. Beyond it the connection is closed, so that a silent client holds no slot for long.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after the system could not provide a connection, so that the loop does not spin.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Time that a new connection waits for the slot of an evicted one, before another one is evicted.
const EVICTION_TIMEOUT: Duration = Duration::from_secs(1);
/// Length of the preface of an HTTP/2 client (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;

/// The limits of one listener.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListenerLimits {
    /// Maximum number of open connections. One more is accepted and waits for a slot; others wait in the system's queue.
    pub(super) open: usize,
    /// The progress that is due [`HANDSHAKE_TIMEOUT`] after a connection was accepted.
    pub(super) due: ReadDeadline,
}

impl ListenerLimits {
    /// Returns the limits for checks; `open` is `server.max_connections`. Envoy opens a connection for each of its workers, and another one
    /// for each 1,024 concurrent checks of a worker.
    pub(super) const fn checks(open: usize) -> Self {
        Self { open, due: ReadDeadline::Bytes(PREFACE_BYTES) }
    }

    /// Returns the limits for checks over HTTP/1.1; `open` is `server.max_connections`. The first byte is due in time; after it, each head.
    pub(super) const fn http(open: usize) -> Self {
        Self { open, due: ReadDeadline::Bytes(1) }
    }

    /// The limits for the page: more connections than a browser opens, each for one request.
    pub(super) const PAGE: Self = Self { open: 16, due: ReadDeadline::End };

    /// The limits for probes and metrics: 64 connections, each for a few requests.
    pub(super) const ADMIN: Self = Self { open: 64, due: ReadDeadline::End };
}

/// A listener that accepts connections and gives each a slot.
pub(super) struct Listener {
    socket: Socket,
    name: ListenerName,
    bounds: ListenerLimits,
    slots: ConnectionSlots,
    /// An accepted connection without a slot yet.
    waiting: Option<Box<dyn Stream>>,
    /// Time at which another connection is evicted for it.
    next_eviction: Option<Instant>,
    /// Time before which nothing is accepted.
    pause: Option<Instant>,
    /// The reports of clients that do not speak HTTP/2; `None` on a listener for HTTP/1.1.
    protocols: Option<ProtocolReports>,
    full: LogThrottle,
    failed: LogThrottle,
}

/// An accepted connection, before its first byte.
pub(super) struct PendingConnection {
    stream: Box<dyn Stream>,
    slot: Slot,
    due: ReadDeadline,
    until: Instant,
    protocols: Option<ProtocolReports>,
}

impl Listener {
    pub(super) fn new(socket: Socket, name: ListenerName, bounds: ListenerLimits, metrics: &Metrics) -> Self {
        let protocols = match name {
            ListenerName::Grpc => Some(ProtocolReports::new(metrics.connections(name))),
            ListenerName::Http | ListenerName::Admin | ListenerName::Ui => None,
        };
        Self {
            socket,
            name,
            bounds,
            slots: ConnectionSlots::new(bounds.open, metrics.connections(name)),
            waiting: None,
            next_eviction: None,
            pause: None,
            protocols,
            full: LogThrottle::default(),
            failed: LogThrottle::default(),
        }
    }

    /// Returns the open connections that have carried a call.
    pub(super) fn used_connections(&self) -> UsedConnections {
        self.slots.used()
    }

    /// Waits for a connection and a slot for it. Cancel-safe: no connection is lost.
    pub(super) async fn accept(&mut self) -> PendingConnection {
        loop {
            if self.waiting.is_none() {
                self.waiting = Some(self.next_stream().await);
            }
            let slot = self.slot().await;
            if let Some(stream) = self.waiting.take() {
                let (due, protocols) = (self.bounds.due, self.protocols.clone());
                return PendingConnection { stream, slot, due, until: deadline(), protocols };
            }
        }
    }

    /// Waits for a connection.
    async fn next_stream(&mut self) -> Box<dyn Stream> {
        loop {
            if let Some(until) = self.pause {
                sleep_until(until).await;
                self.pause = None;
            }
            match self.socket.accept().await {
                Ok(stream) => return stream,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.pause = Some(after(ACCEPT_RETRY_DELAY));
                    if let Some(before) = self.failed.tick() {
                        let listener = self.name.as_str();
                        tracing::warn!(listener, %error, before, "connections can't be accepted");
                    }
                }
            }
        }
    }

    /// Waits for a slot, and evicts another connection if necessary.
    async fn slot(&mut self) -> Slot {
        loop {
            if let Some(slot) = self.slots.try_take() {
                self.next_eviction = None;
                return slot;
            }
            let look = match self.next_eviction {
                Some(at) if at > Instant::now() => at,
                Some(_) | None => {
                    self.slots.evict_idle();
                    if let Some(before) = self.full.tick() {
                        let (listener, open) = (self.name.as_str(), self.bounds.open);
                        tracing::warn!(listener, open, before, "connection limit reached");
                    }
                    *self.next_eviction.insert(after(EVICTION_TIMEOUT))
                }
            };
            if let Ok(slot) = timeout_at(look, self.slots.take()).await {
                self.next_eviction = None;
                return slot;
            }
        }
    }
}

impl PendingConnection {
    /// Returns the connection without TLS.
    pub(super) fn plain(self) -> Connection {
        let Self { stream, slot, due, until, protocols } = self;
        Connection::new(stream, slot, due, until, protocols.map(PrefaceCheck::new))
    }

    /// Performs the TLS handshake and returns the connection; `None` if the client does not speak TLS, which is reported.
    async fn with_tls(self, tls: Arc<ServerConfig>) -> io::Result<Option<Connection>> {
        let Self { stream, mut slot, due, until, protocols } = self;
        let handshake = timeout_at(until, TlsAcceptor::from(tls).accept(stream));
        let done = tokio::select! {
            done = handshake => done.map_err(|_| io::Error::from(ErrorKind::TimedOut)).flatten(),
            () = poll_fn(|context| slot.poll_evicted(context)) => return Err(ErrorKind::ConnectionAborted.into()),
        };
        match (done, protocols) {
            (Ok(stream), protocols) => {
                Ok(Some(Connection::new(Box::new(stream), slot, due, until, protocols.map(PrefaceCheck::new))))
            }
            (Err(error), Some(reports)) if is_plaintext(&error) => {
                reports.report(WrongProtocol::Plaintext);
                Ok(None)
            }
            (Err(error), _) => Err(error),
        }
    }
}

/// Sends connections that are ready to `to`, until its receiver is closed.
pub(super) async fn accept_loop(mut listener: Listener, live: SharedState, to: mpsc::Sender<Connection>) {
    let mut handshakes = JoinSet::new();
    let mut failed = LogThrottle::default();
    loop {
        let connection = tokio::select! {
            () = to.closed() => return,
            accepted = listener.accept() => match live.tls() {
                None => accepted.plain(),
                Some(tls) => {
                    handshakes.spawn(accepted.with_tls(tls));
                    continue;
                }
            },
            Some(done) = handshakes.join_next() => match done.map_err(io::Error::other).flatten() {
                Ok(Some(connection)) => connection,
                Ok(None) => continue,
                Err(error) => {
                    if let Some(before) = failed.tick() {
                        tracing::warn!(%error, before, "TLS handshake failed");
                    }
                    continue;
                }
            },
        };
        if to.send(connection).await.is_err() {
            return;
        }
    }
}

/// Returns true if the error concerns one connection, and the next one may succeed (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    [ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted].contains(&error.kind())
}

fn deadline() -> Instant {
    after(HANDSHAKE_TIMEOUT)
}

fn after(span: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(span).unwrap_or(now)
}
