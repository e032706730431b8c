//! A YAML document as a tree in which every value knows where it was written. Owns reading, bounds and laying one tree over
//! another; knows no key by name.

use serde_json::Number;
use std::fmt;
use std::sync::Arc;

/// Where a value was written: a file, a profile or the command line, and the place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    /// The file's name, `profile NAME`, or a flag.
    pub(crate) origin: Arc<str>,
    /// Line and column, from 1; `None` where there are none.
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

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) place: Location,
    pub(crate) value: Value,
}

/// What YAML's core schema knows (YAML 1.2.2 §10.3).
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Element>),
    Map(Vec<Member>),
}

/// An element of a list. Its index is that of the file, also when elements before it were taken out.
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
    /// The member of a map; `None` when it is not there, or when this is no map.
    pub(crate) fn member(&self, key: &str) -> Option<&Member> {
        self.members().iter().find(|entry| entry.key == key)
    }

    /// The members of a map; of anything else none.
    pub(crate) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Lays `above` over this tree: maps merge, everything else replaces, `null` says nothing. A map of which exactly one member
    /// may be there is a choice, and no choice is merged with another: `is_choice` tells it by the keys that lead to it.
    pub(crate) fn overlay(self, above: Self, is_choice: fn(&[&str]) -> bool) -> Self {
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
                            below.insert(at, Member { key: entry.key, key_place: known.key_place, node });
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
