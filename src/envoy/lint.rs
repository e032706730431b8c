//! Checks of a configuration of Envoy: whether each request that reaches a service was decided by modgud, and whether modgud sees and
//! changes what it must. `docs/envoy-lint.md` lists the codes.
//!
//! The reader is lenient: it examines what it knows, by type and not by name, and reports what it does not know.

mod check_cluster;
mod clients;
mod code;
mod connection;
mod early;
mod ext_authz;
mod fields;
mod filters;
mod finding;
mod headers;
mod listener;
mod matcher;
mod model;
mod mutations;
mod owner;
mod routes;
mod service;
mod settings;
#[cfg(test)]
mod tests;
mod view;

pub use code::{Code, Kind};
pub use finding::{Finding, Report};
pub use model::NotEnvoy;
pub use settings::Settings;

use super::bootstrap::CheckCluster;
use crate::yaml::{Bounds, Node};
use finding::Findings;
use model::Model;
use settings::Names;
use view::At;

/// The maximum size of a file, 64 MiB: a dump of a large gateway has some megabytes. A larger one is an error.
pub const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// A document of YAML or JSON.
#[derive(Debug)]
pub struct Document {
    root: Node,
    /// True for `{}`: a dump of the parts of one kind that has none.
    is_empty_dump: bool,
}

/// The reason why a document can't be checked.
#[derive(Debug, thiserror::Error)]
pub enum LintError {
    /// The document is no YAML or JSON, or exceeds a limit.
    #[error("{0}: {1}")]
    Syntax(String, String),
    /// The document is something else.
    #[error("{0}: {1}")]
    NotEnvoy(String, NotEnvoy),
    /// No listener has this name.
    #[error("no listener has the name `{0}`; use the `name` of a listener in these files")]
    NoSuchListener(String),
}

impl Document {
    /// Parses a document. `origin` is its name for messages.
    ///
    /// # Errors
    /// [`LintError::Syntax`].
    pub fn parse(origin: &str, text: &str) -> Result<Self, LintError> {
        let node = Node::read(origin, text, Bounds::ENVOY);
        let root = node.map_err(|error| LintError::Syntax(error.place.to_string(), error.message))?;
        Ok(Self { root, is_empty_dump: text.trim() == "{}" })
    }
}

/// What is checked of the documents.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// The names of the listeners; none for all.
    pub listeners: Vec<String>,
    /// The address at which Envoy reaches modgud; `None` if it is not known.
    pub modgud: Option<CheckCluster>,
}

/// The parts that each check may need.
struct Context<'c, 'n> {
    model: &'c Model<'n>,
    settings: Option<&'c Settings<'c>>,
    modgud: Option<&'c CheckCluster>,
    names: Names,
}

/// Checks the configuration in these documents, which together are one.
///
/// # Errors
/// [`LintError::NotEnvoy`] for a document of another kind.
/// [`LintError::NoSuchListener`] for a name in `scope` that no listener has.
pub fn lint(documents: &[Document], settings: Option<&Settings<'_>>, scope: &Scope) -> Result<Report, LintError> {
    let Scope { listeners: only, modgud } = scope;
    let findings = Findings::default();
    {
        let mut model = Model::default();
        for Document { root, is_empty_dump: _ } in documents.iter().filter(|document| !document.is_empty_dump) {
            let at = At::root(root, &findings);
            model.add(&at).map_err(|error| LintError::NotEnvoy(root.place.origin.to_string(), error))?;
        }
        for name in only {
            if !model.listeners.iter().any(|listener| listener.text("name") == Some(name)) {
                return Err(LintError::NoSuchListener(name.clone()));
            }
        }
        if !only.is_empty() {
            model
                .listeners
                .retain(|listener| listener.text("name").is_some_and(|name| only.iter().any(|one| one == name)));
        }
        model.report_sources();
        let context = Context { model: &model, settings, modgud: modgud.as_ref(), names: Names::of(settings) };
        let managers: usize = model.listeners.iter().map(|listener| listener::check(&context, listener)).sum();
        if let Some(first) = documents.first().filter(|_| managers == 0) {
            At::root(&first.root, &findings).report(Code::NoListener, "no listener serves HTTP");
        }
    }
    let needs_config = |code: &&Code| settings.is_none() && code.needs_config();
    let not_checked = Code::ALL.iter().filter(needs_config).copied().collect();
    Ok(findings.report(not_checked))
}
