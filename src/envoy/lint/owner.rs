//! Which filter calls modgud: the addresses of its cluster are compared with that of modgud.

use super::Context;
use super::model::endpoints;
use super::view::At;
use crate::envoy::bootstrap::CheckCluster;
use std::net::IpAddr;

/// The service that a filter calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// modgud: its cluster has modgud's address.
    Modgud,
    /// Another service: no address of its cluster can be modgud's.
    Other,
    /// Either: there is no address to compare, or one is a name.
    Unclear,
}

impl Owner {
    /// Finds out which service a filter calls.
    pub(super) fn of(context: &Context<'_, '_>, filter: &At<'_>) -> Self {
        let Some(modgud) = context.modgud else { return Self::Unclear };
        let name = filter.at(&["grpc_service", "envoy_grpc", "cluster_name"]);
        let cluster = name.and_then(|name| context.model.clusters.get(name.as_text()?));
        let owners: Vec<Self> = cluster.into_iter().flat_map(endpoints).map(|one| compare(&one, modgud)).collect();
        if owners.contains(&Self::Modgud) {
            Self::Modgud
        } else if owners.is_empty() || owners.contains(&Self::Unclear) {
            Self::Unclear
        } else {
            Self::Other
        }
    }
}

/// Compares an endpoint with modgud's address.
fn compare(endpoint: &At<'_>, modgud: &CheckCluster) -> Owner {
    let either = |is_equal: bool| if is_equal { Owner::Modgud } else { Owner::Other };
    let Some(address) = endpoint.field("address") else { return Owner::Unclear };
    if let Some(pipe) = address.field("pipe") {
        let Some(path) = pipe.text("path") else { return Owner::Unclear };
        return match modgud {
            CheckCluster::Socket(socket) => either(socket.as_path().as_os_str() == path),
            CheckCluster::Abstract(name) => either(name.with_at() == path),
            CheckCluster::Network(_) => Owner::Other,
        };
    }
    let Some(socket) = address.field("socket_address") else { return Owner::Unclear };
    let (Some(host), Some(port)) = (socket.text("address"), socket.number("port_value")) else { return Owner::Unclear };
    let CheckCluster::Network(own) = modgud else { return Owner::Other };
    let is_port = u64::from(own.port()) == port;
    match (ip(host), ip(own.host())) {
        (Some(host), Some(own)) if is_port && (host == own || host.is_loopback() && own.is_loopback()) => Owner::Modgud,
        // modgud can have this address too.
        (Some(_), Some(_)) if is_port => Owner::Unclear,
        (Some(_), Some(_)) => Owner::Other,
        // A name that the operator gave is the one that Envoy uses.
        (None, None) => either(is_port && host.eq_ignore_ascii_case(own.host())),
        (Some(_), None) | (None, Some(_)) => Owner::Unclear,
    }
}

/// Returns an address; `None` for a name.
fn ip(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(IpAddr::from([127, 0, 0, 1]));
    }
    host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}
