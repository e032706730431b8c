//! Documents that the configuration names, such as a table of API keys: read with the same care, each error with its location.

use super::de::{self, FormError};
use super::diagnostic::{Problem, Problems};
use super::path::Path;
use super::placeholder;
use crate::diagnostic::Located;
use crate::yaml::{Bounds, Location, Node, SyntaxError};
use serde::de::DeserializeOwned;

/// An included document that was read and is not validated yet.
pub(super) struct IncludedDocument<T> {
    pub(super) document: T,
    root: Node,
    faults: Vec<de::Found>,
}

impl<T: DeserializeOwned + Default> IncludedDocument<T> {
    /// Reads a document, as far as its form allows.
    ///
    /// # Errors
    /// A problem if the text is not YAML.
    pub(super) fn read(origin: &str, text: &str) -> Result<Self, Box<Located<Problem>>> {
        let mut root = Node::read(origin, text, Bounds::CONFIGURATION)
            .map_err(|SyntaxError { place, message }| syntax(place, message))?;
        let mut unfilled = Vec::new();
        placeholder::find(&root, &Path::default(), &root, &mut unfilled);
        let (document, mut faults) = de::read::<T>(&mut root);
        faults.extend(unfilled);
        Ok(Self { document: document.unwrap_or_default(), root, faults })
    }

    /// Returns all problems of the document: those of its form, and those that validation found.
    pub(super) fn placed(self, problems: Problems) -> Vec<Located<Problem>> {
        let mut placed = problems.placed(&self.root, &self.faults);
        placed.extend(self.faults.into_iter().map(without_content).map(Located::from));
        placed.sort_by(|one, other| one.order().cmp(&other.order()));
        placed
    }
}

/// Removes the value found from a form error: in a table of digests it may be the key itself.
fn without_content(mut fault: de::Found) -> de::Found {
    if let FormError::Type { found, expected } = fault.what {
        fault.what = FormError::Type { found: found.hidden(), expected };
    }
    fault
}

fn syntax(place: Location, message: String) -> Box<Located<Problem>> {
    Box::new(Located::here(place, String::new(), Problem::Syntax(message)))
}
