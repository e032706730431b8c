//! How YAML is read: the bounds on what a document can make us do, and what is said of one that can't be read.

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Budget, Error, Options, UserMessageFormatter};

/// How deep lists and maps may be nested.
const MAX_DEPTH: usize = 32;

/// The most values that aliases may stand for, all together.
const MAX_REPLAYED: usize = 20_000;

/// Bounds on what a document can make us do, beside the size of its file: far above any configuration, far below harm. Every
/// alias is counted as what it stands for.
pub(super) fn options() -> Options {
    let mut budget = Budget::default();
    budget.max_depth = MAX_DEPTH;
    budget.flow_nesting_limit = MAX_DEPTH;
    budget.max_nodes = 500_000;
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
pub(super) fn message(error: &Error) -> String {
    match error.without_snippet() {
        Error::AliasError { error, .. } => return message(error),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => return too_deep(),
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. } => {
            return "up to here the document holds more values than any configuration does, with each alias counted as what it \
                    stands for"
                .to_owned();
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            return "an alias stands within what it stands for, which has no end".to_owned();
        }
        Error::Unexpected { expected: "string scalar", .. } => return "a key must be a text".to_owned(),
        _ => {}
    }
    let text = error.without_snippet().render_with_formatter(&UserMessageFormatter).replace('\n', " ");
    if text.starts_with("recursion limit exceeded") {
        return too_deep();
    }
    let place = error.location().map(|place| format!(" at line {}, column {}", place.line(), place.column()));
    place.and_then(|place| text.strip_suffix(&place)).unwrap_or(&text).to_owned()
}

fn too_deep() -> String {
    format!("the document is nested deeper than {MAX_DEPTH} levels, which no configuration is")
}
