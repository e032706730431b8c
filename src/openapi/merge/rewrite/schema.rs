//! Rewriting of schemas: references, discriminators, anchors, and the keywords that differ between 3.0 and 3.1.

use super::Rewriter;
use crate::diagnostic::Quoted;
use crate::openapi::merge::error::MergeFinding;
use crate::openapi::merge::kind::Kind;
use crate::openapi::merge::pointer::{broken, tokens};
use crate::openapi::merge::tree::{Object, list, null, text};
use crate::openapi::resolver::NodeRef;
use crate::yaml::{Element, Node, Value};
use std::collections::HashSet;

/// The dialects whose keywords the merged document has anyway (`OpenAPI` 3.1 §4.8.24.5).
const DIALECTS: [&str; 3] = [
    "https://spec.openapis.org/oas/3.1/dialect/base",
    "https://spec.openapis.org/oas/3.1/dialect/2024-11-10",
    "https://json-schema.org/draft/2020-12/schema",
];

/// Returns true for a dialect whose keywords the merged document has.
pub(in crate::openapi::merge) fn is_known_dialect(name: &str) -> bool {
    DIALECTS.contains(&name.trim_end_matches('#'))
}

impl<'d> Rewriter<'d, '_> {
    /// Writes a schema. `component` is its name, if it is a component.
    pub(super) fn schema(&mut self, at: &NodeRef<'d>, component: Option<&'d str>) -> Node {
        self.budget.charge(at.node);
        if self.budget.is_exceeded() {
            return null(&at.node.place);
        }
        if matches!(at.node.value, Value::Bool(_)) {
            return at.node.clone();
        }
        if !self.expect_map(at) {
            return null(&at.node.place);
        }
        let upgrades = self.settings.source == 0 && self.settings.target > 0;
        let refers = at.node.member("$ref").is_some();
        let mut schema = Object::new(&at.node.place);
        for entry in at.node.members() {
            let member = at.of(entry);
            let key = entry.key.as_str();
            // 3.0 ignores what is next to a reference, and 3.1 does not.
            if upgrades && refers && !matches!(key, "$ref" | "description") {
                continue;
            }
            match key {
                "$ref" => {
                    if let Some(target) = self.reference(Kind::Schema, &member) {
                        schema.text(key, target);
                    }
                }
                "discriminator" if entry.node.member("propertyName").is_some() => {
                    let node = self.discriminator(&member, at, component);
                    schema.put(key, node);
                }
                "items" if matches!(entry.node.value, Value::List(_)) => {
                    let nodes = member.elements().iter().map(|one| self.schema(one, None)).collect();
                    schema.put(key, list(&entry.node.place, nodes));
                }
                "$id" | "$schema" | "$anchor" | "$dynamicAnchor" | "$dynamicRef" if self.settings.source > 0 => {
                    self.identifier(&member, key, &mut schema);
                }
                _ => {
                    let node = self.child(Kind::Schema, &member, key);
                    schema.put(key, node);
                }
            }
        }
        if upgrades && !refers { upgraded(schema) } else { schema.done() }
    }

    /// Writes a keyword of JSON Schema 2020-12 that names a schema.
    fn identifier(&mut self, at: &NodeRef<'d>, key: &str, schema: &mut Object) {
        let written = at.node.text().unwrap_or_default();
        match key {
            // References to it lead to a copy, so no two modules can have the same.
            "$anchor" => {}
            "$dynamicAnchor" => {
                let anchor = self.dynamic_anchor(written);
                schema.text(key, anchor);
            }
            "$dynamicRef" if written.starts_with('#') && !written.contains('/') => {
                if self.anchored(Kind::Schema, written).is_none() {
                    self.add(at, broken(written));
                }
                let anchor = self.dynamic_anchor(written.trim_start_matches('#'));
                schema.text(key, format!("#{anchor}"));
            }
            "$dynamicRef" => {
                if let Some(target) = self.reference(Kind::Schema, at) {
                    schema.text(key, target);
                }
            }
            "$schema" if is_known_dialect(written) => {}
            "$schema" => self.add(at, MergeFinding::Dialect(Quoted::new(written))),
            _ => self.add(at, MergeFinding::Identifier),
        }
    }

    /// Writes a discriminator. Values that name a schema by its old name are mapped to the new one.
    fn discriminator(&mut self, at: &NodeRef<'d>, schema: &NodeRef<'d>, component: Option<&'d str>) -> Node {
        let mut discriminator = Object::new(&at.node.place);
        let mut mapping = Object::new(&at.node.place);
        let (mut targets, mut values) = (HashSet::new(), HashSet::new());
        for entry in at.node.members() {
            let member = at.of(entry);
            match entry.key.as_str() {
                "mapping" if self.expect_map(&member) => {
                    for one in entry.node.members() {
                        if let Some(target) = self.mapped(&member.of(one)) {
                            targets.insert(target.clone());
                            values.insert(one.key.as_str());
                            mapping.text(&one.key, target);
                        }
                    }
                }
                "mapping" => {}
                "defaultMapping" => {
                    if let Some(target) = self.mapped(&member) {
                        discriminator.text(&entry.key, target);
                    }
                }
                _ => {
                    let node = self.budget.copy(&entry.node);
                    discriminator.put(entry.key.clone(), node);
                }
            }
        }
        for name in self.implied(schema, component) {
            let new = self.components.get("schemas").and_then(|names| names.get(name));
            let Some(target) = new.map(|new| format!("#/components/schemas/{new}")) else { continue };
            if values.insert(name) && targets.insert(target.clone()) {
                mapping.text(name, target);
            }
        }
        if !mapping.is_empty() {
            discriminator.put("mapping", mapping.done());
        }
        discriminator.done()
    }

    /// Returns the schemas that values of a discriminator name without a mapping: the alternatives, or all that extend the schema. They count
    /// in the size of the document, since a chain of schemas has a number of them that grows with its square.
    fn implied(&mut self, schema: &NodeRef<'d>, component: Option<&'d str>) -> Vec<&'d str> {
        let alternatives = ["oneOf", "anyOf"].into_iter().filter_map(|key| schema.member(key));
        let names: Vec<&str> = alternatives
            .flat_map(|list| list.elements())
            .filter_map(|one| one.node.member("$ref")?.node.text()?.strip_prefix("#/components/schemas/"))
            .collect();
        if !names.is_empty() {
            return names;
        }
        let mut all: Vec<&'d str> = component.into_iter().collect();
        let mut known: HashSet<&str> = all.iter().copied().collect();
        let mut next = 0_usize;
        while let Some(name) = all.get(next) {
            self.budget.charge_new(name.len().saturating_mul(2));
            if self.budget.is_exceeded() {
                break;
            }
            next = next.saturating_add(1);
            let more = self.descendants.get(name).into_iter().flatten().copied();
            let more: Vec<&'d str> = more.filter(|name| known.insert(name)).collect();
            all.extend(more);
        }
        all
    }

    /// Returns the new target of a mapping: a reference, or the name of a schema.
    fn mapped(&mut self, at: &NodeRef<'d>) -> Option<String> {
        let written = at.node.text().unwrap_or_default();
        if let Some(new) = self.components.get("schemas").and_then(|names| names.get(written)) {
            return Some(format!("#/components/schemas/{new}"));
        }
        if tokens(written).is_none() {
            self.add(at, broken(written));
            return None;
        }
        self.reference(Kind::Schema, at)
    }
}

/// Converts the keywords of a 3.0 schema that 3.1 has in another form.
fn upgraded(mut schema: Object) -> Node {
    for (limit, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        if let Some(Node { value: Value::Bool(is_exclusive), .. }) = schema.get(exclusive) {
            let is_exclusive = *is_exclusive;
            schema.take(exclusive);
            if let Some(bound) = is_exclusive.then(|| schema.take(limit)).flatten() {
                schema.put(exclusive, bound);
            }
        }
    }
    let nullable = schema.take("nullable");
    if !nullable.is_some_and(|node| matches!(node.value, Value::Bool(true))) {
        return schema.done();
    }
    let place = schema.place.clone();
    let null_type = || text(&place, "null");
    match schema.take("type") {
        Some(Node { value: Value::Text(name), .. }) => {
            let types = list(&place, vec![text(&place, name), null_type()]);
            schema
                .members
                .insert(0, crate::yaml::Member { key: "type".to_owned(), key_place: place.clone(), node: types });
            allow_null(&mut schema);
            schema.done()
        }
        other => {
            if let Some(types) = other {
                schema.put("type", types);
            }
            // Without a type, `nullable` of 3.0 has no effect, but it is written for these.
            if ["allOf", "anyOf", "oneOf"].iter().all(|key| schema.get(key).is_none()) {
                return schema.done();
            }
            let mut null_schema = Object::new(&place);
            null_schema.put("type", null_type());
            let mut either = Object::new(&place);
            either.put("anyOf", list(&place, vec![schema.done(), null_schema.done()]));
            either.done()
        }
    }
}

/// Adds null to the values of an `enum`, which also apply to it.
fn allow_null(schema: &mut Object) {
    let place = schema.place.clone();
    let values = schema.members.iter_mut().find(|member| member.key == "enum").map(|member| &mut member.node.value);
    if let Some(Value::List(items)) = values
        && !items.iter().any(|item| matches!(item.node.value, Value::Null))
    {
        items.push(Element { index: items.len(), node: null(&place) });
    }
}
