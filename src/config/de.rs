//! Deserialization of a tree with serde; each error has a location. [`read`] continues after an error, to find all of them.

mod deserializer;
pub(super) mod error;
mod secret;

use super::diagnostic::{Diagnostics, MAX_REPORTED};
use super::path::Path;
use super::placeholder;
use crate::diagnostic::{Diagnostic, Issue};
use crate::yaml::{Bounds, Node, SyntaxError};

use error::{Error, FormError, Found, is_consequence};
use serde::de::DeserializeOwned;

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
