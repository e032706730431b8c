//! `server.http` as written.

use crate::forward_auth::Proxy;
use schemars::JsonSchema;
use serde::Deserialize;

/// The listener for a proxy that asks over HTTP/1.1, without gRPC.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Http")]
pub(in crate::config) struct Http {
    /// The address that the proxy connects to, in the forms of `grpc`. It has no TLS: an address beyond this machine is an error, unless
    /// `insecure_plaintext` is `true`. A change requires a restart.
    #[schemars(example = &"127.0.0.1:9193")]
    pub(in crate::config) listen: String,
    /// The proxy. modgud believes only the headers in which this one describes a request; those of another are 400
    /// `request_malformed`. A change requires a restart.
    pub(in crate::config) proxy: Proxy,
}
