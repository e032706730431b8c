//! Rewriting of paths, operations, links and callbacks.

use super::Rewriter;
use crate::diagnostic::Quoted;
use crate::openapi::finding::Finding;
use crate::openapi::merge::error::MergeFinding;
use crate::openapi::merge::kind::Kind;
use crate::openapi::merge::pointer::{broken, escaped, tokens};
use crate::openapi::merge::tree::{Object, list, null, of_json, text};
use crate::openapi::read::METHODS;
use crate::openapi::resolver::NodeRef;
use crate::yaml::{Element, Member, Node, Value};
use serde_json::json;

/// Maximum depth of callbacks within callbacks. Deeper ones are an error.
const MAX_CALLBACKS: usize = 4;

/// An operation as the gateway serves it.
#[derive(Debug, Clone)]
pub(in crate::openapi::merge) struct Endpoint {
    /// The method.
    pub(in crate::openapi::merge) method: String,
    /// The path template of the module's description.
    pub(in crate::openapi::merge) template: String,
    /// The path template at the gateway.
    pub(in crate::openapi::merge) path: String,
    /// The `operationId` of the module's description.
    pub(in crate::openapi::merge) id: Option<String>,
    /// The alternatives of credentials; empty if none is required.
    pub(in crate::openapi::merge) security: Node,
    /// The gateway's own responses: a status, and the name of a component.
    pub(in crate::openapi::merge) denials: Vec<(u16, String)>,
}

impl<'d> Rewriter<'d, '_> {
    /// Sets the operations that the merged document has, before any is written: links may lead to later ones. Returns the new
    /// identifiers.
    pub(in crate::openapi::merge) fn announce(&mut self, endpoints: &[Endpoint]) -> Vec<Option<String>> {
        let mut identifiers = Vec::new();
        for endpoint in endpoints {
            let of = (endpoint.template.clone(), endpoint.method.clone());
            self.endpoints.entry(of).or_insert_with(|| endpoint.path.clone());
            let new = endpoint.id.as_ref().map(|id| self.new_name("operations", id));
            if let (Some(id), Some(new)) = (&endpoint.id, &new) {
                self.identifiers.entry(id.clone()).or_insert_with(|| new.clone());
            }
            identifiers.push(new);
        }
        identifiers
    }

    /// Writes a path with some of its operations, each with its new identifier.
    pub(in crate::openapi::merge) fn path(
        &mut self,
        at: &NodeRef<'d>,
        endpoints: &[(&Endpoint, Option<&String>)],
    ) -> Node {
        let mut path = Object::new(&at.node.place);
        let items = self.chain(at);
        for item in &items {
            self.shared(item, &mut path);
        }
        let mut additional = Object::new(&at.node.place);
        for (endpoint, id) in endpoints {
            let key = METHODS.iter().find(|(_, method)| *method == endpoint.method).map(|(key, _)| *key);
            let operation = items.iter().find_map(|item| match key {
                Some(key) => item.member(key),
                None => item.member("additionalOperations")?.member(&endpoint.method),
            });
            let Some(operation) = operation else { continue };
            let mut node = self.operation(&operation, Some((endpoint, *id)));
            self.add_parameters(&endpoint.template, &operation, &items, &mut node);
            match key {
                Some(key) => path.put(key, node),
                None => additional.put(endpoint.method.clone(), node),
            }
        }
        if !additional.is_empty() {
            path.put("additionalOperations", additional.done());
        }
        path.done()
    }

    /// Adds the path parameters that the description lacks: texts, since nothing else is known of them.
    fn add_parameters(&mut self, template: &str, at: &NodeRef<'d>, items: &[NodeRef<'d>], operation: &mut Node) {
        let names = template.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
        let mut missing: Vec<&str> = names.collect();
        if missing.is_empty() {
            return;
        }
        for list in items.iter().chain([at]).filter_map(|item| item.member("parameters")) {
            for parameter in list.elements() {
                // A reference that leads nowhere is reported where it is written.
                let Some(parameter) = self.pointers.follow(&parameter, &mut Vec::new()) else { continue };
                let of = |key: &str| parameter.node.member(key).and_then(|entry| entry.node.text());
                if of("in") == Some("path") {
                    missing.retain(|name| Some(*name) != of("name"));
                }
            }
        }
        if missing.is_empty() {
            return;
        }
        let mut added: Vec<Node> = Vec::new();
        for name in missing {
            self.add(at, MergeFinding::PathParameter(Quoted::new(name)));
            let parameter = json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } });
            added.push(of_json(&at.node.place, parameter));
        }
        let Value::Map(members) = &mut operation.value else { return };
        match members.iter_mut().find(|entry| entry.key == "parameters").map(|entry| &mut entry.node.value) {
            Some(Value::List(own)) => {
                own.extend(added.into_iter().map(|node| Element { index: 0, node }));
            }
            _ => members.push(Member {
                key: "parameters".to_owned(),
                key_place: at.node.place.clone(),
                node: list(&at.node.place, added),
            }),
        }
    }

    /// Returns a path and the chain of its references' targets.
    fn chain(&mut self, at: &NodeRef<'d>) -> Vec<NodeRef<'d>> {
        let mut found = Vec::new();
        let mut items = vec![at.clone()];
        if self.pointers.follow(at, &mut found).is_some() {
            while let Some(reference) = items.last().and_then(|item| item.member("$ref")) {
                items.extend(self.pointers.lead(&reference, &mut found));
            }
        }
        self.found.append(&mut found);
        items
    }

    /// Writes the members that all operations of a path share. The first one of each counts.
    fn shared(&mut self, item: &NodeRef<'d>, path: &mut Object) {
        for entry in item.node.members() {
            let key = entry.key.as_str();
            let is_shared = matches!(key, "summary" | "description" | "parameters") || key.starts_with("x-");
            if is_shared && path.get(key).is_none() {
                let node = self.child(Kind::PathItem, &item.of(entry), key);
                path.put(key, node);
            }
        }
    }

    /// Writes a path of a callback or a webhook, whose requests do not go through the gateway.
    pub(in crate::openapi::merge) fn nested_path(&mut self, at: &NodeRef<'d>) -> Node {
        if self.nesting >= MAX_CALLBACKS {
            self.add(at, MergeFinding::Callbacks);
            return null(&at.node.place);
        }
        if !self.expect_map(at) {
            return null(&at.node.place);
        }
        self.nesting = self.nesting.saturating_add(1);
        let mut path = Object::new(&at.node.place);
        for item in &self.chain(at) {
            self.shared(item, &mut path);
            for (key, _) in METHODS {
                if let Some(operation) = item.member(key).filter(|_| path.get(key).is_none()) {
                    let node = self.operation(&operation, None);
                    path.put(key, node);
                }
            }
        }
        self.nesting = self.nesting.saturating_sub(1);
        path.done()
    }

    /// Writes an operation. One of the gateway has the gateway's security and denials.
    pub(super) fn operation(&mut self, at: &NodeRef<'d>, endpoint: Option<(&Endpoint, Option<&String>)>) -> Node {
        self.budget.charge(at.node);
        if self.budget.is_exceeded() || !self.expect_map(at) {
            return null(&at.node.place);
        }
        let mut operation = self.members(Kind::Operation, at, &["tags", "operationId", "security", "servers"]);
        let written = at.node.member("operationId").and_then(|member| member.node.text());
        let id = match endpoint {
            Some((_, id)) => id.cloned(),
            None => written.map(|id| self.new_name("operations", id)),
        };
        if let Some(id) = id {
            operation.text("operationId", id);
        }
        let tags: Vec<Node> = at
            .member("tags")
            .iter()
            .flat_map(NodeRef::elements)
            .filter_map(|tag| Some(text(&tag.node.place, self.tag(tag.node.text()?))))
            .collect();
        let tags = if tags.is_empty() { vec![text(&at.node.place, self.settings.module)] } else { tags };
        operation.put("tags", list(&at.node.place, tags));
        if let Some((endpoint, _)) = endpoint {
            operation.put("security", endpoint.security.clone());
            let responses = operation.take("responses");
            operation.put("responses", with_denials(at, responses, &endpoint.denials));
        }
        operation.done()
    }

    /// Returns the new name of a tag.
    pub(in crate::openapi::merge) fn tag(&self, written: &str) -> String {
        format!("{}/{written}", self.settings.module)
    }

    /// Writes a link. Its operation must be one that the merged document has.
    pub(super) fn link(&mut self, at: &NodeRef<'d>) -> Node {
        let mut link = self.members(Kind::Link, at, &["operationRef", "operationId", "server"]);
        if let Some(id) = at.member("operationId") {
            let written = id.node.text().unwrap_or_default();
            match self.identifiers.get(written) {
                Some(new) => link.text("operationId", new.clone()),
                None => self.add(&id, MergeFinding::Link(Quoted::new(written))),
            }
        }
        if let Some(reference) = at.member("operationRef") {
            let written = reference.node.text().unwrap_or_default();
            match tokens(written).as_deref() {
                Some([paths, template, key]) if paths == "paths" => {
                    let method =
                        METHODS.iter().find(|(known, _)| known == key).map_or(key.as_str(), |(_, method)| method);
                    match self.endpoints.get(&(template.clone(), method.to_owned())) {
                        Some(path) => link.text("operationRef", format!("#/paths/{}/{key}", escaped(path))),
                        None => self.add(&reference, MergeFinding::Link(Quoted::new(written))),
                    }
                }
                Some(_) => self.add(&reference, MergeFinding::Link(Quoted::new(written))),
                None => self.add(&reference, broken(written)),
            }
        }
        link.done()
    }

    /// Writes the webhooks of a module, under new names.
    pub(in crate::openapi::merge) fn webhooks(&mut self, into: &mut Object) {
        let Some(all) = self.pointers.root().member("webhooks").filter(|_| self.settings.source > 0) else { return };
        for entry in all.node.members() {
            let name = self.new_name("webhooks", &entry.key);
            let node = self.nested_path(&all.of(entry));
            into.put(name, node);
        }
    }

    /// Writes the descriptions of a module's tags.
    pub(in crate::openapi::merge) fn tags(&mut self, into: &mut Vec<Node>) {
        let all = self.pointers.root().member("tags");
        for tag in all.iter().flat_map(NodeRef::elements) {
            let Some(name) = tag.node.member("name").and_then(|name| name.node.text()) else {
                self.add(&tag, MergeFinding::Check(Finding::Form("a map with a `name`")));
                continue;
            };
            let name = self.tag(name);
            if self.names.unique("tags", &name) != name {
                continue;
            }
            let mut object = Object::new(&tag.node.place);
            for entry in tag.node.members() {
                let node = match (entry.key.as_str(), entry.node.text()) {
                    ("name", Some(_)) => text(&entry.node.place, name.clone()),
                    ("parent", Some(parent)) => text(&entry.node.place, self.tag(parent)),
                    _ => self.budget.copy(&entry.node),
                };
                object.put(entry.key.clone(), node);
            }
            into.push(object.done());
        }
    }

    /// Returns the path items of the document, by their templates.
    pub(in crate::openapi::merge) fn path_items(&self) -> Vec<(&'d str, NodeRef<'d>)> {
        let Some(paths) = self.pointers.root().member("paths") else { return Vec::new() };
        let entries = paths.node.members().iter().filter(|entry| !entry.key.starts_with("x-"));
        entries.map(|entry| (entry.key.as_str(), paths.of(entry))).collect()
    }
}

/// Adds the gateway's denials to the responses, except those for which the module describes a response itself.
fn with_denials(at: &NodeRef<'_>, responses: Option<Node>, denials: &[(u16, String)]) -> Node {
    let mut responses = match responses {
        Some(Node { place, value: Value::Map(members) }) => Object { place, members },
        _ => Object::new(&at.node.place),
    };
    for (status, component) in denials {
        let exact = status.to_string();
        let range = format!("{}XX", status.div_euclid(100));
        let is_described =
            responses.members.iter().any(|entry| entry.key == exact || entry.key.eq_ignore_ascii_case(&range));
        if !is_described {
            let mut reference = Object::new(&at.node.place);
            reference.text("$ref", format!("#/components/responses/{component}"));
            responses.put(exact, reference.done());
        }
    }
    responses.done()
}
