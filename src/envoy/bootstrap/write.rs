//! Writes Envoy's configuration: the text of `deploy/envoy.yaml`, with what differs replaced. Each replaced text stands there once, which
//! a test sees to.

use super::scalar::host;
use super::{Filter, Gateway, SAMPLE, SentAlong, Transport, routes};
use crate::address::{Address, SocketPath};
use crate::endpoint::Endpoint;
use crate::yaml;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// All that Envoy's configuration is written from.
#[derive(Debug, Clone)]
pub struct Bootstrap<'c> {
    /// Modules, core service, and what modgud needs of the filter.
    pub gateway: &'c Gateway,
    /// Where Envoy listens for clients.
    pub listener: SocketAddr,
    /// Envoy's own admin listener.
    pub admin: SocketAddr,
    /// Where modgud answers checks.
    pub modgud: CheckCluster,
    /// What Envoy needs to speak TLS with modgud.
    pub tls: Option<UpstreamTls>,
    /// How long modgud takes for one check at most.
    pub deadline: Duration,
    /// How many checks modgud has under way at most.
    pub max_in_flight: usize,
}

/// Where modgud answers checks, as Envoy reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckCluster {
    /// A host and a port.
    Network(Endpoint),
    /// A socket in the file system.
    Socket(SocketPath),
}

/// The files that Envoy speaks TLS with modgud by, as Envoy finds them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// The authorities that vouch for modgud (PEM).
    pub ca: String,
    /// The name in modgud's certificate, unless it is that of its address.
    pub name: Option<String>,
    /// Envoy's own certificate.
    pub client: Option<Client>,
}

/// Envoy's own certificate, as Envoy finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The certificate (PEM).
    pub cert: String,
    /// Its private key (PEM).
    pub key: String,
}

/// The text names no place where Envoy could reach modgud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "write a host and a port, such as `modgud:9191` or `127.0.0.1:9191`, or a socket, such as `unix:/run/modgud/check.sock`"
)]
pub struct NoCheckCluster;

/// Why there is no configuration of Envoy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// Neither a module nor a core service.
    #[error("there is nothing to route to: the configuration has no `modules` and no `core.upstream`")]
    Nothing,
    /// TLS without the authorities.
    #[error(
        "modgud speaks TLS (`server.tls`): say by --tls-ca where Envoy finds the authorities that vouch for its certificate"
    )]
    NoAuthorities,
    /// TLS with modgud's name unknown.
    #[error(
        "modgud speaks TLS (`server.tls`) on an address that is no name: say by --tls-name which name its certificate has"
    )]
    NoName,
    /// Mutual TLS without Envoy's certificate.
    #[error(
        "modgud asks for a certificate (`server.tls.client_ca`): say by --tls-cert and --tls-key where Envoy finds its own"
    )]
    NoClient,
    /// TLS where modgud speaks none.
    #[error("modgud does not speak TLS: the configuration has no `server.tls`; leave out --tls-ca")]
    Plain,
    /// The text that everything is written from is not as this code knows it.
    #[error("the sample of Envoy's configuration has changed: this does not stand there once: {0}")]
    Sample(&'static str),
}

impl CheckCluster {
    /// Where somebody on this machine reaches a listener; `None` when its port is any free one.
    #[must_use]
    pub fn of(listener: &Address) -> Option<Self> {
        match listener {
            Address::Unix(path) => Some(Self::Socket(path.clone())),
            Address::Tcp(address) => {
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
            Ok(Address::Unix(path)) => Ok(Self::Socket(path)),
            Ok(Address::Tcp(_)) | Err(_) => text.parse().map(Self::Network).map_err(|_| NoCheckCluster),
        }
    }
}

/// The first lines of the routes and of the clusters that are replaced as a whole, up to an empty line or to the end.
const ROUTES_OF_MODULES: &str = "                        - match: { prefix: /crm/ }\n";
const ROUTES_OF_CORE: &str = "                        - { match: { path_separated_prefix: /admin },";
const CLUSTERS: &str = "    - name: crm\n";

const COOKIES_HELD_BACK: &str = "
                      disallowed_headers:
                        patterns:
                          - exact: cookie
                            ignore_case: true
";
const COOKIES_SENT: &str = "
                      # An authenticator looks into a cookie, so cookies are not held back.
";

impl Bootstrap<'_> {
    /// The configuration as YAML.
    ///
    /// # Errors
    /// What [`BootstrapError`] names.
    pub fn yaml(&self) -> Result<String, BootstrapError> {
        let Self { gateway, listener, admin, modgud, tls, deadline, max_in_flight } = self;
        if gateway.modules.is_empty() && gateway.core.upstream.is_none() {
            return Err(BootstrapError::Nothing);
        }
        let mut text = Text(SAMPLE.to_owned());
        text.replace("address: 127.0.0.1\n      port_value: 9901\n", &socket_address(*admin, 6))?;
        text.replace("address: 0.0.0.0\n          port_value: 8000\n", &socket_address(*listener, 10))?;
        text.replace(
            "timeout: 0.25s  # above modgud's own deadline (150 ms)",
            &format!("timeout: {}  # above modgud's own deadline ({} ms)", timeout(*deadline), deadline.as_millis()),
        )?;
        text.replace("max_pending_requests: 4096", &format!("max_pending_requests: {max_in_flight}"))?;
        text.replace("max_requests: 4096", &format!("max_requests: {max_in_flight}"))?;
        self.filter(&gateway.filter, &mut text)?;
        text.replace_block(ROUTES_OF_MODULES, &routes::of_modules(gateway))?;
        text.replace_block(ROUTES_OF_CORE, &routes::of_core(&gateway.core))?;
        text.replace_to_end(CLUSTERS, &routes::clusters(gateway))?;
        Self::cluster(modgud, &mut text)?;
        if let Some(tls) = transport(gateway.transport, tls.as_ref(), modgud)? {
            let end = "      circuit_breakers:\n";
            text.replace(end, &format!("{tls}{end}"))?;
        }
        Ok(text.0)
    }

    fn filter(&self, filter: &Filter, text: &mut Text) -> Result<(), BootstrapError> {
        let expression = filter.expression();
        text.replace_line("                          regex: ", &format!("\"{expression}\""))?;
        match filter.cookies {
            SentAlong::HeldBack => {}
            SentAlong::Sent => text.replace(COOKIES_HELD_BACK, COOKIES_SENT)?,
        }
        match filter.certificate {
            SentAlong::HeldBack => Ok(()),
            SentAlong::Sent => text.replace("include_peer_certificate: false", "include_peer_certificate: true"),
        }
    }

    fn cluster(modgud: &CheckCluster, text: &mut Text) -> Result<(), BootstrapError> {
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
}

/// What the cluster of modgud needs to speak TLS, if modgud does.
fn transport(
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

fn socket_address(address: SocketAddr, indent: usize) -> String {
    let (host, port) = (host(&address.ip().to_string()), address.port());
    format!("address: {host}\n{:indent$}port_value: {port}\n", "")
}

/// Modgud's deadline and a tenth of a second, in Envoy's form of a duration.
fn timeout(deadline: Duration) -> String {
    const BEYOND: Duration = Duration::from_millis(100);
    let all = deadline.saturating_add(BEYOND);
    let text = format!("{}.{:03}", all.as_secs(), all.subsec_millis());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The text that is changed.
struct Text(String);

impl Text {
    /// Puts a text in the place of one that has to be there once.
    fn replace(&mut self, old: &'static str, new: &str) -> Result<(), BootstrapError> {
        let (before, after) = self.around(old)?;
        self.0 = format!("{before}{new}{after}");
        Ok(())
    }

    /// Puts a text in the place of the rest of a line.
    fn replace_line(&mut self, start: &'static str, new: &str) -> Result<(), BootstrapError> {
        let (before, after) = self.around(start)?;
        let rest = after.split_once('\n').map_or("", |(_, rest)| rest);
        self.0 = format!("{before}{start}{new}\n{rest}");
        Ok(())
    }

    /// Puts lines in the place of all those up to an empty one.
    fn replace_block(&mut self, start: &'static str, new: &str) -> Result<(), BootstrapError> {
        let (before, after) = self.around(start)?;
        let rest = after.split_once("\n\n").map_or("", |(_, rest)| rest);
        self.0 = format!("{before}{new}\n{rest}");
        Ok(())
    }

    /// Puts lines in the place of all that follow.
    fn replace_to_end(&mut self, start: &'static str, new: &str) -> Result<(), BootstrapError> {
        let (before, _) = self.around(start)?;
        self.0 = format!("{before}{new}");
        Ok(())
    }

    fn around(&self, old: &'static str) -> Result<(&str, &str), BootstrapError> {
        let mut parts = self.0.split(old);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(before), Some(after), None) => Ok((before, after)),
            (_, _, _) => Err(BootstrapError::Sample(old)),
        }
    }
}
