//! Sets of keys: JSON Web Key Sets (RFC 7517 §5) with their usable keys, and the keys of one issuer with the candidates for a token.
//! `jwk` checks the single keys.

mod certificates;

use std::fmt;

use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::error::MAX_TRIED_KEYS;
use crate::jose::identity::{KeyId, KeyIdentity};
use crate::jose::json::{JsonError, read_object};
use crate::jose::jwk::JwkError;
use crate::jose::key::VerificationKey;

pub use certificates::CertificatesError;

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
    /// The position in `keys`; `None` in a map of certificates.
    position: Option<usize>,
    id: Option<KeyId>,
    error: JwkError,
}

/// The reason why a JWKS is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// The set is larger than the limit.
    #[error("the JWKS is longer than {} bytes", Jwks::MAX_BYTES)]
    TooLarge,
    /// The set is not strict JSON.
    #[error("the JWKS {0}")]
    Json(JsonError),
    /// `keys` is missing (RFC 7517 §5.1).
    #[error("the JWKS has no `keys`")]
    NoKeys,
    /// The document is Google's map of key ids to certificates, which is no JWKS.
    #[error("the document maps key ids to certificates and is no JWKS; use `certificates` instead of `jwks`")]
    CertificateMap,
    /// `keys` has another JSON type.
    #[error("the JWKS's `keys` is not an array")]
    NotAnArray,
    /// The set has too many keys.
    #[error("the JWKS has {found} keys, more than {}", Jwks::MAX_KEYS)]
    TooMany {
        /// The number of keys.
        found: usize,
    },
    /// No key of the set is usable for verification.
    #[error("the JWKS has no usable key{}", Skipped(_0))]
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
        let list = set.get("keys").ok_or_else(|| without_keys(&set))?.as_array().ok_or(JwksError::NotAnArray)?;
        if list.len() > Self::MAX_KEYS {
            return Err(JwksError::TooMany { found: list.len() });
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (position, value) in list.iter().enumerate() {
            match value.as_object().ok_or(JwkError::NotAnObject).and_then(VerificationKey::from_jwk) {
                Ok(key) => keys.push(key),
                Err(error) => {
                    let id = value.get("kid").and_then(Value::as_str).and_then(KeyId::new);
                    skipped.push(SkippedKey { position: Some(position), id, error });
                }
            }
        }
        if keys.is_empty() {
            return Err(JwksError::NoneUsable(skipped));
        }
        skipped.retain(|key| !key.is_for_certificates());
        Ok(Self { keys, skipped })
    }

    /// Returns the usable keys, and the skipped ones with their errors.
    #[must_use]
    pub fn into_parts(self) -> (Vec<VerificationKey>, Vec<SkippedKey>) {
        (self.keys, self.skipped)
    }
}

/// Returns the error for a document without `keys`.
fn without_keys(set: &Map<String, Value>) -> JwksError {
    let is_certificate =
        |value: &Value| value.as_str().is_some_and(|text| text.trim_start().starts_with("-----BEGIN CERTIFICATE-----"));
    if !set.is_empty() && set.values().all(is_certificate) { JwksError::CertificateMap } else { JwksError::NoKeys }
}

impl SkippedKey {
    /// Returns true if the key is an authority for certificates. Every bundle of SPIFFE has such keys beside those for tokens, so they are no
    /// reason for a warning.
    fn is_for_certificates(&self) -> bool {
        matches!(&self.error, JwkError::OtherUse(found) if found.is("x509-svid"))
    }

    /// Returns the reason why it was skipped.
    #[must_use]
    pub const fn error(&self) -> &JwkError {
        &self.error
    }
}

impl fmt::Display for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, id, error } = self;
        match (position, id) {
            (Some(position), Some(id)) => write!(f, "keys[{position}], `kid` {id}: {error}"),
            (Some(position), None) => write!(f, "keys[{position}]: {error}"),
            (None, Some(id)) => write!(f, "`kid` {id}: {error}"),
            (None, None) => error.fmt(f),
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

/// The keys of one issuer, at most [`KeySet::MAX_KEYS`]. A token that any of them verifies is accepted, so two issuers never share a set:
/// each could sign for the other. The empty set, which is the default, verifies nothing.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
    /// The identities of the keys, sorted: every request with a cached token looks one up.
    identities: Vec<KeyIdentity>,
}

/// Two are equal if they have the same keys, under the same names and for the same algorithms. Their order decides nothing.
impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.identities == other.identities
    }
}

impl Eq for KeySet {}

/// The reason why keys form no set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// There are too many keys.
    #[error("the issuer has {found} keys, more than {}", KeySet::MAX_KEYS)]
    TooMany {
        /// The number of keys.
        found: usize,
    },
    /// There are too many keys without a name for one algorithm: the last of them would never be tried.
    #[error("the issuer has {found} keys without a key id for one algorithm, more than {}", KeySet::MAX_TRIED)]
    TooManyUnnamed {
        /// The number of keys.
        found: usize,
    },
}

impl KeySet {
    /// The most keys of one issuer. A set with more is rejected.
    pub const MAX_KEYS: usize = 100;
    /// The most keys that are tried for one token. Each costs one signature check for every forged token, so the rest are not tried.
    pub const MAX_TRIED: usize = MAX_TRIED_KEYS;

    /// Builds a set of these keys, which are tried in this order.
    ///
    /// # Errors
    /// A [`KeySetError`] that names the exceeded limit.
    pub fn new(keys: Vec<VerificationKey>) -> Result<Self, KeySetError> {
        let found = keys.len();
        if found > Self::MAX_KEYS {
            return Err(KeySetError::TooMany { found });
        }
        let unnamed =
            |algorithm: &Algorithm| keys.iter().filter(|key| key.id().is_none() && key.supports(*algorithm)).count();
        let found = Algorithm::ALL.iter().map(unnamed).max().unwrap_or_default();
        if found > Self::MAX_TRIED {
            return Err(KeySetError::TooManyUnnamed { found });
        }
        let mut identities: Vec<KeyIdentity> = keys.iter().map(VerificationKey::identity).collect();
        identities.sort_unstable();
        Ok(Self { keys, identities })
    }

    /// Returns the keys, in the order in which they are tried.
    #[must_use]
    pub fn keys(&self) -> &[VerificationKey] {
        &self.keys
    }

    /// Returns true if the set contains the key, under the same name and for the same algorithms. A cached token is valid only if this
    /// holds for [its key](crate::jose::VerifiedToken::key).
    #[must_use]
    pub fn contains(&self, key: KeyIdentity) -> bool {
        self.identities.binary_search(&key).is_ok()
    }

    /// Returns the candidates for a token: without a `kid` all keys, otherwise first those of that name, then those without one. `None` if
    /// there is no candidate, of whatever type: the token names an unknown key.
    pub(super) fn candidates<'a>(&'a self, id: Option<&'a KeyId>) -> Option<impl Iterator<Item = &'a VerificationKey>> {
        let named = self.keys.iter().filter(move |key| id.is_none() || key.id() == id);
        let unnamed = self.keys.iter().filter(move |key| id.is_some() && key.id().is_none());
        let mut candidates = named.chain(unnamed).peekable();
        (id.is_none() || candidates.peek().is_some()).then_some(candidates)
    }
}

#[cfg(test)]
mod tests;
