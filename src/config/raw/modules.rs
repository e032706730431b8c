//! `modules` and `core`, as they are written.

use super::Case;
use schemars::JsonSchema;
use serde::Deserialize;

/// A service behind Envoy, with a part of the paths of its own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Module {
    /// Its name: 1 to 128 visible ASCII characters, no other module's, and not `core` or `modgud`. Its own rule is `module:NAME` in
    /// logs, its cluster NAME in Envoy.
    #[schemars(example = &"crm")]
    pub(in super::super) name: String,
    /// The segments that lead to it, such as `/crm`; the module does not see them: `/crm/appointment/1/` reaches it as
    /// `/appointment/1/`. The first one is none of `core.reserved`. Of several prefixes that match, the longest decides.
    pub(in super::super) prefix: String,
    /// Where it listens, such as `crm:8080`: for `modgud envoy`.
    pub(in super::super) upstream: String,
    /// How it compares the letters of what is below the prefix, and so every rule there: `exact`, or `fold`, by which `/crm/Admin` is
    /// `/crm/admin`, as Express and IIS have it. The prefix itself is compared exactly, as Envoy does. Default: `exact`.
    #[serde(default)]
    pub(in super::super) case: Case,
    /// Endings that it takes for a form of the same thing, without the dot, such as `[json, html]`: `/crm/admin.json` gets the rule of
    /// `/crm/admin`, and parameters hold no such ending. Letters, digits, `-` and `_`. Default: none.
    #[serde(default)]
    pub(in super::super) suffixes: Vec<String>,
    /// What organizations may do in it. What entries allow adds up; whom none is for may do nothing; `[]` lets nobody do anything.
    /// Default: every caller whom the rules let through may do everything.
    pub(in super::super) access: Option<Vec<ModuleAccess>>,
}

/// What callers of one organization, or of any, may do.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ModuleAccess {
    /// The organization, exactly as `principal.organization` finds it, or the word `any` for every caller, those without one too.
    #[schemars(example = &"any")]
    pub(in super::super) organization: String,
    /// What they may do.
    #[schemars(example = ["read", "update"])]
    pub(in super::super) allow: Allow,
}

/// What callers may do in a module.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a number from 0 to 15, which is BiFrost's mask, or a list of `create`, `read`, `update` and `delete`"
)]
pub(in super::super) enum Allow {
    /// `BiFrost`'s mask, from 0 to 15: create 8, read 4, update 2, delete 1, added up.
    Mask(#[schemars(range(max = 15))] u64),
    /// The same in words.
    Rights(Vec<AnyRight>),
}

/// One thing that callers may do in a module.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum AnyRight {
    /// POST.
    Create,
    /// GET and HEAD.
    Read,
    /// PUT and PATCH.
    Update,
    /// DELETE.
    Delete,
}

/// The service behind the names that no module may have.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Core {
    /// Where it listens, such as `core:8080`: for `modgud envoy`. Default: nowhere; the reserved names are then nobody's.
    pub(in super::super) upstream: Option<String>,
    /// The first segments that are its own and no module's, such as `[admin, oauth]`. Default: none; in the profile `bifrost`: its
    /// fifteen names. Who may call them is said by rules.
    #[serde(default)]
    pub(in super::super) reserved: Vec<String>,
}
