//! `rules`, `fallback`, `denials`, `modules` and `core`, as written: which requests are allowed, and the responses to denied ones.

use modgud_core::authz::{Access, Case};
use modgud_core::denial::{BodyStyle, OnError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;
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
}

/// A service behind Envoy with its own path prefix.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Module {
    /// The name: 1 to 128 visible ASCII characters, unique among modules, and neither `core` nor `modgud`. Its own rule is `module:NAME` in
    /// logs, its cluster NAME in Envoy.
    #[schemars(example = &"crm")]
    pub(in crate::config) name: String,
    /// The path prefix, such as `/crm`, which Envoy removes: `/crm/appointment/1/` reaches the module as `/appointment/1/`. The first
    /// segment must not be one of `core.reserved`, in any letter case. Of several prefixes that match, the longest decides.
    pub(in crate::config) prefix: String,
    /// If true, the module receives paths with the prefix: `/api/users/123` arrives unchanged at the module with the prefix `/api/users`.
    /// Rules compare the same path either way. Default: false.
    #[serde(default)]
    pub(in crate::config) keep_prefix: bool,
    /// The host and port, such as `crm:8080`, for `modgud envoy`.
    pub(in crate::config) upstream: String,
    /// The file of its API description (OpenAPI 2.0 or 3.x, YAML or JSON), for `modgud openapi merge`; no other command reads it. A relative
    /// path starts from the folder of this file. Default: none.
    #[schemars(example = &"crm-swagger.json")]
    pub(in crate::config) openapi: Option<PathBuf>,
    /// The comparison of letters below the prefix, by the module and so by every rule there: `exact` or `fold`. With `fold`, `/crm/Admin`
    /// equals `/crm/admin`, as in Express and IIS. The prefix itself is compared exactly, as in Envoy. Default: `exact`.
    #[serde(default)]
    pub(in crate::config) case: Case,
    /// Suffixes that only select a format of the same resource, without the dot, such as `[json, html]`. `/crm/admin.json` then gets the
    /// rule of `/crm/admin`, and parameters hold no such suffix. Letters, digits, `-` and `_`. Default: none.
    #[serde(default)]
    pub(in crate::config) suffixes: Vec<String>,
    /// The rights of organizations in the module. Rights of several entries add up; callers without an entry have none; `[]` denies every
    /// request. Default: every caller that the rules admit has all rights.
    pub(in crate::config) access: Option<Vec<ModuleAccess>>,
}

/// The rights of callers of one organization, or of any.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct ModuleAccess {
    /// The organization, exactly as `principal.organization` finds it, or the word `any` for every caller, including those without one.
    #[schemars(example = &"any")]
    pub(in crate::config) organization: String,
    /// The rights.
    #[schemars(example = ["read", "update"])]
    pub(in crate::config) allow: Allow,
}

/// The rights of callers in a module.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub(in crate::config) enum Allow {
    /// `BiFrost`'s mask, from 0 to 15: the sum of create 8, read 4, update 2, delete 1.
    Mask(#[schemars(range(max = 15))] u64),
    /// The rights as words.
    Rights(Vec<AnyRight>),
}

/// Unlike the derived one of an untagged enum, its errors name the wrong word.
impl<'de> Deserialize<'de> for Allow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AllowVisitor)
    }
}

struct AllowVisitor;

impl<'de> Visitor<'de> for AllowVisitor {
    type Value = Allow;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of `create`, `read`, `update` and `delete`, or BiFrost's mask, a number from 0 to 15")
    }

    fn visit_u64<E: de::Error>(self, mask: u64) -> Result<Allow, E> {
        Ok(Allow::Mask(mask))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Allow, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(list)).map(Allow::Rights)
    }
}

/// A right of callers in a module.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum AnyRight {
    /// POST.
    Create,
    /// GET and HEAD.
    Read,
    /// PUT and PATCH.
    Update,
    /// DELETE.
    Delete,
}

/// The service behind the reserved names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Core {
    /// The host and port, such as `core:8080`, for `modgud envoy`. Default: none; the reserved names then lead to no service.
    pub(in crate::config) upstream: Option<String>,
    /// The first path segments that are its own and no module's, such as `[admin, oauth]`. Default: none; in the profile `bifrost`: its
    /// fifteen names. Rules decide which callers have access.
    #[serde(default)]
    pub(in crate::config) reserved: Vec<String>,
}
