//! The claims that make up the callers of each authenticator, where authenticators differ in them.

use crate::cli::print_line;
use modgud_core::authn::Authenticator;
use modgud_core::principal::{ClaimMapping, ClaimPath, RoleSource};

/// Returns true if the authenticators do not have one mapping of claims.
pub(super) fn differ(authenticators: &[Authenticator]) -> bool {
    let mut mappings = authenticators.iter().filter_map(Authenticator::mapping);
    let first = mappings.next();
    mappings.any(|mapping| Some(mapping) != first)
}

/// Prints the claims of an authenticator's callers.
pub(super) fn print(authenticator: &Authenticator) {
    let Some(mapping) = authenticator.mapping() else { return };
    let ClaimMapping { subject, organization, roles, permissions, scopes, grants: _, null_strings: _ } = mapping;
    let roles = match roles {
        RoleSource::FirstOf(claims) => list(claims),
        RoleSource::Members(claim) => format!("the members of {claim}"),
    };
    print_line(format_args!(
        "    callers: subject {}, organization {}, roles {roles}, permissions {}, scopes {}",
        list(subject.as_slice()),
        list(organization.as_slice()),
        list(permissions),
        list(scopes)
    ));
}

fn list(claims: &[ClaimPath]) -> String {
    let names: Vec<String> = claims.iter().map(ToString::to_string).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" or ") }
}
