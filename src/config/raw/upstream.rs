//! `upstream`, as it is written: what modules are told.

use super::Claim;
use super::authenticators::Text;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Whether exactly one member of the map that these keys lead to may be there: another one stands in its place.
pub(in super::super) fn is_choice(way: &[&str]) -> bool {
    matches!(way, ["upstream", "headers" | "metadata", _] | ["upstream", "credential"])
}

/// What modules behind Envoy are told about the caller.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Upstream {
    /// Identity headers by name. Each is written when there is a value, and removed when there is none: what a client sends under
    /// its name never arrives.
    #[serde(default)]
    pub(in super::super) headers: BTreeMap<String, HeaderSource>,
    /// Client headers that are removed: names such as `x-user-id`, or prefixes such as `x-user-*`. `_` and `-` are the same.
    #[serde(default)]
    pub(in super::super) strip: Vec<String>,
    /// Override headers that modules get as clients send them, such as `x-forwarded-host`: by default those from which some servers take
    /// another method, path, host, address or user are removed. Each in the spelling that stays. Default: none.
    #[serde(default)]
    pub(in super::super) keep: Vec<String>,
    /// What becomes of the credential: `keep`, `remove`, `{ forward: SCHEME }` or `{ mint: NAME }`. Default: `remove`; in the profile
    /// `bifrost`: `{ forward: JWT }`. Unless it is `keep`, no `Authorization` of a client that modgud has not checked reaches a module where a
    /// rule asks for a caller.
    pub(in super::super) credential: Option<Forward>,
    /// What Envoy is told about the caller as dynamic metadata, with denials too, for its access log and its rate limits: values by
    /// name. `decision`, `reason`, `rule` and `authenticator` are always told. Default: nothing more; in the profile `bifrost`: `subject`
    /// and `organization`.
    #[serde(default)]
    pub(in super::super) metadata: BTreeMap<String, MetadataSource>,
}

/// What an identity header carries: exactly one of `claim`, `principal`, `value` and `cel`, and how it is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct HeaderSource {
    /// The name of the claim, such as `sub`. Texts are written as they are, numbers and booleans as in JSON, lists with commas between
    /// their items. When the claim is required and can't be written into a header, the request is denied; another one is left out,
    /// and counted.
    pub(in super::super) claim: Option<Claim>,
    /// What is known of the caller, whichever authenticator vouches for it.
    pub(in super::super) principal: Option<PrincipalWord>,
    /// Always this text, whoever asks, and when nobody does. `modgud config` does not show it.
    #[schemars(example = &"gateway")]
    pub(in super::super) value: Option<Text>,
    /// What this expression of CEL comes to, from `claims`, `principal`, `request`, `context`, `now` and `rule`: such as
    /// `principal.roles.filter(r, r.startsWith('crm_'))`. It is written as a claim of its type is. `null`, and what reads a claim that is
    /// not there, is no value; an expression that can't be evaluated is none either, and counted.
    pub(in super::super) cel: Option<String>,
    /// Another form than the usual one.
    #[serde(rename = "as")]
    pub(in super::super) form: Option<HeaderForm>,
    /// For texts that need not be ASCII, such as names of people. Without it such a text is not written.
    pub(in super::super) encode: Option<Encode>,
}

/// Where a value of the metadata comes from: exactly one of the four.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct MetadataSource {
    /// The name of the claim, such as `sub`. Its value is taken over as it is, whatever its type.
    pub(in super::super) claim: Option<Claim>,
    /// What is known of the caller, whichever authenticator vouches for it.
    pub(in super::super) principal: Option<PrincipalWord>,
    /// Always this text. `modgud config` does not show it.
    #[schemars(example = &"gateway")]
    pub(in super::super) value: Option<Text>,
    /// What this expression of CEL comes to, from `claims`, `principal`, `request`, `context`, `now` and `rule`: such as
    /// `has(claims.plan) ? claims.plan : 'free'`. One that comes to nothing is left out.
    #[schemars(example = &"has(claims.plan) ? claims.plan : 'free'")]
    pub(in super::super) cel: Option<String>,
}

/// The form of a header's value.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum HeaderForm {
    /// Items with commas between, each percent-encoded where need be; a single text is one item.
    List,
    /// Compact JSON in ASCII, of objects too.
    Json,
}

/// How a text is encoded.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Encode {
    /// `%XX` for `%`, `,`, spaces, and every byte of UTF-8 beyond ASCII (RFC 3986 §2.1).
    Percent,
}

/// What is known of a caller, whichever authenticator vouches for it.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum PrincipalWord {
    /// Who it is.
    Subject,
    /// The organization that it acts for.
    Organization,
    /// The first of its roles.
    Role,
    /// Its roles: a list.
    Roles,
    /// Its permissions, those that its roles grant among them: a list.
    Permissions,
    /// The scopes of its token: a list.
    Scopes,
    /// The name of the authenticator that vouches for it.
    Authenticator,
}

/// What becomes of the credential.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Forward {
    /// The module gets it as the client sent it.
    Keep,
    /// The module does not get it.
    Remove,
    /// The module gets it as `Authorization: SCHEME token`, whatever scheme and header the client used; the scheme, such as `JWT`.
    #[serde(rename = "forward")]
    As(String),
    /// The module gets a token of modgud's own in its place, `Authorization: Bearer token`; the name of an entry of `mint`.
    Mint(#[schemars(example = &"internal")] String),
}
