//! Warnings about names of permissions and scopes that no caller is likely to have.

use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw::{Document, Require, RequireAny};
use super::{Warning, Warnings};

pub(super) fn find(document: &Document, warnings: &mut Warnings<'_>) {
    for (number, rule) in document.rules.iter().enumerate() {
        let Some(Require { permissions, roles, scopes, authenticators: _, any }) = &rule.require else { continue };
        let at = Path::root("rules").position(number).key("require");
        names(&at, [permissions, roles, scopes], warnings);
        if let Some(RequireAny { permissions, roles, scopes }) = any {
            names(&at.key("any"), [permissions, roles, scopes], warnings);
        }
    }
    let at = Path::root("principal").key("grants");
    for (role, granted) in &document.principal.grants {
        let at = at.key(role);
        for (place, name) in granted.iter().enumerate() {
            if let Some(warning) =
                with_space(name).or_else(|| in_part(name).then(|| Warning::GrantWithWildcard(Quoted::new(name))))
            {
                warnings.add(&at.position(place), warning);
            }
        }
    }
}

fn names(at: &Path, [permissions, roles, scopes]: [&Option<Vec<String>>; 3], warnings: &mut Warnings<'_>) {
    // A role is a whole text, including its spaces.
    for (key, list, is_word) in [("permissions", permissions, true), ("roles", roles, false), ("scopes", scopes, true)]
    {
        for (place, name) in list.iter().flatten().enumerate() {
            let spaced = if is_word { with_space(name) } else { None };
            let found = spaced.or_else(|| in_part(name).then(|| Warning::NameWithWildcard(Quoted::new(name))));
            if let Some(warning) = found {
                warnings.add(&at.key(key).position(place), warning);
            }
        }
    }
}

fn with_space(name: &str) -> Option<Warning> {
    let words: Vec<&str> = name.split_whitespace().collect();
    name.contains(char::is_whitespace)
        .then(|| Warning::NameWithSpace { name: Quoted::new(name), words: format!("[{}]", words.join(", ")) })
}

/// Returns true if `*` is a part of the name.
fn in_part(name: &str) -> bool {
    name.len() > 1 && name.contains('*')
}
