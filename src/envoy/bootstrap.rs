//! Envoy's configuration: its inputs, and [`Bootstrap`], which writes it. All output derives from `deploy/envoy.yaml`,
//! which is the output for `deploy/modgud.yaml`; other output differs in routes, clusters and addresses.

mod ext_authz_cluster;
mod filter;
mod names;
mod routes;
mod sample;
mod scalar;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub use ext_authz_cluster::{CheckCluster, Client, NoCheckCluster, UpstreamTls};
pub use filter::{Filter, SentAlong};
pub use sample::{Endpoints, SAMPLE, sample};
pub use write::{Bootstrap, BootstrapError};

use crate::net::upstream_addr::HostPort;
use modgud_core::authz::{ModuleName, ModulePrefix, ModuleReading};

/// The parts of modgud's configuration that Envoy's depends on.
#[derive(Debug, Clone, Default)]
pub struct Gateway {
    /// The modules, in the order of the configuration. Their prefixes differ.
    pub modules: Vec<Module>,
    /// The service behind the reserved names.
    pub core: Core,
    /// The needs of the filter that calls modgud.
    pub filter: Filter,
    /// Transport security of connections to modgud.
    pub transport: Transport,
}

/// A service behind a path prefix.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name, also that of its cluster.
    pub name: ModuleName,
    /// Its path prefix.
    pub prefix: ModulePrefix,
    /// Its interpretation of paths below the prefix.
    pub reading: ModuleReading,
    /// Its address.
    pub upstream: HostPort,
    /// Presence of an access list, which restricts its callers further.
    pub access: Listed,
}

/// Presence of an access list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// No list: rules alone decide.
    NoList,
    /// The module has a list.
    List,
}

/// The service behind the reserved names: first segments that no module may have.
#[derive(Debug, Clone, Default)]
pub struct Core {
    /// Its address; `None` if no service has the names.
    pub upstream: Option<HostPort>,
    /// The reserved names.
    pub reserved: Vec<Box<str>>,
}

/// Transport security of connections to modgud (`server.tls`).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Without TLS.
    #[default]
    Plain,
    /// With TLS.
    Tls,
    /// With TLS; clients need a certificate.
    MutualTls,
}
