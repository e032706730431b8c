//! `keys` of an authenticator, and a table of API keys, as written.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// The name by which serde requests a [`SecretSource`], whose content is never repeated.
pub(in crate::config) const SOURCE: &str = "SecretSource";

/// A text that may be a secret, so that it is never shown.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
pub(in crate::config) struct Text(pub(in crate::config) String);

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Text(…)")
    }
}

/// The source of a key or a secret: exactly one of the three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum SecretSource {
    /// The name of the environment variable that holds it.
    Env(#[schemars(example = &"LOGIN_SECRET")] String),
    /// The path of the file that holds it, relative to the folder of this file. modgud reads the file again when it changes.
    File(#[schemars(example = &"/run/secrets/modgud/key.pem")] PathBuf),
    /// The text itself. `modgud config` does not show it.
    Value(#[schemars(example = &"the text of the key")] Text),
}

/// Returns an example of a [`SecretSource`]: the environment variable of this name.
pub(super) fn variable(name: &str) -> Value {
    json!({ "env": name })
}

/// The name by which serde requests a [`SharedSecret`], whose content is never repeated.
pub(in crate::config) const SHARED_SECRET: &str = "SharedSecret";

/// A secret that issuer and modgud share: exactly one of `env`, `file` and `value`, and the encoding of the text there. White space around
/// the text is ignored.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct SharedSecret {
    /// The name of the environment variable that holds it.
    #[schemars(example = &"LOGIN_SECRET")]
    pub(in crate::config) env: Option<String>,
    /// The path of the file that holds it, relative to the folder of this file. modgud reads the file again when it changes.
    #[schemars(example = &"/run/secrets/modgud/shared.secret")]
    pub(in crate::config) file: Option<PathBuf>,
    /// The text itself. `modgud config` does not show it.
    #[schemars(example = &"the text of the secret")]
    pub(in crate::config) value: Option<Text>,
    /// The encoding of the secret's bytes in the text. Default: `text`.
    pub(in crate::config) encoding: Option<SecretEncoding>,
}

impl SharedSecret {
    /// Returns the source of the text. `None` unless it is exactly one, which the deserializer checks.
    pub(in crate::config) fn source(&self) -> Option<SecretSource> {
        let Self { env, file, value, encoding: _ } = self;
        match (env, file, value) {
            (Some(name), None, None) => Some(SecretSource::Env(name.clone())),
            (None, Some(path), None) => Some(SecretSource::File(path.clone())),
            (None, None, Some(Text(text))) => Some(SecretSource::Value(Text(text.clone()))),
            _ => None,
        }
    }
}

/// The encoding of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum SecretEncoding {
    /// The bytes are those of the text.
    Text,
    /// Base64 (RFC 4648 §4), with or without padding. White space is ignored.
    Base64,
    /// Base64url (RFC 4648 §5), with or without padding. White space is ignored.
    Base64url,
    /// Two hexadecimal digits for each byte. White space is ignored.
    Hex,
}

/// The name by which serde requests a [`Key`]. A text there may be a secret, and is not repeated.
pub(in crate::config) const KEY: &str = "Key";

/// Keys that verify tokens: exactly one of the six.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Key {
    /// A public key as PEM text (`PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`): RSA of 2048 to 8192 bits, EC on P-256, P-384 or
    /// P-521, or Ed25519. It must support one of `algorithms`.
    Pem(#[schemars(example = variable("JWT_PUBLIC_KEY_RSA_BIFROST"))] SecretSource),
    /// A secret that the issuer and modgud share, for `HS256` (32 bytes or more), `HS384` (48) and `HS512` (64), in bytes after
    /// decoding.
    Secret(#[schemars(example = json!({ "env": "LOGIN_SECRET", "encoding": "base64" }))] SharedSecret),
    /// One JWK (RFC 7517) as JSON text: a public key, or a shared secret (`kty` is `oct`) as for `secret`. modgud never fetches it.
    Jwk(#[schemars(example = json!({ "file": "shared.jwk" }))] SecretSource),
    /// A JWKS (RFC 7517): a file, or a URL at which the issuer publishes it.
    Jwks(Jwks),
    /// Certificates as Google publishes them: a JSON object of key ids and PEM certificates, from a file or a URL. Of a certificate only the
    /// key is used, and its dates are ignored. The keys here are those of `jwks`, and apply to this document instead of a JWKS.
    Certificates(Jwks),
    /// An OpenID provider: its issuer, such as `https://login.example.com`, whose discovery document names the URL of its JWKS. It must be
    /// the `issuer` of the tokens.
    Oidc(Oidc),
}

/// A JWKS: either `file` or `url`. The other keys belong to `url`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Jwks {
    /// The path of the file that holds the JWKS, relative to the folder of this file. modgud reads the file again when it changes.
    #[schemars(example = &"issuer.jwks.json")]
    pub(in crate::config) file: Option<PathBuf>,
    /// The URL of the JWKS: `https`, and plain `http` only to this machine. Redirects are not followed.
    #[schemars(example = &"https://login.example.com/jwks")]
    pub(in crate::config) url: Option<String>,
    /// The interval between requests for the JWKS: from `1s` to `1d`, varied by up to a tenth. Default: `5m`.
    pub(in crate::config) refresh: Option<String>,
    /// The time in which the last valid JWKS is used while the provider is unavailable: from twice `refresh` to `30d`. After that, the
    /// tokens of this issuer get 503. Default: `24h`.
    pub(in crate::config) stale_if_error: Option<String>,
    /// A file that keeps the last valid JWKS, so that modgud can restart while the provider is down. modgud must be able to write it and
    /// its folder. Default: none.
    #[schemars(example = &"/var/lib/modgud/login.jwks")]
    pub(in crate::config) cache_file: Option<PathBuf>,
    /// A file with the CA certificates (PEM) for the provider's certificate, instead of the public ones. modgud reads the file again when
    /// it changes.
    #[schemars(example = &"company-ca.crt")]
    pub(in crate::config) ca: Option<PathBuf>,
    /// `true`: plain `http` to another machine is allowed. An attacker on the network path can then insert keys. Default: `false`.
    #[serde(default)]
    pub(in crate::config) insecure_http: bool,
}

/// An OpenID provider.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "is not an OpenID provider; write its issuer, such as `https://login.example.com`, or a map with `issuer` and, \
                 optionally, `refresh`, `stale_if_error`, `cache_file`, `ca` and `insecure_http`"
)]
pub(in crate::config) enum Oidc {
    /// The issuer.
    Issuer(String),
    /// The issuer, with settings for requests.
    Provider(OidcProvider),
}

/// An OpenID provider, with settings for requests.
// Repeats keys of `Jwks`: `serde(flatten)` and `deny_unknown_fields` exclude each other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct OidcProvider {
    /// The issuer, exactly as it names itself, such as `https://login.example.com`.
    pub(in crate::config) issuer: String,
    /// The interval between requests for its JWKS: from `1s` to `1d`, varied by up to a tenth. Default: `5m`.
    pub(in crate::config) refresh: Option<String>,
    /// The time in which the last valid JWKS is used while the provider is unavailable: from twice `refresh` to `30d`. After that, the
    /// tokens of this issuer get 503. Default: `24h`.
    pub(in crate::config) stale_if_error: Option<String>,
    /// A file that keeps the last valid JWKS, so that modgud can restart while the provider is down. modgud must be able to write it and
    /// its folder. Default: none.
    #[schemars(example = &"/var/lib/modgud/login.jwks")]
    pub(in crate::config) cache_file: Option<PathBuf>,
    /// A file with the CA certificates (PEM) for the provider's certificate, instead of the public ones. modgud reads the file again when
    /// it changes.
    #[schemars(example = &"company-ca.crt")]
    pub(in crate::config) ca: Option<PathBuf>,
    /// `true`: plain `http` to another machine is allowed. An attacker on the network path can then insert keys. Default: `false`.
    #[serde(default)]
    pub(in crate::config) insecure_http: bool,
}

/// The entry of one API key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ApiKeyEntry {
    /// The unique name, for operators, logs and revocations.
    pub(in crate::config) id: String,
    /// The SHA-256 of the key, 64 hexadecimal digits.
    pub(in crate::config) sha256: String,
    /// The caller that presents the key.
    pub(in crate::config) subject: Option<String>,
    /// The caller's roles.
    #[serde(default)]
    pub(in crate::config) roles: Vec<String>,
    /// The caller's permissions.
    #[serde(default)]
    pub(in crate::config) permissions: Vec<String>,
    /// Claims, as a token would have them.
    #[serde(default)]
    pub(in crate::config) claims: Map<String, Value>,
    /// The time from which the key is rejected.
    pub(in crate::config) expires: Option<String>,
}
