//! Envoy's cluster for modgud: its address and TLS settings.

use super::{BootstrapError, CertificateFiles, Transport, host};
use crate::net::listen_addr::{AbstractName, ListenAddr, SocketPath};
use crate::net::upstream_addr::HostPort;
use minijinja::{Value, context};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The address of modgud's checks, as Envoy reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckCluster {
    /// A host and a port.
    Network(HostPort),
    /// A Unix socket.
    Socket(SocketPath),
    /// An abstract Unix socket, which Envoy finds in the same network namespace only.
    Abstract(AbstractName),
}

impl fmt::Display for CheckCluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address) => address.fmt(f),
            Self::Socket(path) => write!(f, "unix:{}", path.as_path().display()),
            Self::Abstract(name) => write!(f, "unix:{}", name.with_at()),
        }
    }
}

/// The files for TLS from Envoy to modgud, as paths on Envoy's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The certificate authorities (PEM) that issue modgud's certificate.
    pub ca: String,
    /// The name in modgud's certificate; `None` if it is that of its address.
    pub name: Option<String>,
    /// Envoy's client certificate; `None` if it has none.
    pub client: Option<CertificateFiles>,
}

/// The text is not an address of modgud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a host and a port, such as `modgud:9191` or `127.0.0.1:9191`, or a socket, such as `unix:/run/modgud/check.sock`"
)]
pub struct NoCheckCluster;

impl CheckCluster {
    /// Returns the address of a listener from this machine; `None` if its port is 0, which means any free one.
    #[must_use]
    pub fn of(listener: &ListenAddr) -> Option<Self> {
        match listener {
            ListenAddr::Unix(path) => Some(Self::Socket(path.clone())),
            ListenAddr::Abstract(name) => Some(Self::Abstract(name.clone())),
            ListenAddr::Tcp(address) => {
                let ip = match address.ip() {
                    IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
                    IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
                    ip => ip,
                };
                SocketAddr::new(ip, address.port()).to_string().parse().ok().map(Self::Network)
            }
        }
    }
}

impl FromStr for CheckCluster {
    type Err = NoCheckCluster;

    fn from_str(text: &str) -> Result<Self, NoCheckCluster> {
        match text.parse() {
            Ok(ListenAddr::Unix(path)) => Ok(Self::Socket(path)),
            Ok(ListenAddr::Abstract(name)) => Ok(Self::Abstract(name)),
            Ok(ListenAddr::Tcp(_)) | Err(_) => text.parse().map(Self::Network).map_err(|_| NoCheckCluster),
        }
    }
}

impl CheckCluster {
    /// Returns the address for the template.
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Socket(path) => context! { socket => path.as_path().display().to_string(), is_name => false },
            Self::Abstract(name) => context! { socket => name.with_at(), is_name => false },
            Self::Network(endpoint) => context! {
                socket => (),
                is_name => endpoint.host().parse::<IpAddr>().is_err(),
                host => host(endpoint.host()),
                port => endpoint.port(),
            },
        }
    }
}

/// Returns the TLS settings of modgud's cluster for the template; none without TLS.
///
/// # Errors
/// [`BootstrapError`] if they contradict `server.tls`.
pub(super) fn tls(
    transport: Transport,
    tls: Option<&UpstreamTls>,
    modgud: &CheckCluster,
) -> Result<Value, BootstrapError> {
    let UpstreamTls { ca, name, client } = match (transport, tls) {
        (Transport::Plain, None) => return Ok(Value::from(())),
        (Transport::Plain, Some(_)) => return Err(BootstrapError::Plain),
        (Transport::Tls | Transport::MutualTls, None) => return Err(BootstrapError::NoAuthorities),
        (Transport::MutualTls, Some(UpstreamTls { client: None, .. })) => return Err(BootstrapError::NoClient),
        (Transport::Tls | Transport::MutualTls, Some(tls)) => tls,
    };
    let name = match (name, modgud) {
        (Some(name), _) => name.as_str(),
        (None, CheckCluster::Network(endpoint)) if endpoint.host().parse::<IpAddr>().is_err() => endpoint.host(),
        (None, CheckCluster::Network(_) | CheckCluster::Socket(_) | CheckCluster::Abstract(_)) => {
            return Err(BootstrapError::NoName);
        }
    };
    let client = client.as_ref().map_or_else(|| Value::from(()), CertificateFiles::value);
    Ok(context! { ca, name, client })
}
