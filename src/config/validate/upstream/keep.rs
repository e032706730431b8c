//! Validates `upstream.keep`: each name is an override header, and nothing else removes it.

use super::super::super::diagnostic::{KeepProblem, Problem, Problems};
use super::super::super::path::Path;
use super::super::header_name;
use crate::diagnostic::Quoted;
use modgud_core::http::header::{HeaderName, folds_to_same_name};
use modgud_core::upstream::{IdentityHeader, OVERRIDE_HEADERS, OverrideHeader, StripPattern};

/// Returns the kept headers. `strip` is the list as written, and `patterns` its parsed form.
pub(super) fn check(
    keep: &[String],
    identity: &[IdentityHeader],
    patterns: &[(&str, StripPattern)],
    problems: &mut Problems,
) -> Vec<HeaderName> {
    let mut kept = Vec::new();
    for (number, written) in keep.iter().enumerate() {
        let at = Path::root("upstream").key("keep").position(number);
        let Some(name) = problems.take(&at, header_name(written)) else { continue };
        let quoted = Quoted::new(written);
        if OverrideHeader::of(name.bytes()).is_none() {
            let names = OVERRIDE_HEADERS.iter().map(|header| format!("`{}`", header.name));
            let list = names.collect::<Vec<_>>().join(", ");
            problems.add(at, Problem::Keep(KeepProblem::Unknown { found: quoted, list }));
        } else if let Some((pattern, _)) = patterns.iter().find(|(_, pattern)| pattern.matches(name.bytes())) {
            problems.add(at, Problem::Keep(KeepProblem::Stripped(quoted, Quoted::new(pattern))));
        } else if identity.iter().any(|header| folds_to_same_name(header.name.bytes(), name.bytes())) {
            problems.add(at, Problem::Keep(KeepProblem::Written(quoted)));
        } else {
            kept.push(name);
        }
    }
    kept
}
