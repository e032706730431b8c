//! The description of the whole API, which Envoy serves from files.

use super::{BootstrapError, Module};
use minijinja::{Value, context};

/// The path of the document.
const DOCUMENT: &str = "/docs/swagger.json";

/// The path of the page, with and without a slash at the end.
const PAGE: &str = "/docs";

/// The files that Envoy serves, as paths on Envoy's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docs {
    /// The document, as `modgud openapi merge` writes it.
    pub document: String,
    /// The page that shows it; without one, `/docs` is the document.
    pub page: Option<String>,
}

impl Docs {
    /// The paths that Envoy serves.
    pub const PATHS: [&str; 2] = [PAGE, DOCUMENT];
}

/// Returns the routes for the template; none without files.
///
/// # Errors
/// [`BootstrapError::DocsTaken`] if a module has one of the paths.
pub(super) fn value(docs: Option<&Docs>, modules: &[Module]) -> Result<Value, BootstrapError> {
    let Some(Docs { document, page }) = docs else { return Ok(Value::from(())) };
    for module in modules {
        if let Some(path) = Docs::PATHS.into_iter().find(|path| *path == module.prefix.as_str()) {
            return Err(BootstrapError::DocsTaken(module.name.as_str().to_owned(), path));
        }
    }
    let json = "application/json";
    let (file, media_type) = page.as_ref().map_or((document, json), |page| (page, "text/html; charset=utf-8"));
    let routes = [
        context! { kind => "path", path => DOCUMENT, file => document, media_type => json },
        context! { kind => "path", path => PAGE, file => file, media_type => media_type },
        context! { kind => "path", path => format!("{PAGE}/"), file => file, media_type => media_type },
    ];
    Ok(routes.into_iter().collect())
}
