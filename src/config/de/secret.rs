//! A shared secret: one source, and its encoding. Errors never repeat the content, wherever it was written by mistake.

use super::deserializer::SOURCES;
use super::error::{Error, FormError, Seen, nearest};
use crate::diagnostic::Quoted;
use crate::yaml::{Node, Value};
use serde::de::{Deserializer, Visitor};

/// The key that is no source.
const ENCODING: &str = "encoding";

/// Deserializes the map of a [`SharedSecret`](crate::config::raw::SharedSecret), whose keys are `known`.
pub(super) fn deserialize<'de, V: Visitor<'de>>(
    node: &'de Node,
    known: &'static [&'static str],
    visitor: V,
) -> Result<V::Value, Error> {
    let Value::Map(entries) = &node.value else {
        return Err(Error::of_type((&node.value).into(), SOURCES).hidden().at(&node.place));
    };
    if let Some(entry) = entries.iter().find(|entry| meant(&entry.key, known).is_none()) {
        let found = Seen::Text(Quoted::new(&entry.key));
        return Err(Error::of_type(found, SOURCES).hidden().at(&entry.key_place));
    }
    if entries.iter().filter(|entry| meant(&entry.key, known) != Some(ENCODING)).count() != 1 {
        return Err(Error::of_type((&node.value).into(), format!("exactly one of {SOURCES}")).at(&node.place));
    }
    node.deserialize_any(visitor).map_err(without_content)
}

/// Returns the known key that is written, or was probably meant. `None` if it resembles none.
fn meant<'k>(key: &'k str, known: &[&'k str]) -> Option<&'k str> {
    if known.contains(&key) { Some(key) } else { nearest(key, known) }
}

/// Removes what was found from an error. An unknown encoding is shown only if it resembles a known one: else it may be the secret.
fn without_content(error: Error) -> Error {
    match &error.form {
        FormError::UnknownWord { word, known } if nearest(word, known).is_none() => {
            let help = format!("one of {}", crate::diagnostic::Words(known));
            let form = Error::of_type(Seen::Text(Quoted::new(word)), help).hidden().form;
            Error { form, ..error }
        }
        _ => error.hidden(),
    }
}
