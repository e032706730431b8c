//! `upstream`, as written: the request as modules receive it.

use super::Claim;
use super::Size;
use super::authenticators::Text;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Returns true if the map at these keys may have only one member, so that another one replaces it.
pub(in super::super) fn is_choice(way: &[&str]) -> bool {
    matches!(way, ["upstream", "headers" | "metadata", _] | ["upstream", "credential"])
}

/// The request as modules receive it, and the dynamic metadata for Envoy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Upstream {
    /// Identity headers by name. Each is written if it has a value, and removed otherwise: a client's own header of this name never reaches
    /// a module.
    #[serde(default)]
    pub(in super::super) headers: BTreeMap<String, HeaderSource>,
    /// Client headers to remove: names such as `x-user-id`, or prefixes such as `x-user-*`. `_` and `-` are equal.
    #[serde(default)]
    pub(in super::super) strip: Vec<String>,
    /// Override headers that modules receive as clients send them, such as `x-forwarded-host`. By default, modgud removes those from which
    /// some servers take another method, path, host, address or user. Each entry keeps one spelling. Default: none.
    #[serde(default)]
    pub(in super::super) keep: Vec<String>,
    /// The treatment of the credential: `keep`, `remove`, `{ forward: SCHEME }` or `{ mint: NAME }`. Default: `remove`; in the profile
    /// `bifrost`: `{ forward: JWT }`. With any other value than `keep`, modules never receive a client's unchecked `Authorization` where a
    /// rule requires a caller.
    pub(in super::super) credential: Option<Forward>,
    /// Dynamic metadata about the caller for Envoy's access log and rate limits, also with denials: values by name. `decision`, `reason`,
    /// `rule` and `authenticator` are always sent. Default: no others; in the profile `bifrost`: `subject` and `organization`.
    #[serde(default)]
    pub(in super::super) metadata: BTreeMap<String, MetadataSource>,
    /// The maximum size of an identity header that holds a list or JSON: from `1KiB` to `48KiB`. A text may have 1 KiB. Servers behind Envoy
    /// limit headers too, often to 8 KiB in all. Default: `8KiB`.
    #[schemars(example = &"16KiB")]
    pub(in super::super) max_header_bytes: Option<Size>,
    /// The treatment of a request with a longer identity header: `drop` or `deny`. The caller's identity, required claims and what is
    /// computed from them always deny, as modules rely on them. Default: `drop`.
    pub(in super::super) on_too_large: Option<TooLarge>,
}

/// The treatment of a request with an identity header that is too large.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum TooLarge {
    /// The header is omitted, which is logged with its name and size, and counted.
    #[default]
    Drop,
    /// The request is denied: 401 `claim_invalid`.
    Deny,
}

/// The source and format of an identity header: exactly one of `claim`, `principal`, `value` and `cel`, and optionally a format.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct HeaderSource {
    /// The name of the claim, such as `sub`. Texts are written unchanged, numbers and booleans as in JSON, lists with commas between their
    /// items. If a header can't hold a required claim, the request is denied; another claim is omitted and counted.
    pub(in super::super) claim: Option<Claim>,
    /// A field of the principal, for every authenticator.
    pub(in super::super) principal: Option<PrincipalWord>,
    /// A constant text, written for every caller, and for requests without one. `modgud config` does not show it.
    #[schemars(example = &"gateway")]
    pub(in super::super) value: Option<Text>,
    /// The result of a CEL expression over `claims`, `principal`, `request`, `context`, `now` and `rule`, such as
    /// `principal.roles.filter(r, r.startsWith('crm_'))`. It is written like a claim of its type. `null` means no value, as does a missing
    /// claim or a failed evaluation, which is counted.
    pub(in super::super) cel: Option<String>,
    /// A format other than the usual one.
    #[serde(rename = "as")]
    pub(in super::super) form: Option<HeaderForm>,
    /// The encoding of texts beyond ASCII, such as personal names. Without it, such a text is omitted.
    pub(in super::super) encode: Option<Encode>,
}

/// The source of a metadata value: exactly one of the four.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct MetadataSource {
    /// The name of the claim, such as `sub`. Its value is copied unchanged, whatever its type.
    pub(in super::super) claim: Option<Claim>,
    /// A field of the principal, for every authenticator.
    pub(in super::super) principal: Option<PrincipalWord>,
    /// A constant text. `modgud config` does not show it.
    #[schemars(example = &"gateway")]
    pub(in super::super) value: Option<Text>,
    /// The result of a CEL expression over `claims`, `principal`, `request`, `context`, `now` and `rule`, such as `has(claims.plan) ?
    /// claims.plan : 'free'`. An expression without a result is omitted.
    #[schemars(example = &"has(claims.plan) ? claims.plan : 'free'")]
    pub(in super::super) cel: Option<String>,
}

/// The format of a header's value.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum HeaderForm {
    /// Items separated by commas, each percent-encoded where necessary; a single text is one item.
    List,
    /// Compact JSON in ASCII, also for objects.
    Json,
}

/// The encoding of a text.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Encode {
    /// `%XX` for `%`, `,`, spaces, and every byte of UTF-8 beyond ASCII (RFC 3986 §2.1).
    Percent,
}

/// A field of the principal, for every authenticator.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum PrincipalWord {
    /// The caller's identity.
    Subject,
    /// The organization for which the caller acts.
    Organization,
    /// The first of the caller's roles.
    Role,
    /// The caller's roles: a list.
    Roles,
    /// The caller's permissions, including those that roles grant: a list.
    Permissions,
    /// The scopes of the caller's token: a list.
    Scopes,
    /// The name of the authenticator that verified the caller.
    Authenticator,
}

/// The treatment of the credential.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Forward {
    /// The module receives it as the client sent it.
    Keep,
    /// The module does not receive it.
    Remove,
    /// The module receives it as `Authorization: SCHEME token`, whatever scheme and header the client used. The value is the scheme, such
    /// as `JWT`.
    #[serde(rename = "forward")]
    As(String),
    /// The module receives a minted token instead, as `Authorization: Bearer token`. The value is the name of an entry of `mint`.
    Mint(#[schemars(example = &"internal")] String),
}
