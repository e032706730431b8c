//! Warnings about the log of decisions.

use crate::config::diagnostic::Diagnostics;
use crate::config::path::Path;
use crate::config::raw::{Decisions, Document};
use crate::diagnostic::Issue;
use modgud_core::decide::LoggedDecisions;

/// Warns about a share of lines that are not written at all.
pub(super) fn find(document: &Document, diagnostics: &mut Diagnostics) {
    let Some(Decisions::Lines(lines)) = &document.telemetry.decisions else { return };
    if lines.sample.is_some_and(|share| share < 1.0) && lines.which.unwrap_or_default() != LoggedDecisions::All {
        let message = "has no effect: only allowed requests are sampled, and `which` does not log them";
        let help = "write `which: all`, or leave `sample` out; `max_per_second` limits the lines of denials";
        let at = Path::root("telemetry").key("decisions").key("sample");
        diagnostics.add(at, Issue::warning("sample-unused", message, help));
    }
}
