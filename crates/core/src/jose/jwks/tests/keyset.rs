//! Limits, and the candidate keys for a token.

use crate::jose::algorithm::Algorithm;
use crate::jose::identity::KeyId;
use crate::jose::jwks::{KeySet, KeySetError};
use crate::jose::key::VerificationKey;
use crate::jose::testing::{SPKI_PEM, assert_good_messages};

fn id(text: &str) -> KeyId {
    KeyId::new(text).unwrap()
}

/// Builds a set of secrets, which are cheap to make: each of its own byte, with this name or none.
fn set(names: &[Option<&str>]) -> Result<KeySet, KeySetError> {
    let keys = names.iter().zip(0_u8..).map(|(name, byte)| {
        let key = VerificationKey::from_secret(&[byte; 32]).unwrap();
        match name {
            Some(name) => key.with_id(id(name)),
            None => key,
        }
    });
    KeySet::new(keys.collect())
}

/// Returns the positions of the candidate keys for a token of this `kid`.
fn meant(set: &KeySet, name: Option<&str>) -> Option<Vec<usize>> {
    let position = |key: &VerificationKey| set.keys().iter().position(|one| one.identity() == key.identity()).unwrap();
    let id = name.map(id);
    set.candidates(id.as_ref()).map(|keys| keys.map(position).collect())
}

#[test]
fn messages_are_unique_lowercase_sentences() {
    assert_good_messages(&[KeySetError::TooMany { found: 101 }, KeySetError::TooManyUnnamed { found: 17 }]);
}

#[test]
fn a_set_has_at_most_a_hundred_keys() {
    let named = |size: usize| set(&vec![Some("a"); size]);
    assert!(named(0).unwrap().keys().is_empty());
    assert_eq!(named(KeySet::MAX_KEYS).unwrap().keys().len(), KeySet::MAX_KEYS);
    assert_eq!(named(KeySet::MAX_KEYS + 1).err(), Some(KeySetError::TooMany { found: KeySet::MAX_KEYS + 1 }));
}

#[test]
fn no_key_is_kept_that_could_never_be_tried() {
    let unnamed = |size: usize| vec![None; size];
    assert!(set(&unnamed(KeySet::MAX_TRIED)).is_ok());
    assert!(set(&[unnamed(KeySet::MAX_TRIED), vec![Some("a"); 9]].concat()).is_ok());
    assert_eq!(set(&unnamed(KeySet::MAX_TRIED + 1)).err(), Some(KeySetError::TooManyUnnamed { found: 17 }));

    let rsa = |algorithm| VerificationKey::from_pem(SPKI_PEM).unwrap().restricted_to(&[algorithm]).unwrap();
    let of = |algorithm| (0..KeySet::MAX_TRIED).map(move |_| rsa(algorithm));
    assert!(KeySet::new(of(Algorithm::Rs256).chain(of(Algorithm::Ps256)).collect()).is_ok());
}

#[test]
fn a_token_means_the_keys_of_its_name_and_those_without() {
    let set = set(&[None, Some("a"), Some("b"), None, Some("a")]).unwrap();
    assert_eq!(meant(&set, None), Some(vec![0, 1, 2, 3, 4]));
    assert_eq!(meant(&set, Some("a")), Some(vec![1, 4, 0, 3]));
    assert_eq!(meant(&set, Some("b")), Some(vec![2, 0, 3]));
    assert_eq!(meant(&set, Some("c")), Some(vec![0, 3]));
    assert_eq!(meant(&set, Some("A")), Some(vec![0, 3]));
}

#[test]
fn a_name_that_no_key_has_is_unknown() {
    let set = set(&[Some("a"), Some("b")]).unwrap();
    assert_eq!(meant(&set, Some("b")), Some(vec![1]));
    assert_eq!(meant(&set, Some("c")), None);
    assert_eq!(meant(&set, Some("")), None);
    assert_eq!(meant(&KeySet::default(), Some("a")), None);
    assert_eq!(meant(&KeySet::default(), None), Some(vec![]));
}

#[test]
fn a_set_holds_its_keys_and_no_others() {
    let set = set(&[None, Some("a"), Some("b")]).unwrap();
    for key in set.keys() {
        assert!(set.contains(key.identity()));
    }
    let other = VerificationKey::from_secret(&[0; 32]).unwrap();
    assert!(set.contains(other.identity()));
    assert!(!set.contains(other.with_id(id("a")).identity()));
    assert!(!set.contains(VerificationKey::from_secret(&[1; 32]).unwrap().identity()));
    assert!(!KeySet::default().contains(set.keys()[0].identity()));
}
