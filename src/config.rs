//! From a configuration file, or none, to a running configuration. Reads files and the environment; decides nothing about
//! requests.

mod de;
mod document;
mod load;
mod path;
mod problem;
mod source;
mod tree;
mod validate;

pub use document::{LogFormat, LoggedDecisions, ProfileName};
pub use load::{Loaded, Overrides, load};
pub use de::FormFault;
pub use problem::{ConfigError, Placed, Problem};
pub use source::Environment;

use crate::snapshot::Snapshot;
use std::net::SocketAddr;
use std::time::Duration;

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// Listeners and limits.
    pub server: ServerConfig,
    /// What operators are told.
    pub telemetry: TelemetryConfig,
    /// What decisions are made with.
    pub snapshot: Snapshot,
}

/// Listeners and limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where Envoy connects to.
    pub grpc: SocketAddr,
    /// Where probes and metrics are served.
    pub admin: SocketAddr,
    /// How long one check may take, network and all.
    pub deadline: Duration,
    /// How long requests are still answered after SIGTERM, at most.
    pub drain: Duration,
}

/// What operators are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TelemetryConfig {
    /// The form of the log.
    pub log: LogFormat,
    /// Which decisions are logged.
    pub decisions: LoggedDecisions,
}
