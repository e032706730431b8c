//! `rules` and `fallback`, as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

/// Which requests, and who may make them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Rule {
    /// Its name in logs: 1 to 128 visible ASCII characters, and no other rule's.
    pub(in super::super) name: String,
    /// The requests that it decides.
    #[serde(rename = "match")]
    pub(in super::super) matches: Match,
    /// What it asks of the caller. Default: `authenticated`.
    #[serde(default)]
    pub(in super::super) access: Access,
    /// What it asks of the caller beside a good credential. Only with `access: authenticated`.
    #[serde(default)]
    pub(in super::super) require: Require,
    /// Where the request names the organization that it is about: `path.NAME`, `query.NAME` or `context.NAME`. Only callers of that
    /// organization, as `principal.organization` finds it, get through. Only with `access: authenticated`.
    pub(in super::super) same_organization: Option<String>,
    /// A condition in CEL, such as `claims.level >= 2 && path.org in principal.roles`, over `request`, `path`, `query`, `claims`,
    /// `principal`, `context` and `now`. What is not true, or can't be told, lets nobody through.
    pub(in super::super) when: Option<String>,
}

/// What a rule asks of the caller beside a good credential: all of it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct Require {
    /// Permissions, all of them, as `principal.permissions` finds them and `principal.grants` grants them.
    pub(in super::super) permissions: Vec<String>,
    /// Roles, all of them, as `principal.roles` finds them.
    pub(in super::super) roles: Vec<String>,
    /// Scopes of the token, all of them, as `principal.scopes` finds them.
    pub(in super::super) scopes: Vec<String>,
    /// The names of the authenticators that may vouch for the caller. Default: any.
    pub(in super::super) authenticators: Vec<String>,
    /// Permissions, roles and scopes of which one is enough.
    pub(in super::super) any: RequireAny,
}

/// Permissions, roles and scopes of which one is enough.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct RequireAny {
    /// Permissions.
    pub(in super::super) permissions: Vec<String>,
    /// Roles.
    pub(in super::super) roles: Vec<String>,
    /// Scopes of the token.
    pub(in super::super) scopes: Vec<String>,
}

/// The requests that a rule decides.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Match {
    /// The hosts, without port, such as `[api.example.com]`; `*.example.com` is every name below it. Default: every host.
    #[serde(default)]
    pub(in super::super) hosts: Vec<String>,
    /// The methods, in upper case, such as `[GET, HEAD]`. Default: every method.
    #[serde(default)]
    pub(in super::super) methods: Vec<String>,
    /// Path patterns, such as `/reports/{id}` or `/docs/{*rest}`: `{name}` is one segment, `{*rest}` at the end is all that follow,
    /// none too. Written decoded. A trailing slash means nothing.
    pub(in super::super) paths: Vec<String>,
}

/// What a rule asks of the caller.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Access {
    /// A good credential.
    #[default]
    Authenticated,
    /// A good credential, or none, which is anonymous. A bad one is refused.
    Optional,
    /// Nothing: a credential is neither looked at nor changed.
    Public,
    /// Nobody may.
    Denied,
}

/// What becomes of a request that no rule matches.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Fallback {
    /// A good credential is asked for.
    Authenticated,
    /// Nobody may.
    Denied,
}
