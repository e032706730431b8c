//! `principal`, as written: the claims that identify a caller.

use super::Claim;
use crate::config::path::Path;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The claims that identify the caller and hold roles, permissions and scopes, for every authenticator.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Principal {
    /// The claim that identifies the caller. Default: `sub`; in the profile `bifrost`: `core_user_uuid`.
    pub(in crate::config) subject: Option<Claim>,
    /// The claim that names the organization for which the caller acts. Default: none; in the profile `bifrost`: `organization_uuid`.
    #[schemars(example = &"organization")]
    pub(in crate::config) organization: Option<Claim>,
    /// The claim that holds the caller's roles: an array of texts, or one text. `{ first_of: [roles, role] }` names several, of which
    /// the first with a value counts. `{ members: CLAIM }` names an object, whose member names are the roles. Default: `roles`; in the
    /// profile `bearer`: `{ first_of: [roles, role] }`.
    #[schemars(example = &"roles")]
    pub(in crate::config) roles: Option<Roles>,
    /// The claims that hold the caller's permissions: arrays of texts, or texts with spaces between the permissions. All of them count.
    /// Default: `[permissions, scope]`.
    #[serde(default)]
    pub(in crate::config) permissions: Vec<Claim>,
    /// The claims that hold the token's scopes, in the same forms. Default: `[scope, scp]`.
    #[serde(default)]
    pub(in crate::config) scopes: Vec<Claim>,
    /// The permissions that roles grant, by role, such as `{ reader: [read, list], admin: ["*"] }`. `*` is every permission; a claim can't
    /// grant that. Default: none.
    #[serde(default)]
    pub(in crate::config) grants: BTreeMap<String, Vec<String>>,
    /// Texts that mean "no value" when a claim holds them: the claim counts as missing. Default: `[""]`; in the profile `bifrost`:
    /// `["None", ""]`.
    #[serde(default)]
    #[schemars(example = ["", "None"])]
    pub(in crate::config) absent: Vec<String>,
}

/// `principal` of one authenticator. A key replaces that of the common `principal` as a whole; what is left out is taken from there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct OwnPrincipal {
    /// The claim that identifies the caller. Default: that of `principal`.
    #[schemars(example = &"oid")]
    pub(in crate::config) subject: Option<Claim>,
    /// The claim that names the organization for which the caller acts. Default: that of `principal`.
    #[schemars(example = &"tid")]
    pub(in crate::config) organization: Option<Claim>,
    /// The claim that holds the caller's roles, in the forms of `principal.roles`. Default: that of `principal`.
    #[schemars(example = &"realm_access.roles")]
    pub(in crate::config) roles: Option<Roles>,
    /// The claims that hold the caller's permissions. Default: those of `principal`.
    #[schemars(example = ["permissions"])]
    pub(in crate::config) permissions: Option<Vec<Claim>>,
    /// The claims that hold the token's scopes. Default: those of `principal`.
    #[schemars(example = ["scp"])]
    pub(in crate::config) scopes: Option<Vec<Claim>>,
    /// The permissions that the roles of these callers grant, by role. It replaces the whole map of `principal`: with `{}` their roles grant
    /// nothing. Default: that of `principal`.
    #[schemars(example = serde_json::json!({ "reader": ["read"] }))]
    pub(in crate::config) grants: Option<BTreeMap<String, Vec<String>>>,
    /// Texts that mean "no value". Default: those of `principal`.
    #[schemars(example = ["", "None"])]
    pub(in crate::config) absent: Option<Vec<String>>,
}

/// The claim of the roles, or several, or an object.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "is not the name of a claim; write one such as `roles` or `realm_access.roles`, a list of names, `{ first_of: [roles, role] }`, or `{ members: resource_access }`"
)]
pub(in crate::config) enum Roles {
    /// The claim.
    Claim(Claim),
    /// Several claims.
    FirstOf(FirstOf),
    /// The member names of an object.
    Members(Members),
}

/// Several claims, of which one counts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct FirstOf {
    /// The claims in the order in which they are looked for. The first with a value counts, an empty array too; the others are ignored.
    #[schemars(example = ["roles", "role"])]
    pub(in crate::config) first_of: Vec<Claim>,
}

/// An object whose member names are the roles.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct Members {
    /// The claim of the object. A member counts if its value is an object or `true`, and not if it is `null` or `false`.
    #[schemars(example = &"resource_access")]
    pub(in crate::config) members: Claim,
}

impl Roles {
    /// Returns the claims, each with its path below `at`.
    pub(in crate::config) fn claims(&self, at: &Path) -> Vec<(Path, &Claim)> {
        match self {
            Self::Claim(claim) => vec![(at.clone(), claim)],
            Self::Members(Members { members }) => vec![(at.key("members"), members)],
            Self::FirstOf(FirstOf { first_of }) => {
                let at = at.key("first_of");
                first_of.iter().enumerate().map(|(number, claim)| (at.position(number), claim)).collect()
            }
        }
    }
}
