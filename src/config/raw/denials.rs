//! `denials`, and `deny` of a rule, as they are written: what clients are told when they are turned away.

use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What clients are told when they are turned away.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Denials {
    /// The form of the body, for clients whose `Accept` asks for neither text nor a page. Default: `problem`; in the profile `bifrost`:
    /// `detail`.
    pub(in super::super) body: Option<Body>,
    /// The realm that `WWW-Authenticate` names: 1 to 64 visible ASCII characters or spaces. Default: `modgud`.
    pub(in super::super) realm: Option<String>,
    /// Other statuses than 401 and 403.
    #[serde(default)]
    pub(in super::super) status: Statuses,
    /// Where browsers are sent that nobody is logged in with, by 302, in the place of a denial with 401. Default: nowhere.
    pub(in super::super) redirect: Option<Redirect>,
    /// Headers that every denial has beside its own, such as `{ x-frame-options: DENY }`.
    #[serde(default)]
    pub(in super::super) headers: BTreeMap<String, String>,
    /// What becomes of a check that could not be decided. Default: `deny`.
    #[serde(default)]
    pub(in super::super) unavailable: Unavailable,
}

/// The form of a denial's body.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Body {
    /// Problem details (RFC 9457), `application/problem+json`.
    Problem,
    /// `{"detail": "…"}`, with `BiFrost`'s texts.
    Detail,
    /// `{"error": "…"}`. Whoever lacks a permission is told which the rule asks for, and which the caller has.
    Error,
    /// `{"errorCode": 401, "errorMsg": "…"}`, as Orchescala's gateway answers.
    Orchescala,
}

/// What becomes of a check that could not be decided: keys or an authorization server can't be had, no time, too many checks.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Unavailable {
    /// A denial with 503, whatever Envoy's `failure_mode_allow` says.
    #[default]
    Deny,
    /// An error, about which Envoy's `failure_mode_allow` decides (Envoy 1.37 or later): with `true`, nobody is kept out meanwhile.
    Error,
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

/// Where browsers log in. Somebody who opens an address (GET, accepts a page) and is not known is sent there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Redirect {
    /// The login page: an `https` address, or a plain `http` one of this machine.
    #[schemars(example = &"https://login.example.com/start")]
    pub(in super::super) to: String,
    /// The name of the parameter that tells the login page where to send the browser back to: the path and query that were asked for.
    /// Default: `return_to`.
    pub(in super::super) parameter: Option<String>,
    /// Hosts of yours, such as `[app.example.com]`, with the port where clients name one: a request for one of them is told with its
    /// host, as `https://app.example.com/path`; any other as a path alone. Default: none.
    #[serde(default)]
    pub(in super::super) hosts: Vec<String>,
}

/// What a rule tells callers who are known, or need not be, and may not.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Deny {
    /// The status: 400 to 499, such as 404 to hide that something is there. Default: that of `denials.status.forbidden`.
    #[schemars(example = 404)]
    pub(in super::super) status: Option<u16>,
    /// The text: one line. Default: the status in words.
    #[schemars(example = &"Ask your administrator for the role editor.")]
    pub(in super::super) detail: Option<String>,
}
