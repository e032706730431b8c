//! Warnings about comparisons in conditions whose sides are never equal.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::Document;
use crate::diagnostic::Issue;
use modgud_core::authz::condition::never_equal;

pub(super) fn find(document: &Document, diagnostics: &mut Diagnostics) {
    for (number, rule) in document.rules.iter().enumerate() {
        let at = Path::root("rules").position(number).key("when");
        for comparison in rule.when.iter().flat_map(|when| never_equal(when)) {
            let issue = Issue::parse_warning("never-equal", comparison);
            diagnostics.add(at.clone(), issue);
        }
    }
}
