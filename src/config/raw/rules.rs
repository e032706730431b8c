//! `rules`, `fallback` and `denials`, as written: which requests are allowed, and the responses to denied ones.

use modgud_core::authz::{Access, Case};
use modgud_core::denial::{BodyStyle, OnError};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A rule: which requests match, and what they require.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Rule {
    /// The name in logs: 1 to 128 visible ASCII characters, unique among rules.
    #[schemars(example = &"order-status")]
    pub(in crate::config) name: String,
    /// The requests that it decides. Required unless `by_name` is set.
    #[serde(rename = "match", default)]
    pub(in crate::config) matches: Match,
    /// `true`: the rule applies only to requests whose route in Envoy names it (`modgud.rule` in `context_extensions`); `match` is then
    /// omitted. Default: `false`; routes can still name every rule.
    #[serde(default)]
    pub(in crate::config) by_name: bool,
    /// `true`: a route in Envoy that names this rule is open, whatever other rules require. Only with `access: public`. Default: `false`: a
    /// named rule can only restrict the access that the request's own rules grant.
    #[serde(default)]
    pub(in crate::config) allow_by_name: bool,
    /// The credential that the rule requires. Default: `authenticated`.
    #[serde(default)]
    pub(in crate::config) access: Access,
    /// `true`: the rule is a shadow rule, evaluated and never enforced. Its results are counted, and logged where they differ from the
    /// decision. It may match the same requests as another rule. Default: `false`.
    #[serde(default)]
    pub(in crate::config) shadow: bool,
    /// Requirements on the caller in addition to a valid credential. Only with `access: authenticated`.
    pub(in crate::config) require: Option<Require>,
    /// The response to authenticated callers without access, instead of the general one. Unauthenticated callers still get the usual
    /// challenge.
    pub(in crate::config) deny: Option<Deny>,
    /// The response to allowed requests: what modgud adds to that of the service.
    pub(in crate::config) respond: Option<Respond>,
    /// The location of the request's organization: `path.NAME`, `query.NAME` or `context.NAME`. Only callers of that organization, as
    /// `principal.organization` finds it, have access. Only with `access: authenticated`.
    #[schemars(example = &"path.org")]
    pub(in crate::config) same_organization: Option<String>,
    /// A condition in CEL, such as `claims.level >= 2 && path.org in principal.roles`, over `request`, `path`, `query`, `claims`,
    /// `principal`, `context` and `now`. If it is not true, or can't be evaluated, the request is denied.
    pub(in crate::config) when: Option<String>,
}

/// Requirements on the caller in addition to a valid credential; all must be met. Each list has at least one item: an empty one would
/// require nothing.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Require {
    /// Required permissions, all of them, as `principal.permissions` finds them and `principal.grants` grants them.
    #[schemars(example = ["orders:write"])]
    pub(in crate::config) permissions: Option<Vec<String>>,
    /// Required roles, all of them, as `principal.roles` finds them.
    #[schemars(example = ["editor"])]
    pub(in crate::config) roles: Option<Vec<String>>,
    /// Required scopes of the token, all of them, as `principal.scopes` finds them.
    #[schemars(example = ["orders"])]
    pub(in crate::config) scopes: Option<Vec<String>>,
    /// The names of the accepted authenticators. Default: all.
    #[schemars(example = ["login"])]
    pub(in crate::config) authenticators: Option<Vec<String>>,
    /// Audiences of which the caller's token must name one in `aud`, in addition to those that its authenticator accepts. Otherwise 401
    /// `audience_mismatch`. API keys and certificates have none. Default: all.
    #[schemars(example = ["orders-api"])]
    pub(in crate::config) audiences: Option<Vec<String>>,
    /// Permissions, roles and scopes of which one suffices.
    pub(in crate::config) any: Option<RequireAny>,
}

/// Permissions, roles and scopes of which one suffices.
// Not flattened into `Require`: `serde(flatten)` and `deny_unknown_fields` exclude each other.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RequireAny {
    /// Permissions.
    #[schemars(example = ["orders:write"])]
    pub(in crate::config) permissions: Option<Vec<String>>,
    /// Roles.
    #[schemars(example = ["editor"])]
    pub(in crate::config) roles: Option<Vec<String>>,
    /// Scopes of the token.
    #[schemars(example = ["orders"])]
    pub(in crate::config) scopes: Option<Vec<String>>,
}

/// The requests that a rule decides.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Match {
    /// The hosts, without port, such as `[api.example.com]`; `*.example.com` is every name below it. Default: every host.
    pub(in crate::config) hosts: Option<Vec<String>>,
    /// The methods, in upper case, such as `[GET, HEAD]`. Default: every method.
    pub(in crate::config) methods: Option<Vec<String>>,
    /// Path patterns, such as `/reports/{id}` or `/docs/{*rest}`: `{name}` is one segment, `{*rest}` at the end is all that follow, or
    /// none. Written decoded. A trailing slash is ignored.
    pub(in crate::config) paths: Vec<String>,
    /// The comparison of the letters of `paths`: `exact`, or `fold`, by which `/Admin` equals `/admin`, for a service that treats them
    /// alike. Default: `exact`; below the prefix of a module, the module's own `case`.
    #[serde(default)]
    pub(in crate::config) case: Case,
}

impl Match {
    /// Returns the named hosts; empty for every host.
    pub(in crate::config) fn hosts(&self) -> &[String] {
        self.hosts.as_deref().unwrap_or_default()
    }

    /// Returns the named methods; empty for every method.
    pub(in crate::config) fn methods(&self) -> &[String] {
        self.methods.as_deref().unwrap_or_default()
    }
}

/// The responses to denied requests.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Denials {
    /// The format of the body, for clients whose `Accept` requests neither text nor a page. Default: `problem`; in the profile `bifrost`:
    /// `detail`.
    pub(in crate::config) body: Option<BodyStyle>,
    /// The realm in `WWW-Authenticate`: 1 to 64 visible ASCII characters or spaces. Default: `modgud`.
    pub(in crate::config) realm: Option<String>,
    /// The parameters of challenges (`WWW-Authenticate`) that disclose more than the realm. Default: none.
    #[serde(default)]
    pub(in crate::config) challenge: Challenge,
    /// Statuses that replace 401 and 403.
    #[serde(default)]
    pub(in crate::config) status: Statuses,
    /// The login page to which unauthenticated browsers are redirected (302), instead of a denial with 401. Default: none.
    pub(in crate::config) redirect: Option<Redirect>,
    /// Headers that every denial has in addition to its own, such as `{ x-frame-options: DENY }`.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<String, String>,
    /// The result of a check that can't be decided. Default: `deny`.
    #[serde(default)]
    pub(in crate::config) unavailable: OnError,
}

/// The parameters of challenges that disclose more than the realm.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Challenge {
    /// `true`: a 401 names the scopes that the rule requires. A 403 for a token that lacks one does, too, with `insufficient_scope` (RFC 6750
    /// §3.1). A rule with `deny` discloses none. Default: `false`.
    #[serde(default)]
    pub(in crate::config) scope: bool,
    /// `true`: a challenge names the URL of the metadata of `protected_resource` (RFC 9728 §5.1). Default: `false`.
    #[serde(default)]
    pub(in crate::config) resource_metadata: bool,
}

/// The statuses of denials, for clients that expect others: 400 to 499.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Statuses {
    /// The status for unauthenticated callers. Default: 401.
    pub(in crate::config) unauthenticated: Option<u16>,
    /// The status for authenticated callers without access. Default: 403.
    pub(in crate::config) forbidden: Option<u16>,
}

/// The login page for browsers. An unauthenticated browser that opens a page (GET, accepts a page) is redirected there.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Redirect {
    /// The login page: an `https` URL, or a plain `http` one of this machine.
    #[schemars(example = &"https://login.example.com/start")]
    pub(in crate::config) to: String,
    /// The name of the parameter that passes the requested path and query to the login page, to return to. Default: `return_to`.
    pub(in crate::config) parameter: Option<String>,
    /// Your hosts, such as `[app.example.com]`, with the port where clients name one. A request for one of them is passed with its host, as
    /// `https://app.example.com/path`; any other as a path alone. Default: none.
    #[serde(default)]
    pub(in crate::config) hosts: Vec<String>,
}

/// The response of a rule to callers without access, who are authenticated or need not be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Deny {
    /// The status: 400 to 499, such as 404 to hide a resource. Default: that of `denials.status.forbidden`.
    #[schemars(example = 404)]
    pub(in crate::config) status: Option<u16>,
    /// The text: one line. Default: the status in words.
    #[schemars(example = &"Ask your administrator for the role editor.")]
    pub(in crate::config) detail: Option<String>,
    /// A file with the page for browsers, in HTML: UTF-8, at most 64 KiB. Other clients get the `detail`. Default: a small page with it.
    #[schemars(example = &"pages/404.html")]
    pub(in crate::config) page: Option<PathBuf>,
    /// The time after which a retry is useful (`Retry-After`): `1s` to `24h`, in whole seconds. Default: no such header.
    #[schemars(example = &"30s")]
    pub(in crate::config) retry_after: Option<String>,
    /// Headers of this denial, in addition to `denials.headers`. They replace those of the same name.
    #[serde(default)]
    pub(in crate::config) headers: BTreeMap<String, String>,
    /// Cookies that this denial sets, at most 8: values of `Set-Cookie`. `session=; Max-Age=0; Path=/` deletes one.
    #[serde(default)]
    #[schemars(example = ["session=; Max-Age=0; Path=/"])]
    pub(in crate::config) set_cookies: Vec<String>,
}

/// What is added to the service's response.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Respond {
    /// The headers, at most 16, such as `{ x-cache: private }`. They replace those that the service writes, and are on Envoy's own errors, too.
    pub(in crate::config) headers: BTreeMap<String, String>,
}
