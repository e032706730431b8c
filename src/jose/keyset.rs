//! The keys of one issuer. Owns how many there may be; chooses none of them: a key from PEM has no id, so each is
//! tried.

use crate::jose::key::VerificationKey;

/// The keys of one issuer, at most [`KeySet::MAX_KEYS`]. A token that any of them verifies is accepted, so a set is never
/// shared by two issuers: each could sign for the other. The empty set, which is the default, verifies nothing.
#[derive(Debug, Default)]
pub struct KeySet(Vec<VerificationKey>);

/// Why keys don't make a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    /// More than are tried.
    #[error("there are {found} keys, and at most {} are tried for one token", KeySet::MAX_KEYS)]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

impl KeySet {
    /// The most keys that one issuer may have. Each costs one signature check for every forged token.
    pub const MAX_KEYS: usize = 16;

    /// A set of these keys, tried in this order.
    ///
    /// # Errors
    /// [`KeySetFault::TooMany`].
    pub fn new(keys: Vec<VerificationKey>) -> Result<Self, KeySetFault> {
        let found = keys.len();
        if found > Self::MAX_KEYS { Err(KeySetFault::TooMany { found }) } else { Ok(Self(keys)) }
    }

    /// The keys, in the order in which they are tried.
    #[must_use]
    pub fn keys(&self) -> &[VerificationKey] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{KeySet, KeySetFault};
    use crate::jose::key::VerificationKey;
    use crate::jose::testing::{SPKI_PEM, assert_good_messages};

    #[test]
    fn messages_are_unique_lowercase_sentences() {
        assert_good_messages(&[KeySetFault::TooMany { found: 17 }]);
    }

    #[test]
    fn a_set_has_at_most_sixteen_keys() {
        const MAX_KEYS: usize = KeySet::MAX_KEYS;
        let set = |size| KeySet::new((0..size).map(|_| VerificationKey::from_pem(SPKI_PEM).unwrap()).collect());
        assert!(set(0).unwrap().keys().is_empty());
        assert_eq!(set(1).unwrap().keys().len(), 1);
        assert_eq!(set(MAX_KEYS).unwrap().keys().len(), MAX_KEYS);
        assert_eq!(set(MAX_KEYS + 1).err(), Some(KeySetFault::TooMany { found: MAX_KEYS + 1 }));
    }
}
