//! Rewrites one module's document for the merged one: new names of components, references to them, and the version of schemas. `paths`
//! rewrites operations, `schema` rewrites schemas.

mod paths;
mod schema;

pub(super) use paths::Endpoint;
pub(super) use schema::is_known_dialect;

use super::error::MergeFinding;
use super::kind::{Child, Kind};
use super::names::{Names, plain};
use super::pointer::{Pointers, broken, tokens};
use super::tree::{Budget, Object, is_map, list, null};
use crate::diagnostic::{Located, Quoted};
use crate::openapi::finding::Finding;
use crate::openapi::resolver::NodeRef;
use crate::yaml::Node;
use std::collections::HashMap;

/// Maximum number of findings of one module. Further ones are dropped.
const MAX_FOUND: usize = 100;

/// The version of a document, by its number after `3.`.
pub(super) type Minor = u8;

/// The settings of a module's rewriting.
#[derive(Debug)]
pub(super) struct Settings<'m> {
    /// The module's name, which begins its tags.
    pub(super) module: &'m str,
    /// The beginning of the names of its components.
    pub(super) namespace: String,
    /// The version of its document. A converted one is 3.0.
    pub(super) source: Minor,
    /// True if the document was converted from 2.0, so that its keys are not those of the file.
    pub(super) is_converted: bool,
    /// The version of the merged document.
    pub(super) target: Minor,
}

/// The components of the merged document.
#[derive(Debug)]
pub(super) struct Components(pub(super) Vec<(&'static str, Object)>);

impl Components {
    /// Adds a component. Its name must be new.
    pub(super) fn put(&mut self, key: &'static str, name: String, node: Node) {
        if let Some((_, all)) = self.0.iter_mut().find(|(known, _)| *known == key) {
            all.put(name, node);
        } else {
            let mut all = Object::new(&node.place);
            all.put(name, node);
            self.0.push((key, all));
        }
    }
}

/// The rewriting of one document.
pub(super) struct Rewriter<'d, 'g> {
    settings: Settings<'g>,
    pointers: Pointers<'d>,
    names: &'g mut Names,
    budget: &'g mut Budget,
    /// The new names of components, by kind and name.
    components: HashMap<&'static str, HashMap<&'d str, String>>,
    /// The new names of values that references reach outside of `components`.
    moved: HashMap<(Kind, String), String>,
    /// Those that are still to write.
    pending: Vec<(Kind, String, NodeRef<'d>)>,
    /// The operations that the merged document has, by path and method of this one.
    endpoints: HashMap<(String, String), String>,
    /// The new identifiers of operations.
    identifiers: HashMap<String, String>,
    /// The schemas that extend a schema by `allOf`, by its name.
    descendants: HashMap<&'d str, Vec<&'d str>>,
    /// The schemas with an anchor, found when a reference needs them.
    anchors: Option<HashMap<&'d str, NodeRef<'d>>>,
    /// The new names of dynamic anchors.
    dynamic: HashMap<String, String>,
    /// The number of callbacks around the current one.
    nesting: usize,
    found: Vec<Located<MergeFinding>>,
}

impl<'d, 'g> Rewriter<'d, 'g> {
    pub(super) fn new(root: &'d Node, settings: Settings<'g>, names: &'g mut Names, budget: &'g mut Budget) -> Self {
        let mut rewriter = Self {
            settings,
            pointers: Pointers::new(root),
            names,
            budget,
            components: HashMap::new(),
            moved: HashMap::new(),
            pending: Vec::new(),
            endpoints: HashMap::new(),
            identifiers: HashMap::new(),
            descendants: HashMap::new(),
            anchors: None,
            dynamic: HashMap::new(),
            nesting: 0,
            found: Vec::new(),
        };
        let components = root.member("components").map(|entry| &entry.node);
        for (key, _) in Kind::COMPONENTS {
            let all = components.and_then(|components| components.member(key)).map(|entry| &entry.node);
            for entry in all.into_iter().flat_map(Node::members) {
                let name = rewriter.new_name(key, &entry.key);
                rewriter.components.entry(key).or_default().insert(&entry.key, name);
                for extended in extended(&entry.node).filter(|_| key == "schemas") {
                    rewriter.descendants.entry(extended).or_default().push(&entry.key);
                }
            }
        }
        rewriter
    }

    /// Returns a new name for an object of this kind.
    fn new_name(&mut self, of: &'static str, name: &str) -> String {
        self.names.unique(of, &plain(&format!("{}_{name}", self.settings.namespace)))
    }

    /// Writes the components, and all that references reach. Returns the findings of the whole document.
    pub(super) fn finish(mut self, into: &mut Components) -> Vec<Located<MergeFinding>> {
        if let Some(components) = self.pointers.root().member("components") {
            for (key, kind) in Kind::COMPONENTS {
                let Some(all) = components.member(key) else { continue };
                self.expect_map(&all);
                for entry in all.node.members() {
                    let at = all.of(entry);
                    let node = match kind {
                        Kind::Schema => self.schema(&at, Some(&entry.key)),
                        kind => self.object(kind, &at),
                    };
                    let name = self.components.get(key).and_then(|names| names.get(entry.key.as_str())).cloned();
                    into.put(key, name.unwrap_or_default(), node);
                }
            }
        }
        while let Some((kind, name, at)) = self.pending.pop() {
            let node = self.object(kind, &at);
            if let Some(key) = kind.component() {
                into.put(key, name, node);
            }
        }
        self.found
    }

    fn add(&mut self, at: &NodeRef<'_>, finding: MergeFinding) {
        if self.found.len() < MAX_FOUND {
            self.found.push(if self.settings.is_converted { at.locate_in_file(finding) } else { at.locate(finding) });
        }
    }

    /// Reports a value that is no map.
    fn expect_map(&mut self, at: &NodeRef<'_>) -> bool {
        let is_map = is_map(at.node);
        if !is_map {
            self.add(at, MergeFinding::Check(Finding::Form("a map")));
        }
        is_map
    }

    /// Writes an object: a reference, or its members.
    fn object(&mut self, kind: Kind, at: &NodeRef<'d>) -> Node {
        self.budget.charge(at.node);
        if self.budget.is_exceeded() {
            return null(&at.node.place);
        }
        match kind {
            Kind::Schema => return self.schema(at, None),
            Kind::PathItem => return self.nested_path(at),
            _ if !self.expect_map(at) => return null(&at.node.place),
            _ => {}
        }
        if let Some(reference) = at.member("$ref") {
            let mut object = Object::new(&at.node.place);
            if let Some(target) = self.reference(kind, &reference) {
                object.text("$ref", target);
            }
            // In 3.0, members next to a reference are ignored.
            for key in ["summary", "description"] {
                if let Some(member) = at.node.member(key).filter(|_| self.settings.source > 0) {
                    let node = self.budget.copy(&member.node);
                    object.put(key, node);
                }
            }
            return object.done();
        }
        match kind {
            Kind::Operation => self.operation(at, None),
            Kind::Link => self.link(at),
            kind => self.members(kind, at, &[]).done(),
        }
    }

    /// Writes the members of an object, except some.
    fn members(&mut self, kind: Kind, at: &NodeRef<'d>, except: &[&str]) -> Object {
        let mut object = Object::new(&at.node.place);
        for entry in at.node.members().iter().filter(|entry| !except.contains(&entry.key.as_str())) {
            let node = self.child(kind, &at.of(entry), &entry.key);
            object.put(entry.key.clone(), node);
        }
        object
    }

    /// Writes a member.
    fn child(&mut self, kind: Kind, at: &NodeRef<'d>, key: &str) -> Node {
        match kind.child(key) {
            Child::One(kind) => self.object(kind, at),
            Child::List(kind) => {
                let nodes = at.elements().iter().map(|one| self.object(kind, one)).collect();
                list(&at.node.place, nodes)
            }
            Child::Map(kind) => {
                if !self.expect_map(at) {
                    return null(&at.node.place);
                }
                let mut object = Object::new(&at.node.place);
                for entry in at.node.members() {
                    let is_data = (key == "responses" && entry.key.starts_with("x-"))
                        // Names of properties, as in earlier versions of JSON Schema.
                        || (key == "dependencies" && !is_map(&entry.node));
                    let node = if is_data { self.budget.copy(&entry.node) } else { self.object(kind, &at.of(entry)) };
                    object.put(entry.key.clone(), node);
                }
                object.done()
            }
            Child::Data => self.budget.copy(at.node),
        }
    }

    /// Returns the new reference to an object of this kind; `None` after a finding.
    fn reference(&mut self, kind: Kind, at: &NodeRef<'d>) -> Option<String> {
        let Some(written) = at.node.text() else {
            self.add(at, MergeFinding::Check(Finding::Form("a text")));
            return None;
        };
        if let Some([components, of, name]) = tokens(written).as_deref()
            && components == "components"
        {
            let Some(key) = kind.component().filter(|key| key == of) else {
                let key = kind.component().unwrap_or("schemas");
                self.add(at, MergeFinding::OtherKind(Quoted::new(written), key));
                return None;
            };
            let Some(name) = self.components.get(key).and_then(|names| names.get(name.as_str())).cloned() else {
                self.add(at, broken(written));
                return None;
            };
            return Some(format!("#/components/{key}/{name}"));
        }
        self.moved(kind, at, written)
    }

    /// Returns the reference to a copy of a value under `components`. Elsewhere the value is not where it was.
    fn moved(&mut self, kind: Kind, at: &NodeRef<'d>, written: &str) -> Option<String> {
        let Some(key) = kind.component().filter(|key| *key != "mediaTypes" || self.settings.target > 1) else {
            self.add(at, MergeFinding::Check(Finding::Form("replaced by what it refers to")));
            return None;
        };
        let of = (kind, written.to_owned());
        if let Some(name) = self.moved.get(&of) {
            return Some(format!("#/components/{key}/{name}"));
        }
        let Some(target) = self.pointers.target(written).or_else(|| self.anchored(kind, written)) else {
            self.add(at, broken(written));
            return None;
        };
        let name = tokens(written).map_or_else(|| written.to_owned(), |tokens| tokens.join("_"));
        let name = plain(&name).replace("components_schemas_", "");
        let name = self.new_name(key, name.trim_matches('_'));
        self.moved.insert(of, name.clone());
        self.pending.push((kind, name.clone(), target));
        Some(format!("#/components/{key}/{name}"))
    }

    /// Returns the schema with the anchor of a reference; `None` without one.
    fn anchored(&mut self, kind: Kind, reference: &str) -> Option<NodeRef<'d>> {
        let anchor = reference.strip_prefix('#').filter(|_| kind == Kind::Schema && self.settings.source > 0)?;
        let anchors = match &mut self.anchors {
            Some(anchors) => anchors,
            none => {
                let mut anchors = HashMap::new();
                find_anchors(self.pointers.root(), &mut anchors);
                none.insert(anchors)
            }
        };
        anchors.get(anchor).cloned()
    }

    /// Returns the new name of a dynamic anchor.
    fn dynamic_anchor(&mut self, written: &str) -> String {
        if let Some(known) = self.dynamic.get(written) {
            return known.clone();
        }
        let begins = if self.settings.namespace.starts_with(|c: char| c.is_ascii_alphabetic()) { "" } else { "m" };
        let name = self.names.unique("anchors", &plain(&format!("{begins}{}_{written}", self.settings.namespace)));
        self.dynamic.insert(written.to_owned(), name.clone());
        name
    }
}

/// Finds the schemas with an anchor. The first of each name counts.
fn find_anchors<'d>(at: &NodeRef<'d>, anchors: &mut HashMap<&'d str, NodeRef<'d>>) {
    for key in ["$anchor", "$dynamicAnchor"] {
        if let Some(name) = at.node.member(key).and_then(|entry| entry.node.text()) {
            anchors.entry(name).or_insert_with(|| at.clone());
        }
    }
    for entry in at.node.members() {
        find_anchors(&at.of(entry), anchors);
    }
    for element in at.elements() {
        find_anchors(&element, anchors);
    }
}

/// Returns the names of the schemas that a schema extends by `allOf`.
fn extended(schema: &Node) -> impl Iterator<Item = &str> {
    let all = schema.member("allOf").map(|entry| &entry.node.value);
    let items = match all {
        Some(crate::yaml::Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    items.iter().filter_map(|item| item.node.member("$ref")?.node.text()?.strip_prefix("#/components/schemas/"))
}
