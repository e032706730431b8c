//! `mint`, as written: minted tokens for modules.

use super::authenticators::{Claim, SecretSource, Text};
use super::upstream::PrincipalWord;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Minted tokens for modules: short-lived, of one issuer and one form, whatever credential the client presents. Modules verify them with
/// the keys at `/.well-known/jwks.json` of `server.admin`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Mint {
    /// The name, which `upstream.credential` refers to: 1 to 128 visible ASCII characters, unique among the entries.
    #[schemars(example = &"internal")]
    pub(in super::super) name: String,
    /// The algorithm that signs the tokens, such as `EdDSA`, `ES256` or `RS256`. `HS256` uses a secret that modules share, with which each
    /// of them could sign as modgud.
    pub(in super::super) algorithm: String,
    /// The private key (PEM), as `modgud keygen` writes one, or the secret. modgud reads its file again when it changes.
    pub(in super::super) key: SecretSource,
    /// Public keys (PEM) that are published in addition to that of `key`. They are the next one, before it signs, and the last one, as long
    /// as its tokens live. Repeating that of `key` has no effect.
    #[serde(default)]
    pub(in super::super) also_published: Vec<SecretSource>,
    /// The `iss` of the tokens.
    #[schemars(example = &"https://gateway.example.com")]
    pub(in super::super) issuer: String,
    /// The `aud` of the tokens: their recipients.
    #[schemars(example = &"modules")]
    pub(in super::super) audience: String,
    /// The lifetime of a token, from `10s` to `1h`, and never beyond that of the credential that it is minted for. Default: `60s`.
    pub(in super::super) lifetime: Option<String>,
    /// The scheme before the token in `Authorization`. Default: `Bearer`.
    pub(in super::super) scheme: Option<String>,
    /// Claims in addition to `iss`, `aud`, `sub`, `iat`, `exp`, `jti` and `act`, by name. A claim without a value is omitted.
    #[serde(default)]
    pub(in super::super) claims: BTreeMap<String, MintClaim>,
}

/// The source of a claim's value: exactly one of the three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct MintClaim {
    /// The name of the caller's claim, such as `sub`. Its value is copied unchanged, whatever its type.
    pub(in super::super) claim: Option<Claim>,
    /// A field of the principal, for every authenticator.
    pub(in super::super) principal: Option<PrincipalWord>,
    /// A constant text. `modgud config` does not show it.
    #[schemars(example = &"gateway")]
    pub(in super::super) value: Option<Text>,
}
