//! `server`: where modgud listens, and how long things may take.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Where modgud listens, and how long things may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Server {
    /// Where Envoy connects to: an IP address and a port, such as `127.0.0.1:9191` or `[::1]:9191`, or a socket in the file system,
    /// such as `unix:/run/modgud/check.sock`, to which its owner and its group may connect. Default: `127.0.0.1:9191`. An address
    /// beyond this machine needs `tls`, or `insecure_plaintext: true`. A change needs a restart.
    pub(in crate::config) grpc: Option<String>,
    /// `true`: `grpc` may be an address beyond this machine without `tls`, since something else keeps others away, such as a network
    /// policy. Default: `false`, with which such an address is a warning.
    #[serde(default)]
    pub(in crate::config) insecure_plaintext: bool,
    /// Where `/livez`, `/readyz`, `/metrics` and `/version` are served: an IP address and a port. Default: `127.0.0.1:9192`.
    /// A change needs a restart.
    pub(in crate::config) admin: Option<String>,
    /// TLS (1.2 or 1.3) for `grpc`. Left out: none. A change of these keys or files is there for every new connection.
    pub(in crate::config) tls: Option<Tls>,
    /// How long one check may take before it is answered with 503: from `1ms` to `10s`, and less than the `timeout` of Envoy's
    /// `ext_authz`. Default: `150ms`.
    pub(in crate::config) deadline: Option<String>,
    /// How long requests are still answered after SIGTERM, at most: from `0s` to `10m`. Default: `20s`. A change needs a restart.
    pub(in crate::config) drain: Option<String>,
    /// How many checks may be under way at once, which are those that wait for the network: from 1 to 1000000; above it each is answered
    /// with 503 at once. One connection gets at most a quarter while others have any. Default: 4096. A change needs a restart.
    pub(in crate::config) max_in_flight: Option<u32>,
    /// How many connections to `grpc` may be open at once: from 16 to 65536; when all are taken, one that has carried no check gives
    /// way. Default: 4096, or less where the process may open few files: (`RLIMIT_NOFILE` - 256) / 2; `modgud check` shows it. A
    /// change needs a restart.
    pub(in crate::config) max_connections: Option<u32>,
}

/// TLS for the listener that Envoy connects to.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Tls {
    /// The file of the certificate (PEM), followed by those that lead from it to an authority that Envoy knows. A relative path starts
    /// from the folder of this file.
    #[schemars(example = &"tls/tls.crt")]
    pub(in crate::config) cert: PathBuf,
    /// The file of the private key of the first certificate (PEM, not encrypted): RSA from 2048 bits, ECDSA or Ed25519.
    #[schemars(example = &"tls/tls.key")]
    pub(in crate::config) key: PathBuf,
    /// The file of the authorities (PEM) that vouch for clients. With it, whoever connects needs a certificate of theirs; without
    /// it, whoever reaches the listener may connect.
    #[schemars(example = &"tls/envoy-ca.crt")]
    pub(in crate::config) client_ca: Option<PathBuf>,
}
