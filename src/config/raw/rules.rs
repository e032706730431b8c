//! `rules` and `fallback`, as written.

use super::Deny;
use schemars::JsonSchema;
use serde::Deserialize;

/// A rule: which requests match, and what they require.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Rule {
    /// The name in logs: 1 to 128 visible ASCII characters, unique among rules.
    #[schemars(example = &"order-status")]
    pub(in super::super) name: String,
    /// The requests that it decides. Required unless `by_name` is set.
    #[serde(rename = "match", default)]
    pub(in super::super) matches: Match,
    /// `true`: the rule applies only to requests whose route in Envoy names it (`modgud.rule` in `context_extensions`); `match` is then
    /// omitted. Default: `false`; routes can still name every rule.
    #[serde(default)]
    pub(in super::super) by_name: bool,
    /// `true`: a route in Envoy that names this rule is open, whatever other rules require. Only with `access: public`. Default: `false`: a
    /// named rule can only restrict the access that the request's own rules grant.
    #[serde(default)]
    pub(in super::super) allow_by_name: bool,
    /// The credential that the rule requires. Default: `authenticated`.
    #[serde(default)]
    pub(in super::super) access: Access,
    /// `true`: the rule is a shadow rule, evaluated and never enforced. Its results are counted, and logged where they differ from the
    /// decision. It may match the same requests as another rule. Default: `false`.
    #[serde(default)]
    pub(in super::super) shadow: bool,
    /// Requirements on the caller in addition to a valid credential. Only with `access: authenticated`.
    pub(in super::super) require: Option<Require>,
    /// The response to authenticated callers without access, instead of the general one. Unauthenticated callers still get the usual
    /// challenge.
    pub(in super::super) deny: Option<Deny>,
    /// The location of the request's organization: `path.NAME`, `query.NAME` or `context.NAME`. Only callers of that organization, as
    /// `principal.organization` finds it, have access. Only with `access: authenticated`.
    #[schemars(example = &"path.org")]
    pub(in super::super) same_organization: Option<String>,
    /// A condition in CEL, such as `claims.level >= 2 && path.org in principal.roles`, over `request`, `path`, `query`, `claims`,
    /// `principal`, `context` and `now`. If it is not true, or can't be evaluated, the request is denied.
    pub(in super::super) when: Option<String>,
}

/// Requirements on the caller in addition to a valid credential; all must be met. Each list has at least one item: an empty one would
/// require nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in super::super) struct Require {
    /// Required permissions, all of them, as `principal.permissions` finds them and `principal.grants` grants them.
    #[schemars(example = ["orders:write"])]
    pub(in super::super) permissions: Option<Vec<String>>,
    /// Required roles, all of them, as `principal.roles` finds them.
    #[schemars(example = ["editor"])]
    pub(in super::super) roles: Option<Vec<String>>,
    /// Required scopes of the token, all of them, as `principal.scopes` finds them.
    #[schemars(example = ["orders"])]
    pub(in super::super) scopes: Option<Vec<String>>,
    /// The names of the accepted authenticators. Default: all.
    #[schemars(example = ["login"])]
    pub(in super::super) authenticators: Option<Vec<String>>,
    /// Permissions, roles and scopes of which one suffices.
    pub(in super::super) any: Option<RequireAny>,
}

/// Permissions, roles and scopes of which one suffices.
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
    /// Path patterns, such as `/reports/{id}` or `/docs/{*rest}`: `{name}` is one segment, `{*rest}` at the end is all that follow, or
    /// none. Written decoded. A trailing slash is ignored.
    pub(in super::super) paths: Vec<String>,
    /// The comparison of the letters of `paths`: `exact`, or `fold`, by which `/Admin` equals `/admin`, for a service that treats them
    /// alike. Default: `exact`; below the prefix of a module, the module's own `case`.
    #[serde(default)]
    pub(in super::super) case: Case,
}

/// The comparison of letters.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Case {
    /// Case matters.
    #[default]
    Exact,
    /// `A` equals `a`. Letters beyond ASCII are not folded; a path in which folding them could select another rule is denied.
    Fold,
}

impl Match {
    /// Returns the named hosts; empty for every host.
    pub(in super::super) fn hosts(&self) -> &[String] {
        self.hosts.as_deref().unwrap_or_default()
    }

    /// Returns the named methods; empty for every method.
    pub(in super::super) fn methods(&self) -> &[String] {
        self.methods.as_deref().unwrap_or_default()
    }
}

/// The credential that a rule requires.
#[derive(Debug, Default, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Access {
    /// A valid credential.
    #[default]
    Authenticated,
    /// A valid credential, or none, which is anonymous. An invalid one is denied.
    Optional,
    /// None: a credential is neither checked nor changed.
    Public,
    /// None, and only for CORS preflights: `OPTIONS` with one `Origin` and one `Access-Control-Request-Method`. The rule does not apply to
    /// other requests. Where one matches a preflight, rules that require a caller are skipped.
    Preflight,
    /// Every request is denied.
    Denied,
}

/// The decision on a request that no rule matches.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Fallback {
    /// A valid credential is required.
    Authenticated,
    /// Every request is denied.
    Denied,
}
