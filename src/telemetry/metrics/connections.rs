//! The metrics of connections: what each listener has accepted, and what modgud closed and why.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// A listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerName {
    /// For checks.
    Grpc,
    /// For checks over HTTP.
    Http,
    /// For probes and metrics.
    Admin,
    /// For the page.
    Ui,
}

impl ListenerName {
    /// Returns its name in the configuration, in metrics and in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
            Self::Admin => "admin",
            Self::Ui => "ui",
        }
    }
}

/// The reason for closing a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Another connection needed its slot.
    Room,
    /// Its client did not read responses.
    UnreadResponses,
    /// Its client reset too many calls.
    Resets,
    /// Its client sent frames that no gRPC client sends.
    Frames,
    /// Its client spoke HTTP/1.1.
    Http1,
    /// Its client spoke TLS, and the listener does not.
    Tls,
    /// Its client did not speak TLS, and the listener does.
    Plaintext,
    /// Its client spoke another protocol.
    UnknownProtocol,
    /// Its client sent a message that is not HTTP/1.1, or too large a head.
    Malformed,
}

impl Closing {
    const ALL: [Self; 9] = [
        Self::Room,
        Self::UnreadResponses,
        Self::Resets,
        Self::Frames,
        Self::Http1,
        Self::Tls,
        Self::Plaintext,
        Self::UnknownProtocol,
        Self::Malformed,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::UnreadResponses => "unread_responses",
            Self::Resets => "resets",
            Self::Frames => "frames",
            Self::Http1 => "http1",
            Self::Tls => "tls",
            Self::Plaintext => "plaintext",
            Self::UnknownProtocol => "unknown_protocol",
            Self::Malformed => "malformed",
        }
    }
}

/// The label of a number of connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OnListener {
    listener: &'static str,
}

/// The labels of a count of closed connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClosedOnListener {
    listener: &'static str,
    reason: &'static str,
}

/// The metrics of all listeners.
#[derive(Debug, Default)]
pub(super) struct ConnectionMetrics {
    open: Family<OnListener, Gauge>,
    accepted: Family<OnListener, Counter>,
    closed: Family<ClosedOnListener, Counter>,
    streams: Family<OnListener, Counter>,
    resets: Family<OnListener, Counter>,
}

impl ConnectionMetrics {
    /// Returns the metrics of one listener.
    pub(super) fn of(&self, listener: ListenerName) -> ConnectionCounters {
        let listener_label = OnListener { listener: listener.as_str() };
        let closed = |reason: Closing| {
            let labels = ClosedOnListener { listener: listener.as_str(), reason: reason.as_str() };
            self.closed.get_or_create_owned(&labels)
        };
        // HTTP/1.1 has no streams.
        let of_streams = |family: &Family<OnListener, Counter>| match listener {
            ListenerName::Grpc => family.get_or_create_owned(&listener_label),
            ListenerName::Http | ListenerName::Admin | ListenerName::Ui => Counter::default(),
        };
        ConnectionCounters(Arc::new(Counters {
            open: self.open.get_or_create_owned(&listener_label),
            accepted: self.accepted.get_or_create_owned(&listener_label),
            streams: of_streams(&self.streams),
            resets: of_streams(&self.resets),
            closed: Closing::ALL.map(closed),
        }))
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections, by listener", self.open.clone());
        registry.register("connections_accepted", "Connections accepted, by listener", self.accepted.clone());
        registry.register("connections_closed", "Connections that modgud closed, by reason", self.closed.clone());
        registry.register("streams", "HTTP/2 streams that clients opened: calls", self.streams.clone());
        registry.register("stream_resets", "HTTP/2 streams that clients reset", self.resets.clone());
    }
}

/// The metrics of one listener; clones share them.
#[derive(Debug, Clone, Default)]
pub struct ConnectionCounters(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    open: Gauge,
    accepted: Counter,
    streams: Counter,
    resets: Counter,
    closed: [Counter; 9],
}

impl ConnectionCounters {
    /// Counts a connection that is open from now on.
    pub fn opened(&self) {
        self.0.accepted.inc();
        self.0.open.inc();
    }

    /// Counts a connection that is open no longer.
    pub fn ended(&self) {
        self.0.open.dec();
    }

    /// Returns how many connections are open.
    #[cfg(test)]
    pub(crate) fn open(&self) -> i64 {
        self.0.open.get()
    }

    /// Counts streams that clients opened.
    pub fn streams(&self, opened: u64) {
        self.0.streams.inc_by(opened);
    }

    /// Counts streams that clients reset.
    pub fn resets(&self, resets: u64) {
        self.0.resets.inc_by(resets);
    }

    /// Counts one connection that modgud closed.
    pub fn count(&self, reason: Closing) {
        if let Some(counter) = self.0.closed.get(reason as usize) {
            counter.inc();
        }
    }
}
