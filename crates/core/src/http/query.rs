//! The parameters of a query, for decisions. Ambiguous spellings are errors; callers of this module interpret the parameters and any
//! credential in them.
//!
//! Servers read queries differently: `;` separates parameters or not, `+` is a space or not, names are case-sensitive or not, `name[]` is
//! `name` or not. A decision that relies on one reading would allow a request that the module reads differently. So an ambiguous parameter
//! is an error here, and never a value or an absent parameter.

#[cfg(test)]
mod tests;

use crate::http::param_name::{canonicalize, could_name, fold, is_certain};
use crate::http::percent::{self, is_unreserved};
use std::collections::HashSet;

/// A query as it was sent, without its `?`.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a>(&'a str);

/// The error for a parameter that servers could read in more than one way. Either it is repeated, also under another spelling of its name.
/// Or its name has characters other than `a`-`z`, `A`-`Z`, `0`-`9`, `-`, `.`, `_` and `~`. Or its value has `;`, `+`, NUL, or an escape
/// that is malformed or not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a parameter of the query can be read in more than one way")]
pub struct AmbiguousParameter;

impl<'a> Query<'a> {
    /// Builds a query; `None` has no parameters.
    #[must_use]
    pub fn new(query: Option<&'a str>) -> Self {
        Self(query.unwrap_or_default())
    }

    /// Returns the decoded value of the parameter of this name, empty for a name without a value. `None` if there is no such parameter.
    ///
    /// # Errors
    /// [`AmbiguousParameter`] if this parameter can be read in more than one way. Also if some server could read the name of another
    /// parameter as this one. Such a name has a malformed escape (`%u006f`), bytes that are not UTF-8, or an escape in an escape.
    pub fn get(self, name: &str) -> Result<Option<String>, AmbiguousParameter> {
        if !is_plain(name) {
            return Err(AmbiguousParameter);
        }
        let mut found = None;
        for parameter in self.parameters() {
            // Its key could be another spelling of any name.
            if !parameter.split(';').all(|part| is_certain(key(part).as_bytes())) {
                return Err(AmbiguousParameter);
            }
            if !parameter.split(';').any(|part| could_name(key(part), name)) {
                continue;
            }
            let (named, value) = decoded(parameter)?;
            if named != name || found.replace(value).is_some() {
                return Err(AmbiguousParameter);
            }
        }
        Ok(found)
    }

    /// Returns true if some server may find a parameter here whose name `is_meant`, under any spelling. Names are decoded as by the most
    /// lenient server, and one that servers decode differently may be any.
    #[must_use]
    pub fn may_name(self, is_meant: impl Fn(&str) -> bool) -> bool {
        let mut keys = self.parameters().flat_map(|parameter| parameter.split(';')).map(key);
        keys.any(|key| {
            // A name that is not UTF-8 is not certain.
            !is_certain(key.as_bytes()) || is_meant(&String::from_utf8_lossy(&canonicalize(key.as_bytes())))
        })
    }

    /// Returns every parameter, decoded.
    ///
    /// # Errors
    /// [`AmbiguousParameter`] if one of them can be read in more than one way.
    pub fn all(self) -> Result<Vec<(String, String)>, AmbiguousParameter> {
        let mut names = HashSet::new();
        let mut found = Vec::new();
        for parameter in self.parameters() {
            if !names.insert(folded(key(parameter))) {
                return Err(AmbiguousParameter);
            }
            found.push(decoded(parameter)?);
        }
        Ok(found)
    }

    /// Returns the raw parameters. Two `&` in a row have none between them.
    fn parameters(self) -> impl Iterator<Item = &'a str> {
        self.0.split('&').filter(|parameter| !parameter.is_empty())
    }
}

/// Returns the text before the `=`.
fn key(parameter: &str) -> &str {
    parameter.split_once('=').map_or(parameter, |(key, _)| key)
}

/// Folds a key to the same form for all spellings that some server takes for one name.
fn folded(key: &str) -> Vec<u8> {
    let mut folded = fold(key);
    folded.iter_mut().filter(|byte| !byte.is_ascii_alphanumeric()).for_each(|byte| *byte = b'_');
    folded
}

/// Decodes name and value of a parameter if there is only one reading.
fn decoded(parameter: &str) -> Result<(String, String), AmbiguousParameter> {
    if parameter.contains([';', '+']) {
        return Err(AmbiguousParameter);
    }
    let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let name = text(key)?;
    if is_plain(&name) { Ok((name, text(value)?)) } else { Err(AmbiguousParameter) }
}

/// Returns true if a parameter of this name is readable: it needs no encoding (RFC 3986 §2.3), and no server interprets it further.
pub(crate) fn is_plain(name: &str) -> bool {
    name.bytes().all(is_unreserved)
}

/// Decodes percent-encoding (RFC 3986 §2.1).
fn text(encoded: &str) -> Result<String, AmbiguousParameter> {
    let decoded =
        percent::decode(encoded.as_bytes()).filter(|decoded| !decoded.contains(&0)).ok_or(AmbiguousParameter)?;
    String::from_utf8(decoded).map_err(|_| AmbiguousParameter)
}
