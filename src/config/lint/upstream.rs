//! Headers of clients that reach modules: since a list stands in the place of the profile's, or since they are kept.

use super::super::path::Path;
use super::super::quoted::Quoted;
use super::super::raw::Upstream;
use super::{Warning, Warnings};
use modgud_core::upstream::{OverrideHeader, StripPattern};

pub(super) fn find(upstream: &Upstream, profile: &Upstream, warnings: &mut Warnings<'_>) {
    for (number, kept) in upstream.keep.iter().enumerate() {
        if let Some(OverrideHeader { overrides, .. }) = OverrideHeader::of(kept.as_bytes()) {
            let at = Path::root("upstream").key("keep").position(number);
            warnings.add(&at, Warning::OverrideKept { header: Quoted::new(kept), overrides });
        }
    }
    let patterns: Vec<StripPattern> = upstream.strip.iter().filter_map(|text| StripPattern::parse(text).ok()).collect();
    // Nothing at all is said on purpose.
    if patterns.is_empty() {
        return;
    }
    for known in &profile.strip {
        // Two names that stand for all that a prefix reaches; a name stands for itself.
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
