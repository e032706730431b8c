//! The configuration: from files and the environment to validated types.

mod de;
mod diagnostic;
mod environment;
mod lint;
mod load;
mod path;
mod placeholder;
mod profile;
mod raw;
mod reference;
mod render;
mod revocations;
mod secret_source;
mod summary;
mod validate;
mod watcher;

pub(crate) use de::error::nearest;
pub use diagnostic::ConfigError;
pub use environment::{Environment, EphemeralKeys};
pub use load::{LoadOccasion, Loaded, Overrides, load, load_watched, load_with_keys, read_api_key_ids, read_document};
pub use raw::{LogFormat, ProfileName};
pub use reference::{reference, schema};
pub use revocations::timestamp;
pub use revocations::{RevocationsError, read as read_revocations};
pub use secret_source::Keys;
pub use summary::{KeyMetadata, OpenRule};
pub use watcher::FileWatcher;

use crate::envoy::bootstrap::GatewayConfig;
use crate::forward_auth::Proxy;
use crate::introspection::IntrospectionSource;
use crate::jwks::KeySource;
use crate::net::listen_addr::ListenAddr;
use crate::net::socket_access::SocketAccess;
use crate::net::tls::Tls;
use crate::otlp::Collector;
use modgud_core::decide::Snapshot;
use modgud_core::time::Timestamp;
use rustix::process::{Resource, getrlimit};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A validated configuration.
#[derive(Debug)]
pub struct Config {
    /// The settings that only a restart changes.
    pub server: ServerConfig,
    /// TLS for the check listener. `None` for plaintext.
    pub tls: Option<Tls>,
    /// The state that decides checks.
    pub snapshot: Snapshot,
    /// The routes, clusters and filter settings for Envoy.
    pub gateway: GatewayConfig,
    /// The providers whose JWKS the snapshot's authenticators use.
    pub key_sources: Vec<KeySource>,
    /// The authorization servers that introspect tokens for the snapshot's authenticators.
    pub introspection_sources: Vec<IntrospectionSource>,
    /// The collector of spans; `None` if no span is exported.
    pub otlp: Option<Collector>,
    /// What the metrics show of it.
    pub shown: ShownConfig,
}

/// What the metrics show of a configuration.
#[derive(Debug, Default)]
pub struct ShownConfig {
    /// A hash of its effective values without secrets, of 48 bits: a gauge holds it exactly.
    pub hash: u64,
    /// The end of each certificate, with its path in the configuration.
    pub certificates: Vec<(String, Timestamp)>,
}

/// The settings that only a restart changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// The address that Envoy connects to.
    pub grpc: ListenAddr,
    /// The listener for another proxy; `None` if the configuration has none.
    pub http: Option<HttpListener>,
    /// The access to the file of a Unix socket.
    pub socket: SocketAccess,
    /// The address of probes and metrics.
    pub admin: SocketAddr,
    /// The maximum time in which requests are still answered after SIGTERM.
    pub drain: Duration,
    /// The maximum number of concurrent checks. Above it, a check is answered with 503 immediately.
    pub max_in_flight: usize,
    /// The maximum size of a check, in bytes. A larger one is denied with 413.
    pub max_message: usize,
    /// The configured maximum number of open check connections. `None` if the configuration omits it.
    pub max_connections: Option<usize>,
    /// The format of the log.
    pub log: LogFormat,
    /// The destination of the log lines of decisions.
    pub decisions_to: LogDestination,
}

/// A destination of log lines.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum LogDestination {
    /// Standard output.
    #[default]
    Stdout,
    /// A file, to which lines are appended.
    File(PathBuf),
}

/// The listener for a proxy that asks over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpListener {
    /// The address that the proxy connects to.
    pub listen: ListenAddr,
    /// The proxy whose headers are believed.
    pub proxy: Proxy,
}

/// The maximum number of check connections if the configuration sets none.
const DEFAULT_MAX_CONNECTIONS: usize = 4_096;
/// The minimum number of check connections, however few files the process may open.
const LEAST_MAX_CONNECTIONS: u64 = 16;
/// The number of open files reserved for other uses: the admin listener, provider connections, files.
const OTHER_FILES: u64 = 256;

impl ServerConfig {
    /// Returns the maximum number of open check connections of each listener: the configured one, or else 4096.
    ///
    /// At least half of the files that the process may open (`RLIMIT_NOFILE`) stay free, or a third with two listeners, because JWKS and
    /// introspection requests need files too.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS).min(connections_of(open_files(), self.shares()))
    }

    /// Returns the number of equal shares of the process's files: one for each listener for checks, and one for other uses.
    #[must_use]
    pub const fn shares(&self) -> u64 {
        if self.http.is_some() { 3 } else { 2 }
    }

    /// Returns the configured number of connections and the process's file limit, if that limit is too low for them. `None` otherwise.
    #[must_use]
    pub fn lacking_files(&self) -> Option<(usize, u64)> {
        let wanted = self.max_connections?;
        let files = open_files();
        (wanted > connections_of(files, self.shares())).then_some((wanted, files))
    }
}

/// Returns the number of files that the process may open.
fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Returns the number of connections that a file limit allows to each listener.
fn connections_of(files: u64, shares: u64) -> usize {
    let share = files.saturating_sub(OTHER_FILES).checked_div(shares).unwrap_or_default();
    usize::try_from(share.max(LEAST_MAX_CONNECTIONS)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::connections_of;

    #[test]
    fn connections_leave_a_share_of_the_files() {
        for (files, shares, connections) in
            [(0, 2, 16), (256, 2, 16), (1_024, 2, 384), (8_448, 2, 4_096), (1_024, 3, 256), (256, 3, 16)]
        {
            assert_eq!(connections_of(files, shares), connections, "{files} / {shares}");
        }
        assert!(connections_of(u64::MAX, 2) > 65_536);
    }
}
