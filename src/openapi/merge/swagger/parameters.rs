//! Conversion of parameters: those in paths, queries and headers stay parameters, those in bodies and forms become request bodies.

use super::{Converter, put_boolean, schema};
use crate::openapi::merge::error::MergeFinding;
use crate::openapi::merge::tree::{Object, boolean, list, null};
use crate::openapi::resolver::NodeRef;
use crate::yaml::{Node, Value};
use std::collections::HashSet;

/// The media type of a body whose description names none.
const JSON: &str = "application/json";
const URLENCODED: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data";

/// Returns true if the parameter is a body, or a part of a form.
pub(super) fn is_body(at: &NodeRef<'_>) -> bool {
    matches!(place(at), Some("body" | "formData"))
}

fn place<'d>(at: &NodeRef<'d>) -> Option<&'d str> {
    at.node.member("in").and_then(|member| member.node.text())
}

fn text_of<'d>(at: &NodeRef<'d>, key: &str) -> Option<&'d str> {
    at.node.member(key).and_then(|member| member.node.text())
}

fn is_true(at: &NodeRef<'_>, key: &str) -> bool {
    at.node.member(key).is_some_and(|member| matches!(member.node.value, Value::Bool(true)))
}

impl<'d> Converter<'d, '_> {
    /// Converts a parameter. A reference to a shared one stays.
    pub(super) fn parameter_or_reference(&mut self, at: &NodeRef<'d>) -> Node {
        let written = text_of(at, "$ref");
        if let Some(name) =
            written.and_then(|text| text.strip_prefix("#/parameters/")).filter(|name| !name.contains('/'))
        {
            if self.pointers.follow(at, &mut self.found).is_none() {
                return null(&at.node.place);
            }
            let mut object = Object::new(&at.node.place);
            object.text("$ref", format!("#/components/parameters/{name}"));
            return object.done();
        }
        self.parameter(at)
    }

    pub(super) fn parameter(&mut self, at: &NodeRef<'d>) -> Node {
        let Some(at) = self.pointers.follow(at, &mut self.found) else { return null(&at.node.place) };
        self.budget.charge(at.node);
        let mut parameter = Object::new(&at.node.place);
        if self.budget.is_exceeded() {
            return parameter.done();
        }
        let place = place(&at);
        if !matches!(place, Some("query" | "header" | "path")) {
            self.expect(&at, "a parameter with `in`: `query`, `header`, `path`, `formData` or `body`");
        }
        for key in ["name", "in", "description", "required"] {
            self.copy(&at, key, &mut parameter);
        }
        if place == Some("query") {
            self.copy(&at, "allowEmptyValue", &mut parameter);
        }
        if let Some((style, explode)) = self.style(&at, place == Some("query")) {
            parameter.text("style", style);
            put_boolean(&mut parameter, "explode", explode);
        }
        let node = self.plain_schema(&at);
        parameter.put("schema", node);
        for entry in at.node.members().iter().filter(|entry| schema::stays(&entry.key)) {
            let node = self.budget.copy(&entry.node);
            parameter.put(entry.key.clone(), node);
        }
        parameter.done()
    }

    /// Returns the style of an array, and whether each item is a parameter of its own; `None` if the default of 3.0 fits.
    fn style(&mut self, at: &NodeRef<'d>, in_query: bool) -> Option<(&'static str, bool)> {
        if text_of(at, "type") != Some("array") {
            return None;
        }
        let format = text_of(at, "collectionFormat").unwrap_or("csv");
        match (format, in_query) {
            ("multi", true) => Some(("form", true)),
            ("ssv", true) => Some(("spaceDelimited", false)),
            ("pipes", true) => Some(("pipeDelimited", false)),
            ("csv", _) => in_query.then_some(("form", false)),
            (other, _) => {
                let other = match other {
                    "tsv" => "tsv",
                    "ssv" => "ssv",
                    "pipes" => "pipes",
                    "multi" => "multi",
                    _ => {
                        self.expect(at, "a `collectionFormat` of `csv`, `ssv`, `tsv`, `pipes` or `multi`");
                        return None;
                    }
                };
                self.found.push(at.locate(MergeFinding::CollectionFormat(other)));
                in_query.then_some(("form", false))
            }
        }
    }

    /// Converts the body of an operation: the parameter in `body`, or all of the form. `None` if it has neither.
    pub(super) fn body(&mut self, parameters: &[NodeRef<'d>], consumes: &[String]) -> Option<Node> {
        let parameters: Vec<NodeRef<'d>> =
            parameters.iter().filter_map(|one| self.pointers.follow(one, &mut self.found)).collect();
        // The operation's own parameters come first, and replace those of the path.
        if let Some(body) = parameters.iter().find(|one| place(one) == Some("body")) {
            return Some(self.whole(body, consumes));
        }
        if parameters.is_empty() { None } else { Some(self.form(&parameters, consumes)) }
    }

    fn whole(&mut self, at: &NodeRef<'d>, consumes: &[String]) -> Node {
        let mut body = Object::new(&at.node.place);
        self.copy(at, "description", &mut body);
        let json = [JSON.to_owned()];
        let types = if consumes.is_empty() { &json } else { consumes };
        let mut content = Object::new(&at.node.place);
        let mut known = HashSet::new();
        for media_type in types.iter().filter(|media_type| known.insert(media_type.as_str())) {
            self.budget.charge_new(media_type.len());
            if self.budget.is_exceeded() {
                break;
            }
            let mut object = Object::new(&at.node.place);
            if let Some(schema) = at.member("schema") {
                let schema = self.schema(&schema);
                object.put("schema", schema);
            }
            content.put(media_type.as_str(), object.done());
        }
        body.put("content", content.done());
        self.copy(at, "required", &mut body);
        self.copy_extensions(at, &mut body);
        body.done()
    }

    fn form(&mut self, parameters: &[NodeRef<'d>], consumes: &[String]) -> Node {
        let Some(first) = parameters.first() else { return null(&self.pointers.root().node.place) };
        let place = &first.node.place;
        let (mut properties, mut encoding, mut required) = (Object::new(place), Object::new(place), Vec::new());
        let mut has_file = false;
        for one in parameters {
            let Some(name) = text_of(one, "name") else {
                self.expect(one, "a parameter with a `name`");
                continue;
            };
            if properties.get(name).is_some() {
                continue;
            }
            has_file |= text_of(one, "type") == Some("file");
            let mut property = self.plain_schema(one);
            if let (Value::Map(members), Some(description)) = (&mut property.value, one.node.member("description")) {
                members.push(description.clone());
            }
            properties.put(name, property);
            if is_true(one, "required") {
                required.push(crate::openapi::merge::tree::text(place, name));
            }
            if let Some((style, explode)) = self.style(one, true) {
                let mut object = Object::new(place);
                object.text("style", style);
                object.put("explode", boolean(place, explode));
                encoding.put(name, object.done());
            }
        }
        let forms: Vec<&str> =
            consumes.iter().map(String::as_str).filter(|one| matches!(*one, URLENCODED | MULTIPART)).collect();
        let types = match forms.as_slice() {
            _ if has_file => &[MULTIPART][..],
            [] => &[URLENCODED],
            forms => forms,
        };
        let is_required = !required.is_empty();
        let mut schema = Object::new(place);
        schema.text("type", "object");
        schema.put("properties", properties.done());
        if is_required {
            schema.put("required", list(place, required));
        }
        let (schema, encoding) = (schema.done(), encoding.done());
        let mut content = Object::new(place);
        for media_type in types {
            let mut object = Object::new(place);
            object.put("schema", self.budget.copy(&schema));
            // Only encoded forms have styles in 3.0.
            if *media_type == URLENCODED && !encoding.members().is_empty() {
                object.put("encoding", encoding.clone());
            }
            if content.get(media_type).is_none() {
                content.put(*media_type, object.done());
            }
        }
        let mut body = Object::new(place);
        body.put("content", content.done());
        if is_required {
            put_boolean(&mut body, "required", true);
        }
        body.done()
    }
}
