//! `authenticators`, as written.

use super::introspection::Introspection;
use super::keys::Key;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// An authenticator, which verifies one kind of credential, usually of one issuer.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Authenticator {
    /// The name in logs and metrics: 1 to 128 visible ASCII characters, unique among authenticators.
    #[schemars(example = &"login")]
    pub(in super::super) name: String,
    /// The locations of the credential in a request; at least one. A request with two credentials is denied.
    #[serde(default)]
    pub(in super::super) from: Vec<From>,
    /// Verification of the signed tokens of one issuer. An authenticator has exactly one kind.
    pub(in super::super) jwt: Option<Jwt>,
    /// Introspection of tokens by an authorization server (RFC 7662). With a `jwt` for the same location, it handles only tokens other than
    /// signed ones, which have two dots.
    pub(in super::super) introspection: Option<Introspection>,
    /// Verification of API keys.
    pub(in super::super) api_key: Option<ApiKey>,
    /// Verification of the client's TLS certificate, which Envoy has validated. `from` is omitted. Applies only to requests without another
    /// credential; at most one authenticator has this kind.
    pub(in super::super) mtls: Option<Mtls>,
    /// Verification by an authenticator that the program provides, under this name; `modgud` itself provides none. With a `jwt` for the
    /// same location, it handles only tokens other than signed ones.
    #[schemars(example = &"valid-prefix")]
    pub(in super::super) custom: Option<String>,
}

impl Authenticator {
    /// Returns the claims that it requires.
    pub(in super::super) fn required(&self) -> impl Iterator<Item = &Claim> {
        let of_jwt = self.jwt.iter().flat_map(|jwt| &jwt.require);
        of_jwt.chain(self.introspection.iter().flat_map(|introspection| &introspection.require))
    }
}

/// The TLS certificate of the client's connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Mtls {
    /// The accepted principals: the first URI of the certificate, else its first DNS name, else its subject. Patterns are
    /// `spiffe://example.org/ns/{namespace}/sa/{account}` (names in braces become claims), `api.example.com`, `*.example.com`, or `*` for
    /// any. Default: `["*"]`, every certificate that Envoy accepts.
    #[schemars(example = ["spiffe://example.org/ns/{namespace}/sa/{account}"])]
    pub(in super::super) principals: Option<Vec<String>>,
}

/// The proof of possession that a token requires of its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Sender {
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
pub(in super::super) struct ApiKey {
    /// The path of the table of keys, relative to the folder of this file: a YAML list of `{ id, sha256, subject, roles, permissions,
    /// claims, expires }`. `modgud apikey new` writes an entry. modgud reads the file again when it changes.
    #[schemars(example = &"api-keys.yaml")]
    pub(in super::super) file: PathBuf,
}

/// A credential location: a header, a cookie, or a query parameter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct From {
    /// The header's name, such as `authorization`.
    pub(in super::super) header: Option<String>,
    /// The accepted schemes in the header, such as `[Bearer]`: the word before the token. Case is ignored. Default: none, for a header that
    /// holds only the token, as `x-api-key` does.
    pub(in super::super) schemes: Option<Vec<String>>,
    /// The cookie's name, such as `session`. Case matters.
    pub(in super::super) cookie: Option<String>,
    /// The query parameter's name, such as `access_token`. modgud removes it from the query, so modules never receive it.
    pub(in super::super) query: Option<String>,
}

/// The signed tokens (JWT) of one issuer, and the requirements on them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Jwt {
    /// The exact `iss` of the tokens. It selects the authenticator when several read the same location.
    #[schemars(example = &"https://login.example.com")]
    pub(in super::super) issuer: String,
    /// The algorithms with which the issuer signs tokens, and no others. Known are `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`,
    /// `ES256`, `ES384`, `EdDSA`, and, with a `secret`, `HS256`, `HS384` and `HS512`.
    #[schemars(example = ["RS256"])]
    pub(in super::super) algorithms: Vec<String>,
    /// The keys that verify the tokens: at least one entry. A token with a key id (`kid`) is verified with that key and with those without
    /// an id. To rotate, add the new key to the list, or let the issuer publish its keys: `jwks`, `oidc`.
    pub(in super::super) keys: Vec<Key>,
    /// The accepted audiences: a list of which `aud` must name one, or the word `any`, which disables the check. Default: `[]`, which
    /// rejects a token that names any audience.
    #[serde(default)]
    #[schemars(example = ["orders-api"])]
    pub(in super::super) audiences: Audiences,
    /// Required claims, which must have a value, in addition to `iss` and `exp`. Default: none; in the profile `bifrost`: `[core_user_uuid,
    /// username]`.
    #[serde(default)]
    #[schemars(example = ["sub"])]
    pub(in super::super) require: Vec<Claim>,
    /// The tolerated difference between the issuer's clock and modgud's for `exp`, `nbf` and `iat`: from `0s` to `5m`. Default: `30s`; in the
    /// profiles `bifrost` and `bearer`, and in `modgud stdio`: `0s`.
    #[schemars(example = &"30s")]
    pub(in super::super) leeway: Option<String>,
    /// The maximum time from a token's `iat` to its `exp`: up to `365d`. Default: `0s`, which means no limit.
    #[schemars(example = &"1d")]
    pub(in super::super) max_lifetime: Option<String>,
    /// The accepted `typ` values, such as `[JWT, at+jwt]`. Default: none, which ignores `typ`.
    pub(in super::super) types: Option<Vec<String>>,
    /// The proof of possession that a token requires. Default: none. With it, a token that is not sender-constrained is rejected.
    pub(in super::super) sender_constraint: Option<Sender>,
    /// With `sender_constraint: dpop`, the lifetime of a proof after its `iat`, from `1s` to `5m`. A written `leeway`, and at least 5
    /// seconds, is added before and after. modgud remembers each proof for that time, so that none is valid twice. Default: `60s`.
    pub(in super::super) proof_lifetime: Option<String>,
}

/// The name of a claim: `sub`, or `realm_access.roles` for a nested one. A list of names if a name itself contains a dot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a claim's name, such as `sub` or `realm_access.roles`, or a list of names; a rule's `when` compares its value, such as `claims.token_use == 'access'`"
)]
pub(in super::super) enum Claim {
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
    expecting = "expected a list of texts, each of which an `aud` may name, or the word `any`, which turns the check off"
)]
pub(in super::super) enum Audiences {
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
pub(in super::super) enum AnyWord {
    /// The check is disabled.
    Any,
}

/// The name by which serde requests a [`SecretSource`], whose content is never repeated.
pub(in super::super) const SOURCE: &str = "SecretSource";

/// The source of a key or a secret: exactly one of the three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum SecretSource {
    /// The name of the environment variable that holds it, such as `JWT_PUBLIC_KEY_RSA_BIFROST`.
    Env(String),
    /// The path of the file that holds it, relative to the folder of this file. modgud reads the file again when it changes.
    File(#[schemars(example = &"/run/secrets/modgud/key.pem")] PathBuf),
    /// The text itself. `modgud config` does not show it.
    Value(#[schemars(example = &"the text of the key")] Text),
}

/// A text that may be a secret, so that it is never shown.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub(in super::super) struct Text(pub(in super::super) String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text(…)")
    }
}
