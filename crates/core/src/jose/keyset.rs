//! The keys of one issuer. Owns how many there may be, and which of them a token may mean.

use crate::jose::algorithm::Algorithm;
use crate::jose::key::{KeyIdentity, VerificationKey};
use crate::jose::key_id::KeyId;

/// The keys of one issuer, at most [`KeySet::MAX_KEYS`]. A token that any of them verifies is accepted, so a set is never
/// shared by two issuers: each could sign for the other. The empty set, which is the default, verifies nothing.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
    /// Those of the keys, sorted: asked on every request, for tokens that were verified before.
    identities: Vec<KeyIdentity>,
}

/// Why keys don't make a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// More than are kept.
    #[error("there are {found} keys, and an issuer can have at most {}", KeySet::MAX_KEYS)]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// More than are tried, and nothing that a token could choose by: the last of them would never be looked at.
    #[error(
        "there are {found} keys without a key id for one algorithm, and at most {} are tried for one token",
        KeySet::MAX_TRIED
    )]
    TooManyUnnamed {
        /// How many there are.
        found: usize,
    },
}

impl KeySet {
    /// The most keys that one issuer may have.
    pub const MAX_KEYS: usize = 100;
    /// The most keys that are tried for one token. Each costs one signature check for every forged token.
    pub const MAX_TRIED: usize = 16;

    /// A set of these keys, tried in this order.
    ///
    /// # Errors
    /// A [`KeySetError`] that says which bound is not met.
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

    /// The keys, in the order in which they are tried.
    #[must_use]
    pub fn keys(&self) -> &[VerificationKey] {
        &self.keys
    }

    /// Whether the key is one of these, under the same name and for the same algorithms. A token that was verified before is
    /// still good only if this says so of [its key](crate::jose::VerifiedToken::key).
    #[must_use]
    pub fn holds(&self, key: KeyIdentity) -> bool {
        self.identities.binary_search(&key).is_ok()
    }

    /// The keys that a token may mean: without a `kid` all of them, else first those of that name, then those that have none.
    /// `None` if there is no such key, whatever it could do: the token names a key that the set doesn't know.
    pub(super) fn candidates<'a>(&'a self, id: Option<&'a KeyId>) -> Option<impl Iterator<Item = &'a VerificationKey>> {
        let named = self.keys.iter().filter(move |key| id.is_none() || key.id() == id);
        let unnamed = self.keys.iter().filter(move |key| id.is_some() && key.id().is_none());
        let mut meant = named.chain(unnamed).peekable();
        (id.is_none() || meant.peek().is_some()).then_some(meant)
    }
}

#[cfg(test)]
mod tests;
