//! From a configuration file, or none, to a running configuration. Reads files and the environment; decides nothing about
//! requests.

mod de;
mod diagnostic;
mod environment;
mod ephemeral_keys;
mod error;
mod included;
mod key_metadata;
mod lint;
mod load;
mod open;
mod path;
mod placeholder;
mod profile;
mod quoted;
mod raw;
mod reference;
mod render;
mod revocations;
mod schema;
mod secret_source;
mod validate;
mod watcher;

pub(crate) use path::ShownKey;

pub use de::{FormError, Seen};
pub use diagnostic::{KeepProblem, Located, ModuleProblem, Problem};
pub use environment::Environment;
pub use ephemeral_keys::EphemeralKeys;
pub use error::ConfigError;
pub use key_metadata::KeyMetadata;
pub use lint::Warning;
pub use load::{Loaded, Overrides, load, load_watched, load_with_keys, read_document};
pub use open::OpenRule;
pub use quoted::Quoted;
pub use raw::{LogFormat, ProfileName};
pub use reference::reference;
pub use revocations::{RevocationsError, read as read_revocations};
pub use schema::schema;
pub use secret_source::{Keys, SourceError, Wanted};
pub use validate::timestamp;
pub use watcher::{Change, FileWatcher};

use crate::envoy::bootstrap::Gateway;
use crate::introspection::IntrospectionSource;
use crate::jwks::KeySource;
use crate::net::listen_addr::ListenAddr;
use crate::net::tls::Tls;
use modgud_core::decide::Snapshot;
use rustix::process::{Resource, getrlimit};
use std::net::SocketAddr;
use std::time::Duration;

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// What a running process can't change.
    pub server: ServerConfig,
    /// What connections to the listener for checks are secured with, if they are.
    pub tls: Option<Tls>,
    /// What decisions are made with.
    pub snapshot: Snapshot,
    /// What Envoy routes to.
    pub gateway: Gateway,
    /// Where keys are published that the snapshot's authenticators use.
    pub key_sources: Vec<KeySource>,
    /// The authorization servers that the snapshot's authenticators ask.
    pub introspection_sources: Vec<IntrospectionSource>,
}

/// What a running process can't change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where Envoy connects to.
    pub grpc: ListenAddr,
    /// Where probes and metrics are served.
    pub admin: SocketAddr,
    /// How long requests are still answered after SIGTERM, at most.
    pub drain: Duration,
    /// How many checks may be under way at once; above it each is answered with 503 at once.
    pub max_in_flight: usize,
    /// How many connections for checks may be open at once, if the configuration says it.
    pub max_connections: Option<usize>,
    /// The form of the log.
    pub log: LogFormat,
}

/// The largest number of connections for checks that is allowed without the configuration saying so.
const DEFAULT_MAX_CONNECTIONS: usize = 4_096;
/// The smallest, whatever the process may open.
const LEAST_MAX_CONNECTIONS: u64 = 16;
/// How many open files are kept for everything else: the admin listener, connections to providers, files.
const OTHER_FILES: u64 = 256;

impl ServerConfig {
    /// Returns how many connections for checks may be open at once: what the configuration says or else 4096, but no more than leave half of
    /// what the process may open (`RLIMIT_NOFILE`) free. Without files neither keys nor introspection answers can be fetched.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        self.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS).min(connections_of(open_files()))
    }

    /// Returns the number of connections that the configuration says, and the number of files that the process may open, if these are too few
    /// for it.
    #[must_use]
    pub fn lacking_files(&self) -> Option<(usize, u64)> {
        let wanted = self.max_connections?;
        let files = open_files();
        (wanted > connections_of(files)).then_some((wanted, files))
    }
}

/// How many files the process may open.
fn open_files() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many connections may be open where the process may open so many files.
fn connections_of(files: u64) -> usize {
    let half = files.saturating_sub(OTHER_FILES) / 2;
    usize::try_from(half.max(LEAST_MAX_CONNECTIONS)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::connections_of;

    #[test]
    fn connections_leave_half_of_the_files() {
        for (files, connections) in [(0, 16), (256, 16), (1_024, 384), (8_448, 4_096)] {
            assert_eq!(connections_of(files), connections, "{files}");
        }
        assert!(connections_of(u64::MAX) > 65_536);
    }
}
