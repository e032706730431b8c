//! The keys that modules and the core service share: how Envoy connects to a service, and how it treats requests for it.
//!
//! `Module` and `Core` repeat the keys, because `serde(flatten)` and `deny_unknown_fields` exclude each other.

use schemars::JsonSchema;
use serde::Deserialize;

/// The shared keys of a module or of the core service.
#[derive(Debug)]
pub(in crate::config) struct Service<'a> {
    pub(in crate::config) protocol: Protocol,
    pub(in crate::config) tls: Option<&'a ServiceTls>,
    pub(in crate::config) upgrades: &'a [Upgrade],
    pub(in crate::config) timeout: Option<&'a String>,
    pub(in crate::config) idle_timeout: Option<&'a String>,
    pub(in crate::config) retries: Option<&'a Retries>,
    pub(in crate::config) cookies: Option<Cookies>,
}

impl Service<'_> {
    /// Returns true if a key is set. `protocol: http1` and `upgrades: []` are not told from absent keys.
    pub(in crate::config) fn is_set(&self) -> bool {
        let Self { protocol, tls, upgrades, timeout, idle_timeout, retries, cookies } = self;
        *protocol != Protocol::default()
            || tls.is_some()
            || !upgrades.is_empty()
            || timeout.is_some()
            || idle_timeout.is_some()
            || retries.is_some()
            || cookies.is_some()
    }
}

/// A version of HTTP.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ServiceProtocol")]
pub(in crate::config) enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, as gRPC needs it. Without `tls`, the service must accept it with prior knowledge.
    Http2,
}

/// TLS (1.2 or 1.3) from Envoy to a service. All files are paths on Envoy's machine, which modgud does not read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ServiceTls {
    /// The file of the authorities (PEM) that issue the service's certificate.
    #[schemars(example = &"/etc/envoy/crm-ca.pem")]
    pub(in crate::config) ca: String,
    /// The DNS name in the service's certificate, which Envoy sends (SNI) and checks. Required if the address is not a name. Default: the host
    /// of `upstream`.
    #[schemars(example = &"crm.internal")]
    pub(in crate::config) name: Option<String>,
    /// The file of Envoy's client certificate (PEM), for a service that requires one; with `key`. Default: none.
    #[schemars(example = &"/etc/envoy/envoy.pem")]
    pub(in crate::config) cert: Option<String>,
    /// The file of its private key (PEM). Default: none.
    #[schemars(example = &"/etc/envoy/envoy.key")]
    pub(in crate::config) key: Option<String>,
}

/// A protocol to which a connection can be switched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Upgrade {
    /// WebSocket (RFC 6455), on HTTP/1.1.
    Websocket,
}

/// The requests that Envoy sends again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Retries {
    /// The maximum number of repetitions of one request: from 1 to 5. Default: 1.
    pub(in crate::config) attempts: Option<u32>,
    /// The failures after which a request is sent again, whatever its method. Default: `[connect-failure, refused-stream]`.
    pub(in crate::config) on: Option<Vec<RetryOn>>,
}

/// A failure before the service has processed the request. Others are no words here: a POST might be processed twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RetryOn {
    /// No connection to the service, so that nothing of the request was sent.
    ConnectFailure,
    /// A refusal of the service on HTTP/2, which says that nothing was processed (RFC 9113 §8.7).
    RefusedStream,
}

/// The client's cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Cookies {
    /// Envoy removes the header `cookie`.
    Remove,
    /// The service gets the client's cookies.
    Keep,
}
