//! `keys` of an authenticator, as they are written.

use super::authenticators::SecretSource;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// The name by which serde asks for a [`Key`]: a text that stands there may be a secret, and is not repeated.
pub(in super::super) const KEY: &str = "Key";

/// Keys that verify tokens: exactly one of the four.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Key {
    /// A public key as PEM text (`PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`): RSA of 2048 to 8192 bits, EC on P-256 or
    /// P-384, or Ed25519. It must serve one of `algorithms`.
    Pem(SecretSource),
    /// A secret that the issuer and modgud share, for `HS256` (32 bytes or more), `HS384` (48) and `HS512` (64). Its bytes are those
    /// of the text as it stands, without spaces and line ends around it.
    Secret(SecretSource),
    /// A JWK set (RFC 7517): a file, or an address at which the issuer publishes it.
    Jwks(Jwks),
    /// An OpenID provider: its issuer, such as `https://login.example.com`, whose discovery document names the address of its keys. It
    /// must be the `issuer` of the tokens.
    Oidc(Oidc),
}

/// A JWK set: either `file` or `url`. The other keys belong to `url`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Jwks {
    /// The path of the file that holds the set, from the folder of this file. When the file changes, it is read again.
    #[schemars(example = &"issuer.jwks.json")]
    pub(in super::super) file: Option<PathBuf>,
    /// The address of the set: `https`, and plain `http` only to this machine. No redirect is followed.
    #[schemars(example = &"https://login.example.com/jwks")]
    pub(in super::super) url: Option<String>,
    /// How often the set is fetched: from `1s` to `1d`, give or take a tenth. Default: `5m`.
    pub(in super::super) refresh: Option<String>,
    /// How long the last good set is used while the provider can't be asked: from twice `refresh` to `30d`. After that the
    /// tokens of this issuer get 503. Default: `24h`.
    pub(in super::super) stale_if_error: Option<String>,
    /// A file in which the last good set is kept, so that a restart serves while the provider is down. modgud must be able to write
    /// it and its folder. Default: none.
    #[schemars(example = &"/var/lib/modgud/login.jwks")]
    pub(in super::super) cache_file: Option<PathBuf>,
    /// A file with the certificates (PEM) of the authorities that the provider's certificate may come from, instead of the public
    /// ones. When the file changes, it is read again.
    #[schemars(example = &"company-ca.crt")]
    pub(in super::super) ca: Option<PathBuf>,
    /// Whether plain `http` may lead to another machine, where whoever is on the way can put in keys of their own. Default: `false`.
    #[serde(default)]
    pub(in super::super) insecure_http: bool,
}

/// An OpenID provider.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected an issuer, such as `https://login.example.com`, or a map with `issuer` and, if need be, `refresh`, \
                 `stale_if_error`, `cache_file`, `ca` and `insecure_http`"
)]
pub(in super::super) enum Oidc {
    /// The issuer.
    Issuer(String),
    /// The issuer, and how it is asked.
    Provider(OidcProvider),
}

/// An OpenID provider, and how it is asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct OidcProvider {
    /// The issuer, exactly as it names itself, such as `https://login.example.com`.
    pub(in super::super) issuer: String,
    /// How often its keys are fetched: from `1s` to `1d`, give or take a tenth. Default: `5m`.
    pub(in super::super) refresh: Option<String>,
    /// How long the last good keys are used while the provider can't be asked: from twice `refresh` to `30d`. After that the
    /// tokens of this issuer get 503. Default: `24h`.
    pub(in super::super) stale_if_error: Option<String>,
    /// A file in which the last good keys are kept, so that a restart serves while the provider is down. modgud must be able to
    /// write it and its folder. Default: none.
    #[schemars(example = &"/var/lib/modgud/login.jwks")]
    pub(in super::super) cache_file: Option<PathBuf>,
    /// A file with the certificates (PEM) of the authorities that the provider's certificate may come from, instead of the public
    /// ones. When the file changes, it is read again.
    #[schemars(example = &"company-ca.crt")]
    pub(in super::super) ca: Option<PathBuf>,
    /// Whether plain `http` may lead to another machine, where whoever is on the way can put in keys of their own. Default: `false`.
    #[serde(default)]
    pub(in super::super) insecure_http: bool,
}
