//! How YAML is read: the bounds on what a document can make us do, and what is said of one that can't be read.

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Budget, Error, Options, UserMessageFormatter};

/// The most values that aliases may stand for, all together.
const MAX_REPLAYED: usize = 20_000;

/// Bounds on what a document can make us do, beside the size of its file. Every alias is counted as what it stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How deep lists and maps may be nested.
    depth: usize,
    /// The most values.
    values: usize,
    /// What kind of document it is, for messages.
    kind: &'static str,
}

impl Bounds {
    /// Far above any configuration, far below harm.
    pub(crate) const CONFIGURATION: Self = Self { depth: 32, values: 500_000, kind: "configuration" };
    /// The same for a description of an API (OpenAPI). That of the largest public ones holds half a million values, 21 levels deep.
    pub(crate) const API: Self = Self { depth: 64, values: 1_000_000, kind: "description of an API" };
}

pub(super) fn options(bounds: Bounds) -> Options {
    let mut budget = Budget::default();
    budget.max_depth = bounds.depth;
    budget.flow_nesting_limit = bounds.depth;
    budget.max_nodes = bounds.values;
    // A value is one event; a list or a map two.
    budget.max_events = bounds.values.saturating_mul(2);
    budget.max_aliases = 10_000;
    budget.max_recorded_anchor_events = MAX_REPLAYED;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = MAX_REPLAYED;
    // YAML 1.2: `y`, `no` and `on` are words.
    options.strict_booleans = true;
    options
}

/// What the parser says, without the place, which stands before it.
pub(super) fn message(error: &Error, bounds: Bounds) -> String {
    match error.without_snippet() {
        Error::AliasError { error, .. } => return message(error, bounds),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => return too_deep(bounds),
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. } => {
            return format!(
                "up to here the document holds more values than any {} does, with each alias counted as what it stands for",
                bounds.kind
            );
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            return "an alias stands within what it stands for, which has no end".to_owned();
        }
        Error::Unexpected { expected: "string scalar", .. } => return "a key must be a text".to_owned(),
        _ => {}
    }
    let text = error.without_snippet().render_with_formatter(&UserMessageFormatter).replace('\n', " ");
    if text.starts_with("recursion limit exceeded") {
        return too_deep(bounds);
    }
    let place = error.location().map(|place| format!(" at line {}, column {}", place.line(), place.column()));
    place.and_then(|place| text.strip_suffix(&place)).unwrap_or(&text).to_owned()
}

fn too_deep(Bounds { depth, kind, .. }: Bounds) -> String {
    format!("the document is nested deeper than {depth} levels, which no {kind} is")
}
