//! How YAML is read: the bounds on what a document can make us do, and what is said of one that can't be read.

use super::tree::{Element, Location, Member, Node, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Budget, Error, Options, Spanned, UserMessageFormatter};
use std::fmt;
use std::sync::Arc;

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

fn options(bounds: Bounds) -> Options {
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
fn message(error: &Error, bounds: Bounds) -> String {
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

/// The text is no YAML document that can be read.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) place: Location,
    pub(crate) message: String,
}

impl Node {
    /// Reads a document within bounds. An empty one is a map without members.
    pub(crate) fn read(origin: &str, text: &str, bounds: Bounds) -> Result<Self, SyntaxError> {
        let origin: Arc<str> = Arc::from(origin);
        let raw: Raw = serde_saphyr::from_str_with_options(text, options(bounds)).map_err(|error| {
            let position = error.location().map(|at| (at.line(), at.column()));
            SyntaxError { place: Location { origin: Arc::clone(&origin), position }, message: message(&error, bounds) }
        })?;
        Ok(raw.located(&origin))
    }
}

/// A value as the parser gives it, without the name of its file.
struct Raw(Spanned<RawValue>);

enum RawValue {
    Plain(Value),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

impl Raw {
    fn located(self, origin: &Arc<str>) -> Node {
        let place = |at: serde_saphyr::Location| Location {
            origin: Arc::clone(origin),
            position: (at.line() > 0).then_some((at.line(), at.column())),
        };
        let Spanned { value, referenced, .. } = self.0;
        let value = match value {
            RawValue::Plain(value) => value,
            RawValue::List(items) => {
                let item = |(index, raw): (usize, Self)| Element { index, node: raw.located(origin) };
                Value::List(items.into_iter().enumerate().map(item).collect())
            }
            RawValue::Map(entries) => {
                let entry = |(key, raw): (Spanned<String>, Self)| Member {
                    key_place: place(key.referenced),
                    key: key.value,
                    node: raw.located(origin),
                };
                Value::Map(entries.into_iter().map(entry).collect())
            }
        };
        Node { place: place(referenced), value }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for RawValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = RawValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Null))
    }

    fn visit_none<E>(self) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawValue, D::Error> {
        RawValue::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Number(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        // What JSON has no number for (`.inf`, `.nan`) is no number of a configuration either: the text says what it is.
        let number = Number::from_f64(value).map_or_else(|| Value::Text(value.to_string()), Value::Number);
        Ok(RawValue::Plain(number))
    }

    fn visit_str<E>(self, value: &str) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Text(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Text(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<RawValue, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(RawValue::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawValue, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(RawValue::Map(entries))
    }
}
