//! Validates `require` of a rule: the requirements on the caller in addition to a valid credential.
//!
//! An empty list or map, as an empty variable of a template leaves it, is a problem: it would admit every authenticated caller.

use super::super::diagnostic::{Problem, Problems};
use super::super::path::Path;
use super::super::raw::{Require, RequireAny};
use crate::diagnostic::Quoted;
use modgud_core::authz::{Access, Entitlements, Requirement};
use modgud_core::principal::AuthenticatorName;

const EMPTY_LIST: &str = "every caller with a good credential would pass; name what is asked for, or leave the key out";
const EMPTY_ANY: &str = "every caller with a good credential would pass; name what is enough, such as `any: { roles: [staff] }`, or leave the key out";
const EMPTY_REQUIRE: &str = "every caller with a good credential would pass; name what is asked for, such as `require: { roles: [staff] }`, or leave the key out";

/// Returns the requirement of a rule. `known` are the names of the authenticators.
pub(super) fn check(
    at: &Path,
    require: Option<&Require>,
    access: Access,
    known: &[&str],
    problems: &mut Problems,
) -> Requirement {
    let Some(require) = require else { return Requirement::default() };
    let Require { permissions, roles, scopes, authenticators, any } = require;
    if permissions.is_none() && roles.is_none() && scopes.is_none() && authenticators.is_none() && any.is_none() {
        problems.add(at.clone(), Problem::Empty(EMPTY_REQUIRE));
        return Requirement::default();
    }
    let names = list(&at.key("authenticators"), authenticators.as_deref(), problems);
    for (place, name) in names.iter().enumerate().filter(|(_, name)| !known.contains(&name.as_str())) {
        problems.add(at.key("authenticators").position(place), Problem::AuthenticatorUnknown(Quoted::new(name)));
    }
    let authenticators = names.iter().map(|name| AuthenticatorName::new(name)).collect();
    let all = entitlements(at, [permissions, roles, scopes], problems);
    let at_any = at.key("any");
    let any = any.as_ref().map(|any| {
        let RequireAny { permissions, roles, scopes } = any;
        if permissions.is_none() && roles.is_none() && scopes.is_none() {
            problems.add(at_any.clone(), Problem::Empty(EMPTY_ANY));
        }
        entitlements(&at_any, [permissions, roles, scopes], problems)
    });
    let requirement = Requirement { authenticators, all, any: any.unwrap_or_default() };
    match access {
        Access::Authenticated => {}
        Access::Optional | Access::Public | Access::Preflight | Access::Denied if requirement.is_empty() => {}
        Access::Optional | Access::Public | Access::Preflight | Access::Denied => {
            problems.add(at.clone(), Problem::RequireWithoutCaller(access.name()));
        }
    }
    requirement
}

/// Returns the texts of a list, which must not be empty if it is present.
fn list<'t>(at: &Path, texts: Option<&'t [String]>, problems: &mut Problems) -> &'t [String] {
    if texts.is_some_and(<[String]>::is_empty) {
        problems.add(at.clone(), Problem::Empty(EMPTY_LIST));
    }
    texts.unwrap_or_default()
}

/// Returns permissions, roles and scopes, each of which has a name.
fn entitlements(at: &Path, lists: [&Option<Vec<String>>; 3], problems: &mut Problems) -> Entitlements {
    let [permissions, roles, scopes] = lists;
    let mut named = |key: &str, texts: &Option<Vec<String>>| {
        let at = at.key(key);
        let texts = list(&at, texts.as_deref(), problems);
        for (place, _) in texts.iter().enumerate().filter(|(_, text)| text.is_empty()) {
            problems.add(at.position(place), Problem::Empty("nobody can have what has no name; leave it out"));
        }
        texts.iter().map(|text| text.as_str().into()).collect()
    };
    Entitlements {
        permissions: named("permissions", permissions),
        roles: named("roles", roles),
        scopes: named("scopes", scopes),
    }
}
