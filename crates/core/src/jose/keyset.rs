//! The keys of one issuer: their limits, and the candidates for a token.

use crate::jose::algorithm::Algorithm;
use crate::jose::key::{KeyIdentity, VerificationKey};
use crate::jose::key_id::KeyId;

/// The keys of one issuer, at most [`KeySet::MAX_KEYS`]. A token that any of them verifies is accepted, so two issuers never share a set:
/// each could sign for the other. The empty set, which is the default, verifies nothing.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
    /// The identities of the keys, sorted: every request with a cached token looks one up.
    identities: Vec<KeyIdentity>,
}

/// The reason why keys form no set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// There are too many keys.
    #[error("there are {found} keys, and an issuer can have at most {}", KeySet::MAX_KEYS)]
    TooMany {
        /// The number of keys.
        found: usize,
    },
    /// There are too many keys without a name for one algorithm: the last of them would never be tried.
    #[error(
        "there are {found} keys without a key id for one algorithm, and at most {} are tried for one token",
        KeySet::MAX_TRIED
    )]
    TooManyUnnamed {
        /// The number of keys.
        found: usize,
    },
}

impl KeySet {
    /// The most keys of one issuer. A set with more is rejected.
    pub const MAX_KEYS: usize = 100;
    /// The most keys that are tried for one token. Each costs one signature check for every forged token, so the rest are not tried.
    pub const MAX_TRIED: usize = 16;

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
            |algorithm: &Algorithm| keys.iter().filter(|key| key.id().is_none() && key.can(*algorithm)).count();
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
    pub fn holds(&self, key: KeyIdentity) -> bool {
        self.identities.binary_search(&key).is_ok()
    }

    /// Returns the candidates for a token: without a `kid` all keys, otherwise first those of that name, then those without one. `None` if
    /// there is no candidate, of whatever type: the token names an unknown key.
    pub(super) fn candidates<'a>(&'a self, id: Option<&'a KeyId>) -> Option<impl Iterator<Item = &'a VerificationKey>> {
        let named = self.keys.iter().filter(move |key| id.is_none() || key.id() == id);
        let unnamed = self.keys.iter().filter(move |key| id.is_some() && key.id().is_none());
        let mut meant = named.chain(unnamed).peekable();
        (id.is_none() || meant.peek().is_some()).then_some(meant)
    }
}

#[cfg(test)]
mod tests;
