//! Conversion of schemas from 2.0 to 3.0.

use super::Converter;
use super::is_extension;
use crate::openapi::merge::kind::{Child, Kind};
use crate::openapi::merge::names::plain;
use crate::openapi::merge::pointer::tokens;
use crate::openapi::merge::tree::{Object, is_map, list, null};
use crate::openapi::resolver::NodeRef;
use crate::yaml::{Node, Value};

/// The keywords that parameters, items and headers share with schemas.
const KEYWORDS: [&str; 16] = [
    "type",
    "format",
    "default",
    "maximum",
    "exclusiveMaximum",
    "minimum",
    "exclusiveMinimum",
    "maxLength",
    "minLength",
    "pattern",
    "maxItems",
    "minItems",
    "uniqueItems",
    "enum",
    "multipleOf",
    "x-nullable",
];

impl<'d> Converter<'d, '_> {
    pub(super) fn schema(&mut self, at: &NodeRef<'d>) -> Node {
        self.budget.charge(at.node);
        if self.budget.is_exceeded() {
            return null(&at.node.place);
        }
        if matches!(at.node.value, Value::Bool(_)) {
            return at.node.clone();
        }
        if !is_map(at.node) {
            self.expect(at, "a map");
            return null(&at.node.place);
        }
        let nullable =
            at.node.member("x-nullable").is_some_and(|member| matches!(member.node.value, Value::Bool(true)));
        let mut schema = Object::new(&at.node.place);
        if let Some(reference) = at.member("$ref") {
            let target = self.schema_reference(&reference);
            schema.text("$ref", target);
            if !nullable {
                return schema.done();
            }
            let mut wrapped = Object::new(&at.node.place);
            super::put_boolean(&mut wrapped, "nullable", true);
            wrapped.put("allOf", list(&at.node.place, vec![schema.done()]));
            return wrapped.done();
        }
        for entry in at.node.members() {
            let member = at.of(entry);
            let key = entry.key.as_str();
            match (key, Kind::Schema.child(key)) {
                ("discriminator", _) if entry.node.text().is_some() => {
                    let mut object = Object::new(&entry.node.place);
                    object.text("propertyName", entry.node.text().unwrap_or_default());
                    schema.put(key, object.done());
                }
                ("items", _) if matches!(entry.node.value, Value::List(_)) => {
                    self.expect(&member, "a map: one schema for all items");
                }
                ("type" | "x-nullable" | "collectionFormat", _) => self.keyword(&member, key, &mut schema),
                // Draft 3 of JSON Schema marked a required property itself.
                ("required", _) if matches!(entry.node.value, Value::Bool(_)) => {}
                (_, Child::One(_)) => {
                    let node = self.schema(&member);
                    schema.put(key, node);
                }
                (_, Child::List(_)) => {
                    let nodes = member.elements().iter().map(|one| self.schema(one)).collect();
                    schema.put(key, list(&entry.node.place, nodes));
                }
                (_, Child::Map(_)) => {
                    let mut object = Object::new(&entry.node.place);
                    for one in entry.node.members() {
                        let node = self.schema(&member.of(one));
                        object.put(one.key.clone(), node);
                    }
                    schema.put(key, object.done());
                }
                (_, Child::Data) => {
                    let node = self.budget.copy(&entry.node);
                    schema.put(key, node);
                }
            }
        }
        schema.done()
    }

    /// Converts the schema that a parameter, a header or their items consist of.
    pub(super) fn plain_schema(&mut self, at: &NodeRef<'d>) -> Node {
        self.budget.charge(at.node);
        let mut schema = Object::new(&at.node.place);
        if self.budget.is_exceeded() {
            return schema.done();
        }
        for key in KEYWORDS {
            if let Some(member) = at.member(key) {
                self.keyword(&member, key, &mut schema);
            }
        }
        if let Some(items) = at.member("items") {
            let items = self.plain_schema(&items);
            schema.put("items", items);
        }
        schema.done()
    }

    fn keyword(&mut self, member: &NodeRef<'d>, key: &str, schema: &mut Object) {
        match (key, member.node.text()) {
            ("type", Some("file")) => {
                schema.text("type", "string");
                let format = super::text(&member.node.place, "binary");
                schema.set("format", format);
            }
            ("x-nullable", _) => {
                let is_true = matches!(member.node.value, Value::Bool(true));
                super::put_boolean(schema, "nullable", is_true);
            }
            ("collectionFormat", _) => {}
            // A file already has its format.
            ("format", _) if schema.get("format").is_some() => {}
            _ => {
                let node = self.budget.copy(member.node);
                schema.put(key, node);
            }
        }
    }

    /// Returns the new reference to a schema. One outside of `definitions` becomes a component.
    fn schema_reference(&mut self, reference: &NodeRef<'d>) -> String {
        let written = reference.node.text().unwrap_or_default();
        let Some(target) = self.pointers.lead(reference, &mut self.found) else { return written.to_owned() };
        if let Some(name) = written.strip_prefix("#/definitions/").filter(|name| !name.contains('/')) {
            return format!("#/components/schemas/{name}");
        }
        if let Some(name) = self.moved.get(written) {
            return format!("#/components/schemas/{name}");
        }
        let wanted: Vec<String> = tokens(written).unwrap_or_default().iter().map(|token| plain(token)).collect();
        let name = self.names.unique("schemas", &plain(wanted.join("_").trim_matches('_')));
        self.moved.insert(written.to_owned(), name.clone());
        self.pending.push((name.clone(), target));
        format!("#/components/schemas/{name}")
    }
}

/// Returns true for a member of a parameter that stays next to the schema.
pub(super) fn stays(key: &str) -> bool {
    is_extension(key) && key != "x-nullable"
}
