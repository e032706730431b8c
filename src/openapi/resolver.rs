//! A resolver of references within the document, which collects findings with their locations.

use super::finding::Finding;
use crate::diagnostic::{Located, Quoted, ShownKey};
use crate::yaml::{Location, Member, Node, Value};
use modgud_core::http::percent;

/// Maximum number of errors kept: more than people fix in one pass. Further ones are dropped.
const MAX_REPORTED: usize = 100;

/// Maximum length of a chain of references, which may be a cycle. A longer one is an error.
const MAX_REFERENCES: usize = 8;

/// A value with its location.
#[derive(Debug, Clone)]
pub(super) struct NodeRef<'d> {
    pub(super) node: &'d Node,
    /// The location in the text; for a member, that of its key.
    place: &'d Location,
    /// The path of keys, for people.
    path: String,
}

impl<'d> NodeRef<'d> {
    pub(super) const fn root(node: &'d Node) -> Self {
        Self { node, place: &node.place, path: String::new() }
    }

    /// Returns a member of this map; `None` if it is absent.
    pub(super) fn member(&self, key: &str) -> Option<Self> {
        self.node.member(key).map(|entry| self.of(entry))
    }

    /// Returns the value of an entry of this map.
    pub(super) fn of(&self, entry: &'d Member) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        Self {
            node: &entry.node,
            place: &entry.key_place,
            path: format!("{}{separator}{}", self.path, ShownKey(&entry.key)),
        }
    }

    /// Returns the elements of this list.
    pub(super) fn elements(&self) -> Vec<Self> {
        let Value::List(items) = &self.node.value else { return Vec::new() };
        let element =
            |(at, node): (usize, &'d Node)| Self { node, place: &node.place, path: format!("{}[{at}]", self.path) };
        items.iter().map(|item| &item.node).enumerate().map(element).collect()
    }

    /// Returns the element with this index, as references write it; `None` if this is no list, or shorter.
    pub(super) fn element(&self, index: &str) -> Option<Self> {
        let Value::List(items) = &self.node.value else { return None };
        let node = &items.get(index.parse::<usize>().ok()?)?.node;
        Some(Self { node, place: &node.place, path: format!("{}[{index}]", self.path) })
    }

    /// Attaches this location without the path of keys, which a conversion changed.
    pub(super) fn locate_in_file<T>(&self, what: T) -> Located<T> {
        Located::here(self.place.clone(), String::new(), what)
    }

    /// Attaches this location to a finding.
    pub(super) fn locate<T>(&self, what: T) -> Located<T> {
        Located::here(self.place.clone(), self.path.clone(), what)
    }
}

/// The document and its errors.
#[derive(Debug)]
pub(super) struct RefResolver<'d> {
    pub(super) root: NodeRef<'d>,
    pub(super) found: Vec<Located<Finding>>,
    /// Number of server URLs so far.
    pub(super) urls: usize,
}

impl<'d> RefResolver<'d> {
    pub(super) const fn new(root: &'d Node) -> Self {
        Self { root: NodeRef::root(root), found: Vec::new(), urls: 0 }
    }

    pub(super) fn add(&mut self, at: &NodeRef<'_>, finding: Finding) {
        if self.found.len() < MAX_REPORTED {
            self.found.push(at.locate(finding));
        }
    }

    /// Reports a value that has the wrong form.
    pub(super) fn check_form(&mut self, at: &NodeRef<'_>, form: Form) {
        if !form.is(&at.node.value) {
            self.add(at, Finding::Form(form.name()));
        }
    }

    /// Resolves a value: itself, or the target of its `$ref`. `None` if the target does not exist.
    pub(super) fn resolve(&mut self, at: NodeRef<'d>) -> Option<NodeRef<'d>> {
        self.resolve_chain(at)?.pop()
    }

    /// Returns a value and the chain of its `$ref` targets; at least one. `None` if a target does not exist.
    pub(super) fn resolve_chain(&mut self, at: NodeRef<'d>) -> Option<Vec<NodeRef<'d>>> {
        let mut chain = Vec::new();
        let mut target = at;
        for _ in 0..MAX_REFERENCES {
            chain.push(target.clone());
            let Some(reference) = target.member("$ref") else { return Some(chain) };
            let found = reference.node.text().and_then(|text| self.target(text));
            let Some(found) = found else {
                let text = reference.node.text().unwrap_or_default();
                let leads_out = !text.is_empty() && !text.starts_with('#');
                let kind = if leads_out { Finding::OtherDocument } else { Finding::Reference };
                self.add(&reference, kind(Quoted::new(text)));
                return None;
            };
            target = found;
        }
        self.add(&target, Finding::Reference(Quoted::new("a chain of references")));
        None
    }

    /// Resolves a JSON pointer (RFC 6901) in the fragment of a reference.
    fn target(&self, reference: &str) -> Option<NodeRef<'d>> {
        let mut at = self.root.clone();
        for token in reference.strip_prefix("#/")?.split('/') {
            let token =
                String::from_utf8(percent::decode(token.as_bytes())?).ok()?.replace("~1", "/").replace("~0", "~");
            at = at.member(&token)?;
        }
        Some(at)
    }
}

/// The expected form of a value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Map,
    List,
    Text,
}

impl Form {
    fn is(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (Self::Map, Value::Map(_)) | (Self::List, Value::List(_)) | (Self::Text, Value::Text(_))
        )
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Map => "a map",
            Self::List => "a list",
            Self::Text => "a text",
        }
    }
}
