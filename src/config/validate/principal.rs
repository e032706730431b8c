//! Validates `principal`: the claims that make up a caller's identity.

use super::super::diagnostic::{Problem, Problems};
use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw::{self, Claim};
use modgud_core::principal::{ClaimMapping, ClaimPath, NullStrings, RolePermissions};
use std::sync::Arc;

pub(super) fn check(principal: &raw::Principal, problems: &mut Problems) -> ClaimMapping {
    let raw::Principal { subject, organization, roles, permissions, scopes, grants, absent } = principal;
    let at = Path::root("principal");
    let mut one = |key: &str, claim: &Option<Claim>| {
        claim.as_ref().and_then(|claim| problems.take(&at.key(key), claim_path(claim)))
    };
    let (subject, organization, roles) =
        (one("subject", subject), one("organization", organization), one("roles", roles));
    let mut list = |key: &str, claims: &[Claim]| {
        let mut paths = Vec::new();
        for (number, claim) in claims.iter().enumerate() {
            paths.extend(problems.take(&at.key(key).position(number), claim_path(claim)));
        }
        paths
    };
    let (permissions, scopes) = (list("permissions", permissions), list("scopes", scopes));
    let grants = grants.iter().map(|(role, list)| (role.as_str(), list.iter().map(String::as_str).collect()));
    let grants = RolePermissions::new(grants);
    let absent = Arc::new(NullStrings::new(absent.iter().map(String::as_str)));
    ClaimMapping { subject, organization, roles, permissions, scopes, grants, null_strings: absent }
}

/// Parses the path of a claim.
pub(in super::super) fn claim_path(claim: &Claim) -> Result<ClaimPath, Problem> {
    match claim {
        Claim::Text(text) => ClaimPath::parse(text).map_err(|fault| Problem::Claim { found: Quoted::new(text), fault }),
        Claim::Names(names) => ClaimPath::of(names.iter().map(String::as_str))
            .map_err(|fault| Problem::Claim { found: Quoted::new(&names.join(".")), fault }),
    }
}
