//! What is known before a merge: the errors of each description, and the version of the merged document.

use super::error::MergeFinding;
use super::rewrite::{Minor, is_known_dialect};
use super::security::{self, Scheme};
use super::{Gateway, ModuleApi};
use crate::diagnostic::{Located, Quoted};
use crate::openapi::check::{Module, check};
use crate::openapi::mount::Mount;
use crate::openapi::read::{METHODS, Operation};
use crate::openapi::requirement::Version;
use crate::openapi::resolver::NodeRef;
use crate::yaml::{Member, Node, Value};

/// Returns the findings of the module's own description that prevent a merge.
pub(super) fn checked(module: &ModuleApi<'_>, gateway: &Gateway<'_>) -> Vec<Located<MergeFinding>> {
    let ModuleApi { name, prefix, reading, keeps_prefix, source, .. } = module;
    let mount = Mount { prefix: prefix.clone(), keep_prefix: *keeps_prefix, reading: reading.clone() };
    let of = Module { name: Some(name), mount: Some(&mount), reserved: gateway.reserved };
    let report = check(&source.api, &of);
    let errors = report.errors.iter();
    let mut findings: Vec<Located<MergeFinding>> =
        errors.map(|found| found.with(MergeFinding::Check(found.what().clone()))).collect();
    if let Some(dialect) = NodeRef::root(&source.root).member("jsonSchemaDialect") {
        let name = dialect.node.text().unwrap_or_default();
        if !is_known_dialect(name) {
            findings.push(dialect.locate(MergeFinding::Dialect(Quoted::new(name))));
        }
    }
    findings
}

/// Returns the version of the merged document: the lowest that has everything in it.
pub(super) fn target(modules: &[ModuleApi<'_>], schemes: &[Scheme]) -> Minor {
    let of_documents = modules.iter().map(|module| module.source.minor()).max().unwrap_or_default();
    let is_new = |operation: &Operation| {
        operation.method == "QUERY" || METHODS.iter().all(|(_, method)| *method != operation.method)
    };
    let has_new_types = modules.iter().any(|module| {
        let parts = ["paths", "components"].into_iter().filter_map(|key| module.source.root.member(key));
        module.source.api.version != Version::Two && parts.map(|entry| &entry.node).any(uses_new_types)
    });
    let of_documents = of_documents.max(Minor::from(has_new_types));
    let has_new_methods = modules.iter().flat_map(|module| &module.source.api.operations).any(is_new);
    of_documents.max(security::needed(schemes)).max(if has_new_methods { 2 } else { 0 })
}

/// Returns true if a schema has types as in 3.1: a list, or `null`. Some descriptions have them and say 3.0.
fn uses_new_types(node: &Node) -> bool {
    let is_new = |entry: &Member| match (&*entry.key, &entry.node.value) {
        ("type", Value::List(_)) => true,
        ("type", Value::Text(name)) => name == "null",
        ("example" | "examples" | "default" | "enum" | "value", _) => false,
        (key, _) => !key.starts_with("x-") && uses_new_types(&entry.node),
    };
    match &node.value {
        Value::List(items) => items.iter().any(|item| uses_new_types(&item.node)),
        Value::Map(members) => members.iter().any(is_new),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => false,
    }
}
