//! `mint`, as it is written: tokens of modgud's own for modules.

use super::authenticators::{Claim, SecretSource, Text};
use super::upstream::PrincipalWord;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Tokens of modgud's own for modules: short-lived, of one issuer and one form, whatever the client has shown. Modules verify them with
/// the keys at `/.well-known/jwks.json` of `server.admin`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Mint {
    /// Its name, by which `upstream.credential` asks for it: 1 to 128 visible ASCII characters, and no other's.
    #[schemars(example = &"internal")]
    pub(in super::super) name: String,
    /// What the tokens are signed with, such as `EdDSA`, `ES256` or `RS256`; or `HS256` with a secret that modules share, and with which
    /// each of them could sign in the name of modgud.
    pub(in super::super) algorithm: String,
    /// The private key (PEM), such as `modgud keygen` makes, or the secret. When its file changes, it is read again.
    pub(in super::super) key: SecretSource,
    /// Public keys (PEM) that are published beside that of `key`: the next one, before it signs, and the last one, as long as its tokens
    /// live. One that is that of `key` already changes nothing.
    #[serde(default)]
    pub(in super::super) also_published: Vec<SecretSource>,
    /// `iss` of the tokens.
    #[schemars(example = &"https://gateway.example.com")]
    pub(in super::super) issuer: String,
    /// `aud` of the tokens: whom they are for.
    #[schemars(example = &"modules")]
    pub(in super::super) audience: String,
    /// How long a token lives, from `10s` to `1h`, and never longer than the credential that it is minted for. Default: `60s`.
    pub(in super::super) lifetime: Option<String>,
    /// The scheme before the token in `Authorization`. Default: `Bearer`.
    pub(in super::super) scheme: Option<String>,
    /// Claims beside `iss`, `aud`, `sub`, `iat`, `exp`, `jti` and `act`, by name. One without a value is left out.
    #[serde(default)]
    pub(in super::super) claims: BTreeMap<String, MintClaim>,
}

/// Where a value comes from: exactly one of the three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct MintClaim {
    /// The name of the claim, such as `sub`. Its value is taken over as it is, whatever its type.
    pub(in super::super) claim: Option<Claim>,
    /// What is known of the caller, whichever authenticator vouches for it.
    pub(in super::super) principal: Option<PrincipalWord>,
    /// Always this text. `modgud config` does not show it.
    #[schemars(example = &"gateway")]
    pub(in super::super) value: Option<Text>,
}
