//! JSON Web Key Sets (RFC 7517 §5): the usable keys of a set, and the names of the others. `jwk` checks the single keys.

use std::fmt;

use serde_json::Value;

use crate::jose::json::{JsonError, read_object};
use crate::jose::jwk::JwkError;
use crate::jose::key::VerificationKey;
use crate::jose::key_id::KeyId;

/// The usable keys of a JWKS: at least one, in the set's order. Keys with the same `kid` are all kept.
#[derive(Debug)]
pub struct Jwks {
    keys: Vec<VerificationKey>,
    skipped: Vec<SkippedKey>,
}

/// An unusable key of a set. The others stay usable: providers publish encryption keys, and kinds that are newer than modgud, in the same
/// set (RFC 7517 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    position: usize,
    id: Option<KeyId>,
    fault: JwkError,
}

/// The reason why a JWKS is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// The set is larger than the limit.
    #[error("the key set is longer than {} bytes", Jwks::MAX_BYTES)]
    TooLarge,
    /// The set is not strict JSON.
    #[error("the key set {0}")]
    Json(JsonError),
    /// `keys` is missing (RFC 7517 §5.1).
    #[error("the key set has no `keys`, which is an array of keys")]
    NoKeys,
    /// `keys` has another JSON type.
    #[error("the key set's `keys` is not an array")]
    NotAnArray,
    /// The set has too many keys.
    #[error("the key set has {found} keys, and at most {} are read", Jwks::MAX_KEYS)]
    TooMany {
        /// The number of keys.
        found: usize,
    },
    /// No key of the set is usable for verification.
    #[error("the key set has no key that tokens could be verified with{}", Skipped(_0))]
    NoneUsable(Vec<SkippedKey>),
}

impl Jwks {
    /// The longest set that is read, in bytes. A longer one is rejected, to limit memory.
    pub const MAX_BYTES: usize = 512 * 1024;
    /// The most keys of a set, skipped ones included. A set with more is rejected.
    pub const MAX_KEYS: usize = 100;

    /// Parses a set.
    ///
    /// # Errors
    /// A [`JwksError`]; also if no key is usable, so that a good set is never replaced by one that verifies nothing.
    pub fn parse(bytes: &[u8]) -> Result<Self, JwksError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(JwksError::TooLarge);
        }
        let set = read_object(bytes).map_err(JwksError::Json)?;
        let list = set.get("keys").ok_or(JwksError::NoKeys)?.as_array().ok_or(JwksError::NotAnArray)?;
        if list.len() > Self::MAX_KEYS {
            return Err(JwksError::TooMany { found: list.len() });
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (position, value) in list.iter().enumerate() {
            match value.as_object().ok_or(JwkError::NotAnObject).and_then(VerificationKey::from_jwk) {
                Ok(key) => keys.push(key),
                Err(fault) => {
                    let id = value.get("kid").and_then(Value::as_str).and_then(KeyId::new);
                    skipped.push(SkippedKey { position, id, fault });
                }
            }
        }
        if keys.is_empty() { Err(JwksError::NoneUsable(skipped)) } else { Ok(Self { keys, skipped }) }
    }

    /// Returns the usable keys, and the skipped ones with their errors.
    #[must_use]
    pub fn into_parts(self) -> (Vec<VerificationKey>, Vec<SkippedKey>) {
        (self.keys, self.skipped)
    }
}

impl SkippedKey {
    /// Returns the reason why it was skipped.
    #[must_use]
    pub const fn fault(&self) -> &JwkError {
        &self.fault
    }
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, id, fault } = self;
        match id {
            Some(id) => write!(f, "keys[{position}], `kid` {id}: {fault}"),
            None => write!(f, "keys[{position}]: {fault}"),
        }
    }
}

/// The most skipped keys that an error text names; of the others it gives the number.
const MAX_NAMED: usize = 3;

/// The first skipped keys, for the end of a sentence.
struct Skipped<'a>(&'a [SkippedKey]);

impl fmt::Display for Skipped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, key) in self.0.iter().take(MAX_NAMED).enumerate() {
            write!(f, "{}{key}", if number == 0 { ": " } else { "; " })?;
        }
        match self.0.len().saturating_sub(MAX_NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests;
