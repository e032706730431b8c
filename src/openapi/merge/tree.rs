//! Documents under construction: maps with their members in order, deep copies within a budget, and output as JSON.

use crate::yaml::{Element, Location, Member, Node, Value};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

/// Maximum number of values of the merged document, and of each converted one: four times that of the largest public description.
/// More are an error.
const MAX_VALUES: usize = 2_000_000;

/// Maximum number of bytes of all texts and keys, copies included, because many references can share one long text. More are an error.
const MAX_TEXT_BYTES: usize = 64 * 1024 * 1024;

/// The remaining size of a document.
#[derive(Debug)]
pub(super) struct Budget {
    values: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { values: MAX_VALUES, bytes: MAX_TEXT_BYTES }
    }
}

impl Budget {
    /// Returns true if the document became too large. Everything after that is left out, since the result is an error.
    pub(super) const fn is_exceeded(&self) -> bool {
        self.values == 0 || self.bytes == 0
    }

    /// Counts a value with its own text and the keys of its members.
    pub(super) fn charge(&mut self, node: &Node) {
        let text = node.text().map_or(0, str::len);
        let keys: usize = node.members().iter().map(|member| member.key.len()).sum();
        self.values = self.values.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(text.saturating_add(keys));
    }

    /// Counts a value that is not in the input, with so many bytes of text.
    pub(super) fn charge_new(&mut self, bytes: usize) {
        self.values = self.values.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    /// Copies a value with everything in it.
    pub(super) fn copy(&mut self, node: &Node) -> Node {
        self.charge(node);
        if self.is_exceeded() {
            return null(&node.place);
        }
        let value = match &node.value {
            Value::List(items) => Value::List(
                items.iter().map(|item| Element { index: item.index, node: self.copy(&item.node) }).collect(),
            ),
            Value::Map(members) => Value::Map(
                members
                    .iter()
                    .map(|member| Member {
                        key: member.key.clone(),
                        key_place: member.key_place.clone(),
                        node: self.copy(&member.node),
                    })
                    .collect(),
            ),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_)) => plain.clone(),
        };
        Node { place: node.place.clone(), value }
    }
}

/// Creates a null.
pub(super) fn null(place: &Location) -> Node {
    Node { place: place.clone(), value: Value::Null }
}

/// Creates a text.
pub(super) fn text(place: &Location, text: impl Into<String>) -> Node {
    Node { place: place.clone(), value: Value::Text(text.into()) }
}

/// Creates a truth value.
pub(super) fn boolean(place: &Location, value: bool) -> Node {
    Node { place: place.clone(), value: Value::Bool(value) }
}

/// Creates a list.
pub(super) fn list(place: &Location, nodes: Vec<Node>) -> Node {
    let items = nodes.into_iter().enumerate().map(|(index, node)| Element { index, node }).collect();
    Node { place: place.clone(), value: Value::List(items) }
}

/// Converts the gateway's own parts of the document.
pub(super) fn of_json(place: &Location, value: serde_json::Value) -> Node {
    let value = match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Bool(value),
        serde_json::Value::Number(value) => Value::Number(crate::yaml::Number { value, written: None }),
        serde_json::Value::String(text) => Value::Text(text),
        serde_json::Value::Array(items) => {
            return list(place, items.into_iter().map(|item| of_json(place, item)).collect());
        }
        serde_json::Value::Object(members) => {
            let mut object = Object::new(place);
            for (key, value) in members {
                object.put(key, of_json(place, value));
            }
            return object.done();
        }
    };
    Node { place: place.clone(), value }
}

/// Returns true if the value is a map.
pub(super) const fn is_map(node: &Node) -> bool {
    matches!(node.value, Value::Map(_))
}

/// A map under construction, with its members in order.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) place: Location,
    pub(super) members: Vec<Member>,
}

impl Object {
    /// Creates an empty map for this location.
    pub(super) fn new(place: &Location) -> Self {
        Self { place: place.clone(), members: Vec::new() }
    }

    /// Adds a member. The key must be new.
    pub(super) fn put(&mut self, key: impl Into<String>, node: Node) {
        self.members.push(Member { key: key.into(), key_place: node.place.clone(), node });
    }

    /// Adds a text.
    pub(super) fn text(&mut self, key: &str, value: impl Into<String>) {
        self.put(key, text(&self.place, value));
    }

    /// Adds a member, or replaces it.
    pub(super) fn set(&mut self, key: &str, node: Node) {
        match self.members.iter_mut().find(|member| member.key == key) {
            Some(member) => member.node = node,
            None => self.put(key, node),
        }
    }

    /// Returns a member; `None` if it is absent.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.members.iter().find(|member| member.key == key).map(|member| &member.node)
    }

    /// Removes a member and returns it; `None` if it is absent.
    pub(super) fn take(&mut self, key: &str) -> Option<Node> {
        let at = self.members.iter().position(|member| member.key == key)?;
        Some(self.members.remove(at).node)
    }

    /// Returns true if there is no member.
    pub(super) const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the map.
    pub(super) fn done(self) -> Node {
        Node { place: self.place, value: Value::Map(self.members) }
    }
}

/// A document as JSON, with its members in order.
pub(super) struct Json<'n>(pub(super) &'n Node);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => number.value.serialize(serializer),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Json(&item.node))?;
                }
                list.end()
            }
            Value::Map(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for member in members {
                    map.serialize_entry(&member.key, &Json(&member.node))?;
                }
                map.end()
            }
        }
    }
}
