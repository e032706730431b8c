//! Security schemes, and the requirements of operations that name them.

use super::finding::Finding;
use super::read::Version;
use super::resolver::{At, Form, RefResolver};
use crate::diagnostic::Quoted;
use std::collections::HashMap;

/// The meaning of the names that a requirement lists for a scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Scopes of the token: `oauth2`, `openIdConnect`.
    Scopes,
    /// Roles (3.1 §4.8.30): all other kinds.
    Roles,
}

/// The security requirement of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Security {
    /// Neither the operation nor the document has one.
    Unsaid,
    /// One of these suffices. An empty list requires nothing.
    OneOf(Vec<Requirement>),
}

/// One alternative, required as a whole. Empty means that anonymous requests pass.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    /// The names of the schemes, sorted.
    pub(super) schemes: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) roles: Vec<String>,
}

/// Returns the schemes of the document.
pub(super) fn schemes(walk: &mut RefResolver<'_>, version: &Version) -> HashMap<String, Names> {
    let map = match version {
        Version::Two => walk.root.member("securityDefinitions"),
        Version::Three(_) => walk.root.member("components").and_then(|components| components.member("securitySchemes")),
    };
    let mut schemes = HashMap::new();
    let Some(map) = map else { return schemes };
    walk.want(&map, Form::Map);
    for entry in map.node.members() {
        let Some(scheme) = walk.follow(map.of(entry)) else { continue };
        let names = match scheme.member("type").and_then(|kind| kind.node.text()) {
            Some("oauth2" | "openIdConnect") => Names::Scopes,
            Some(_) => Names::Roles,
            None => {
                walk.add(&scheme, Finding::Form("a map with a `type`"));
                continue;
            }
        };
        schemes.insert(entry.key.clone(), names);
    }
    schemes
}

/// Returns the requirement of the document or an operation; `None` if it has none.
pub(super) fn of<'d>(walk: &mut RefResolver<'d>, at: &At<'d>, schemes: &HashMap<String, Names>) -> Option<Security> {
    let security = at.member("security")?;
    walk.want(&security, Form::List);
    let requirements = security.elements().into_iter().map(|one| requirement(walk, &one, schemes)).collect();
    Some(Security::OneOf(requirements))
}

fn requirement<'d>(walk: &mut RefResolver<'d>, at: &At<'d>, schemes: &HashMap<String, Names>) -> Requirement {
    walk.want(at, Form::Map);
    let mut requirement = Requirement::default();
    for entry in at.node.members() {
        let list = at.of(entry);
        walk.want(&list, Form::List);
        requirement.schemes.push(entry.key.clone());
        let Some(names) = schemes.get(&entry.key) else {
            walk.add(&list, Finding::Scheme(Quoted::new(&entry.key)));
            continue;
        };
        for one in list.elements() {
            walk.want(&one, Form::Text);
            let name = one.node.text().unwrap_or_default();
            if name.is_empty() {
                walk.add(&one, Finding::Form("a name"));
            }
            let into = match names {
                Names::Scopes => &mut requirement.scopes,
                Names::Roles => &mut requirement.roles,
            };
            if !into.iter().any(|known| known == name) {
                into.push(name.to_owned());
            }
        }
    }
    requirement.schemes.sort_unstable();
    requirement
}
