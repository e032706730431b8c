//! The writer of Envoy's configuration: it replaces parts of `deploy/envoy.yaml`. A test ensures that each replaced
//! text occurs once.

use super::ext_authz_cluster::{self, CheckCluster, UpstreamTls};
use super::scalar::host;
use super::text::Text;
use super::{Filter, Gateway, SAMPLE, SentAlong, routes};
use std::net::SocketAddr;
use std::time::Duration;

/// The inputs of Envoy's configuration.
#[derive(Debug, Clone)]
pub struct Bootstrap<'c> {
    /// Modules, core service, and the needs of modgud's filter.
    pub gateway: &'c Gateway,
    /// Envoy's listener for clients.
    pub listener: SocketAddr,
    /// Envoy's own admin listener.
    pub admin: SocketAddr,
    /// The address of modgud's checks.
    pub modgud: CheckCluster,
    /// TLS settings for connections to modgud; `None` without TLS.
    pub tls: Option<UpstreamTls>,
    /// Modgud's deadline for one check.
    pub deadline: Duration,
    /// Maximum number of concurrent checks in modgud.
    pub max_in_flight: usize,
}

/// Errors of writing Envoy's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// Neither a module nor a core service.
    #[error("there is nothing to route to: the configuration has no `modules` and no `core.upstream`")]
    Nothing,
    /// TLS without certificate authorities.
    #[error(
        "modgud speaks TLS (`server.tls`): say by --tls-ca where Envoy finds the authorities that vouch for its certificate"
    )]
    NoAuthorities,
    /// TLS with an unknown server name.
    #[error(
        "modgud speaks TLS (`server.tls`) on an address that is no name: say by --tls-name which name its certificate has"
    )]
    NoName,
    /// Mutual TLS without a client certificate.
    #[error(
        "modgud asks for a certificate (`server.tls.client_ca`): say by --tls-cert and --tls-key where Envoy finds its own"
    )]
    NoClient,
    /// TLS for a modgud that serves plain connections.
    #[error("modgud does not speak TLS: the configuration has no `server.tls`; leave out --tls-ca")]
    Plain,
    /// A replaced text does not occur exactly once in the sample.
    #[error("the sample of Envoy's configuration has changed: this does not stand there once: {0}")]
    Sample(&'static str),
}

/// The first lines of routes and clusters that are replaced as a block, up to an empty line or to the end.
const ROUTES_OF_MODULES: &str = "                        - match: { path_separated_prefix: /crm }\n";
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

const RAW_HEADERS: &str = "                      encode_raw_headers: true\n";
const BODIES_SENT: &str = "                      encode_raw_headers: true
                      # `correlation.impersonation` looks into bodies: whole ones, and larger ones are 413. As bytes, so that what is
                      # no UTF-8 arrives unchanged.
                      with_request_body: { max_request_bytes: 65536, pack_as_bytes: true }
";

impl Bootstrap<'_> {
    /// Returns the configuration as YAML.
    ///
    /// # Errors
    /// [`BootstrapError`] if an input is missing or contradicts modgud's configuration.
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
        Self::filter(&gateway.filter, &mut text)?;
        ext_authz_cluster::cluster(modgud, &mut text)?;
        if let Some(tls) = ext_authz_cluster::transport(gateway.transport, tls.as_ref(), modgud)? {
            let end = "      circuit_breakers:\n";
            text.replace(end, &format!("{tls}{end}"))?;
        }
        // Names that operators choose come last, so no later replacement can match in them.
        text.replace_block(ROUTES_OF_MODULES, &routes::of_modules(gateway))?;
        text.replace_block(ROUTES_OF_CORE, &routes::of_core(&gateway.core))?;
        text.replace_to_end(CLUSTERS, &routes::clusters(gateway))?;
        Ok(text.0)
    }

    fn filter(filter: &Filter, text: &mut Text) -> Result<(), BootstrapError> {
        let expression = filter.expression();
        text.replace_line("                          regex: ", &format!("\"{expression}\""))?;
        let early = filter.early_expression();
        text.replace_line("safe_regex: { regex: ", &format!("\"{early}\" }}"))?;
        match filter.cookies {
            SentAlong::HeldBack => {}
            SentAlong::Sent => text.replace(COOKIES_HELD_BACK, COOKIES_SENT)?,
        }
        match filter.certificate {
            SentAlong::HeldBack => {}
            SentAlong::Sent => text.replace("include_peer_certificate: false", "include_peer_certificate: true")?,
        }
        match filter.bodies {
            SentAlong::HeldBack => Ok(()),
            SentAlong::Sent => text.replace(RAW_HEADERS, BODIES_SENT),
        }
    }
}

fn socket_address(address: SocketAddr, indent: usize) -> String {
    let (host, port) = (host(&address.ip().to_string()), address.port());
    format!("address: {host}\n{:indent$}port_value: {port}\n", "")
}

/// Returns Envoy's timeout in its duration format: modgud's deadline plus 100 ms.
fn timeout(deadline: Duration) -> String {
    const BEYOND: Duration = Duration::from_millis(100);
    let all = deadline.saturating_add(BEYOND);
    let text = format!("{}.{:03}", all.as_secs(), all.subsec_millis());
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}
