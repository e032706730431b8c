//! Warnings about modules of one service: another spelling of a path can belong to another module.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Document, Module};
use crate::diagnostic::{Issue, Quoted};
use modgud_core::authz::Case;

/// Warns about an access list that a service ignoring case lets callers evade: `/api/Users/1` belongs to the module `/api`, and the service
/// takes it for a path of the module `/api/users`. Rules are no problem, because they fold case in the outer module.
pub(super) fn find(document: &Document, diagnostics: &mut Diagnostics) {
    let modules = &document.modules;
    for (number, inner) in
        modules.iter().enumerate().filter(|(_, module)| module.keep_prefix && module.access.is_some())
    {
        let Some(outer) = modules.iter().find(|outer| takes_other_spellings(outer, inner)) else { continue };
        let message = format!(
            "module {} has the same upstream and folds case, so other spellings of this prefix reach the same service there, without the \
             access list here",
            Quoted::new(&outer.name)
        );
        let help = "use one module for this service, with rules for its paths";
        let at = Path::root("modules").position(number).key("prefix");
        diagnostics.add(at, Issue::warning("prefix-in-other-case", message, help));
    }
}

/// Returns true if the outer module has all other spellings of the inner one's prefix, for the same service and the same paths.
fn takes_other_spellings(outer: &Module, inner: &Module) -> bool {
    let below = inner.prefix.trim_end_matches('/').strip_prefix(outer.prefix.trim_end_matches('/'));
    outer.keep_prefix
        && outer.case == Case::Fold
        && outer.upstream == inner.upstream
        && below.is_some_and(|rest| rest.starts_with('/') && rest.bytes().any(|byte| byte.is_ascii_alphabetic()))
}
