//! Deserialization of a tree with serde; each error has a location. [`read`] continues after an error, to find all of them.

mod fault;
mod walk;

pub use fault::{FormError, Seen};

use super::diagnostic::MAX_REPORTED;
use super::path::Path;
use crate::yaml::{Location, Node};
use fault::Fault;
use serde::de::DeserializeOwned;

/// A form error of a document, with its location and path.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) place: Location,
    /// The path as messages show it, with the indices of the file.
    pub(super) shown: String,
    pub(super) what: FormError,
}

/// Deserializes a type and finds every form error, up to [`MAX_REPORTED`], because each costs a walk through the tree.
///
/// Removes faulty values from the tree, so that the rest can be read and validated. The type is `None` if nothing is left to read.
pub(super) fn read<T: DeserializeOwned>(root: &mut Node) -> (Option<T>, Vec<Found>) {
    let mut found: Vec<Found> = Vec::new();
    while found.len() < MAX_REPORTED {
        let fault = match T::deserialize(&*root) {
            Ok(value) => return (Some(value), found),
            Err(fault) => fault,
        };
        let Fault { what, place, steps } = fault;
        let path = Path::from_inside(steps);
        let hole = match &what {
            FormError::Missing(key) => is_hole(&found, &path.key(key).shown(root).to_string()),
            FormError::Type { .. } => path.is_empty_map(root) && is_hole(&found, &path.shown(root).to_string()),
            FormError::UnknownKey { .. }
            | FormError::UnknownWord { .. }
            | FormError::Nothing
            | FormError::Placeholder(_)
            | FormError::PlaceholderHidden
            | FormError::Other(_) => false,
        };
        let remove = match &what {
            FormError::UnknownKey { key, .. } => path.key(key),
            FormError::UnknownWord { .. }
            | FormError::Missing(_)
            | FormError::Type { .. }
            | FormError::Nothing
            | FormError::Placeholder(_)
            | FormError::PlaceholderHidden
            | FormError::Other(_) => path,
        };
        let shown = remove.shown(root).to_string();
        let place = place.unwrap_or_else(|| remove.place(root).clone());
        let taken = remove.take_out(root);
        if !hole {
            found.push(Found { place, shown, what });
        }
        if taken.is_none() {
            break;
        }
    }
    (None, found)
}

/// Returns true if the value at `path` is missing only because it, or something in it, was faulty and removed. That error is already
/// reported.
pub(super) fn is_hole(found: &[Found], path: &str) -> bool {
    let at_or_in =
        |one: &Found| one.shown.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    found.iter().any(at_or_in)
}
