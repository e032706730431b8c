//! Envoy's configuration: what has to be known for it, and the one text that it is written from, `deploy/envoy.yaml`. That file is what
//! [`Bootstrap`] writes for `deploy/modgud.yaml`, and any other is that file with other routes, clusters and addresses.

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

/// What a configuration says of Envoy's.
#[derive(Debug, Clone, Default)]
pub struct Gateway {
    /// The modules, in the order of the configuration. Their prefixes differ.
    pub modules: Vec<Module>,
    /// The service behind the reserved names.
    pub core: Core,
    /// What the filter that asks modgud has to show it, and to let it change.
    pub filter: Filter,
    /// How modgud is to be spoken to.
    pub transport: Transport,
}

/// A service that owns what stands below its prefix.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its name, which is that of its cluster.
    pub name: ModuleName,
    /// The segments that lead to it.
    pub prefix: ModulePrefix,
    /// How it reads the segments below them.
    pub reading: ModuleReading,
    /// Where it listens.
    pub upstream: HostPort,
    /// Whether a list narrows what its callers may do.
    pub access: Listed,
}

/// Whether a module has an access list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// It has none: what rules let through may do everything.
    NoList,
    /// It has one.
    List,
}

/// The service that owns some first segments, which are no module's.
#[derive(Debug, Clone, Default)]
pub struct Core {
    /// Where it listens; `None`: the names are nobody's.
    pub upstream: Option<HostPort>,
    /// The segments.
    pub reserved: Vec<Box<str>>,
}

/// How modgud is to be spoken to (`server.tls`).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Without TLS.
    #[default]
    Plain,
    /// Under TLS.
    Tls,
    /// Under TLS, by clients with a certificate.
    MutualTls,
}
