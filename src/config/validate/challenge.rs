//! Validates `denials.challenge`: the scopes and the metadata that challenges name.

use super::protected_resource::Resource;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Challenge, Denials, Document, Require, RequireAny};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::denial::{ChallengeSchemes, Style};
use std::collections::HashMap;

/// The maximum size of a rule's scopes in a challenge, 1 KiB: clients limit headers, too.
const MAX_SCOPE_BYTES: usize = 1024;

/// Checks that challenges can have the parameters, adds the metadata to the style, and returns the scopes of each rule that may be told: a rule
/// with a response of its own hides what it requires, and a shadow rule enforces nothing.
pub(super) fn check(
    document: &Document,
    resource: Option<&Resource>,
    style: &mut Style,
    diagnostics: &mut Diagnostics,
) -> HashMap<Box<str>, Box<str>> {
    let Document { rules, templates, denials: Denials { challenge, .. }, protected_resource, .. } = document;
    let Challenge { scope, resource_metadata } = *challenge;
    let at = Path::root("denials").key("challenge");
    for (key, is_set) in [("scope", scope), ("resource_metadata", resource_metadata)] {
        if is_set && !has_parameters(&style.schemes) {
            let message = "has no effect, because no authenticator reads a token with a scheme or from the query";
            diagnostics.add(at.key(key), Issue::error("challenge-unused", message, "leave it out"));
        }
    }
    match resource {
        Some(resource) if resource_metadata => style.resource_metadata = Some(resource.metadata_url()),
        // Its own errors are enough if it is invalid.
        None if resource_metadata && protected_resource.is_none() => {
            let message = "names metadata that there is not";
            let help = "add `protected_resource` with the URL of the API and its authorization servers";
            diagnostics.add(at.key("resource_metadata"), Issue::error("challenge-without-resource", message, help));
        }
        Some(_) | None => {}
    }
    if !scope {
        return HashMap::new();
    }
    let mut scopes = HashMap::new();
    for (number, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.deny.is_none() && !rule.shadow) {
        let own = rule.require.iter().map(|require| (Path::root("rules").position(number).key("require"), require));
        let of_template = rule.template.iter().filter_map(|name| {
            let at = Path::root("templates").key(name).key("require");
            Some((at, templates.get(name)?.require.as_ref()?))
        });
        let required: Vec<_> = own.chain(of_template).collect();
        if let Some(text) = self::scopes(&required, diagnostics) {
            scopes.insert(rule.name.as_str().into(), text);
        }
    }
    scopes
}

/// Returns true if a challenge of these schemes can have parameters of tokens.
const fn has_parameters(schemes: &ChallengeSchemes) -> bool {
    match schemes {
        ChallengeSchemes::Bearer
        | ChallengeSchemes::Dpop
        | ChallengeSchemes::BearerAndDpop
        | ChallengeSchemes::Named(_) => true,
        ChallengeSchemes::ApiKey { .. } | ChallengeSchemes::Cookie { .. } | ChallengeSchemes::Certificate => false,
    }
}

/// Returns the scopes that a requirement names, each with its path: all that are required, and those of which one suffices if nothing else does.
fn written_scopes<'r>(at: &Path, require: &'r Require) -> Vec<(Path, &'r str)> {
    let any: &[String] = match &require.any {
        Some(RequireAny { permissions: None, roles: None, scopes }) => scopes.as_deref().unwrap_or_default(),
        Some(RequireAny { .. }) | None => &[],
    };
    let at_any = at.key("any").key("scopes");
    let any = any.iter().enumerate().map(|(index, scope)| (at_any.position(index), scope.as_str()));
    let all = require.scopes.iter().flatten().map(String::as_str).enumerate();
    all.map(|(index, scope)| (at.key("scopes").position(index), scope)).chain(any).collect()
}

/// Returns the scopes with which a token meets the rule's requirement of scopes; `None` if it requires none.
fn scopes(required: &[(Path, &Require)], diagnostics: &mut Diagnostics) -> Option<Box<str>> {
    let (at, _) = required.first()?;
    let mut names: Vec<&str> = Vec::new();
    for (at, name) in required.iter().flat_map(|(at, require)| written_scopes(at, require)) {
        // RFC 6749 §3.3. An empty name is an error elsewhere.
        if !name.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
            let message = format!("{} can't be written in a challenge (RFC 6749 §3.3)", Quoted::new(name));
            let help = "write visible ASCII without spaces, `\"` and `\\`, or leave out `denials.challenge.scope`";
            diagnostics.add(at, Issue::error("scope-unwritable", message, help));
        } else if !names.contains(&name) {
            names.push(name);
        }
    }
    let text = names.join(" ");
    if text.len() > MAX_SCOPE_BYTES {
        let message = format!("has {} bytes of scopes, and a challenge {MAX_SCOPE_BYTES} at most", text.len());
        let help = "require fewer scopes, or leave out `denials.challenge.scope`";
        diagnostics.add(at.clone(), Issue::error("challenge-too-long", message, help));
    }
    (!text.is_empty()).then(|| text.into())
}
