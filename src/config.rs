//! From a configuration file, or none, to a running configuration. Reads files and the environment; decides nothing about
//! requests.

mod beside;
mod caution;
mod de;
mod document;
mod environment;
mod error;
mod key_facts;
mod load;
mod open;
mod path;
mod placeholder;
mod print;
mod problem;
mod profile;
mod quoted;
mod revocations;
mod schema;
mod source;
mod throw_away;
mod validate;
mod watch;

pub(crate) use path::ShownKey;

pub use caution::Caution;
pub use de::{FormFault, Seen};
pub use document::{LogFormat, ProfileName};
pub use environment::Environment;
pub use error::ConfigError;
pub use key_facts::KeyFacts;
pub use load::{Loaded, Overrides, load, load_and_name_files, load_with_keys, read_document};
pub use open::OpenRule;
pub use problem::{KeepProblem, ModuleProblem, Placed, Problem};
pub use quoted::Quoted;
pub use revocations::{RevocationsError, read as read_revocations};
pub use schema::schema;
pub use source::{Keys, SourceFault, Wanted};
pub use throw_away::ThrowAwayKeys;
pub use validate::timestamp;
pub use watch::{Change, Watched};

use crate::envoy::bootstrap::Gateway;
use crate::introspection::IntrospectionSource;
use crate::jwks::KeySource;
use crate::net::listen_addr::Address;
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
    pub grpc: Address,
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
