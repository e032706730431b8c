//! `protected_resource`, as written.

use schemars::JsonSchema;
use serde::Deserialize;

/// The API as a protected resource (RFC 9728). Its metadata is public: modgud serves it at `server.admin`, and the output of `modgud envoy` to
/// clients, at `/.well-known/oauth-protected-resource`, and with the path of `resource` behind that.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ProtectedResource {
    /// The URL of the API, as clients use it: `https`, without query and fragment.
    #[schemars(example = &"https://api.example.com")]
    pub(in crate::config) resource: String,
    /// The issuers of the tokens, as their own metadata names them; at least one.
    #[schemars(example = ["https://login.example.com"])]
    pub(in crate::config) authorization_servers: Vec<String>,
}
