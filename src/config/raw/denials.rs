//! `denials`, and `deny` of a rule, as written: the responses to denied requests.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The responses to denied requests.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Denials {
    /// The format of the body, for clients whose `Accept` requests neither text nor a page. Default: `problem`; in the profile `bifrost`:
    /// `detail`.
    pub(in super::super) body: Option<Body>,
    /// The realm in `WWW-Authenticate`: 1 to 64 visible ASCII characters or spaces. Default: `modgud`.
    pub(in super::super) realm: Option<String>,
    /// Statuses that replace 401 and 403.
    #[serde(default)]
    pub(in super::super) status: Statuses,
    /// The login page to which unauthenticated browsers are redirected (302), instead of a denial with 401. Default: none.
    pub(in super::super) redirect: Option<Redirect>,
    /// Headers that every denial has in addition to its own, such as `{ x-frame-options: DENY }`.
    #[serde(default)]
    pub(in super::super) headers: BTreeMap<String, String>,
    /// The result of a check that can't be decided. Default: `deny`.
    #[serde(default)]
    pub(in super::super) unavailable: Unavailable,
}

/// The format of a denial's body.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Body {
    /// Problem details (RFC 9457), `application/problem+json`.
    Problem,
    /// `{"detail": "…"}`, with `BiFrost`'s texts.
    Detail,
    /// `{"error": "…"}`. For a missing permission, the text names those that the rule requires, and those of the caller.
    Error,
    /// `{"errorCode": 401, "errorMsg": "…"}`, as in Orchescala's gateway.
    Orchescala,
}

/// The result of an undecidable check: keys or an authorization server are unavailable, the deadline has passed, or too many checks are
/// running.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Unavailable {
    /// A denial with 503, whatever Envoy's `failure_mode_allow`.
    #[default]
    Deny,
    /// An error, for which Envoy's `failure_mode_allow` decides (Envoy 1.37 or later): with `true`, every request passes meanwhile.
    Error,
}

/// The statuses of denials, for clients that expect others: 400 to 499.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Statuses {
    /// The status for unauthenticated callers. Default: 401.
    pub(in super::super) unauthenticated: Option<u16>,
    /// The status for authenticated callers without access. Default: 403.
    pub(in super::super) forbidden: Option<u16>,
}

/// The login page for browsers. An unauthenticated browser that opens a page (GET, accepts a page) is redirected there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Redirect {
    /// The login page: an `https` URL, or a plain `http` one of this machine.
    #[schemars(example = &"https://login.example.com/start")]
    pub(in super::super) to: String,
    /// The name of the parameter that passes the requested path and query to the login page, to return to. Default: `return_to`.
    pub(in super::super) parameter: Option<String>,
    /// Your hosts, such as `[app.example.com]`, with the port where clients name one. A request for one of them is passed with its host, as
    /// `https://app.example.com/path`; any other as a path alone. Default: none.
    #[serde(default)]
    pub(in super::super) hosts: Vec<String>,
}

/// The response of a rule to callers without access, who are authenticated or need not be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Deny {
    /// The status: 400 to 499, such as 404 to hide a resource. Default: that of `denials.status.forbidden`.
    #[schemars(example = 404)]
    pub(in super::super) status: Option<u16>,
    /// The text: one line. Default: the status in words.
    #[schemars(example = &"Ask your administrator for the role editor.")]
    pub(in super::super) detail: Option<String>,
}
