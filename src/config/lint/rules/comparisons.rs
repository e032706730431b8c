//! Warnings about comparisons in conditions whose sides are never equal.

use super::super::super::path::Path;
use super::super::super::raw::Document;
use super::super::{Warning, Warnings};
use modgud_core::authz::condition::never_equal;

pub(super) fn find(document: &Document, warnings: &mut Warnings<'_>) {
    for (number, rule) in document.rules.iter().enumerate() {
        let at = Path::root("rules").position(number).key("when");
        for comparison in rule.when.iter().flat_map(|when| never_equal(when)) {
            warnings.add(&at, Warning::NeverEqual(comparison));
        }
    }
}
