//! Validates `upstream.keep`: each name is an override header, and nothing else removes it.

use super::super::header_name;
use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::diagnostic::{Issue, Quoted};
use modgud_core::http::header::{HeaderName, folds_to_same_name};
use modgud_core::upstream::{IdentityHeader, OVERRIDE_HEADERS, OverrideHeader, StripPattern};

/// Returns the kept headers. `strip` is the list as written, and `patterns` its parsed form.
pub(super) fn check(
    keep: &[String],
    identity: &[IdentityHeader],
    patterns: &[(&str, StripPattern)],
    diagnostics: &mut Diagnostics,
) -> Vec<HeaderName> {
    let mut kept = Vec::new();
    for (number, written) in keep.iter().enumerate() {
        let at = Path::root("upstream").key("keep").position(number);
        let Some(name) = diagnostics.ok_or_report(&at, header_name(written)) else { continue };
        let quoted = Quoted::new(written);
        if OverrideHeader::of(name.bytes()).is_none() {
            let names = OVERRIDE_HEADERS.iter().map(|header| format!("`{}`", header.name));
            let list = names.collect::<Vec<_>>().join(", ");
            let message = format!("{quoted} overrides no part of the request, so modgud never removes it");
            diagnostics.add(at, Issue::error("keep-not-an-override", message, format!("write one of {list}")));
        } else if let Some((pattern, _)) = patterns.iter().find(|(_, pattern)| pattern.matches(name.bytes())) {
            let message = format!("{} of `upstream.strip` removes {quoted}, which is kept here", Quoted::new(pattern));
            diagnostics.add(at, Issue::error("keep-and-strip", message, "write it in one of the two"));
        } else if identity.iter().any(|header| folds_to_same_name(header.name.bytes(), name.bytes())) {
            let message = format!("{quoted} is one of `upstream.headers`, which modgud writes or removes itself");
            diagnostics.add(at, Issue::error("keep-and-write", message, "write it in one of the two"));
        } else {
            kept.push(name);
        }
    }
    kept
}
