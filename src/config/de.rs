//! Deserialization of a tree with serde; each error has a location. [`read`] continues after an error, to find all of them.

mod deserializer;
mod error;

pub(super) use error::{FormError, Seen};

use super::diagnostic::{Diagnostics, MAX_REPORTED};
use super::path::Path;
use super::placeholder;
use crate::diagnostic::{Diagnostic, Issue};
use crate::yaml::{Bounds, Location, Node, SyntaxError};

use error::Error;
use serde::de::DeserializeOwned;

/// A form error of a document, with its location and path.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) location: Location,
    /// The path as messages show it, with the indices of the file.
    pub(super) path: String,
    pub(super) error: FormError,
}

impl Found {
    /// Returns true if the diagnostic concerns the same value, and this is an unreplaced variable.
    pub(super) fn explains(&self, diagnostic: &Diagnostic) -> bool {
        let is_placeholder = matches!(self.error, FormError::Placeholder(_) | FormError::PlaceholderHidden);
        is_placeholder && self.location == diagnostic.location && self.path == diagnostic.path
    }
}

impl From<Found> for Diagnostic {
    fn from(found: Found) -> Self {
        let Found { location, path, error } = found;
        Self::new(location, path, error.issue())
    }
}

/// Deserializes a type and finds every form error, up to [`MAX_REPORTED`], because each costs a walk through the tree.
///
/// Removes faulty values from the tree, so that the rest can be read and validated. The type is `None` if nothing is left to read.
pub(super) fn read<T: DeserializeOwned>(root: &mut Node) -> (Option<T>, Vec<Found>) {
    let mut found: Vec<Found> = Vec::new();
    while found.len() < MAX_REPORTED {
        let error = match T::deserialize(&*root) {
            Ok(value) => return (Some(value), found),
            Err(error) => error,
        };
        let Error { form: error, location, steps } = error;
        let path = Path::from_inside(steps);
        let consequence = match &error {
            FormError::Missing(key) => is_consequence(&found, &path.key(key).shown(root).to_string()),
            FormError::Type { .. } => path.is_empty_map(root) && is_consequence(&found, &path.shown(root).to_string()),
            FormError::UnknownKey { .. }
            | FormError::UnknownWord { .. }
            | FormError::Nothing
            | FormError::Placeholder(_)
            | FormError::PlaceholderHidden
            | FormError::Other(_) => false,
        };
        let remove = match &error {
            FormError::UnknownKey { key, .. } => path.key(key),
            FormError::UnknownWord { .. }
            | FormError::Missing(_)
            | FormError::Type { .. }
            | FormError::Nothing
            | FormError::Placeholder(_)
            | FormError::PlaceholderHidden
            | FormError::Other(_) => path,
        };
        let path = remove.shown(root).to_string();
        let location = location.unwrap_or_else(|| remove.location(root).clone());
        let removed = remove.take_out(root);
        if !consequence {
            found.push(Found { location, path, error });
        }
        if removed.is_none() {
            break;
        }
    }
    (None, found)
}

/// Returns true if the value at `path` is missing only because it, or something in it, was faulty and removed. That error is already
/// reported.
pub(super) fn is_consequence(found: &[Found], path: &str) -> bool {
    let at_or_in =
        |one: &Found| one.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    found.iter().any(at_or_in)
}

/// A document that the configuration names, such as a table of API keys. It was read and is not validated yet.
pub(super) struct IncludedDocument<T> {
    pub(super) document: T,
    root: Node,
    form: Vec<Found>,
}

impl<T: DeserializeOwned + Default> IncludedDocument<T> {
    /// Reads a document, as far as its form allows.
    ///
    /// # Errors
    /// A diagnostic if the text is not YAML.
    pub(super) fn read(origin: &str, text: &str) -> Result<Self, Box<Diagnostic>> {
        let mut root = read_yaml(origin, text)?;
        let mut unfilled = Vec::new();
        placeholder::find(&root, &Path::default(), &root, &mut unfilled);
        let (document, mut form) = read::<T>(&mut root);
        form.extend(unfilled);
        Ok(Self { document: document.unwrap_or_default(), root, form })
    }

    /// Returns all diagnostics of the document: those of its form, and those that validation found.
    pub(super) fn located(self, diagnostics: Diagnostics) -> Vec<Diagnostic> {
        let mut located = diagnostics.located(&self.root, &self.form);
        located.extend(self.form.into_iter().map(without_content).map(Diagnostic::from));
        located.sort_by(|one, other| one.order().cmp(&other.order()));
        located
    }
}

/// Removes the value found from a form error: in a table of digests it may be the key itself.
fn without_content(mut found: Found) -> Found {
    if let FormError::Type { found: value, expected } = found.error {
        found.error = FormError::Type { found: value.hidden(), expected };
    }
    found
}

/// Parses a text as YAML, within the limits of a configuration.
pub(super) fn read_yaml(origin: &str, text: &str) -> Result<Node, Box<Diagnostic>> {
    Node::read(origin, text, Bounds::CONFIGURATION).map_err(|SyntaxError { place, message }| {
        Box::new(Diagnostic::new(place, String::new(), Issue::parse("syntax", message)))
    })
}
