//! The parser of an API description. It reads paths, methods, names and security requirements only.

use super::base;
use super::finding::{Finding, Unreadable};
use super::requirement::{self, SchemeClaims, Security, Version};
use super::resolver::{Form, NodeRef, RefResolver};
use crate::diagnostic::{Located, Quoted};
use crate::yaml::{Bounds, Node, SyntaxError, Value};
use modgud_core::http::method::Method;
use std::collections::HashMap;

/// Maximum size of a description, 16 MiB: it bounds memory. A larger one is an error.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The method keys of a path.
pub(super) const METHODS: [(&str, &str); 9] = [
    ("get", "GET"),
    ("put", "PUT"),
    ("post", "POST"),
    ("delete", "DELETE"),
    ("options", "OPTIONS"),
    ("head", "HEAD"),
    ("patch", "PATCH"),
    ("trace", "TRACE"),
    ("query", "QUERY"),
];

/// Maximum number of operations, because many paths can refer to one that has many. Large public descriptions have
/// about 10,000. More are an error.
const MAX_OPERATIONS: usize = 100_000;

/// A parsed description.
#[derive(Debug)]
pub struct Api {
    /// The location of the document.
    pub(super) whole: Located<()>,
    /// The version of the specification.
    pub version: Version,
    pub(super) operations: Vec<Operation>,
    /// An operation of every method for each path whose reference is not followed. They count for rules only.
    pub(super) unresolved: Vec<Operation>,
    /// Errors in the description.
    pub(super) found: Vec<Located<Finding>>,
}

/// One method of one path.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: String,
    /// The path template, as written.
    pub(super) template: String,
    /// Its base paths, at least one.
    pub(super) bases: Vec<String>,
    pub(super) id: Option<String>,
    pub(super) security: Security,
    /// The location of the operation.
    pub(super) here: Located<()>,
    /// The location of its path.
    pub(super) path: Located<()>,
}

impl Api {
    /// Parses a description in YAML, or JSON, which is YAML too.
    ///
    /// # Errors
    /// [`Unreadable`] if it is neither, or no API description. Errors inside are kept for `check`.
    pub fn read(origin: &str, text: &str) -> Result<Self, Unreadable> {
        Self::of(&tree(origin, text)?)
    }

    /// Reads a parsed document.
    pub(super) fn of(root: &Node) -> Result<Self, Unreadable> {
        let mut resolver = RefResolver::new(root);
        let version = version(&resolver.root).map_err(|found| Unreadable::Findings(vec![*found]))?;
        let schemes = requirement::schemes(&mut resolver, &version);
        let whole = resolver.root.clone();
        let security = requirement::security_of(&mut resolver, &whole, &schemes).unwrap_or(Security::Absent);
        let bases = match version {
            Version::Two => base::of_swagger(&mut resolver),
            Version::Three(_) => base::of_servers(&mut resolver, &whole).unwrap_or_else(|| vec![String::new()]),
        };
        let (mut operations, mut unresolved) = (Vec::new(), Vec::new());
        if let Some(paths) = resolver.root.member("paths") {
            resolver.check_form(&paths, Form::Map);
            for entry in paths.node.members().iter().filter(|entry| !entry.key.starts_with("x-")) {
                let inherited = Inherited { version: &version, schemes: &schemes, security: &security, bases: &bases };
                let at = paths.of(entry);
                if !path(&mut resolver, &at, &entry.key, &inherited, &mut operations) {
                    unresolved.extend(METHODS.map(|(_, method)| Operation {
                        method: method.to_owned(),
                        template: entry.key.clone(),
                        bases: bases.clone(),
                        id: None,
                        security: Security::Unknown,
                        here: at.locate(()),
                        path: at.locate(()),
                    }));
                }
            }
        }
        let found = resolver.found;
        Ok(Self { whole: whole.locate(()), version, operations, unresolved, found })
    }

    /// Returns the number of operations.
    #[must_use]
    pub const fn operations(&self) -> usize {
        self.operations.len()
    }
}

/// Parses a document in YAML.
pub(super) fn tree(origin: &str, text: &str) -> Result<Node, Unreadable> {
    Node::read(origin, text, Bounds::API)
        .map_err(|SyntaxError { place, message }| Unreadable::Syntax { place: place.to_string(), message })
}

fn version(root: &NodeRef<'_>) -> Result<Version, Box<Located<Finding>>> {
    if let (Some(_), Some(version)) = (root.member("swagger"), root.member("openapi")) {
        return Err(Box::new(version.locate(Finding::Form("removed, because the document has `swagger`, too"))));
    }
    let version = root
        .member("swagger")
        .or_else(|| root.member("openapi"))
        .ok_or_else(|| Box::new(root.locate(Finding::NoVersion)))?;
    let text = match &version.node.value {
        Value::Text(text) => text.clone(),
        // An unquoted `swagger: 2.0` is a number.
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
            return Err(Box::new(version.locate(Finding::Form("a text, such as `\"3.0.3\"`"))));
        }
    };
    // Messages repeat it, so it may only contain the characters of versions.
    let plain = |rest: &str| {
        rest.len() <= 32 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
    };
    let is = |version: &str| {
        text.strip_prefix(version).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') && plain(rest))
    };
    match root.member("swagger") {
        Some(_) if text == "2.0" => Ok(Version::Two),
        None if is("3.0") || is("3.1") || is("3.2") => Ok(Version::Three(text)),
        Some(_) | None => Err(Box::new(version.locate(Finding::Version(Quoted::new(&text))))),
    }
}

/// The defaults of a path from its document.
struct Inherited<'w> {
    version: &'w Version,
    schemes: &'w HashMap<String, SchemeClaims>,
    security: &'w Security,
    bases: &'w [String],
}

impl Inherited<'_> {
    /// Returns an item's own bases. Version 2.0 has no servers.
    fn servers<'d>(&self, resolver: &mut RefResolver<'d>, of: &NodeRef<'d>) -> Option<Vec<String>> {
        match self.version {
            Version::Two => None,
            Version::Three(_) => base::of_servers(resolver, of),
        }
    }

    /// Returns the bases of a path, next to a reference and at its target. If both have some, the precedence is
    /// undefined, so both count.
    fn path_bases<'d>(&self, resolver: &mut RefResolver<'d>, items: &[NodeRef<'d>]) -> Vec<String> {
        let mut bases: Vec<String> = Vec::new();
        for base in items.iter().filter_map(|item| self.servers(resolver, item)).flatten() {
            if !bases.contains(&base) {
                bases.push(base);
            }
        }
        if bases.is_empty() { self.bases.to_vec() } else { bases }
    }
}

/// Adds the operations of a path. Returns false if its reference can't be followed.
fn path<'d>(
    resolver: &mut RefResolver<'d>,
    at: &NodeRef<'d>,
    template: &str,
    inherited: &Inherited<'_>,
    operations: &mut Vec<Operation>,
) -> bool {
    resolver.check_form(at, Form::Map);
    // The members next to a reference count too (3.1 §4.8.9).
    let Some(items) = resolver.resolve_chain(at.clone()) else { return false };
    let bases = inherited.path_bases(resolver, &items);
    let mut methods = Vec::new();
    for item in &items {
        for (key, method) in METHODS {
            if let Some(operation) = item.member(key) {
                methods.push((method.to_owned(), operation));
            }
        }
        for entry in item.node.members() {
            // Some parsers accept it as the method.
            if METHODS.iter().any(|(key, _)| entry.key != *key && entry.key.eq_ignore_ascii_case(key)) {
                resolver.add(&item.of(entry), Finding::Form("written in lower case, as all methods of a path"));
            }
        }
        let more = item.member("additionalOperations");
        for entry in more.iter().flat_map(|more| more.node.members()) {
            let operation = item.of(entry);
            match Method::parse(&entry.key) {
                Ok(_) => methods.push((entry.key.clone(), operation)),
                Err(error) => resolver.add(&operation, Finding::Method(Quoted::new(&entry.key), error)),
            }
        }
    }
    if operations.len().saturating_add(methods.len()) > MAX_OPERATIONS {
        resolver.add(at, Finding::Form("among paths with at most 100,000 operations"));
        return true;
    }
    for (method, operation) in methods {
        resolver.check_form(&operation, Form::Map);
        let reference = operation.member("$ref");
        if let Some(reference) = &reference {
            resolver.add(reference, Finding::OperationReference);
        }
        let own = requirement::security_of(resolver, &operation, inherited.schemes);
        let security = match reference {
            Some(_) => Security::Unknown,
            None => own.unwrap_or_else(|| inherited.security.clone()),
        };
        let id = operation.member("operationId");
        if let Some(id) = &id {
            resolver.check_form(id, Form::Text);
        }
        operations.push(Operation {
            method,
            template: template.to_owned(),
            bases: inherited.servers(resolver, &operation).unwrap_or_else(|| bases.clone()),
            id: id.and_then(|id| id.node.text().map(str::to_owned)),
            security,
            here: operation.locate(()),
            path: at.locate(()),
        });
    }
    true
}
