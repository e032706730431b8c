//! YAML documents as trees: each value has a location, and one tree can be merged onto another.

use std::fmt;
use std::sync::Arc;

/// The location of a value: a file, a profile or the command line, and the position in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    /// The file's name, `profile NAME`, or a flag.
    pub(crate) origin: Arc<str>,
    /// Line and column, from 1; `None` if there are none.
    pub(crate) position: Option<(u64, u64)>,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some((line, column)) => write!(f, "{}:{line}:{column}", self.origin),
            None => f.write_str(&self.origin),
        }
    }
}

/// A value and its location.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Location,
    pub(crate) value: Value,
}

/// A value of YAML's core schema (YAML 1.2.2 §10.3).
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Element>),
    Map(Vec<Member>),
}

/// A number, which is shown as it was written: `010` and not `10.0`, `0x10` and not `16`.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    pub(crate) value: serde_json::Number,
    /// The text of the document, if it differs from the usual one.
    pub(crate) written: Option<Box<str>>,
}

impl Number {
    /// Returns the number if it is whole and not negative.
    pub(crate) fn as_u64(&self) -> Option<u64> {
        self.value.as_u64()
    }

    /// Returns the number if it is whole and fits.
    pub(crate) fn as_i64(&self) -> Option<i64> {
        self.value.as_i64()
    }

    /// Returns the nearest binary fraction.
    pub(crate) fn as_f64(&self) -> Option<f64> {
        self.value.as_f64()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.written {
            Some(written) => f.write_str(written),
            None => self.value.fmt(f),
        }
    }
}

/// An element of a list. Its index is that of the file, even if elements before it were removed.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    pub(crate) index: usize,
    pub(crate) node: Node,
}

/// A member of a map.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) key: String,
    pub(crate) key_place: Location,
    pub(crate) node: Node,
}

impl Node {
    /// Returns a member of a map. `None` if it is missing, or this is not a map.
    pub(crate) fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().find(|entry| entry.key == key)
    }

    /// Returns the members of a map; empty for any other value.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// Returns the text. `None` for any other value.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Merges `overlay` onto this tree: maps merge, everything else replaces, `null` has no effect.
    ///
    /// `is_choice` recognizes a map with exactly one member by the keys that lead to it. Such maps are not merged.
    pub(crate) fn overlay(self, overlay: Self, is_choice: fn(&[&str]) -> bool) -> Self {
        self.overlay_at(&[], overlay, is_choice)
    }

    fn overlay_at(self, path: &[&str], overlay: Self, is_choice: fn(&[&str]) -> bool) -> Self {
        match (self.value, overlay.value) {
            (value, Value::Null) => Self { place: self.place, value },
            (Value::Map(mut base), Value::Map(overlay_members)) if !is_choice(path) => {
                // No key occurs twice in one map, so the search can skip what is added here.
                let known_before = base.len();
                for entry in overlay_members {
                    match base.iter().take(known_before).position(|known| known.key == entry.key) {
                        Some(at) => {
                            let known = base.remove(at);
                            let path = [path, &[known.key.as_str()]].concat();
                            let node = known.node.overlay_at(&path, entry.node, is_choice);
                            base.insert(at, Member { key: entry.key, key_place: known.key_place, node });
                        }
                        None => base.push(entry),
                    }
                }
                Self { place: overlay.place, value: Value::Map(base) }
            }
            (_, value) => Self { place: overlay.place, value },
        }
    }
}
