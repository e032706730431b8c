//! Conversion of Swagger 2.0 to `OpenAPI` 3.0: paths, operations and responses. `parameters` converts parameters and bodies, `schema` converts
//! schemas. Security is left out, because the gateway's own replaces it, and so are hosts and schemes.

mod parameters;
mod schema;

use super::error::MergeFinding;
use super::names::Names;
use super::pointer::Pointers;
use super::tree::{Budget, Object, boolean, list, text};
use crate::diagnostic::Located;
use crate::openapi::finding::Finding;
use crate::openapi::resolver::NodeRef;
use crate::yaml::Node;
use std::collections::HashMap;

/// The methods of a path in 2.0.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// The media type of a response whose description names none.
const ANY: &str = "*/*";

/// The conversion of one document.
pub(super) struct Converter<'d, 'b> {
    pointers: Pointers<'d>,
    budget: &'b mut Budget,
    found: Vec<Located<MergeFinding>>,
    /// The media types of the whole document.
    consumes: Option<Vec<String>>,
    produces: Option<Vec<String>>,
    names: Names,
    /// The new names of schemas that references reach outside of `definitions`.
    moved: HashMap<String, String>,
    /// Those that are still to convert.
    pending: Vec<(String, NodeRef<'d>)>,
}

/// Converts a document. The findings are located in the file.
pub(super) fn convert(root: &Node, budget: &mut Budget) -> (Node, Vec<Located<MergeFinding>>) {
    let mut converter = Converter {
        pointers: Pointers::new(root),
        budget,
        found: Vec::new(),
        consumes: None,
        produces: None,
        names: Names::default(),
        moved: HashMap::new(),
        pending: Vec::new(),
    };
    let document = converter.document();
    (document, converter.found)
}

impl<'d> Converter<'d, '_> {
    fn document(&mut self) -> Node {
        let root = self.pointers.root().clone();
        self.consumes = media_types(&root, "consumes");
        self.produces = media_types(&root, "produces");
        let mut document = Object::new(&root.node.place);
        document.text("openapi", "3.0.3");
        for key in ["info", "tags"] {
            self.copy(&root, key, &mut document);
        }
        let definitions = root.member("definitions");
        for entry in definitions.iter().flat_map(|all| all.node.members()) {
            self.names.unique("schemas", &entry.key);
        }
        let mut paths = Object::new(&root.node.place);
        if let Some(all) = root.member("paths") {
            for entry in all.node.members().iter().filter(|entry| !entry.key.starts_with("x-")) {
                let item = self.path(&all.of(entry));
                paths.put(entry.key.clone(), item);
            }
        }
        let mut schemas = Object::new(&root.node.place);
        for (at, key) in members(definitions.as_ref()) {
            let schema = self.schema(&at);
            schemas.put(key, schema);
        }
        let mut parameters = Object::new(&root.node.place);
        for (at, key) in members(root.member("parameters").as_ref()) {
            // Bodies are written where they are used, because their media types depend on the operation.
            if !parameters::is_body(&at) {
                let parameter = self.parameter(&at);
                parameters.put(key, parameter);
            }
        }
        let mut responses = Object::new(&root.node.place);
        for (at, key) in members(root.member("responses").as_ref()) {
            let produces = self.produces.clone();
            let response = self.response(&at, produces.as_deref());
            responses.put(key, response);
        }
        while let Some((name, at)) = self.pending.pop() {
            let schema = self.schema(&at);
            schemas.put(name, schema);
        }
        let mut components = Object::new(&root.node.place);
        for (key, object) in [("schemas", schemas), ("parameters", parameters), ("responses", responses)] {
            if !object.is_empty() {
                components.put(key, object.done());
            }
        }
        document.put("paths", paths.done());
        document.put("components", components.done());
        document.done()
    }

    /// Copies a member, if it is there.
    fn copy(&mut self, at: &NodeRef<'d>, key: &str, into: &mut Object) {
        if let Some(member) = at.node.member(key) {
            let node = self.budget.copy(&member.node);
            into.put(key, node);
        }
    }

    /// Copies extensions.
    fn copy_extensions(&mut self, at: &NodeRef<'d>, into: &mut Object) {
        for member in at.node.members().iter().filter(|member| is_extension(&member.key)) {
            let node = self.budget.copy(&member.node);
            into.put(member.key.clone(), node);
        }
    }

    fn path(&mut self, at: &NodeRef<'d>) -> Node {
        let mut path = Object::new(&at.node.place);
        let mut items = vec![at.clone()];
        if self.pointers.follow(at, &mut self.found).is_none() {
            return path.done();
        }
        while let Some(reference) = items.last().and_then(|item| item.member("$ref")) {
            items.extend(self.pointers.lead(&reference, &mut self.found));
        }
        let shared: Vec<NodeRef<'d>> = items.iter().filter_map(|item| item.member("parameters")).collect();
        let shared: Vec<NodeRef<'d>> = shared.iter().flat_map(NodeRef::elements).collect();
        let (bodies, others): (Vec<_>, Vec<_>) = shared.into_iter().partition(|one| self.is_body(one));
        let parameters: Vec<Node> = others.iter().map(|one| self.parameter_or_reference(one)).collect();
        if !parameters.is_empty() {
            path.put("parameters", list(&at.node.place, parameters));
        }
        for item in &items {
            self.copy_extensions(item, &mut path);
            for method in METHODS {
                if let Some(operation) = item.member(method).filter(|_| path.get(method).is_none()) {
                    let operation = self.operation(&operation, &bodies);
                    path.put(method, operation);
                }
            }
        }
        path.done()
    }

    fn is_body(&mut self, at: &NodeRef<'d>) -> bool {
        // The conversion of the parameter reports a reference that leads nowhere.
        self.pointers.follow(at, &mut Vec::new()).is_some_and(|target| parameters::is_body(&target))
    }

    fn operation(&mut self, at: &NodeRef<'d>, shared: &[NodeRef<'d>]) -> Node {
        self.budget.charge(at.node);
        let mut operation = Object::new(&at.node.place);
        if self.budget.is_exceeded() {
            return operation.done();
        }
        for key in ["tags", "summary", "description", "externalDocs", "operationId"] {
            self.copy(at, key, &mut operation);
        }
        let own = at.member("parameters").map(|list| list.elements()).unwrap_or_default();
        let (mut bodies, others): (Vec<_>, Vec<_>) = own.into_iter().partition(|one| self.is_body(one));
        let parameters: Vec<Node> = others.iter().map(|one| self.parameter_or_reference(one)).collect();
        if !parameters.is_empty() {
            operation.put("parameters", list(&at.node.place, parameters));
        }
        bodies.extend(shared.iter().cloned());
        let consumes = media_types(at, "consumes").or_else(|| self.consumes.clone()).unwrap_or_default();
        if let Some(body) = self.body(&bodies, &consumes) {
            operation.put("requestBody", body);
        }
        let own = media_types(at, "produces");
        if let Some(all) = at.member("responses") {
            let mut responses = Object::new(&all.node.place);
            for entry in all.node.members() {
                let response = if is_extension(&entry.key) {
                    self.budget.copy(&entry.node)
                } else {
                    self.response_or_reference(&all.of(entry), own.as_deref())
                };
                responses.put(entry.key.clone(), response);
            }
            operation.put("responses", responses.done());
        }
        self.copy(at, "deprecated", &mut operation);
        self.copy_extensions(at, &mut operation);
        operation.done()
    }

    /// Converts a response. A reference to a shared one stays, unless the operation has its own media types.
    fn response_or_reference(&mut self, at: &NodeRef<'d>, own: Option<&[String]>) -> Node {
        if let Some(reference) = at.member("$ref") {
            let written = reference.node.text().unwrap_or_default();
            let Some(target) = self.pointers.follow(at, &mut self.found) else { return text(&at.node.place, "") };
            if let (None, Some(name)) = (own, written.strip_prefix("#/responses/").filter(|name| !name.contains('/'))) {
                let mut object = Object::new(&at.node.place);
                object.text("$ref", format!("#/components/responses/{name}"));
                return object.done();
            }
            return self.response_or_reference(&target, own);
        }
        let shared = self.produces.clone();
        self.response(at, own.or(shared.as_deref()))
    }

    fn response(&mut self, at: &NodeRef<'d>, produces: Option<&[String]>) -> Node {
        let Some(at) = self.pointers.follow(at, &mut self.found) else { return text(&at.node.place, "") };
        self.budget.charge(at.node);
        let mut response = Object::new(&at.node.place);
        if self.budget.is_exceeded() {
            return response.done();
        }
        match at.node.member("description") {
            Some(_) => self.copy(&at, "description", &mut response),
            None => response.text("description", ""),
        }
        if let Some(all) = at.member("headers") {
            let mut headers = Object::new(&all.node.place);
            for (header, key) in members(Some(&all)) {
                let mut object = Object::new(&header.node.place);
                self.copy(&header, "description", &mut object);
                let schema = self.plain_schema(&header);
                object.put("schema", schema);
                self.copy_extensions(&header, &mut object);
                headers.put(key, object.done());
            }
            response.put("headers", headers.done());
        }
        let (schema, examples) = (at.member("schema"), at.member("examples"));
        let any = [ANY.to_owned()];
        let produces = produces.filter(|types| !types.is_empty()).unwrap_or(&any);
        let mut types: Vec<&str> = schema.iter().flat_map(|_| produces).map(String::as_str).collect();
        for example in examples.iter().flat_map(|all| all.node.members()) {
            if !types.contains(&example.key.as_str()) {
                types.push(&example.key);
            }
        }
        let mut content = Object::new(&at.node.place);
        for media_type in types {
            let mut object = Object::new(&at.node.place);
            if let Some(schema) = &schema {
                let schema = self.schema(schema);
                object.put("schema", schema);
            }
            if let Some(example) = examples.as_ref().and_then(|all| all.node.member(media_type)) {
                let example = self.budget.copy(&example.node);
                object.put("example", example);
            }
            if content.get(media_type).is_none() {
                content.put(media_type, object.done());
            }
        }
        if !content.is_empty() {
            response.put("content", content.done());
        }
        self.copy_extensions(&at, &mut response);
        response.done()
    }

    fn expect(&mut self, at: &NodeRef<'_>, what: &'static str) {
        self.found.push(at.locate(MergeFinding::Check(Finding::Form(what))));
    }
}

/// Returns the members of a map with their keys.
fn members<'d>(map: Option<&NodeRef<'d>>) -> Vec<(NodeRef<'d>, String)> {
    map.iter().flat_map(|map| map.node.members().iter().map(|entry| (map.of(entry), entry.key.clone()))).collect()
}

fn is_extension(key: &str) -> bool {
    key.starts_with("x-")
}

/// Returns the media types in a member; `None` if it is absent.
fn media_types(at: &NodeRef<'_>, key: &str) -> Option<Vec<String>> {
    let list = at.member(key)?;
    Some(list.elements().iter().filter_map(|one| one.node.text().map(str::to_owned)).collect())
}

/// Adds a truth value.
fn put_boolean(object: &mut Object, key: &str, value: bool) {
    let node = boolean(&object.place, value);
    object.put(key, node);
}
