//! `upstream`, `mint` and `correlation`, as written: the request as modules receive it.

use super::Size;
use super::authenticators::Claim;
use super::keys::{SecretSource, Text, variable};
use modgud_core::upstream::{IssuedAt, OmittableClaim, PrincipalField};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Returns true if the map at these keys may have only one member, so that another one replaces it.
pub(in crate::config) fn is_choice(path: &[&str]) -> bool {
    matches!(path, ["upstream", "headers" | "metadata", _] | ["upstream", "credential"] | ["principal", "roles"])
}

/// The request as modules receive it, and the dynamic metadata for Envoy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Upstream {
    /// Identity headers by name. Each is written if it has a value, and removed otherwise: a client's own header of this name never reaches
    /// a module.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<String, HeaderSource>,
    /// Client headers to remove: names such as `x-user-id`, or prefixes such as `x-user-*`. `_` and `-` are equal.
    #[serde(default)]
    pub(in crate::config) strip: Vec<String>,
    /// Override headers that modules receive as clients send them, such as `x-forwarded-host`. By default, modgud removes those from which
    /// some servers take another method, path, host, address or user. Each entry keeps one spelling. Default: none.
    #[serde(default)]
    pub(in crate::config) keep: Vec<String>,
    /// The treatment of the credential: `keep`, `remove`, `{ forward: SCHEME }` or `{ mint: NAME }`. Default: `remove`; in the profile
    /// `bifrost`: `{ forward: JWT }`. With any other value than `keep`, modules never receive a client's unchecked `Authorization` where a
    /// rule requires a caller.
    pub(in crate::config) credential: Option<Forward>,
    /// Dynamic metadata about the caller for Envoy's access log and rate limits, also with denials: values by name. `decision`, `reason`,
    /// `rule` and `authenticator` are always sent. Default: no others; in the profile `bifrost`: `subject` and `organization`.
    #[serde(default)]
    pub(in crate::config) metadata: BTreeMap<String, MetadataSource>,
    /// The maximum size of an identity header that holds a list or JSON: from `1KiB` to `48KiB`. A text may have 1 KiB. Servers behind Envoy
    /// limit headers too, often to 8 KiB in all. Default: `8KiB`.
    #[schemars(example = &"16KiB")]
    pub(in crate::config) max_header_bytes: Option<Size>,
    /// The treatment of a request with a longer identity header: `drop` or `deny`. The caller's identity, required claims and what is
    /// computed from them always deny, as modules rely on them. Default: `drop`.
    pub(in crate::config) on_too_large: Option<TooLarge>,
}

/// The treatment of a request with an identity header that is too large.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum TooLarge {
    /// The header is omitted, which is logged with its name and size, and counted.
    #[default]
    Drop,
    /// The request is denied: 401 `claim_invalid`.
    Deny,
}

/// The source and format of an identity header: exactly one of `claim`, `principal`, `value` and `cel`, and optionally a format.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct HeaderSource {
    /// The name of the claim, such as `sub`. Texts are written unchanged, numbers and booleans as in JSON, lists with commas between their
    /// items. If a header can't hold a required claim, the request is denied; another claim is omitted and counted.
    pub(in crate::config) claim: Option<Claim>,
    /// A field of the principal, for every authenticator.
    pub(in crate::config) principal: Option<PrincipalField>,
    /// A constant text, written for every caller, and for requests without one. `modgud config` does not show it.
    #[schemars(example = &"gateway")]
    pub(in crate::config) value: Option<Text>,
    /// The result of a CEL expression over `claims`, `principal`, `request`, `context`, `source`, `now` and `rule`, such as
    /// `principal.roles.filter(r, r.startsWith('crm_'))`. It is written like a claim of its type. `null` means no value, as does a missing
    /// claim or a failed evaluation, which is counted.
    pub(in crate::config) cel: Option<String>,
    /// A format other than the usual one.
    #[serde(rename = "as")]
    pub(in crate::config) form: Option<HeaderForm>,
    /// The encoding of texts beyond ASCII, such as personal names. Without it, such a text is omitted.
    pub(in crate::config) encode: Option<Encode>,
}

/// The source of a metadata value: exactly one of the four.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MetadataSource {
    /// The name of the claim, such as `sub`. Its value is copied unchanged, whatever its type.
    pub(in crate::config) claim: Option<Claim>,
    /// A field of the principal, for every authenticator.
    pub(in crate::config) principal: Option<PrincipalField>,
    /// A constant text. `modgud config` does not show it.
    #[schemars(example = &"gateway")]
    pub(in crate::config) value: Option<Text>,
    /// The result of a CEL expression over `claims`, `principal`, `request`, `context`, `now` and `rule`, such as `has(claims.plan) ?
    /// claims.plan : 'free'`. An expression without a result is omitted.
    #[schemars(example = &"has(claims.plan) ? claims.plan : 'free'")]
    pub(in crate::config) cel: Option<String>,
}

/// The format of a header's value.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum HeaderForm {
    /// Items separated by commas, each percent-encoded where necessary; a single text is one item.
    List,
    /// Compact JSON in ASCII, also for objects.
    Json,
}

/// The encoding of a text.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Encode {
    /// `%XX` for `%`, `,`, spaces, and every byte of UTF-8 beyond ASCII (RFC 3986 §2.1).
    Percent,
}

/// The treatment of the credential.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum Forward {
    /// The module receives it as the client sent it.
    Keep,
    /// The module does not receive it.
    Remove,
    /// The module receives it as `Authorization: SCHEME token`, whatever scheme and header the client used. The value is the scheme, such
    /// as `JWT`.
    #[serde(rename = "forward")]
    As(String),
    /// The module receives a minted token instead, as `Authorization: SCHEME token`. The value is the name of an entry of `mint`.
    Mint(#[schemars(example = &"internal")] String),
}

/// Minted tokens for modules: short-lived, of one issuer and one form, whatever credential the client presents. Modules verify them with
/// the keys at `/.well-known/jwks.json` of `server.admin`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Mint {
    /// The name, which `upstream.credential` refers to: 1 to 128 visible ASCII characters, unique among the entries.
    #[schemars(example = &"internal")]
    pub(in crate::config) name: String,
    /// The algorithm that signs the tokens, such as `EdDSA`, `ES256` or `RS256`. `Ed25519` means `EdDSA`, which the tokens
    /// name. `HS256` uses a secret that modules share, with which each of them could sign as modgud.
    pub(in crate::config) algorithm: String,
    /// The private key (PEM), as `modgud keygen` writes one, or the secret. modgud reads its file again when it changes.
    #[schemars(example = variable("MINT_KEY"))]
    pub(in crate::config) key: SecretSource,
    /// Public keys (PEM) that are published in addition to that of `key`. They are the next one, before it signs, and the last one, as long
    /// as its tokens live. Repeating that of `key` has no effect.
    #[serde(default)]
    #[schemars(example = [variable("NEXT_PUBLIC_KEY")])]
    pub(in crate::config) also_published: Vec<SecretSource>,
    /// The `iss` of the tokens.
    #[schemars(example = &"https://gateway.example.com")]
    pub(in crate::config) issuer: String,
    /// The `aud` of the tokens: their recipients. `[]` means that the tokens have no `aud`, for modules that require none: every module
    /// that trusts the key accepts them. Default: none, which is a warning.
    #[schemars(example = &"modules")]
    pub(in crate::config) audience: Option<MintAudience>,
    /// The lifetime of a token, from `10s` to `1h`, and never beyond that of the credential that it is minted for. Default: `60s`.
    pub(in crate::config) lifetime: Option<String>,
    /// The time by which `iat` is before the time of minting, from `0s` to `60s`. It is for modules whose clock is behind and that tolerate
    /// no `iat` in the future. Default: `0s`.
    #[schemars(example = &"5s")]
    pub(in crate::config) backdate: Option<String>,
    /// The scheme before the token in `Authorization`, such as `JWT` for modules of BiFrost. Default: `Bearer`.
    #[schemars(example = &"JWT")]
    pub(in crate::config) scheme: Option<String>,
    /// Claims in addition to `iss`, `aud`, `sub`, `iat`, `exp`, `jti` and `act`, by name. A claim without a value is omitted.
    #[serde(default)]
    pub(in crate::config) claims: BTreeMap<String, MintClaim>,
    /// Claims of modgud's own that the tokens lack: `sub`, `jti`, `act`. Default: none.
    #[serde(default)]
    #[schemars(example = ["sub", "jti", "act"])]
    pub(in crate::config) omit: Vec<OmittableClaim>,
}

/// The recipients of minted tokens.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "is not an audience; write a text, a list of texts, or `[]` for no audience")]
pub(in crate::config) enum MintAudience {
    /// One audience.
    One(String),
    /// Several audiences. With an empty list, the tokens have no `aud`.
    List(Vec<String>),
}

impl MintAudience {
    /// Returns the audiences, as written.
    pub(in crate::config) fn list(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::List(list) => list,
        }
    }
}

/// The source of a claim's value: exactly one of the three.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct MintClaim {
    /// The name of the caller's claim, such as `sub`. Its value is copied unchanged, whatever its type.
    pub(in crate::config) claim: Option<Claim>,
    /// A field of the principal, for every authenticator.
    pub(in crate::config) principal: Option<PrincipalField>,
    /// A constant text. `modgud config` does not show it.
    #[schemars(example = &"gateway")]
    pub(in crate::config) value: Option<Text>,
}

/// The identity correlation of Orchescala's services and workers: user, email, impersonation, time, process instance, and a signature once
/// the process instance is known.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Correlation {
    /// The header that carries it, as JSON. A client's own header of this name never reaches a service.
    #[schemars(example = &"x-identity-correlation")]
    pub(in crate::config) header: String,
    /// The claim that holds the user's name. Default: `preferred_username`.
    pub(in crate::config) username: Option<Claim>,
    /// The claim that holds the user's email address. Default: `email`.
    pub(in crate::config) email: Option<Claim>,
    /// The secret that signs it, which workers share. Default: none, which leaves it unsigned.
    #[schemars(example = variable("IDENTITY_SIGNING_KEY"))]
    pub(in crate::config) key: Option<SecretSource>,
    /// The source of `issuedAt`: `decision`, the time of the check, or `token`, the token's `iat`. With `token`, a caller whose credential has
    /// no `iat` is denied. Default: `decision`.
    #[serde(default)]
    #[schemars(example = &"token")]
    pub(in crate::config) issued_at: IssuedAt,
    /// The impersonation of others by a caller. Default: none.
    pub(in crate::config) impersonation: Option<Impersonation>,
    /// The location of the process instance in a request. Default: none, so that nothing is signed.
    #[serde(default)]
    pub(in crate::config) process_instance: ProcessInstance,
}

/// The impersonation of others by a caller: either `header` or `body` names the person.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Impersonation {
    /// The header that holds the value. Services never receive it: the correlation contains the value.
    #[schemars(example = &"x-impersonate")]
    pub(in crate::config) header: Option<String>,
    /// The name of a member at the top of the JSON body. Envoy must send complete bodies (`with_request_body`); a request without a
    /// complete JSON body is denied.
    #[schemars(example = &"customerId")]
    pub(in crate::config) body: Option<String>,
    /// The permission that impersonation requires.
    #[schemars(example = &"impersonate")]
    pub(in crate::config) permission: String,
}

/// The location of the process instance in a request.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct ProcessInstance {
    /// Path patterns with a parameter named `process_instance`, such as `/process/instance/{process_instance}/{*rest}`.
    pub(in crate::config) paths: Vec<String>,
    /// The name of a header.
    #[schemars(example = &"x-process-instance-id")]
    pub(in crate::config) header: Option<String>,
}
