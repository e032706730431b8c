//! `server`, as written: the listeners and their limits.

use super::Size;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// The listeners and their limits.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Server {
    /// The address that Envoy connects to: an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`, or a socket, such as
    /// `unix:/run/modgud/check.sock`. The socket is in the file system, and only its owner and its group may connect. Default:
    /// `127.0.0.1:9191`. An address beyond this machine requires `tls`, or `insecure_plaintext: true`. A change requires a restart.
    pub(in crate::config) grpc: Option<String>,
    /// `true`: `grpc` may be an address beyond this machine without `tls`, because something else, such as a network policy, restricts
    /// access. Default: `false`, with which such an address is a warning.
    #[serde(default)]
    pub(in crate::config) insecure_plaintext: bool,
    /// The address of `/livez`, `/readyz`, `/metrics` and `/version`: an IP address and a port. Default: `127.0.0.1:9192`. A change
    /// requires a restart.
    pub(in crate::config) admin: Option<String>,
    /// TLS (1.2 or 1.3) for `grpc`. Default: none. A change of these keys or files applies to every new connection.
    pub(in crate::config) tls: Option<Tls>,
    /// The time limit of one check, after which it gets 503: from `1ms` to `10s`, and less than the `timeout` of Envoy's `ext_authz`.
    /// Default: `150ms`.
    pub(in crate::config) deadline: Option<String>,
    /// The maximum time in which checks are still answered after SIGTERM: from `0s` to `10m`. The process ends earlier once every
    /// connection that carried calls is closed. Default: `20s`. A change requires a restart.
    pub(in crate::config) drain: Option<String>,
    /// The maximum number of concurrent checks, which are those that wait for the network: from 1 to 1000000. Above it, a check gets 503
    /// immediately. One connection gets at most a quarter while others have any. Default: 4096. A change requires a restart.
    pub(in crate::config) max_in_flight: Option<u32>,
    /// The maximum number of open connections to `grpc`: from 16 to 65536. Above it, a connection that has carried no check is closed for
    /// the new one. Default: 4096, or less where the process may open few files: (`RLIMIT_NOFILE` - 256) / 2; `modgud check` shows it. A
    /// change requires a restart.
    pub(in crate::config) max_connections: Option<u32>,
    /// The maximum size of one check, which holds the request's headers and the body that Envoy sends along (`with_request_body`): from
    /// `64KiB` to `16MiB`. Above it, a check gets 413 `request_too_large`. Default: `1MiB`. A change requires a restart.
    #[schemars(example = &"4MiB")]
    pub(in crate::config) max_message: Option<Size>,
    /// The maximum size of a token: from `1KiB` to `64KiB`. Above it, the request gets 401 `token_too_large`. Envoy admits headers of 60 KiB
    /// in all. Default: `16KiB`.
    #[schemars(example = &"32KiB")]
    pub(in crate::config) max_token: Option<Size>,
}

/// TLS for the listener that Envoy connects to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// The file of the certificate (PEM), followed by those that lead from it to an authority that Envoy trusts. A relative path starts
    /// from the folder of this file.
    #[schemars(example = &"tls/tls.crt")]
    pub(in crate::config) cert: PathBuf,
    /// The file of the private key of the first certificate (PEM, not encrypted): RSA from 2048 bits, ECDSA or Ed25519.
    #[schemars(example = &"tls/tls.key")]
    pub(in crate::config) key: PathBuf,
    /// The file of the authorities (PEM) for client certificates. With it, a client needs a certificate of one of them; without it, every
    /// client that reaches the listener may connect.
    #[schemars(example = &"tls/envoy-ca.crt")]
    pub(in crate::config) client_ca: Option<PathBuf>,
}
