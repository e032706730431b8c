//! One table for all algorithms: the keys that verify their tokens. No other key, no other algorithm and no changed signature passes. Also
//! the keys of a set that are tried.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm,
};
use jsonwebtoken::signature::Signer as _;

use super::CLAIMS;
use crate::jose::algorithm::{Algorithm, KeyType};
use crate::jose::error::TokenError;
use crate::jose::identity::KeyId;
use crate::jose::jwks::KeySet;
use crate::jose::key::VerificationKey;
use crate::jose::testing::{ISSUER, STRANGER, Signer, encode};
use crate::jose::verify::{UnverifiedToken, VerifiedToken};

/// The issuer's key and a stranger's for each algorithm, in the order of [`Algorithm::ALL`].
static SIGNERS: LazyLock<Vec<(Signer, Signer)>> = LazyLock::new(|| {
    let signer = |shared: &Signer, algorithm: Algorithm| match algorithm.key_type() {
        KeyType::Rsa => shared.with(algorithm),
        KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 | KeyType::Hmac => Signer::new(algorithm),
    };
    Algorithm::ALL.iter().map(|algorithm| (signer(&ISSUER, *algorithm), signer(&STRANGER, *algorithm))).collect()
});

fn each() -> impl Iterator<Item = (Algorithm, &'static Signer, &'static Signer)> {
    assert_eq!(SIGNERS.len(), Algorithm::ALL.len());
    Algorithm::ALL.iter().zip(SIGNERS.iter()).map(|(algorithm, (issuer, stranger))| (*algorithm, issuer, stranger))
}

/// Verifies with every algorithm allowed, so that only the key can reject.
fn verify(keys: &KeySet, token: &str) -> Result<VerifiedToken, TokenError> {
    UnverifiedToken::parse(token)?.verify(keys, Algorithm::ALL)
}

/// Returns a set of this key, for every algorithm of its key type.
fn unrestricted(signer: &Signer) -> KeySet {
    let text = signer.key().private_text().unwrap();
    let key = match signer.key().algorithm().key_type() {
        KeyType::Hmac => VerificationKey::from_secret(text.expose_secret().as_bytes()),
        KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => {
            VerificationKey::from_pem(&signer.public_pem())
        }
    };
    KeySet::new(vec![key.unwrap()]).unwrap()
}

#[test]
fn the_issuers_key_verifies_and_a_strangers_does_not() {
    for (algorithm, issuer, stranger) in each() {
        let (name, token) = (algorithm.name(), issuer.sign(issuer.header(), CLAIMS));
        for keys in [issuer.key_set(), unrestricted(issuer)] {
            let verified = verify(&keys, &token).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(verified.header().algorithm(), algorithm);
            assert_eq!(verified.key(), keys.keys()[0].identity(), "{name}");
            assert!(keys.contains(verified.key()), "{name}");
        }
        assert_eq!(verify(&stranger.key_set(), &token).err(), Some(TokenError::SignatureMismatch), "{name}");
    }
}

#[test]
fn a_key_of_another_family_is_not_tried() {
    for (algorithm, issuer, _) in each() {
        let token = issuer.sign(issuer.header(), CLAIMS);
        for (other, signer, _) in each().filter(|(other, ..)| other.key_type() != algorithm.key_type()) {
            let error = verify(&unrestricted(signer), &token).err();
            assert_eq!(error, Some(TokenError::KeyUnfit), "{} with a key for {}", algorithm.name(), other.name());
        }
    }
}

#[test]
fn a_signature_of_one_algorithm_is_none_of_another() {
    for (algorithm, issuer, _) in each() {
        for (other, signer, _) in each().filter(|(other, ..)| *other != algorithm) {
            // Labelled `algorithm`, signed with `other`, by a key of the key type that takes it.
            let what = format!("{} said to be {}", other.name(), algorithm.name());
            let token = signer.sign(issuer.header(), CLAIMS);
            for keys in [issuer.key_set(), unrestricted(issuer)] {
                let error = verify(&keys, &token).err();
                let expected = [Some(TokenError::SignatureMismatch), Some(TokenError::SignatureLength)];
                assert!(expected.contains(&error), "{what}: {error:?}");
            }
            // Labelled correctly, by a key that is for `algorithm` only.
            if algorithm.key_type() == other.key_type() && algorithm.key_type() != KeyType::Hmac {
                let token = signer.sign(signer.header(), CLAIMS);
                assert_eq!(verify(&issuer.key_set(), &token).err(), Some(TokenError::KeyUnfit), "{what}");
            }
        }
    }
}

#[test]
fn a_changed_signature_is_refused() {
    for (algorithm, issuer, _) in each() {
        let (name, keys) = (algorithm.name(), issuer.key_set());
        let message = format!("{}.{}", encode(issuer.header()), encode(CLAIMS));
        let good = issuer.key().try_sign(message.as_bytes()).unwrap();
        let with = |signature: &[u8]| verify(&keys, &format!("{message}.{}", encode(signature))).map(|_| ());
        assert_eq!(with(&good), Ok(()), "{name}");
        let doubled = [good.as_slice(), good.as_slice()].concat();
        let longer = [&good[..], &[0]].concat();
        let shifted = [&[0], &good[..]].concat();
        for other in [&good[..good.len() - 1], &good[1..], &good[..good.len() / 2], &longer, &shifted, &doubled, &[0]] {
            assert_eq!(with(other), Err(TokenError::SignatureLength), "{name}, {} bytes", other.len());
        }
        let halves = [&good[good.len() / 2..], &good[..good.len() / 2]].concat();
        for other in [vec![0; good.len()], vec![0xff; good.len()], vec![1; good.len()], halves] {
            assert_eq!(with(&other), Err(TokenError::SignatureMismatch), "{name}");
        }
    }
}

/// RFC 9864 §2.2 gives Ed25519 a name of its own; a token of either name needs the one algorithm to be allowed.
#[test]
fn ed25519_tokens_have_either_name() {
    let signer = Signer::new(Algorithm::EdDsa);
    for name in ["EdDSA", "Ed25519"] {
        let token = signer.sign(format!(r#"{{"alg":"{name}"}}"#), CLAIMS);
        let verified = verify(&signer.key_set(), &token).unwrap();
        assert_eq!(verified.header().algorithm(), Algorithm::EdDsa, "{name}");
        let others = UnverifiedToken::parse(&token).unwrap().verify(&signer.key_set(), &[Algorithm::Rs256]);
        assert_eq!(others.err(), Some(TokenError::AlgorithmNotAllowed), "{name}");
    }
    let token = signer.sign(r#"{"alg":"Ed448"}"#, CLAIMS);
    assert_eq!(verify(&signer.key_set(), &token).err(), Some(TokenError::AlgorithmUnknown));
}

#[test]
fn a_token_with_alg_none_is_rejected() {
    for (algorithm, issuer, _) in each() {
        let signed = issuer.sign(issuer.header(), CLAIMS);
        let signature = signed.rsplit('.').next().unwrap();
        for none in ["none", "None", "NONE", "nOnE"] {
            let header = format!(r#"{{"alg":"{none}"}}"#);
            let message = format!("{}.{}", encode(&header), encode(CLAIMS));
            for token in [issuer.sign(&header, CLAIMS), format!("{message}.{signature}"), format!("{message}.AA")] {
                let error = verify(&issuer.key_set(), &token).err();
                assert_eq!(error, Some(TokenError::AlgorithmUnknown), "{}", algorithm.name());
            }
            assert!(verify(&issuer.key_set(), &format!("{message}.")).is_err());
        }
    }
}

#[test]
fn a_public_key_is_no_secret_whatever_its_family() {
    for (algorithm, issuer, _) in each().filter(|(algorithm, ..)| algorithm.key_type() != KeyType::Hmac) {
        let (name, pem, bytes) = (algorithm.name(), issuer.public_pem(), issuer.public_bytes());
        let message = format!("{}.{}", encode(r#"{"alg":"HS256"}"#), encode(CLAIMS));
        for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), &bytes] {
            let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
            let token = format!("{message}.{}", encode(aws_lc_rs::hmac::sign(&key, message.as_bytes())));
            assert_eq!(verify(&unrestricted(issuer), &token).err(), Some(TokenError::KeyUnfit), "{name}");
        }
        assert!(VerificationKey::from_secret(pem.as_bytes()).is_err(), "{name}");
    }
}

#[test]
fn signatures_of_ecdsa_are_not_der() {
    let asn1 = |family| -> Option<&'static EcdsaSigningAlgorithm> {
        match family {
            KeyType::P256 => Some(&ECDSA_P256_SHA256_ASN1_SIGNING),
            KeyType::P384 => Some(&ECDSA_P384_SHA384_ASN1_SIGNING),
            KeyType::P521 => Some(&ECDSA_P521_SHA512_ASN1_SIGNING),
            KeyType::Rsa | KeyType::Ed25519 | KeyType::Hmac => None,
        }
    };
    let mut tried = 0;
    for (algorithm, issuer, _) in each() {
        let Some(asn1) = asn1(algorithm.key_type()) else { continue };
        let pem = pem::parse(issuer.key().private_text().unwrap().expose_secret()).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(asn1, pem.contents()).unwrap();
        let message = format!("{}.{}", encode(issuer.header()), encode(CLAIMS));
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes()).unwrap();
        let error = verify(&issuer.key_set(), &format!("{message}.{}", encode(signature))).err();
        assert_eq!(error, Some(TokenError::SignatureLength), "{}", algorithm.name());
        tried += 1;
    }
    assert_eq!(tried, 3);
}

#[test]
fn no_flipped_bit_of_a_token_verifies() {
    for (algorithm, issuer, _) in each() {
        let (token, keys) = (issuer.sign(issuer.header(), r#"{"iss":"bifrost"}"#), unrestricted(issuer));
        assert!(verify(&keys, &token).is_ok());
        for (byte, bit) in (0..token.len()).flat_map(|byte| (0..8).map(move |bit| (byte, bit))) {
            if let Some(changed) = super::flipped(&token, byte, bit) {
                assert!(verify(&keys, &changed).is_err(), "{}, byte {byte}, bit {bit}", algorithm.name());
            }
        }
    }
}

/// Returns secrets of one name or none, each of its own byte.
fn secrets(names: impl IntoIterator<Item = Option<&'static str>>) -> KeySet {
    let keys = names.into_iter().zip(b'A'..).map(|(name, byte)| {
        let key = VerificationKey::from_secret(&[byte; 32]).unwrap();
        match name {
            Some(name) => key.with_id(KeyId::new(name).unwrap()),
            None => key,
        }
    });
    KeySet::new(keys.collect()).unwrap()
}

/// Signs a token with the secret at that position, with this `kid`.
fn token_of(position: u8, kid: Option<&str>) -> String {
    let secret = String::from_utf8(vec![b'A'.checked_add(position).unwrap(); 32]).unwrap();
    let key = crate::jose::SigningKey::from_secret(&secret).unwrap();
    let key = kid.map(|kid| KeyId::new(kid).unwrap()).into_iter().fold(key, crate::jose::SigningKey::with_id);
    key.sign(&[("iss".to_owned(), "bifrost".into())]).unwrap()
}

#[test]
fn sixteen_keys_are_tried_and_not_one_more() {
    let keys = secrets([Some("a"); 40]);
    for kid in [None, Some("a")] {
        for (position, expected) in [(0, None), (15, None), (16, Some(TokenError::KeysUntried))] {
            assert_eq!(verify(&keys, &token_of(position, kid)).err(), expected, "{position} {kid:?}");
        }
    }
}

#[test]
fn a_key_of_the_tokens_name_comes_before_those_without() {
    let keys = secrets([None; 16].into_iter().chain([Some("a")]));
    assert!(verify(&keys, &token_of(16, Some("a"))).is_ok());
    assert!(verify(&keys, &token_of(14, Some("a"))).is_ok());
    assert!(verify(&keys, &token_of(3, Some("nobody"))).is_ok());
    assert_eq!(verify(&keys, &token_of(16, None)).err(), Some(TokenError::KeysUntried));
}

#[test]
fn both_keys_of_one_name_are_tried_and_no_key_of_another() {
    let keys = secrets([Some("a"), Some("b"), Some("a")]);
    for (position, kid, expected) in [
        (0, "a", None),
        (2, "a", None),
        (1, "a", Some(TokenError::SignatureMismatch)),
        (1, "b", None),
        (0, "b", Some(TokenError::SignatureMismatch)),
        (0, "c", Some(TokenError::KeyUnknown)),
    ] {
        assert_eq!(verify(&keys, &token_of(position, Some(kid))).err(), expected, "{position} {kid}");
    }
}

#[test]
fn keys_that_cannot_serve_do_not_count_as_tried() {
    let mut keys = (0..16_u8).map(|byte| VerificationKey::from_secret(&[byte; 32]).unwrap()).collect::<Vec<_>>();
    keys.push(ISSUER.key().verification_key().unwrap());
    let keys = KeySet::new(keys).unwrap();
    assert!(verify(&keys, &ISSUER.sign(ISSUER.header(), CLAIMS)).is_ok());
}

#[test]
fn the_allow_list_comes_before_the_keys() {
    let token = token_of(0, Some("nobody"));
    let error = |allowed: &[Algorithm]| {
        UnverifiedToken::parse(&token).unwrap().verify(&secrets([Some("a")]), allowed).unwrap_err()
    };
    assert_eq!(error(&[Algorithm::Rs256, Algorithm::Hs512]), TokenError::AlgorithmNotAllowed);
    assert_eq!(error(&[Algorithm::Hs256]), TokenError::KeyUnknown);
}
