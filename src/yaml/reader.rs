//! Reading of YAML: limits on a document's resource use, and messages for invalid documents.

use super::tree::{Element, Location, Member, Node, Number, Value};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Budget, Error, Options, Spanned, UserMessageFormatter};
use std::fmt;
use std::sync::Arc;

/// The maximum number of values that all aliases together represent; more are an error.
const MAX_REPLAYED: usize = 20_000;

/// Limits on a document's resource use, apart from its file size. Every alias counts as the values that it represents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// The maximum nesting of lists and maps.
    depth: usize,
    /// The maximum number of values.
    values: usize,
    /// The kind of document, for messages.
    kind: &'static str,
    /// True to read as Envoy does (yaml-cpp): `yes` and `on` are booleans, and a member whose key has the tag `!ignore` is none.
    as_envoy: bool,
}

impl Bounds {
    /// The limits of a configuration: far above any configuration, far below harm.
    pub(crate) const CONFIGURATION: Self =
        Self { depth: 32, values: 500_000, kind: "a configuration", as_envoy: false };
    /// The limits of a description of an API (OpenAPI). The largest public ones hold half a million values, 21 levels deep.
    pub(crate) const API: Self = Self { depth: 64, values: 1_000_000, kind: "an API description", as_envoy: false };
    /// The limits of Envoy's configuration. Its messages are nested some 20 levels deep; a dump of ten thousand routes has half a million values.
    pub(crate) const ENVOY: Self =
        Self { depth: 64, values: 1_000_000, kind: "a configuration of Envoy", as_envoy: true };
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
    // In YAML 1.2, `y`, `no` and `on` are words.
    options.strict_booleans = !bounds.as_envoy;
    options
}

/// Returns the parser's message without the location, which precedes it.
fn message(error: &Error, bounds: Bounds) -> String {
    match error.without_snippet() {
        Error::AliasError { error, .. } => return message(error, bounds),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => return too_deep(bounds),
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. } => {
            return format!(
                "up to here the document has more values than the limit for {}, with each alias counted as its target",
                bounds.kind
            );
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            return "an alias refers to a value that contains the alias".to_owned();
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
    format!("the document is nested deeper than {depth} levels, the limit for {kind}")
}

/// An error of parsing a YAML document.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) place: Location,
    pub(crate) message: String,
}

impl Node {
    /// Parses a document within limits. An empty one is a map without members.
    pub(crate) fn read(origin: &str, text: &str, bounds: Bounds) -> Result<Self, SyntaxError> {
        let origin: Arc<str> = Arc::from(origin);
        let raw: Raw = serde_saphyr::from_str_with_options(text, options(bounds)).map_err(|error| {
            let position = error.location().map(|at| (at.line(), at.column()));
            SyntaxError { place: Location { origin: Arc::clone(&origin), position }, message: message(&error, bounds) }
        })?;
        let lines: Vec<&str> = text.lines().collect();
        Ok(raw.located(&origin, &lines, bounds))
    }
}

/// A value from the parser, without the name of its file.
struct Raw(Spanned<RawValue>);

enum RawValue {
    Plain(Value),
    List(Vec<Raw>),
    Map(Vec<(Spanned<String>, Raw)>),
}

impl Raw {
    fn located(self, origin: &Arc<str>, lines: &[&str], bounds: Bounds) -> Node {
        let place = |at: serde_saphyr::Location| Location {
            origin: Arc::clone(origin),
            position: (at.line() > 0).then_some((at.line(), at.column())),
        };
        let Spanned { value, referenced, .. } = self.0;
        let value = match value {
            RawValue::Plain(Value::Number(number)) => {
                Value::Number(Number { written: written(referenced, lines), ..number })
            }
            RawValue::Plain(value) => value,
            RawValue::List(items) => {
                let item = |(index, raw): (usize, Self)| Element { index, node: raw.located(origin, lines, bounds) };
                Value::List(items.into_iter().enumerate().map(item).collect())
            }
            RawValue::Map(entries) => {
                let entry = |(key, raw): (Spanned<String>, Self)| Member {
                    key_place: place(key.referenced),
                    key: key.value,
                    node: raw.located(origin, lines, bounds),
                };
                let is_read =
                    |(key, _): &(Spanned<String>, Self)| !bounds.as_envoy || !is_ignored(key.referenced, lines);
                Value::Map(entries.into_iter().filter(is_read).map(entry).collect())
            }
        };
        Node { place: place(referenced), value }
    }
}

fn number(value: serde_json::Number) -> Number {
    Number { value, written: None }
}

/// Returns true if the key at this location has the tag `!ignore`. A tag is before its key on the same line, or at its location.
fn is_ignored(at: serde_saphyr::Location, lines: &[&str]) -> bool {
    const TAGS: [&str; 2] = ["!ignore", "!<!ignore>"];
    let line = usize::try_from(at.line()).ok().and_then(|line| lines.get(line.checked_sub(1)?));
    let (Some(line), Ok(column)) = (line, usize::try_from(at.column())) else { return false };
    let start = line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(start, _)| start);
    let (before, after) = line.split_at_checked(start).unwrap_or((line, ""));
    // Tag and anchor precede a key in either order.
    let is_property = |word: &&str| word.starts_with(['!', '&']);
    let own = after.split_whitespace().take_while(is_property);
    let words = before.split(|letter: char| letter.is_whitespace() || matches!(letter, '{' | ','));
    let words = words.rev().filter(|word| !word.is_empty()).take_while(is_property);
    words.chain(own).any(|word| TAGS.contains(&word))
}

/// Returns the text of a number at this location; `None` if something else is there, such as an alias.
fn written(at: serde_saphyr::Location, lines: &[&str]) -> Option<Box<str>> {
    let line = lines.get(usize::try_from(at.line()).ok()?.checked_sub(1)?)?;
    let before = usize::try_from(at.column()).ok()?.checked_sub(1)?;
    let is_part = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_');
    let text: String = line.chars().skip(before).take_while(is_part).collect();
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+' | '-')).then(|| text.into())
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
        Ok(RawValue::Plain(Value::Number(number(value.into()))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<RawValue, E> {
        Ok(RawValue::Plain(Value::Number(number(value.into()))))
    }

    fn visit_f64<E>(self, value: f64) -> Result<RawValue, E> {
        // JSON has no number for `.inf` and `.nan`, and neither has a configuration: the text shows the value.
        let finite = serde_json::Number::from_f64(value).map(number);
        Ok(RawValue::Plain(finite.map_or_else(|| Value::Text(value.to_string()), Value::Number)))
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
