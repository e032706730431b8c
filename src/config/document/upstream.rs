//! `upstream`, as it is written: what modules are told.

use super::Claim;
use super::authenticators::Text;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Whether exactly one member of the map that these keys lead to may be there: another one stands in its place.
pub(in super::super) fn is_choice(way: &[&str]) -> bool {
    matches!(way, ["upstream", "headers", _] | ["upstream", "credential"])
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
    /// What becomes of the credential: `keep`, `remove`, or `{ forward: SCHEME }`. Default: `remove`; in the profile `bifrost`:
    /// `{ forward: JWT }`. Unless it is `keep`, no `Authorization` of a client that modgud has not checked reaches a module where a
    /// rule asks for a caller.
    pub(in super::super) credential: Option<Forward>,
}

/// What an identity header carries: exactly one of `claim`, `principal` and `value`, and how it is written.
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
    pub(in super::super) value: Option<Text>,
    /// Another form than the usual one.
    #[serde(rename = "as")]
    pub(in super::super) form: Option<HeaderForm>,
    /// For texts that need not be ASCII, such as names of people. Without it such a text is not written.
    pub(in super::super) encode: Option<Encode>,
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
}
