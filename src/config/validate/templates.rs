//! Validates `templates`, and adds them to the rules that name them. A template can only restrict: it adds requirements and a condition, and
//! replaces nothing of the rule.

use super::principal;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{self, Template};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authz::{Access, Requirement};
use std::collections::BTreeMap;

/// The valid templates, by name.
#[derive(Default)]
pub(in crate::config) struct Templates<'d>(BTreeMap<&'d str, Checked<'d>>);

/// One template.
pub(in crate::config) struct Checked<'d> {
    require: Requirement,
    /// The condition, as written; `None` without one.
    pub(super) when: Option<&'d str>,
    /// The path of the condition.
    pub(super) at_when: Path,
}

/// Validates the templates.
pub(super) fn check<'d>(
    templates: &'d BTreeMap<String, Template>,
    authenticators: &[&str],
    diagnostics: &mut Diagnostics,
) -> Templates<'d> {
    let check = |(name, template): (&'d String, &'d Template)| {
        let Template { require, when } = template;
        let at = Path::root("templates").key(name);
        if require.is_none() && when.is_none() {
            let help = "write `require` or `when`, such as `{ require: { roles: [staff] } }`, or leave it out";
            diagnostics.add(at.clone(), Issue::error("empty", "is empty", help));
        }
        // The rules that name it are checked for their access.
        let access = Access::Authenticated;
        let require = principal::requirement(&at.key("require"), require.as_ref(), access, authenticators, diagnostics);
        (name.as_str(), Checked { require, when: when.as_deref(), at_when: at.key("when") })
    };
    Templates(templates.iter().map(check).collect())
}

impl<'d> Templates<'d> {
    /// Returns the template of a rule; `None` if it names none, or an unknown one, which is an error.
    pub(super) fn of(&self, at: &Path, rule: &raw::Rule, diagnostics: &mut Diagnostics) -> Option<&Checked<'d>> {
        let name = rule.template.as_ref()?;
        let found = self.0.get(name.as_str());
        if found.is_none() {
            let message = format!("{} is not a template", Quoted::new(name));
            let help = match self.0.keys().map(|name| Quoted::new(name).to_string()).collect::<Vec<_>>() {
                names if names.is_empty() => {
                    "define it: `templates: { NAME: { require: { roles: [staff] } } }`".to_owned()
                }
                names => format!("write one of {}", names.join(", ")),
            };
            diagnostics.add(at.key("template"), Issue::error("template-unknown", message, help));
        }
        found
    }
}

impl Checked<'_> {
    /// Adds the template's requirements to those of a rule. Where both say of which values one suffices, the sum of the two would be a
    /// third requirement that is written nowhere, and that is an error.
    pub(super) fn add_to(
        &self,
        at: &Path,
        own: Requirement,
        access: Access,
        diagnostics: &mut Diagnostics,
    ) -> Requirement {
        let at = at.key("template");
        let Requirement { authenticators, audiences, clients, all, any } = &self.require;
        match access {
            Access::Authenticated => {}
            Access::Optional | Access::Public | Access::Preflight | Access::Denied if self.require.is_empty() => {}
            Access::Optional | Access::Public | Access::Preflight | Access::Denied => {
                diagnostics.add(at.clone(), principal::caller_required(access));
            }
        }
        for (key, both) in [
            ("authenticators", !authenticators.is_empty() && !own.authenticators.is_empty()),
            ("audiences", !audiences.is_empty() && !own.audiences.is_empty()),
            ("clients", !clients.is_empty() && !own.clients.is_empty()),
            ("any", !any.is_empty() && !own.any.is_empty()),
        ] {
            if both {
                let message =
                    format!("the template and the rule both have `require.{key}`, of which one item suffices");
                let help = format!("write `{key}` in one of them");
                diagnostics.add(at.clone(), Issue::error("template-conflict", message, help));
            }
        }
        let mut sum = own;
        join(&mut sum.authenticators, authenticators);
        join(&mut sum.audiences, audiences);
        join(&mut sum.clients, clients);
        for (list, more) in [
            (&mut sum.all.permissions, &all.permissions),
            (&mut sum.all.roles, &all.roles),
            (&mut sum.all.scopes, &all.scopes),
        ] {
            join(list, more);
        }
        if sum.any.is_empty() {
            sum.any.clone_from(any);
        }
        sum
    }

    /// Returns the condition of a rule with its own and this template's; `None` if one is missing.
    pub(super) fn and(&self, own: Option<&str>) -> Option<String> {
        // Line breaks end comments.
        Some(format!("({}\n) && ({}\n)", self.when?, own?))
    }
}

/// Adds the items that a list does not have.
fn join<T: Clone + PartialEq>(list: &mut Vec<T>, more: &[T]) {
    for one in more {
        if !list.contains(one) {
            list.push(one.clone());
        }
    }
}
