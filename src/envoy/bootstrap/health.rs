//! The health listener: two paths of Envoy's admin interface, for probes and scrapes from other machines.

use super::{BootstrapError, address, host};
use minijinja::{Value, context};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns the listener for the template; none without an address.
///
/// # Errors
/// [`BootstrapError::AdminPort`] if the port of the admin interface is not fixed.
pub(super) fn value(listener: Option<SocketAddr>, admin: SocketAddr) -> Result<Value, BootstrapError> {
    let Some(listener) = listener else { return Ok(Value::from(())) };
    if admin.port() == 0 {
        return Err(BootstrapError::AdminPort);
    }
    let ip = match admin.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    Ok(context! {
        listener => address(listener),
        admin => context! { host => host(&ip.to_string()), port => admin.port() },
    })
}
