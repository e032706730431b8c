//! Warnings about client headers that reach modules: because a list replaces the profile's, or because they are kept.

use super::super::path::Path;
use super::super::raw::Upstream;
use super::{Warning, Warnings};
use crate::diagnostic::Quoted;
use modgud_core::upstream::{OverrideHeader, StripPattern};

pub(super) fn find(upstream: &Upstream, profile: &Upstream, warnings: &mut Warnings<'_>) {
    for (number, kept) in upstream.keep.iter().enumerate() {
        if let Some(OverrideHeader { overrides, .. }) = OverrideHeader::of(kept.as_bytes()) {
            let at = Path::root("upstream").key("keep").position(number);
            warnings.add(&at, Warning::OverrideKept { header: Quoted::new(kept), overrides });
        }
    }
    let patterns: Vec<StripPattern> = upstream.strip.iter().filter_map(|text| StripPattern::parse(text).ok()).collect();
    // An empty list is intentional.
    if patterns.is_empty() {
        return;
    }
    for known in &profile.strip {
        // Two names represent all that a prefix matches; a name represents itself.
        let names = match known.strip_suffix('*') {
            Some(prefix) => [prefix.to_owned(), format!("{prefix}-any")],
            None => [known.clone(), known.clone()],
        };
        let removed = |pattern: &StripPattern| names.iter().all(|name| pattern.matches(name.as_bytes()));
        if !patterns.iter().any(removed) {
            let at = Path::root("upstream").key("strip");
            warnings.add(&at, Warning::NotStrippedAnyMore(Quoted::new(known)));
        }
    }
}
