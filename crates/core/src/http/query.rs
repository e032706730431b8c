//! The parameters of a query, for whoever decides by them. Owns which spellings of a query can be read in one way only; what a
//! parameter means is for others to say, and so is a credential that stands in one.
//!
//! Servers read queries in many ways: `;` separates parameters or doesn't, `+` is a blank or isn't, names compare with case or
//! without, `name[]` is `name` or isn't. A decision that hangs on one reading lets through what the module reads in another,
//! so that whatever can be read in two ways is a fault here, and never a value and never nothing.

#[cfg(test)]
mod tests;

use crate::http::param_name::{canonicalize, equivalent, is_certain};
use std::collections::HashSet;

/// A query as it was sent, without its `?`.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a>(&'a str);

/// A parameter that servers could read in more than one way: it stands there twice, also under another spelling of its name, its
/// name holds other characters than `a`-`z`, `A`-`Z`, `0`-`9`, `-`, `.`, `_` and `~`, or its value holds `;`, `+`, NUL, or an
/// escape that is none or no UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a parameter of the query can be read in more than one way")]
pub struct AmbiguousParameter;

impl<'a> Query<'a> {
    /// A query; none at all has no parameters.
    #[must_use]
    pub fn new(query: Option<&'a str>) -> Self {
        Self(query.unwrap_or_default())
    }

    /// The value of the parameter of this name, decoded; empty when it is only named; `None` when there is no such parameter.
    ///
    /// # Errors
    /// [`AmbiguousParameter`] when this parameter can be read in more than one way, or the name of any other could be another spelling of its
    /// name to some server: one with a malformed escape (`%u006f`), with bytes that are no UTF-8, or with an escape in an escape.
    pub fn get(self, name: &str) -> Result<Option<String>, AmbiguousParameter> {
        if !is_plain(name) {
            return Err(AmbiguousParameter);
        }
        let wanted = name.to_ascii_lowercase();
        let mut found = None;
        for parameter in self.parameters() {
            // It could be another spelling of any name.
            if !parameter.split(';').all(|part| is_certain(key(part).as_bytes())) {
                return Err(AmbiguousParameter);
            }
            if !parameter.split(';').any(|part| spells(key(part), &wanted)) {
                continue;
            }
            let (named, value) = decoded(parameter)?;
            if named != name || found.replace(value).is_some() {
                return Err(AmbiguousParameter);
            }
        }
        Ok(found)
    }

    /// Returns true if some server may find a parameter here whose name `is_meant`, under whatever spelling: names are decoded as the most
    /// lenient server would, and one that servers decode differently may be any.
    #[must_use]
    pub fn may_name(self, is_meant: impl Fn(&str) -> bool) -> bool {
        let mut keys = self.parameters().flat_map(|parameter| parameter.split(';')).map(key);
        keys.any(|key| {
            // What is not UTF-8 is not certain.
            !is_certain(key.as_bytes()) || is_meant(&String::from_utf8_lossy(&canonicalize(key.as_bytes())))
        })
    }

    /// Every parameter, decoded.
    ///
    /// # Errors
    /// [`AmbiguousParameter`] when one of them can be read in more than one way.
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

    /// The parameters as they stand there. Two `&` in a row have nothing between them.
    fn parameters(self) -> impl Iterator<Item = &'a str> {
        self.0.split('&').filter(|parameter| !parameter.is_empty())
    }
}

/// What stands before the `=`.
fn key(parameter: &str) -> &str {
    parameter.split_once('=').map_or(parameter, |(key, _)| key)
}

/// Whether some server takes this key for the name, which is in lower case.
fn spells(key: &str, name: &str) -> bool {
    equivalent(&canonicalize(key.to_ascii_lowercase().as_bytes()).to_ascii_lowercase(), name.as_bytes())
}

/// A key in one form for all that some server takes for one name.
fn folded(key: &str) -> Vec<u8> {
    let mut folded = canonicalize(key.to_ascii_lowercase().as_bytes()).to_ascii_lowercase();
    folded.iter_mut().filter(|byte| !byte.is_ascii_alphanumeric()).for_each(|byte| *byte = b'_');
    folded
}

/// Name and value of a parameter, if there is one way to read it.
fn decoded(parameter: &str) -> Result<(String, String), AmbiguousParameter> {
    if parameter.contains([';', '+']) {
        return Err(AmbiguousParameter);
    }
    let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let name = text(key)?;
    if is_plain(&name) { Ok((name, text(value)?)) } else { Err(AmbiguousParameter) }
}

/// Whether a parameter of this name can be read: nobody has to encode it (RFC 3986 §2.3), and no server reads more into it.
pub(crate) fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'))
}

/// Percent-encoding decoded (RFC 3986 §2.1).
fn text(encoded: &str) -> Result<String, AmbiguousParameter> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let (byte, after) = match (byte, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: u8| char::from(byte).to_digit(16).ok_or(AmbiguousParameter);
                let byte = digit(*high)?.saturating_mul(16).saturating_add(digit(*low)?);
                (u8::try_from(byte).map_err(|_| AmbiguousParameter)?, after)
            }
            (b'%', _) => return Err(AmbiguousParameter),
            (byte, after) => (*byte, after),
        };
        if byte == 0 {
            return Err(AmbiguousParameter);
        }
        decoded.push(byte);
        rest = after;
    }
    String::from_utf8(decoded).map_err(|_| AmbiguousParameter)
}
