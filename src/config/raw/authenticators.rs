//! `authenticators`, as written.

use super::keys::{Key, SecretSource, variable};
use super::{OwnPrincipal, Required};
use crate::introspection::ClientAuthentication;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// An authenticator, which verifies one kind of credential, usually of one issuer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Authenticator {
    /// The name in logs and metrics: 1 to 128 visible ASCII characters, unique among authenticators.
    #[schemars(example = &"login")]
    pub(in crate::config) name: String,
    /// The locations of the credential in a request; at least one. A request with two credentials is denied.
    #[serde(default)]
    pub(in crate::config) from: Vec<From>,
    /// The claims that make up the callers of this authenticator, where they differ from those of the common `principal`.
    pub(in crate::config) principal: Option<OwnPrincipal>,
    /// Verification of the signed tokens of one issuer. An authenticator has exactly one kind.
    pub(in crate::config) jwt: Option<Jwt>,
    /// Introspection of tokens by an authorization server (RFC 7662). With a `jwt` for the same location, it handles only tokens other than
    /// signed ones, which have two dots.
    pub(in crate::config) introspection: Option<Introspection>,
    /// Verification of API keys.
    pub(in crate::config) api_key: Option<ApiKey>,
    /// Verification of the client's TLS certificate, which Envoy has validated. `from` is omitted. Applies only to requests without another
    /// credential; at most one authenticator has this kind.
    pub(in crate::config) mtls: Option<Mtls>,
    /// Verification by an authenticator that the program provides, under this name; `modgud` itself provides none. With a `jwt` for the
    /// same location, it handles only tokens other than signed ones.
    #[schemars(example = &"valid-prefix")]
    pub(in crate::config) custom: Option<String>,
}

impl Authenticator {
    /// Returns the claims that it requires.
    pub(in crate::config) fn required(&self) -> impl Iterator<Item = &Claim> {
        let of_jwt = self.jwt.iter().flat_map(|jwt| &jwt.require);
        let all = of_jwt.chain(self.introspection.iter().flat_map(|introspection| &introspection.require));
        all.map(Required::claim)
    }
}

/// The TLS certificate of the client's connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Mtls {
    /// The accepted principals: the first URI of the certificate, else its first DNS name, else its subject. Patterns are
    /// `spiffe://example.org/ns/{namespace}/sa/{account}` (names in braces become claims), `api.example.com`, `*.example.com`, or `*` for
    /// any. Default: `["*"]`, every certificate that Envoy accepts.
    #[schemars(example = ["spiffe://example.org/ns/{namespace}/sa/{account}"])]
    pub(in crate::config) principals: Option<Vec<String>>,
}

/// The proof of possession that a token requires of its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Sender {
    /// A proof of the key of the certificate that the token's `cnf` names (RFC 8705). Envoy must forward the certificate:
    /// `include_peer_certificate`.
    Certificate,
    /// A proof of the key that the token's `cnf.jkt` names, in the header `DPoP` of each request (RFC 9449). Such tokens follow the scheme
    /// `DPoP` in a header, and have no other location.
    Dpop,
}

/// API keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ApiKey {
    /// The path of the table of keys, relative to the folder of this file: a YAML list of `{ id, sha256, subject, roles, permissions,
    /// claims, expires }`. `modgud apikey new` writes an entry. modgud reads the file again when it changes.
    #[schemars(example = &"api-keys.yaml")]
    pub(in crate::config) file: PathBuf,
}

/// A credential location: a header, a cookie, or a query parameter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct From {
    /// The header's name, such as `authorization`.
    pub(in crate::config) header: Option<String>,
    /// The accepted schemes in the header, such as `[Bearer]`: the word before the token. Case is ignored. Default: none, for a header that
    /// holds only the token, as `x-api-key` does.
    pub(in crate::config) schemes: Option<Vec<String>>,
    /// The cookie's name, such as `session`. Case matters.
    pub(in crate::config) cookie: Option<String>,
    /// The query parameter's name, such as `access_token`. modgud removes it from the query, so modules never receive it.
    pub(in crate::config) query: Option<String>,
}

/// The signed tokens (JWT) of one issuer, and the requirements on them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Jwt {
    /// The exact `iss` of the tokens. It selects the authenticator when several read the same location. Default: none; required unless
    /// `without_issuer` is `true`.
    #[schemars(example = &"https://login.example.com")]
    pub(in crate::config) issuer: Option<String>,
    /// `true`: `iss` is ignored, and every token at the authenticator's locations belongs to it, such as the JWT-SVIDs of SPIFFE. No other
    /// authenticator may read these locations, and `audiences` must name at least one. Default: `false`.
    #[serde(default)]
    pub(in crate::config) without_issuer: bool,
    /// The algorithms with which the issuer signs tokens, and no others. Known are `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`,
    /// `ES256`, `ES384`, `ES512`, `EdDSA`, and, with a `secret` or a `jwk`, `HS256`, `HS384` and `HS512`. `Ed25519` means `EdDSA`.
    #[schemars(example = ["RS256"])]
    pub(in crate::config) algorithms: Vec<String>,
    /// The keys that verify the tokens: at least one entry. A token with a key id (`kid`) is verified with that key and with those without
    /// an id. To rotate, add the new key to the list, or let the issuer publish its keys: `jwks`, `oidc`.
    pub(in crate::config) keys: Vec<Key>,
    /// The accepted audiences: a list of which `aud` must name one, or the word `any`, which disables the check. Default: `[]`, which
    /// rejects a token that names any audience.
    #[serde(default)]
    #[schemars(example = ["orders-api"])]
    pub(in crate::config) audiences: Audiences,
    /// Required claims, in addition to `iss` and `exp`: names of claims that must have a value. `{ claim: token_use, values: [access] }`
    /// requires one of these values. Default: none; in the profile `bifrost`: `[core_user_uuid, username]`.
    #[serde(default)]
    #[schemars(example = ["sub"])]
    pub(in crate::config) require: Vec<Required>,
    /// The tolerated difference between the issuer's clock and modgud's for `exp`, `nbf` and `iat`: from `0s` to `5m`. Default: `30s`; in the
    /// profiles `bifrost` and `bearer`, and in `modgud stdio`: `0s`.
    #[schemars(example = &"30s")]
    pub(in crate::config) leeway: Option<String>,
    /// The maximum time from a token's `iat` to its `exp`: up to `365d`. Default: `0s`, which means no limit.
    #[schemars(example = &"1d")]
    pub(in crate::config) max_lifetime: Option<String>,
    /// The accepted `typ` values, such as `[JWT, at+jwt]`. Default: none, which ignores `typ`.
    pub(in crate::config) types: Option<Vec<String>>,
    /// The proof of possession that a token requires. Default: none. With it, a token that is not sender-constrained is rejected.
    pub(in crate::config) sender_constraint: Option<Sender>,
    /// With `sender_constraint: dpop`, the lifetime of a proof after its `iat`, from `1s` to `5m`. A written `leeway`, and at least 5
    /// seconds, is added before and after. modgud remembers each proof for that time, so that none is valid twice. Default: `60s`.
    pub(in crate::config) proof_lifetime: Option<String>,
}

/// The name of a claim: `sub`, or `realm_access.roles` for a nested one. A list of names if a name itself contains a dot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "is not the name of a claim; write one such as `sub` or `realm_access.roles`, or a list of names"
)]
pub(in crate::config) enum Claim {
    /// Names separated by dots.
    Text(String),
    /// The exact names.
    Names(Vec<String>),
}

/// Writes the name as in the file.
impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Names(names) => write!(f, "[{}]", names.join(", ")),
        }
    }
}

/// The accepted audiences.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "is not a list of audiences; write a list of texts, or the word `any`, which disables the check"
)]
pub(in crate::config) enum Audiences {
    /// One of these. With an empty list, only tokens without an audience.
    List(Vec<String>),
    /// Any audience: `aud` is ignored.
    Any(AnyWord),
}

impl Default for Audiences {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

/// The word `any`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum AnyWord {
    /// The check is disabled.
    Any,
}

/// The introspection of tokens by an authorization server (RFC 7662), and the requirements on its responses.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Introspection {
    /// The URL of the introspection endpoint: `https`, and plain `http` only to this machine. Redirects are not followed.
    #[schemars(example = &"https://login.example.com/introspect")]
    pub(in crate::config) url: String,
    /// The client id of modgud at the authorization server.
    #[schemars(example = &"modgud")]
    pub(in crate::config) client_id: String,
    /// The secret of that client. Spaces and line ends around it are ignored.
    #[schemars(example = variable("INTROSPECTION_SECRET"))]
    pub(in crate::config) client_secret: SecretSource,
    /// The client authentication (RFC 6749 §2.3.1): `basic` in a header, `post` in the form. Default: `basic`.
    pub(in crate::config) client_authentication: Option<ClientAuthentication>,
    /// The cache lifetime of an active token: from `0s` to `1h`, and never beyond the token's `exp`. A token revoked at the server is
    /// accepted for that time. Default: `30s`.
    pub(in crate::config) cache: Option<String>,
    /// The cache lifetime of an inactive token: from `0s` to `1h`. Default: `5s`.
    pub(in crate::config) negative_cache: Option<String>,
    /// The time beyond `cache` in which an active token is accepted while the server is unavailable: from `0s` to `24h`. Default: `0s`,
    /// with which such tokens get 503.
    #[schemars(example = &"5m")]
    pub(in crate::config) stale_if_error: Option<String>,
    /// The maximum number of concurrent requests to the server, from 1 to 10000. Above it, an uncached token gets 503 immediately. Default:
    /// 64.
    pub(in crate::config) max_concurrent: Option<u32>,
    /// A file with the CA certificates (PEM) for the server's certificate, instead of the public ones. modgud reads the file again when it
    /// changes.
    #[schemars(example = &"company-ca.crt")]
    pub(in crate::config) ca: Option<PathBuf>,
    /// `true`: plain `http` to another machine is allowed. An attacker on the network path can then read tokens and forge responses.
    /// Default: `false`.
    #[serde(default)]
    pub(in crate::config) insecure_http: bool,
    /// The required `iss` of a response, if it has one. Default: none, which ignores `iss`.
    #[schemars(example = &"https://login.example.com")]
    pub(in crate::config) issuer: Option<String>,
    /// The accepted audiences: a list of which `aud` must name one, or the word `any`, which disables the check. Default: `[]`, which
    /// rejects a token that names any audience.
    #[serde(default)]
    #[schemars(example = ["orders-api"])]
    pub(in crate::config) audiences: Audiences,
    /// The members that a response must contain, each with a value, such as `[sub, scope]`, or with one of some values, as under `jwt`.
    /// Default: only `active`.
    #[serde(default)]
    pub(in crate::config) require: Vec<Required>,
    /// The tolerated difference between the server's clock and modgud's for `exp` and `nbf`: from `0s` to `5m`. Default: `0s`.
    #[schemars(example = &"30s")]
    pub(in crate::config) leeway: Option<String>,
    /// The proof of possession that a token requires. Default: none. With it, a token that is not sender-constrained is rejected.
    pub(in crate::config) sender_constraint: Option<Sender>,
    /// With `sender_constraint: dpop`, the lifetime of a proof after its `iat`, as under `jwt`. Default: `60s`.
    pub(in crate::config) proof_lifetime: Option<String>,
}
