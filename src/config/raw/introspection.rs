//! `introspection` of an authenticator, as written.

use super::authenticators::{Audiences, Claim, SecretSource, Sender};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// The introspection of tokens by an authorization server (RFC 7662), and the requirements on its responses.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Introspection {
    /// The URL of the introspection endpoint: `https`, and plain `http` only to this machine. Redirects are not followed.
    #[schemars(example = &"https://login.example.com/introspect")]
    pub(in super::super) url: String,
    /// The client id of modgud at the authorization server.
    #[schemars(example = &"modgud")]
    pub(in super::super) client_id: String,
    /// The secret of that client. Spaces and line ends around it are ignored.
    pub(in super::super) client_secret: SecretSource,
    /// The client authentication (RFC 6749 §2.3.1): `basic` in a header, `post` in the form. Default: `basic`.
    pub(in super::super) client_authentication: Option<ClientAuthentication>,
    /// The cache lifetime of an active token: from `0s` to `1h`, and never beyond the token's `exp`. A token revoked at the server is
    /// accepted for that time. Default: `30s`.
    pub(in super::super) cache: Option<String>,
    /// The cache lifetime of an inactive token: from `0s` to `1h`. Default: `5s`.
    pub(in super::super) negative_cache: Option<String>,
    /// The time beyond `cache` in which an active token is accepted while the server is unavailable: from `0s` to `24h`. Default: `0s`,
    /// with which such tokens get 503.
    #[schemars(example = &"5m")]
    pub(in super::super) stale_if_error: Option<String>,
    /// The maximum number of concurrent requests to the server, from 1 to 10000. Above it, an uncached token gets 503 immediately. Default:
    /// 64.
    pub(in super::super) max_concurrent: Option<u32>,
    /// A file with the CA certificates (PEM) for the server's certificate, instead of the public ones. modgud reads the file again when it
    /// changes.
    #[schemars(example = &"company-ca.crt")]
    pub(in super::super) ca: Option<PathBuf>,
    /// `true`: plain `http` to another machine is allowed. An attacker on the network path can then read tokens and forge responses.
    /// Default: `false`.
    #[serde(default)]
    pub(in super::super) insecure_http: bool,
    /// The required `iss` of a response, if it has one. Default: none, which ignores `iss`.
    #[schemars(example = &"https://login.example.com")]
    pub(in super::super) issuer: Option<String>,
    /// The accepted audiences: a list of which `aud` must name one, or the word `any`, which disables the check. Default: `[]`, which
    /// rejects a token that names any audience.
    #[serde(default)]
    #[schemars(example = ["orders-api"])]
    pub(in super::super) audiences: Audiences,
    /// The members that a response must contain, each with a value, such as `[sub, scope]`. Default: only `active`.
    #[serde(default)]
    pub(in super::super) require: Vec<Claim>,
    /// The tolerated difference between the server's clock and modgud's for `exp` and `nbf`: from `0s` to `5m`. Default: `0s`.
    #[schemars(example = &"30s")]
    pub(in super::super) leeway: Option<String>,
    /// The proof of possession that a token requires. Default: none. With it, a token that is not sender-constrained is rejected.
    pub(in super::super) sender_constraint: Option<Sender>,
    /// With `sender_constraint: dpop`, the lifetime of a proof after its `iat`, as under `jwt`. Default: `60s`.
    pub(in super::super) proof_lifetime: Option<String>,
}

/// The client authentication at the authorization server.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum ClientAuthentication {
    /// In the header `Authorization`, with the scheme `Basic`.
    #[default]
    Basic,
    /// In the form, with the token.
    Post,
}
