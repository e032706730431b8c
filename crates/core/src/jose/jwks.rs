//! Sets of public keys as JSON (RFC 7517 §5): bytes to the keys that can be used, and the names of the others. Owns the bounds
//! of a set; fetches none, and what one key must be is `jwk`'s to say.

use std::fmt;

use serde_json::Value;

use crate::jose::json::{JsonError, read_object};
use crate::jose::jwk::JwkError;
use crate::jose::key::VerificationKey;
use crate::jose::key_id::KeyId;

/// The keys of a JWK set that can be used: at least one, in the set's order. Two of one name are both there.
#[derive(Debug)]
pub struct Jwks {
    keys: Vec<VerificationKey>,
    skipped: Vec<SkippedKey>,
}

/// A key of a set that can't be used. It does not keep the others from being used: providers publish keys for encryption, and
/// of kinds that are newer than modgud, in the same set (RFC 7517 §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedKey {
    position: usize,
    id: Option<KeyId>,
    fault: JwkError,
}

/// Why bytes are not a set of keys that could serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// More text than is ever read.
    #[error("the key set is longer than {} bytes", Jwks::MAX_BYTES)]
    TooLarge,
    /// Not strict JSON.
    #[error("the key set {0}")]
    Json(JsonError),
    /// No `keys` (RFC 7517 §5.1).
    #[error("the key set has no `keys`, which is an array of keys")]
    NoKeys,
    /// `keys` of another JSON type.
    #[error("the key set's `keys` is not an array")]
    NotAnArray,
    /// More keys than are ever kept.
    #[error("the key set has {found} keys, and at most {} are read", Jwks::MAX_KEYS)]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// Nothing in it to verify a token with.
    #[error("the key set has no key that tokens could be verified with{}", Skipped(_0))]
    NoneUsable(Vec<SkippedKey>),
}

impl Jwks {
    /// The longest set that is read, in bytes.
    pub const MAX_BYTES: usize = 512 * 1024;
    /// The most keys that a set may have, those that are skipped among them.
    pub const MAX_KEYS: usize = 100;

    /// Reads a set.
    ///
    /// # Errors
    /// A [`JwksError`]; also when no key can be used, so that a good set is never replaced by one that verifies nothing.
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

    /// The keys that can be used, and what is wrong with the others.
    #[must_use]
    pub fn into_parts(self) -> (Vec<VerificationKey>, Vec<SkippedKey>) {
        (self.keys, self.skipped)
    }
}

impl SkippedKey {
    /// What is wrong with it.
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

/// How many skipped keys an error text names.
const MAX_NAMED: usize = 3;

/// The first of the skipped keys, for the end of a sentence.
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
