//! Envoy's cluster for modgud: its address and TLS settings.

use super::Transport;
use super::scalar::host;
use super::text::Text;
use super::write::BootstrapError;
use crate::net::listen_addr::{ListenAddr, SocketPath};
use crate::net::upstream_addr::HostPort;
use crate::yaml;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The address of modgud's checks, as Envoy reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckCluster {
    /// A host and a port.
    Network(HostPort),
    /// A Unix socket.
    Socket(SocketPath),
}

/// The files for TLS from Envoy to modgud, as paths on Envoy's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The certificate authorities (PEM) that issue modgud's certificate.
    pub ca: String,
    /// The name in modgud's certificate; `None` if it is that of its address.
    pub name: Option<String>,
    /// Envoy's client certificate; `None` if it has none.
    pub client: Option<Client>,
}

/// Envoy's client certificate, as paths on Envoy's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The certificate (PEM).
    pub cert: String,
    /// Its private key (PEM).
    pub key: String,
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
            Ok(ListenAddr::Tcp(_)) | Err(_) => text.parse().map(Self::Network).map_err(|_| NoCheckCluster),
        }
    }
}

/// Replaces the address of modgud's cluster.
pub(super) fn cluster(modgud: &CheckCluster, text: &mut Text) -> Result<(), BootstrapError> {
    const ADDRESS: &str = "                    socket_address:
                      address: 127.0.0.1
                      port_value: 9191
";
    const TYPE: &str = "    - name: modgud\n      type: STATIC\n";
    match modgud {
        CheckCluster::Socket(path) => {
            let path = yaml::scalar(&path.as_path().display().to_string());
            text.replace(ADDRESS, &format!("                    pipe: {{ path: {path} }}\n"))
        }
        CheckCluster::Network(endpoint) => {
            if endpoint.host().parse::<IpAddr>().is_err() {
                text.replace(
                    TYPE,
                    "    - name: modgud\n      type: STRICT_DNS\n      dns_lookup_family: V4_PREFERRED\n",
                )?;
            }
            let (host, port) = (host(endpoint.host()), endpoint.port());
            let address = ADDRESS.replace("127.0.0.1", &host).replace("9191", &port.to_string());
            text.replace(ADDRESS, &address)
        }
    }
}

/// Returns the TLS settings of modgud's cluster; `None` without TLS.
pub(super) fn transport(
    transport: Transport,
    tls: Option<&UpstreamTls>,
    modgud: &CheckCluster,
) -> Result<Option<String>, BootstrapError> {
    let tls = match (transport, tls) {
        (Transport::Plain, None) => return Ok(None),
        (Transport::Plain, Some(_)) => return Err(BootstrapError::Plain),
        (Transport::Tls | Transport::MutualTls, None) => return Err(BootstrapError::NoAuthorities),
        (Transport::MutualTls, Some(UpstreamTls { client: None, .. })) => return Err(BootstrapError::NoClient),
        (Transport::Tls | Transport::MutualTls, Some(tls)) => tls,
    };
    let UpstreamTls { ca, name, client } = tls;
    let name = match (name, modgud) {
        (Some(name), _) => name.as_str(),
        (None, CheckCluster::Network(endpoint)) if endpoint.host().parse::<IpAddr>().is_err() => endpoint.host(),
        (None, CheckCluster::Network(_) | CheckCluster::Socket(_)) => return Err(BootstrapError::NoName),
    };
    let (ca, name) = (yaml::scalar(ca), yaml::scalar(name));
    let mut text = format!(
        "      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          sni: {name}
          common_tls_context:
"
    );
    if let Some(Client { cert, key }) = client {
        let (cert, key) = (yaml::scalar(cert), yaml::scalar(key));
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "            tls_certificates:
              - certificate_chain: {{ filename: {cert} }}
                private_key: {{ filename: {key} }}
"
        );
    }
    let _ = write!(
        text,
        "            validation_context:
              trusted_ca: {{ filename: {ca} }}
              match_typed_subject_alt_names:  # without it, any certificate of that authority would do
                - {{ san_type: DNS, matcher: {{ exact: {name} }} }}
"
    );
    Ok(Some(text))
}
