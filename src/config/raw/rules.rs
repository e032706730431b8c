//! `rules` and `fallback`, as they are written.

use super::Deny;
use schemars::JsonSchema;
use serde::Deserialize;

/// Which requests, and who may make them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Rule {
    /// Its name in logs: 1 to 128 visible ASCII characters, and no other rule's.
    #[schemars(example = &"order-status")]
    pub(in super::super) name: String,
    /// The requests that it decides. Needed unless `by_name` is there.
    #[serde(rename = "match", default)]
    pub(in super::super) matches: Match,
    /// `true`: it is for no request by itself, only for those whose route in Envoy names it (`modgud.rule` in `context_extensions`);
    /// `match` is then left out. Default: `false`; every rule can be named all the same.
    #[serde(default)]
    pub(in super::super) by_name: bool,
    /// `true`: a route in Envoy that names this rule is open, whatever other rules say. Only with `access: public`. Default: `false`: a
    /// rule that is named can only narrow what the rules for the request let through.
    #[serde(default)]
    pub(in super::super) allow_by_name: bool,
    /// What it asks of the caller. Default: `authenticated`.
    #[serde(default)]
    pub(in super::super) access: Access,
    /// `true`: it is only tried out. What it would have come to is counted, and logged where it differs from what was done; nothing else
    /// comes of it. It may be for the same requests as another rule. Default: `false`.
    #[serde(default)]
    pub(in super::super) shadow: bool,
    /// What it asks of the caller beside a good credential. Only with `access: authenticated`.
    pub(in super::super) require: Option<Require>,
    /// What is told to callers who are known and may not, in the place of the general answer. Who is not known is asked for a
    /// credential as everywhere.
    pub(in super::super) deny: Option<Deny>,
    /// Where the request names the organization that it is about: `path.NAME`, `query.NAME` or `context.NAME`. Only callers of that
    /// organization, as `principal.organization` finds it, get through. Only with `access: authenticated`.
    #[schemars(example = &"path.org")]
    pub(in super::super) same_organization: Option<String>,
    /// A condition in CEL, such as `claims.level >= 2 && path.org in principal.roles`, over `request`, `path`, `query`, `claims`,
    /// `principal`, `context` and `now`. What is not true, or can't be told, lets nobody through.
    pub(in super::super) when: Option<String>,
}

/// What a rule asks of the caller beside a good credential: all of it. What is here is not empty: an empty list would ask for nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct Require {
    /// Permissions, all of them, as `principal.permissions` finds them and `principal.grants` grants them.
    #[schemars(example = ["orders:write"])]
    pub(in super::super) permissions: Option<Vec<String>>,
    /// Roles, all of them, as `principal.roles` finds them.
    #[schemars(example = ["editor"])]
    pub(in super::super) roles: Option<Vec<String>>,
    /// Scopes of the token, all of them, as `principal.scopes` finds them.
    #[schemars(example = ["orders"])]
    pub(in super::super) scopes: Option<Vec<String>>,
    /// The names of the authenticators that may vouch for the caller. Default: any.
    #[schemars(example = ["login"])]
    pub(in super::super) authenticators: Option<Vec<String>>,
    /// Permissions, roles and scopes of which one is enough.
    pub(in super::super) any: Option<RequireAny>,
}

/// Permissions, roles and scopes of which one is enough.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct RequireAny {
    /// Permissions.
    #[schemars(example = ["orders:write"])]
    pub(in super::super) permissions: Option<Vec<String>>,
    /// Roles.
    #[schemars(example = ["editor"])]
    pub(in super::super) roles: Option<Vec<String>>,
    /// Scopes of the token.
    #[schemars(example = ["orders"])]
    pub(in super::super) scopes: Option<Vec<String>>,
}

/// The requests that a rule decides.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Match {
    /// The hosts, without port, such as `[api.example.com]`; `*.example.com` is every name below it. Default: every host.
    pub(in super::super) hosts: Option<Vec<String>>,
    /// The methods, in upper case, such as `[GET, HEAD]`. Default: every method.
    pub(in super::super) methods: Option<Vec<String>>,
    /// Path patterns, such as `/reports/{id}` or `/docs/{*rest}`: `{name}` is one segment, `{*rest}` at the end is all that follow,
    /// none too. Written decoded. A trailing slash means nothing.
    pub(in super::super) paths: Vec<String>,
    /// How the letters of `paths` are compared: `exact`, or `fold`, by which `/Admin` is `/admin`, for a service that takes both for the
    /// same. Default: `exact`; below the prefix of a module what its own `case` says.
    #[serde(default)]
    pub(in super::super) case: Case,
}

/// How letters are compared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Case {
    /// Each is itself.
    #[default]
    Exact,
    /// `A` and `a` are one. Letters beyond ASCII are not folded; a path in which they could be, so that another rule decides, is
    /// refused.
    Fold,
}

impl Match {
    /// The hosts that are named; none: every host.
    pub(in super::super) fn hosts(&self) -> &[String] {
        self.hosts.as_deref().unwrap_or_default()
    }

    /// The methods that are named; none: every method.
    pub(in super::super) fn methods(&self) -> &[String] {
        self.methods.as_deref().unwrap_or_default()
    }
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
    /// The same, and only for CORS preflights: `OPTIONS` with one `Origin` and one `Access-Control-Request-Method`. For any other
    /// request the rule is not there. Where one matches a preflight, rules that ask for a caller are passed over.
    Preflight,
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
