//! Merges the descriptions of all modules into one `OpenAPI` document: that of the gateway.
//!
//! Each module's document is converted to 3.0 if it is a 2.0 one (`swagger`), then rewritten (`rewrite`): components, tags and operations get
//! names of their own, and paths get the module's prefix. The gateway's security (`security`) and denials (`denials`) replace and extend
//! those of the modules.

mod denials;
mod error;
mod kind;
mod names;
mod parts;
mod pointer;
mod review;
mod rewrite;
mod security;
mod swagger;
mod tree;

pub use error::{MergeErrors, MergeFinding};

use super::finding::Unreadable;
use super::read::{Api, tree as parse};
use super::requirement::Version;
use super::template::{self, MatchPrecision};
use crate::diagnostic::{Located, Quoted};
use crate::yaml::{Location, Node};
use denials::Denials;
use modgud_core::authz::{ModulePrefix, ModuleReading};
use modgud_core::decide::Snapshot;
use names::{Names, plain};
use parts::{module_tag, requirement, title};
use review::{checked, target};
use rewrite::{Components, Endpoint, Minor, Rewriter, Settings};
use security::{Decided, Reach, Scheme};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use tree::{Budget, Json, Object, list, of_json};

/// A parsed description.
#[derive(Debug)]
pub struct Source {
    root: Node,
    api: Api,
}

impl Source {
    /// Parses a description.
    ///
    /// # Errors
    /// [`Unreadable`] as from [`Api::read`].
    pub fn read(origin: &str, text: &str) -> Result<Self, Unreadable> {
        let root = parse(origin, text)?;
        let api = Api::of(&root)?;
        Ok(Self { root, api })
    }

    /// Returns the number after `3.` of its version; that of a 2.0 document is 0, because it is converted.
    fn minor(&self) -> Minor {
        match &self.api.version {
            Version::Three(version) if version.starts_with("3.2") => 2,
            Version::Three(version) if version.starts_with("3.1") => 1,
            Version::Two | Version::Three(_) => 0,
        }
    }
}

/// A module with its description.
#[derive(Debug)]
pub struct ModuleApi<'m> {
    /// Its name.
    pub name: &'m str,
    /// Its prefix.
    pub prefix: ModulePrefix,
    /// Its interpretation of paths below the prefix.
    pub reading: ModuleReading,
    /// True if the module receives its paths with the prefix.
    pub keeps_prefix: bool,
    /// True if an access list restricts its callers.
    pub has_access_list: bool,
    /// Its description.
    pub source: Source,
}

/// The gateway that the document describes.
#[derive(Debug)]
pub struct Gateway<'g> {
    /// Rules, authenticators and denials.
    pub snapshot: &'g Snapshot,
    /// The names and prefixes of all modules, also of those without a description.
    pub prefixes: Vec<(&'g str, &'g ModulePrefix)>,
    /// The reserved names.
    pub reserved: &'g [Box<str>],
    /// The title of the document.
    pub title: &'g str,
    /// The version of the API.
    pub version: &'g str,
    /// The URLs of the gateway.
    pub servers: &'g [String],
}

/// A merged document.
#[derive(Debug)]
pub struct Merged {
    document: Node,
    /// The version of the specification.
    pub version: &'static str,
    /// The number of operations.
    pub operations: usize,
    /// Findings to review.
    pub warnings: Vec<Located<MergeFinding>>,
}

impl Merged {
    /// Returns the document as JSON.
    ///
    /// # Errors
    /// None in practice: every document can be written.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&Json(&self.document))
    }
}

/// Merges descriptions into that of the gateway.
///
/// # Errors
/// [`MergeErrors`] with all errors of all descriptions, located in their files.
pub fn merge(modules: &[ModuleApi<'_>], gateway: &Gateway<'_>) -> Result<Merged, MergeErrors> {
    let schemes = security::schemes(gateway.snapshot);
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for module in modules {
        let found = checked(module, gateway);
        let (warned, failed): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.what().is_warning());
        errors.extend(failed);
        warnings.extend(warned);
    }
    if !errors.is_empty() {
        return Err(MergeErrors(errors));
    }
    let target = target(modules, &schemes);
    let mut merge = Merge::new(gateway, &schemes, target);
    for module in modules {
        let found = merge.add(module);
        let (warned, failed): (Vec<_>, Vec<_>) = found.into_iter().partition(|found| found.what().is_warning());
        errors.extend(failed);
        warnings.extend(warned);
        if merge.budget.is_exceeded() {
            errors.push(module.source.api.whole.with(MergeFinding::TooLarge));
            break;
        }
    }
    if errors.is_empty() { Ok(merge.finish(warnings)) } else { Err(MergeErrors(errors)) }
}

/// A merge under way.
struct Merge<'g> {
    gateway: &'g Gateway<'g>,
    schemes: &'g [Scheme],
    target: Minor,
    here: Location,
    names: Names,
    budget: Budget,
    denials: Denials<'g>,
    tags: Vec<Node>,
    paths: Object,
    webhooks: Object,
    components: Components,
    /// The requests with an operation: the shape of the path, the method, and the module.
    served: HashMap<(String, String), String>,
    written: HashSet<String>,
    about: Vec<String>,
    operations: usize,
}

impl<'g> Merge<'g> {
    fn new(gateway: &'g Gateway<'g>, schemes: &'g [Scheme], target: Minor) -> Self {
        let here = Location { origin: "modgud".into(), position: None };
        let mut names = Names::default();
        let denials = Denials::new(gateway.snapshot, &mut names);
        Self {
            gateway,
            schemes,
            target,
            names,
            budget: Budget::default(),
            denials,
            tags: Vec::new(),
            paths: Object::new(&here),
            webhooks: Object::new(&here),
            components: Components(Vec::new()),
            served: HashMap::new(),
            written: HashSet::new(),
            about: Vec::new(),
            operations: 0,
            here,
        }
    }

    /// Adds a module's description. Returns its findings.
    fn add(&mut self, module: &ModuleApi<'_>) -> Vec<Located<MergeFinding>> {
        let Source { root, api } = &module.source;
        let is_converted = api.version == Version::Two;
        let mut found = Vec::new();
        let converted = is_converted.then(|| {
            let mut budget = Budget::default();
            let (document, mut findings) = swagger::convert(root, &mut budget);
            found.append(&mut findings);
            if budget.is_exceeded() {
                found.push(api.whole.with(MergeFinding::TooLarge));
            }
            document
        });
        if found.iter().any(|found| !found.what().is_warning()) {
            return found;
        }
        let root = converted.as_ref().unwrap_or(root);
        let endpoints = self.endpoints(module, &mut found);
        let settings = Settings {
            module: module.name,
            namespace: plain(module.name),
            source: module.source.minor(),
            is_converted,
            target: self.target,
        };
        let mut rewriter = Rewriter::new(root, settings, &mut self.names, &mut self.budget);
        self.tags.push(module_tag(module, &self.here));
        self.about.push(format!("- `{}`: {}", module.name, title(root)));
        rewriter.tags(&mut self.tags);
        let identifiers = rewriter.announce(&endpoints);
        let mut by_template: HashMap<&str, Vec<(&Endpoint, Option<&String>)>> = HashMap::new();
        for (endpoint, id) in endpoints.iter().zip(&identifiers) {
            by_template.entry(&endpoint.template).or_default().push((endpoint, id.as_ref()));
        }
        for (template, at) in rewriter.path_items() {
            let all = by_template.remove(template).unwrap_or_default();
            let mut paths: Vec<&str> = Vec::new();
            for (endpoint, _) in &all {
                if !paths.contains(&endpoint.path.as_str()) {
                    paths.push(&endpoint.path);
                }
            }
            for path in paths {
                let of_path: Vec<_> = all.iter().filter(|(endpoint, _)| endpoint.path == path).copied().collect();
                if !self.written.insert(path.to_owned()) {
                    found.push(at.locate_in_file(MergeFinding::SamePath(Quoted::new(path))));
                    continue;
                }
                let item = rewriter.path(&at, &of_path);
                self.operations = self.operations.saturating_add(of_path.len());
                self.paths.put(path, item);
            }
        }
        rewriter.webhooks(&mut self.webhooks);
        found.extend(rewriter.finish(&mut self.components));
        found
    }

    /// Returns the operations of a module that callers can reach.
    fn endpoints(&mut self, module: &ModuleApi<'_>, found: &mut Vec<Located<MergeFinding>>) -> Vec<Endpoint> {
        let host = self.gateway.servers.first().and_then(|url| url.split_once("://"));
        let host = host.and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
        let mut endpoints = Vec::new();
        let mut bases = HashSet::new();
        for operation in &module.source.api.operations {
            for base in &operation.bases {
                let Some(path) = path(module, base, &operation.template) else {
                    let path = Quoted::new(&format!("{base}{}", operation.template));
                    let prefix = Quoted::new(module.prefix.as_str());
                    found.push(operation.here.with(MergeFinding::OutsidePrefix { path, prefix }));
                    continue;
                };
                if !module.keeps_prefix && begins(base, &module.prefix) && bases.insert(base) {
                    let (base, prefix) = (Quoted::new(base), Quoted::new(module.prefix.as_str()));
                    found.push(operation.path.with(MergeFinding::BaseWithPrefix { base, prefix }));
                }
                if let Some(finding) = self.collision(module, &operation.method, &path) {
                    found.push(operation.here.with(finding));
                    continue;
                }
                let request = (operation.method.as_str(), path.as_str(), host);
                let Decided { reach, rule } =
                    security::decided(self.gateway.snapshot, self.schemes, request, module.has_access_list);
                let (schemes, optional) = match reach {
                    Reach::Open(schemes, optional) => (schemes, optional),
                    Reach::Closed(because) => {
                        let (method, path) = (Quoted::new(&operation.method), Quoted::new(&path));
                        found.push(operation.here.with(MergeFinding::LeftOut { method, path, because }));
                        continue;
                    }
                    Reach::NoScheme => {
                        found.push(operation.here.with(MergeFinding::NoAuthenticator(Quoted::new(&path))));
                        return endpoints;
                    }
                };
                let denials = self.denials.of(rule, schemes.is_empty(), &mut self.names);
                endpoints.push(Endpoint {
                    method: operation.method.clone(),
                    template: operation.template.clone(),
                    path,
                    id: operation.id.clone(),
                    security: requirement(&self.here, &schemes, optional),
                    denials,
                });
            }
        }
        endpoints
    }

    /// Returns the finding of a path that the gateway can't send to this module.
    fn collision(&mut self, module: &ModuleApi<'_>, method: &str, path: &str) -> Option<MergeFinding> {
        // An error of the template was reported before.
        let pattern = template::read("", path).ok()?.read_by(&module.reading, module.prefix.segments());
        let longer = self.gateway.prefixes.iter().filter(|(_, other)| other.segments() > module.prefix.segments());
        let other =
            longer.max_by_key(|(_, other)| (template::begins(&pattern.segments, other.as_str()), other.segments()));
        if let Some((other, prefix)) = other.filter(|(_, other)| template::begins(&pattern.segments, other.as_str())) {
            let (path, other, prefix) = (Quoted::new(path), Quoted::new(other), Quoted::new(prefix.as_str()));
            return Some(MergeFinding::RoutedElsewhere { path, other, prefix });
        }
        if pattern.reach == MatchPrecision::Wider {
            return None;
        }
        let other = self.served.insert((pattern.shape, method.to_owned()), module.name.to_owned())?;
        let (method, path) = (Quoted::new(method), Quoted::new(path));
        (other != module.name).then(|| MergeFinding::Collision { method, path, other: Quoted::new(&other) })
    }

    /// Completes the document.
    fn finish(mut self, warnings: Vec<Located<MergeFinding>>) -> Merged {
        let version = match self.target {
            0 => "3.0.3",
            1 => "3.1.0",
            _ => "3.2.0",
        };
        let here = self.here;
        let mut document = Object::new(&here);
        document.text("openapi", version);
        let about = format!("The API of all modules behind the gateway:\n\n{}", self.about.join("\n"));
        let Gateway { title, version: api_version, servers, .. } = self.gateway;
        document.put("info", of_json(&here, json!({ "title": title, "description": about, "version": api_version })));
        let servers: Vec<serde_json::Value> = servers.iter().map(|url| json!({ "url": url })).collect();
        document.put("servers", of_json(&here, json!(servers)));
        document.put("tags", list(&here, self.tags));
        document.put("paths", self.paths.done());
        if !self.webhooks.is_empty() {
            document.put("webhooks", self.webhooks.done());
        }
        for (_, name, response) in &self.denials.responses {
            self.components.put("responses", name.clone(), of_json(&here, response.clone()));
        }
        if !self.denials.responses.is_empty() {
            self.components.put("schemas", self.denials.schema.clone(), of_json(&here, self.denials.body()));
        }
        let mut components = Object::new(&here);
        for (key, all) in self.components.0 {
            components.put(key, all.done());
        }
        if !self.schemes.is_empty() {
            let mut schemes = Object::new(&here);
            for scheme in self.schemes {
                schemes.put(scheme.name.as_str(), of_json(&here, scheme.definition.clone()));
            }
            components.put("securitySchemes", schemes.done());
        }
        document.put("components", components.done());
        Merged { document: document.done(), version, operations: self.operations, warnings }
    }
}

/// Returns the path of an operation at the gateway; `None` if no request for it reaches the module.
fn path(module: &ModuleApi<'_>, base: &str, template: &str) -> Option<String> {
    let written = format!("{base}{template}");
    if module.keeps_prefix {
        begins(&written, &module.prefix).then_some(written)
    } else if begins(base, &module.prefix) {
        // The base is that of the gateway.
        Some(written)
    } else {
        Some(format!("{}{written}", module.prefix.as_str()))
    }
}

/// Returns true if a path begins with the segments of a prefix.
fn begins(path: &str, prefix: &ModulePrefix) -> bool {
    path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
