//! Warnings about names of permissions and scopes that no caller is likely to have.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Audiences, Authenticator, Document, Require, RequireAny};
use crate::diagnostic::{Issue, Quoted};
use std::collections::BTreeMap;
use std::iter;

pub(super) fn find(document: &Document, diagnostics: &mut Diagnostics) {
    let rules = document
        .rules
        .iter()
        .enumerate()
        .map(|(number, rule)| (Path::root("rules").position(number), rule.require.as_ref()));
    let templates = document
        .templates
        .iter()
        .map(|(name, template)| (Path::root("templates").key(name), template.require.as_ref()));
    for (at, require) in rules.chain(templates) {
        let Some(Require { permissions, roles, scopes, authenticators: _, audiences, clients: _, any }) = require
        else {
            continue;
        };
        let at = at.key("require");
        names(&at, [permissions, roles, scopes], diagnostics);
        self::audiences(&at.key("audiences"), audiences.as_deref().unwrap_or_default(), document, diagnostics);
        if let Some(RequireAny { permissions, roles, scopes }) = any {
            names(&at.key("any"), [permissions, roles, scopes], diagnostics);
        }
    }
    let own = document.authenticators.iter().enumerate().filter_map(|(number, one)| {
        let at = Path::root("authenticators").position(number).key("principal").key("grants");
        Some((at, one.principal.as_ref()?.grants.as_ref()?))
    });
    for (at, grants) in iter::once((Path::root("principal").key("grants"), &document.principal.grants)).chain(own) {
        self::grants(&at, grants, diagnostics);
    }
}

/// Warns about audiences that no token can have, because every authenticator rejects tokens with an audience.
fn audiences(at: &Path, required: &[String], document: &Document, diagnostics: &mut Diagnostics) {
    let of_jwt = document.authenticators.iter().filter_map(|one| one.jwt.as_ref().map(|jwt| &jwt.audiences));
    let of_responses = document.authenticators.iter().filter_map(|one| one.introspection.as_ref());
    let mut policies = of_jwt.chain(of_responses.map(|introspection| &introspection.audiences));
    // The entry of an API key and the pattern of a certificate may set `aud`.
    let sets_claims = |one: &Authenticator| one.custom.is_some() || one.api_key.is_some() || one.mtls.is_some();
    let is_possible = document.authenticators.iter().any(sets_claims)
        || policies.any(|audiences| !matches!(audiences, Audiences::List(list) if list.is_empty()));
    if !required.is_empty() && !is_possible {
        let message = "no authenticator accepts a token with an audience, so the rule denies every caller";
        let issue = Issue::warning("audience-never-accepted", message, "add `audiences` to the authenticator");
        diagnostics.add(at.clone(), issue);
    }
    for (index, text) in required.iter().enumerate().filter(|(_, text)| text.contains('*')) {
        diagnostics.add(at.position(index), audience_wildcard(text));
    }
}

/// Creates the warning about an audience with `*`.
pub(super) fn audience_wildcard(text: &str) -> Issue {
    let message = format!("`*` is not a wildcard here: only a token with exactly {} is accepted", Quoted::new(text));
    Issue::warning("audience-wildcard", message, "name each audience")
}

fn grants(at: &Path, grants: &BTreeMap<String, Vec<String>>, diagnostics: &mut Diagnostics) {
    for (role, granted) in grants {
        let at = at.key(role);
        for (index, name) in granted.iter().enumerate() {
            let in_part = || {
                let message = format!("{} is the name of one permission: only `*` alone grants all", Quoted::new(name));
                has_star(name).then(|| Issue::warning("grant-with-star", message, "write each name, or `*`"))
            };
            if let Some(issue) = with_space(name).or_else(in_part) {
                diagnostics.add(at.position(index), issue);
            }
        }
    }
}

fn names(at: &Path, [permissions, roles, scopes]: [&Option<Vec<String>>; 3], diagnostics: &mut Diagnostics) {
    // A role is a whole text, including its spaces.
    for (key, list, is_word) in [("permissions", permissions, true), ("roles", roles, false), ("scopes", scopes, true)]
    {
        for (index, name) in list.iter().flatten().enumerate() {
            let spaced = if is_word { with_space(name) } else { None };
            let in_part = || {
                let message =
                    format!("`*` is not a wildcard here: only a caller who has exactly {} passes", Quoted::new(name));
                has_star(name).then(|| Issue::warning("name-with-star", message, "write each name"))
            };
            if let Some(issue) = spaced.or_else(in_part) {
                diagnostics.add(at.key(key).position(index), issue);
            }
        }
    }
}

/// Returns the warning for a name with a space. `None` if it has none.
fn with_space(name: &str) -> Option<Issue> {
    let words: Vec<&str> = name.split_whitespace().collect();
    name.contains(char::is_whitespace).then(|| {
        let message = format!(
            "{} has a space, which separates names in a token's text: only an item of a list can match it",
            Quoted::new(name)
        );
        Issue::warning("name-with-space", message, format!("write `[{}]`", words.join(", ")))
    })
}

/// Returns true if `*` is a part of the name.
fn has_star(name: &str) -> bool {
    name.len() > 1 && name.contains('*')
}
