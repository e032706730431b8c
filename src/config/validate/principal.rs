//! Validates `principal`: the claims that make up a caller's identity.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Claim};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::principal::{ClaimMapping, ClaimPath, NullStrings, RolePermissions};
use std::sync::Arc;

pub(super) fn check(principal: &raw::Principal, diagnostics: &mut Diagnostics) -> ClaimMapping {
    let raw::Principal { subject, organization, roles, permissions, scopes, grants, absent } = principal;
    let at = Path::root("principal");
    let mut one = |key: &str, claim: &Option<Claim>| {
        claim.as_ref().and_then(|claim| diagnostics.ok_or_report(&at.key(key), claim_path(claim)))
    };
    let (subject, organization, roles) =
        (one("subject", subject), one("organization", organization), one("roles", roles));
    let mut list = |key: &str, claims: &[Claim]| {
        let mut paths = Vec::new();
        for (number, claim) in claims.iter().enumerate() {
            paths.extend(diagnostics.ok_or_report(&at.key(key).position(number), claim_path(claim)));
        }
        paths
    };
    let (permissions, scopes) = (list("permissions", permissions), list("scopes", scopes));
    let grants = grants.iter().map(|(role, list)| (role.as_str(), list.iter().map(String::as_str).collect()));
    let grants = RolePermissions::new(grants);
    let absent = Arc::new(NullStrings::new(absent.iter().map(String::as_str)));
    ClaimMapping { subject, organization, roles, permissions, scopes, grants, absent }
}

/// Parses the path of a claim.
pub(in crate::config) fn claim_path(claim: &Claim) -> Result<ClaimPath, Issue> {
    match claim {
        Claim::Text(text) => ClaimPath::parse(text).map_err(|error| (text.clone(), error)),
        Claim::Names(names) => {
            ClaimPath::of(names.iter().map(String::as_str)).map_err(|error| (names.join("."), error))
        }
    }
    .map_err(|(text, error)| Issue::parse("claim-path-invalid", format!("{}: {error}", Quoted::new(&text))))
}
