//! `upstream`, as it is written: what modules are told.

use super::Claim;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

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
    /// `{ forward: JWT }`.
    pub(in super::super) credential: Option<Forward>,
}

/// Where an identity header's value comes from: exactly one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum HeaderSource {
    /// The name of the claim, such as `sub`; its value is a text. When the claim is required and can't be written into a header,
    /// the request is denied.
    Claim(Claim),
    /// What is known of the caller, whichever authenticator vouches for it.
    Principal(PrincipalWord),
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
    /// Its roles, with commas between. Not written when one of them holds a comma.
    Roles,
    /// Its permissions, with commas between. Not written when one of them holds a comma.
    Permissions,
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
