//! From the text of a description to its operations. Looks at nothing but paths, methods, names and what is asked of callers.

use super::base;
use super::finding::{Finding, Unreadable};
use super::resolver::{At, Form, RefResolver};
use super::security::{self, Names, Security};
use crate::config::{Located, Quoted};
use crate::yaml::{Bounds, Node, SyntaxError, Value};
use modgud_core::http::method::Method;
use std::collections::HashMap;
use std::fmt;

/// The most that is read of a description: 16 MiB.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The methods that a path can have as keys.
const METHODS: [(&str, &str); 9] = [
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

/// The most operations: many paths can be references to one that has many. The largest public descriptions have some ten thousand.
const MAX_OPERATIONS: usize = 100_000;

/// The version of the specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// Swagger 2.0.
    Two,
    /// OpenAPI 3.x, as it is written.
    Three(String),
}

/// For people.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Two => f.write_str("Swagger 2.0"),
            Self::Three(version) => write!(f, "OpenAPI {version}"),
        }
    }
}

/// A description that was read.
#[derive(Debug)]
pub struct Api {
    /// Says something of the whole.
    pub(super) whole: Located<()>,
    /// Which specification it follows.
    pub version: Version,
    pub(super) operations: Vec<Operation>,
    /// What keeps it from being taken at its word.
    pub(super) found: Vec<Located<Finding>>,
}

/// One method of one path.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: String,
    /// The path as it is written.
    pub(super) template: String,
    /// Where it begins: at least one.
    pub(super) bases: Vec<String>,
    pub(super) id: Option<String>,
    pub(super) security: Security,
    /// Says something of the operation.
    pub(super) here: Located<()>,
    /// Says something of its path.
    pub(super) path: Located<()>,
}

impl Api {
    /// Reads a description: YAML, or JSON, which is YAML too.
    ///
    /// # Errors
    /// [`Unreadable`] when it is neither, or no description of an API. What is wrong inside is kept, to be told by `check`.
    pub fn read(origin: &str, text: &str) -> Result<Self, Unreadable> {
        let root = Node::read(origin, text, Bounds::API)
            .map_err(|SyntaxError { place, message }| Unreadable::Syntax { place: place.to_string(), message })?;
        let mut walk = RefResolver::new(&root);
        let version = version(&walk.root).map_err(|found| Unreadable::Findings(vec![*found]))?;
        let schemes = security::schemes(&mut walk, &version);
        let whole = walk.root.clone();
        let security = security::of(&mut walk, &whole, &schemes).unwrap_or(Security::Unsaid);
        let bases = match version {
            Version::Two => base::of_swagger(&mut walk),
            Version::Three(_) => base::of_servers(&mut walk, &whole).unwrap_or_else(|| vec![String::new()]),
        };
        let mut operations = Vec::new();
        if let Some(paths) = walk.root.member("paths") {
            walk.want(&paths, Form::Map);
            for entry in paths.node.members().iter().filter(|entry| !entry.key.starts_with("x-")) {
                let inherited = Inherited { version: &version, schemes: &schemes, security: &security, bases: &bases };
                path(&mut walk, &paths.of(entry), &entry.key, &inherited, &mut operations);
            }
        }
        let found = walk.found;
        Ok(Self { whole: whole.say(()), version, operations, found })
    }

    /// How many operations it describes.
    #[must_use]
    pub const fn operations(&self) -> usize {
        self.operations.len()
    }
}

fn version(root: &At<'_>) -> Result<Version, Box<Located<Finding>>> {
    if let (Some(_), Some(said)) = (root.member("swagger"), root.member("openapi")) {
        return Err(Box::new(said.say(Finding::Form("left out beside `swagger`, or that beside it"))));
    }
    let said = root
        .member("swagger")
        .or_else(|| root.member("openapi"))
        .ok_or_else(|| Box::new(root.say(Finding::NoVersion)))?;
    let text = match &said.node.value {
        Value::Text(text) => text.clone(),
        // `swagger: 2.0` without quotes is a number.
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => {
            return Err(Box::new(said.say(Finding::Form("a text, such as `\"3.0.3\"`"))));
        }
    };
    // It is repeated to people: nothing but what versions are made of.
    let plain = |rest: &str| {
        rest.len() <= 32 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
    };
    let is = |version: &str| {
        text.strip_prefix(version).is_some_and(|rest| rest.is_empty() || rest.starts_with('.') && plain(rest))
    };
    match root.member("swagger") {
        Some(_) if text == "2.0" => Ok(Version::Two),
        None if is("3.0") || is("3.1") || is("3.2") => Ok(Version::Three(text)),
        Some(_) | None => Err(Box::new(said.say(Finding::Version(Quoted::new(&text))))),
    }
}

/// What a path has from the document.
struct Inherited<'w> {
    version: &'w Version,
    schemes: &'w HashMap<String, Names>,
    security: &'w Security,
    bases: &'w [String],
}

impl Inherited<'_> {
    /// The bases that something says for itself. Version 2.0 knows no servers.
    fn servers<'d>(&self, walk: &mut RefResolver<'d>, of: &At<'d>) -> Option<Vec<String>> {
        match self.version {
            Version::Two => None,
            Version::Three(_) => base::of_servers(walk, of),
        }
    }

    /// The bases of a path: those that it says, beside a reference or where that leads. Which of the two counts is not defined when both
    /// say some, so both do.
    fn path_bases<'d>(&self, walk: &mut RefResolver<'d>, items: &[At<'d>]) -> Vec<String> {
        let mut bases: Vec<String> = Vec::new();
        for base in items.iter().filter_map(|item| self.servers(walk, item)).flatten() {
            if !bases.contains(&base) {
                bases.push(base);
            }
        }
        if bases.is_empty() { self.bases.to_vec() } else { bases }
    }
}

fn path<'d>(
    walk: &mut RefResolver<'d>,
    at: &At<'d>,
    template: &str,
    inherited: &Inherited<'_>,
    operations: &mut Vec<Operation>,
) {
    walk.want(at, Form::Map);
    // What stands beside a reference counts too (3.1 §4.8.9).
    let Some(items) = walk.chain(at.clone()) else { return };
    let bases = inherited.path_bases(walk, &items);
    let mut methods = Vec::new();
    for item in &items {
        for (key, method) in METHODS {
            if let Some(operation) = item.member(key) {
                methods.push((method.to_owned(), operation));
            }
        }
        for entry in item.node.members() {
            // Some readers take it for the method.
            if METHODS.iter().any(|(key, _)| entry.key != *key && entry.key.eq_ignore_ascii_case(key)) {
                walk.add(&item.of(entry), Finding::Form("written in lower case, as all methods of a path"));
            }
        }
        let more = item.member("additionalOperations");
        for entry in more.iter().flat_map(|more| more.node.members()) {
            let operation = item.of(entry);
            match Method::parse(&entry.key) {
                Ok(_) => methods.push((entry.key.clone(), operation)),
                Err(fault) => walk.add(&operation, Finding::Method(Quoted::new(&entry.key), fault)),
            }
        }
    }
    if operations.len().saturating_add(methods.len()) > MAX_OPERATIONS {
        walk.add(at, Finding::Form("among paths with at most 100,000 operations"));
        return;
    }
    for (method, operation) in methods {
        walk.want(&operation, Form::Map);
        // Only whole paths can stand elsewhere. Some readers follow it all the same, and find what is asked for there.
        if let Some(reference) = operation.member("$ref") {
            walk.add(
                &reference,
                Finding::Form("left out: an operation stands where it is, only a whole path can be a reference"),
            );
        }
        let security = security::of(walk, &operation, inherited.schemes).unwrap_or_else(|| inherited.security.clone());
        let id = operation.member("operationId");
        if let Some(id) = &id {
            walk.want(id, Form::Text);
        }
        operations.push(Operation {
            method,
            template: template.to_owned(),
            bases: inherited.servers(walk, &operation).unwrap_or_else(|| bases.clone()),
            id: id.and_then(|id| id.node.text().map(str::to_owned)),
            security,
            here: operation.say(()),
            path: at.say(()),
        });
    }
}
