//! `upstream` and `denials`, as they are written: what modules and clients are told.

use super::Claim;
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

/// What clients are told when they are turned away.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Denials {
    /// The form of the body. Default: `problem`; in the profile `bifrost`: `detail`.
    pub(in super::super) body: Option<Body>,
    /// The realm that `WWW-Authenticate` names: 1 to 64 visible ASCII characters or spaces. Default: `modgud`.
    pub(in super::super) realm: Option<String>,
    /// Other statuses than 401 and 403.
    #[serde(default)]
    pub(in super::super) status: Statuses,
}

/// The form of a denial's body.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Body {
    /// Problem details (RFC 9457), `application/problem+json`.
    Problem,
    /// `{"detail": "…"}`, with `BiFrost`'s texts.
    Detail,
}

/// The statuses of denials, for the sake of clients that know others: 400 to 499.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Statuses {
    /// When the caller is not known. Default: 401.
    pub(in super::super) unauthenticated: Option<u16>,
    /// When the caller may not. Default: 403.
    pub(in super::super) forbidden: Option<u16>,
}
