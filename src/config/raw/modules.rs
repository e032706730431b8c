//! `modules` and `core`, as written.

use modgud_core::authz::Case;
use schemars::JsonSchema;
use serde::Deserialize;

/// A service behind Envoy with its own path prefix.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Module {
    /// The name: 1 to 128 visible ASCII characters, unique among modules, and neither `core` nor `modgud`. Its own rule is `module:NAME` in
    /// logs, its cluster NAME in Envoy.
    #[schemars(example = &"crm")]
    pub(in crate::config) name: String,
    /// The path prefix, such as `/crm`, which the module does not see: `/crm/appointment/1/` reaches it as `/appointment/1/`. The first
    /// segment must not be one of `core.reserved`. Of several prefixes that match, the longest decides.
    pub(in crate::config) prefix: String,
    /// The host and port, such as `crm:8080`, for `modgud envoy`.
    pub(in crate::config) upstream: String,
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
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "is not a list of rights; write a list of `create`, `read`, `update` and `delete`, or BiFrost's mask, a number from 0 to 15"
)]
pub(in crate::config) enum Allow {
    /// `BiFrost`'s mask, from 0 to 15: the sum of create 8, read 4, update 2, delete 1.
    Mask(#[schemars(range(max = 15))] u64),
    /// The rights as words.
    Rights(Vec<AnyRight>),
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
