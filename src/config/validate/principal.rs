//! Validates `principal`, the claims that make up a caller's identity, and `require` of a rule, the requirements on the caller.
//!
//! An empty list or map in `require`, as an empty variable of a template leaves it, is an error: it would admit every authenticated caller.

use super::clients;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Claim, Require, RequireAny};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authz::{Access, Entitlements, Requirement};
use modgud_core::principal::{AuthenticatorName, ClaimMapping, ClaimPath, NullStrings, RolePermissions, RoleSource};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Returns the common mapping of claims.
pub(super) fn check(principal: &raw::Principal, diagnostics: &mut Diagnostics) -> ClaimMapping {
    let raw::Principal { subject, organization, roles, permissions, scopes, grants, absent } = principal;
    let at = Path::root("principal");
    let mut reader = Reader { at: &at, diagnostics };
    ClaimMapping {
        subject: subject.as_ref().and_then(|claim| reader.claim("subject", claim)),
        organization: organization.as_ref().and_then(|claim| reader.claim("organization", claim)),
        roles: roles.as_ref().map(|roles| reader.roles(roles)).unwrap_or_default(),
        permissions: reader.claims("permissions", permissions),
        scopes: reader.claims("scopes", scopes),
        grants: Arc::new(self::grants(grants)),
        null_strings: Arc::new(NullStrings::new(absent.iter().map(String::as_str))),
    }
}

/// Returns the mapping of one authenticator: its own keys, and those of the common mapping that it leaves out.
pub(super) fn laid_over(
    common: &ClaimMapping,
    at: &Path,
    own: &raw::OwnPrincipal,
    diagnostics: &mut Diagnostics,
) -> ClaimMapping {
    let raw::OwnPrincipal { subject, organization, roles, permissions, scopes, grants, absent } = own;
    let mut reader = Reader { at, diagnostics };
    let mut one = |key: &str, own: &Option<Claim>, common: &Option<ClaimPath>| match own {
        Some(claim) => reader.claim(key, claim),
        None => common.clone(),
    };
    let (subject, organization) =
        (one("subject", subject, &common.subject), one("organization", organization, &common.organization));
    let roles = roles.as_ref().map_or_else(|| common.roles.clone(), |roles| reader.roles(roles));
    let mut list = |key: &str, own: &Option<Vec<Claim>>, common: &[ClaimPath]| match own {
        Some(claims) => reader.claims(key, claims),
        None => common.to_vec(),
    };
    let (permissions, scopes) =
        (list("permissions", permissions, &common.permissions), list("scopes", scopes, &common.scopes));
    let grants = grants.as_ref().map_or_else(|| Arc::clone(&common.grants), |own| Arc::new(self::grants(own)));
    let texts = |own: &Vec<String>| Arc::new(NullStrings::new(own.iter().map(String::as_str)));
    let null_strings = absent.as_ref().map_or_else(|| Arc::clone(&common.null_strings), texts);
    ClaimMapping { subject, organization, roles, permissions, scopes, grants, null_strings }
}

/// Reads the keys of a mapping below `at`.
struct Reader<'p, 'd> {
    at: &'p Path,
    diagnostics: &'d mut Diagnostics,
}

impl Reader<'_, '_> {
    fn claim(&mut self, key: &str, claim: &Claim) -> Option<ClaimPath> {
        self.diagnostics.ok_or_report(&self.at.key(key), claim_path(claim))
    }

    fn claims(&mut self, key: &str, claims: &[Claim]) -> Vec<ClaimPath> {
        let at = self.at.key(key);
        let mut paths = Vec::new();
        for (number, claim) in claims.iter().enumerate() {
            paths.extend(self.diagnostics.ok_or_report(&at.position(number), claim_path(claim)));
        }
        paths
    }

    fn roles(&mut self, roles: &raw::Roles) -> RoleSource {
        let at = self.at.key("roles");
        let claims = roles.claims(&at);
        if claims.is_empty() {
            let issue =
                Issue::error("empty", "is empty, so that no caller would have a role", "name a claim, such as `roles`");
            self.diagnostics.add(at.key("first_of"), issue);
        }
        let mut paths =
            claims.into_iter().filter_map(|(at, claim)| self.diagnostics.ok_or_report(&at, claim_path(claim)));
        match roles {
            raw::Roles::Members(_) => paths.next().map(RoleSource::Members).unwrap_or_default(),
            raw::Roles::Claim(_) | raw::Roles::FirstOf(_) => RoleSource::FirstOf(paths.collect()),
        }
    }
}

fn grants(grants: &BTreeMap<String, Vec<String>>) -> RolePermissions {
    let granted = grants.iter().map(|(role, list)| (role.as_str(), list.iter().map(String::as_str).collect()));
    RolePermissions::new(granted)
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

/// Creates the error about an empty list or map.
fn empty(help: &str) -> Issue {
    Issue::error("empty", "is empty, so that every authenticated caller would have access", help)
}

/// Returns the requirement of a rule. `known` are the names of the authenticators.
pub(super) fn requirement(
    at: &Path,
    require: Option<&Require>,
    access: Access,
    known: &[&str],
    diagnostics: &mut Diagnostics,
) -> Requirement {
    let Some(require) = require else { return Requirement::default() };
    let Require { permissions, roles, scopes, authenticators, audiences, clients, any } = require;
    let lists = [permissions, roles, scopes, authenticators, audiences, clients];
    if lists.iter().all(|list| list.is_none()) && any.is_none() {
        diagnostics
            .add(at.clone(), empty("name a requirement, such as `require: { roles: [staff] }`, or leave the key out"));
        return Requirement::default();
    }
    let names = list(&at.key("authenticators"), authenticators.as_deref(), diagnostics);
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !known.contains(&name.as_str())) {
        let message = format!("{} is not the name of an authenticator", Quoted::new(name));
        let issue = Issue::error("authenticator-unknown", message, "write the name of an entry of `authenticators`");
        diagnostics.add(at.key("authenticators").position(index), issue);
    }
    let authenticators = names.iter().map(|name| AuthenticatorName::new(name)).collect();
    let audiences = texts(&at.key("audiences"), audiences.as_deref(), "which no token names", diagnostics);
    let clients = clients::networks(&at.key("clients"), clients.as_deref(), access, diagnostics);
    let all = entitlements(at, [permissions, roles, scopes], diagnostics);
    let at_any = at.key("any");
    let any = any.as_ref().map(|any| {
        let RequireAny { permissions, roles, scopes } = any;
        if permissions.is_none() && roles.is_none() && scopes.is_none() {
            diagnostics.add(
                at_any.clone(),
                empty("name what suffices, such as `any: { roles: [staff] }`, or leave the key out"),
            );
        }
        entitlements(&at_any, [permissions, roles, scopes], diagnostics)
    });
    let requirement = Requirement { authenticators, audiences, clients, all, any: any.unwrap_or_default() };
    match access {
        Access::Authenticated => {}
        Access::Optional | Access::Public | Access::Preflight | Access::Denied if requirement.is_empty() => {}
        Access::Optional | Access::Public | Access::Preflight | Access::Denied => {
            diagnostics.add(at.clone(), caller_required(access));
        }
    }
    requirement
}

/// Returns the error about a requirement on the caller where there may be none.
pub(super) fn caller_required(access: Access) -> Issue {
    let message = format!("requires a caller, which access `{}` does not guarantee", access.name());
    Issue::error("caller-not-required", message, "write `access: authenticated`, or leave it out")
}

/// Returns the texts of a list, which must not be empty if it is present.
pub(super) fn list<'t>(at: &Path, texts: Option<&'t [String]>, diagnostics: &mut Diagnostics) -> &'t [String] {
    if texts.is_some_and(<[String]>::is_empty) {
        diagnostics.add(at.clone(), empty("name a requirement, or leave the key out"));
    }
    texts.unwrap_or_default()
}

/// Returns permissions, roles and scopes, each of which has a name.
fn entitlements(at: &Path, lists: [&Option<Vec<String>>; 3], diagnostics: &mut Diagnostics) -> Entitlements {
    let [permissions, roles, scopes] = lists;
    let mut named = |key: &str, list: &Option<Vec<String>>| {
        texts(&at.key(key), list.as_deref(), "which no caller has", diagnostics)
    };
    Entitlements {
        permissions: named("permissions", permissions),
        roles: named("roles", roles),
        scopes: named("scopes", scopes),
    }
}

/// Returns the texts of a list, none of which is empty.
fn texts(at: &Path, written: Option<&[String]>, none: &str, diagnostics: &mut Diagnostics) -> Vec<Box<str>> {
    let texts = list(at, written, diagnostics);
    for (index, _) in texts.iter().enumerate().filter(|(_, text)| text.is_empty()) {
        diagnostics.add(at.position(index), Issue::error("empty", format!("is empty, {none}"), "leave it out"));
    }
    texts.iter().map(|text| text.as_str().into()).collect()
}
