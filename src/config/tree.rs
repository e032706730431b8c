//! A YAML document as a tree in which every value knows where it was written. Owns reading, bounds and laying one tree over
//! another; knows no key by name.

mod syntax;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::Spanned;
use std::fmt;
use std::sync::Arc;
use syntax::{message, options};

/// Where a value was written: a file, a profile or the command line, and the place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file's name, `profile NAME`, or a flag.
    pub(super) origin: Arc<str>,
    /// Line and column, from 1; `None` where there are none.
    pub(super) position: Option<(u64, u64)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.origin),
            None => f.write_str(&self.origin),
        }
    }
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What YAML's core schema knows (YAML 1.2.2 §10.3).
#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Item>),
    Map(Vec<Entry>),
}

/// An element of a list. Its index is that of the file, also when elements before it were taken out.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) node: Node,
}

/// A member of a map.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

/// The text is no YAML document that can be read.
#[derive(Debug)]
pub(super) struct SyntaxFault {
    pub(super) place: Place,
    pub(super) message: String,
}

impl Node {
    /// Reads a document. An empty one is a map without members.
    pub(super) fn read(origin: &str, text: &str) -> Result<Self, SyntaxFault> {
        let origin: Arc<str> = Arc::from(origin);
        let raw: Raw = serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
            let position = error.location().map(|at| (at.line(), at.column()));
            SyntaxFault { place: Place { origin: Arc::clone(&origin), position }, message: message(&error) }
        })?;
        Ok(raw.located(&origin))
    }

    /// Lays `above` over this tree: maps merge, everything else replaces, `null` says nothing. A map of which exactly one member
    /// may be there is a choice, and no choice is merged with another: `is_choice` tells it by the keys that lead to it.
    pub(super) fn overlay(self, above: Self, is_choice: fn(&[&str]) -> bool) -> Self {
        self.overlay_at(&[], above, is_choice)
    }

    fn overlay_at(self, way: &[&str], above: Self, is_choice: fn(&[&str]) -> bool) -> Self {
        match (self.value, above.value) {
            (value, Value::Null) => Self { place: self.place, value },
            (Value::Map(mut below), Value::Map(above_entries)) if !is_choice(way) => {
                // No key is twice in one map: the search need not go on into what is added here.
                let known_before = below.len();
                for entry in above_entries {
                    match below.iter().take(known_before).position(|known| known.key == entry.key) {
                        Some(at) => {
                            let known = below.remove(at);
                            let way = [way, &[known.key.as_str()]].concat();
                            let node = known.node.overlay_at(&way, entry.node, is_choice);
                            below.insert(at, Entry { key: entry.key, key_place: known.key_place, node });
                        }
                        None => below.push(entry),
                    }
                }
                Self { place: above.place, value: Value::Map(below) }
            }
            (_, value) => Self { place: above.place, value },
        }
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
        let place = |at: serde_saphyr::Location| Place {
            origin: Arc::clone(origin),
            position: (at.line() > 0).then_some((at.line(), at.column())),
        };
        let Spanned { value, referenced, .. } = self.0;
        let value = match value {
            RawValue::Plain(value) => value,
            RawValue::List(items) => {
                let item = |(index, raw): (usize, Self)| Item { index, node: raw.located(origin) };
                Value::List(items.into_iter().enumerate().map(item).collect())
            }
            RawValue::Map(entries) => {
                let entry = |(key, raw): (Spanned<String>, Self)| Entry {
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
