//! Texts of failed requirements: what a rule requires beside what the caller has. They hold claims, so only `explain` builds them.

use super::AuthzError;
use super::pattern::PathPattern;
use super::rule::{Entitlements, Requirement, TenantSource};
use crate::authn::mismatch::quoted;
use crate::explain::Step;
use crate::http::request::Request;
use crate::principal::{AuthenticatorName, Principal};

/// Describes the denial of a caller by a rule with this requirement.
pub(super) fn describe(error: &AuthzError, require: Option<&Requirement>, caller: Option<&Principal>) -> String {
    let Some(identity) = caller.map(Principal::identity) else { return error.to_string() };
    let roles = || format!("roles: {}", list(identity.roles()));
    let permissions = || format!("permissions: {}", list(identity.permissions()));
    let scopes = || format!("scopes: {}", list(identity.scopes()));
    let any = require.map(|require| &require.any);
    match error {
        AuthzError::AuthenticatorNotAllowed(_) => {
            let accepted = require.map(|require| list(require.authenticators.iter().map(AuthenticatorName::as_str)));
            format!("{error}; it accepts {}", accepted.unwrap_or_default())
        }
        AuthzError::AudienceNotRequired => {
            let required = require.map(|require| list(require.audiences.iter().map(|one| &**one))).unwrap_or_default();
            let found = caller.and_then(|caller| caller.claims().get("aud"));
            let found = found.map_or_else(|| "none".to_owned(), |found| quoted(&found.to_value()));
            format!("{error}: one of {required}; the token's `aud`: {found}")
        }
        AuthzError::RoleMissing(_) => format!("{error}; the caller's {}", roles()),
        AuthzError::PermissionMissing(_) => format!("{error}; the caller's {}", permissions()),
        AuthzError::ScopeMissing(_) => format!("{error}; the token's {}", scopes()),
        AuthzError::NoneOfTheRoles => format!("{error}: {}; the caller's {}", wanted(any), roles()),
        AuthzError::NoneOfTheScopes => format!("{error}: {}; the token's {}", wanted(any), scopes()),
        AuthzError::NoneOfThePermissions => {
            let held = [permissions(), roles(), scopes()].join("; ");
            format!("{error}: {}; the caller's {held}", wanted(any))
        }
        error => error.to_string(),
    }
}

/// Lists the alternatives of which a rule requires one.
fn wanted(any: Option<&Entitlements>) -> String {
    let Some(Entitlements { permissions, roles, scopes }) = any else { return String::new() };
    let kinds = [("permissions", permissions), ("roles", roles), ("scopes", scopes)];
    let named = kinds.into_iter().filter(|(_, all)| !all.is_empty());
    named.map(|(kind, all)| format!("{kind} {}", list(all.iter().map(|one| &**one)))).collect::<Vec<_>>().join(", ")
}

/// Lists texts for a sentence.
fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    /// The most texts that are listed. More are hardly compared by eye; the rest is counted.
    const MAX_LISTED: usize = 20;
    let mut texts = texts.into_iter();
    let shown: Vec<String> = texts.by_ref().take(MAX_LISTED).map(|text| quoted(&text.into())).collect();
    match (shown.as_slice(), texts.count()) {
        ([], _) => "none".to_owned(),
        (_, 0) => shown.join(", "),
        (_, more) => format!("{} and {more} more", shown.join(", ")),
    }
}

impl TenantSource {
    /// Describes the comparison of organizations, with both values if they differ.
    pub(super) fn describe(
        &self,
        caller: Option<&Principal>,
        request: &Request<'_>,
        pattern: &PathPattern,
        outcome: &Result<(), AuthzError>,
    ) -> Step {
        const WHAT: &str = "organization";
        let own = caller.and_then(|caller| caller.identity().organization());
        match (outcome, self.named(request, pattern), own) {
            (Err(AuthzError::OtherOrganization), Some(named), Some(own)) => {
                let (named, own) = (quoted(&(*named).into()), quoted(&own.into()));
                Step::failed(WHAT, format!("`{self}` is {named}, and the caller's organization is {own}"))
            }
            (Err(AuthzError::OrganizationUnnamed), _, Some(own)) => Step::failed(
                WHAT,
                format!("`{self}` has no value, or an ambiguous one; the caller's is {}", quoted(&own.into())),
            ),
            (outcome, ..) => Step::of(WHAT, outcome, format!("`{self}` is the caller's")),
        }
    }
}
