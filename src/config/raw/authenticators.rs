//! `authenticators`, as they are written.

use super::introspection::Introspection;
use super::keys::Key;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// Somebody who vouches for callers.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Authenticator {
    /// Its name in logs and metrics: 1 to 128 visible ASCII characters, and no other authenticator's.
    #[schemars(example = &"login")]
    pub(in super::super) name: String,
    /// Where its credentials stand in a request; at least one place. Two credentials in one request are refused.
    #[serde(default)]
    pub(in super::super) from: Vec<From>,
    /// It vouches by the signed tokens of one issuer. An authenticator is of exactly one kind.
    pub(in super::super) jwt: Option<Jwt>,
    /// It vouches by what an authorization server says of tokens (RFC 7662). Beside a `jwt` that looks in the same place it is asked
    /// about tokens that are no signed ones, which have two dots.
    pub(in super::super) introspection: Option<Introspection>,
    /// It vouches by API keys.
    pub(in super::super) api_key: Option<ApiKey>,
    /// It vouches by the TLS certificate of the client's connection, which Envoy has checked. `from` is left out. Asked only for
    /// requests without another credential; one authenticator at most is of this kind.
    pub(in super::super) mtls: Option<Mtls>,
    /// It vouches in a way that the program brings, under this name; `modgud` itself brings none. Beside a `jwt` that looks in the same
    /// place it is asked about tokens that are no signed ones.
    #[schemars(example = &"valid-prefix")]
    pub(in super::super) custom: Option<String>,
}

impl Authenticator {
    /// The claims that it requires.
    pub(in super::super) fn required(&self) -> impl Iterator<Item = &Claim> {
        let of_jwt = self.jwt.iter().flat_map(|jwt| &jwt.require);
        of_jwt.chain(self.introspection.iter().flat_map(|introspection| &introspection.require))
    }
}

/// The TLS certificate of the client's connection.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Mtls {
    /// Who is accepted, by the first URI of the certificate, else its first DNS name, else its subject:
    /// `spiffe://example.org/ns/{namespace}/sa/{account}` (names in braces become claims), `api.example.com`, `*.example.com`, or `*`
    /// for any. Default: `["*"]`, everybody whose certificate Envoy's check accepts.
    #[schemars(example = ["spiffe://example.org/ns/{namespace}/sa/{account}"])]
    pub(in super::super) principals: Option<Vec<String>>,
}

/// What a token's holder has to prove beside having it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Sender {
    /// That it holds the key of the certificate that the token's `cnf` names (RFC 8705). Envoy has to send the certificate along:
    /// `include_peer_certificate`.
    Certificate,
    /// That it holds the key that the token's `cnf.jkt` names, by a proof in the header `DPoP` with each request (RFC 9449). Its
    /// tokens stand in a header after the scheme `DPoP`, and nowhere else.
    Dpop,
}

/// API keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ApiKey {
    /// The path of the table of keys, from the folder of this file: a YAML list of `{ id, sha256, subject, roles, permissions,
    /// claims, expires }`, of which `modgud apikey new` writes one. When the file changes, it is read again.
    #[schemars(example = &"api-keys.yaml")]
    pub(in super::super) file: PathBuf,
}

/// A place where a credential can stand: a header, a cookie, or a parameter of the query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct From {
    /// The header's name, such as `authorization`.
    pub(in super::super) header: Option<String>,
    /// The schemes that are accepted in the header, such as `[Bearer]`: the word before the token. Upper and lower case are the same.
    /// Left out: the header holds the token and nothing else, as `x-api-key` does.
    pub(in super::super) schemes: Option<Vec<String>>,
    /// The cookie's name, such as `session`. Upper and lower case differ.
    pub(in super::super) cookie: Option<String>,
    /// The query parameter's name, such as `access_token`. Modules never get it: it is taken out of the query.
    pub(in super::super) query: Option<String>,
}

/// The signed tokens (JWT) of one issuer, and what is asked of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Jwt {
    /// The exact `iss` of the tokens. Authenticators that look in the same place are told apart by it.
    #[schemars(example = &"https://login.example.com")]
    pub(in super::super) issuer: String,
    /// The algorithms that tokens may be signed with: of `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512`, `ES256`, `ES384`,
    /// `EdDSA`, and, with a `secret`, `HS256`, `HS384` and `HS512`, those that the issuer uses, and no others.
    #[schemars(example = ["RS256"])]
    pub(in super::super) algorithms: Vec<String>,
    /// The keys that verify the tokens: at least one entry. A token that names its key (`kid`) is tried with that one and with those
    /// that have no name. To rotate, list the new one beside the old one, or let the issuer publish them: `jwks`, `oidc`.
    pub(in super::super) keys: Vec<Key>,
    /// Whom tokens must be meant for: a list of which `aud` must name one, or the word `any`, which turns the check off. Default:
    /// `[]`, with which a token that names any audience is refused.
    #[serde(default)]
    #[schemars(example = ["orders-api"])]
    pub(in super::super) audiences: Audiences,
    /// Claims that must be there and have a value, beside `iss` and `exp`, which always must. Default: none; in the profile
    /// `bifrost`: `[core_user_uuid, username]`.
    #[serde(default)]
    #[schemars(example = ["sub"])]
    pub(in super::super) require: Vec<Claim>,
    /// How far the issuer's clock may be from ours: from `0s` to `5m`. Default: `0s`.
    #[schemars(example = &"30s")]
    pub(in super::super) leeway: Option<String>,
    /// The most that a token's `exp` may be after its `iat`: up to `365d`. Default: `0s`, which is no bound.
    #[schemars(example = &"1d")]
    pub(in super::super) max_lifetime: Option<String>,
    /// The accepted `typ` values, such as `[JWT, at+jwt]`. Left out: `typ` is not looked at.
    pub(in super::super) types: Option<Vec<String>>,
    /// What the token's holder has to prove beside having it. Default: nothing. Once it is asked for, a token that is bound to nobody
    /// is refused.
    pub(in super::super) sender_constraint: Option<Sender>,
    /// With `sender_constraint: dpop`, how long a proof is good after its `iat`, from `1s` to `5m`. `leeway`, and never less than 5
    /// seconds, is added before and after. For so long each proof is remembered, so that none is good twice. Default: `60s`.
    pub(in super::super) proof_lifetime: Option<String>,
}

/// The name of a claim: `sub`, or `realm_access.roles` for one inside another. A list of names where a name itself holds a dot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a claim's name, such as `sub` or `realm_access.roles`, or a list of names")]
pub(in super::super) enum Claim {
    /// The names with dots between.
    Text(String),
    /// The names as they are.
    Names(Vec<String>),
}

/// As it is written.
impl std::fmt::Display for Claim {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Names(names) => write!(f, "[{}]", names.join(", ")),
        }
    }
}

/// Whom tokens must be meant for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a list of texts, each of which an `aud` may name, or the word `any`, which turns the check off"
)]
pub(in super::super) enum Audiences {
    /// One of these. An empty list: for nobody in particular.
    List(Vec<String>),
    /// Anybody: `aud` is not looked at.
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
    /// The check is off.
    Any,
}

/// The name by which serde asks for a [`SecretSource`]: what stands there is never repeated.
pub(in super::super) const SOURCE: &str = "SecretSource";

/// Where a key or a secret stands: exactly one of the three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum SecretSource {
    /// The name of the environment variable that holds it, such as `JWT_PUBLIC_KEY_RSA_BIFROST`.
    Env(String),
    /// The path of the file that holds it, from the folder of this file. When the file changes, it is read again.
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
