//! Accepted keys, their uses and their identities.

use std::collections::HashSet;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use pem::Pem;
use pkcs1::{RsaPublicKey, UintRef};
use serde::Deserialize;
use spki::der::Encode as _;

use super::{Algorithm, KeyError, KeyId, VerificationKey};
use crate::jose::testing::{PKCS1_PEM, SPKI_PEM, table};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    text: String,
    #[serde(rename = "type")]
    family: Option<String>,
    bits: Option<usize>,
    #[serde(default)]
    serves: Vec<String>,
    fingerprint: Option<String>,
    thumbprint: Option<String>,
    refused: Option<String>,
}

#[test]
fn keys_from_pem_are_what_the_table_says() {
    let mut names = HashSet::new();
    for row in table::<Row>("pem.yaml") {
        assert!(names.insert(row.name.clone()), "two rows are called `{}`", row.name);
        match (VerificationKey::from_pem(&row.text), row.refused) {
            (Ok(key), None) => {
                assert_eq!(Some(key.key_type().name()), row.family.as_deref(), "{}", row.name);
                assert_eq!(Some(key.bits()), row.bits, "{}", row.name);
                assert_eq!(Some(key.fingerprint().to_string()), row.fingerprint, "{}", row.name);
                assert_eq!(key.thumbprint().map(|print| print.to_string()), row.thumbprint, "{}", row.name);
                assert_eq!(served(&key), row.serves, "{}", row.name);
                assert_eq!(key.id(), None, "{}", row.name);
            }
            (Err(error), Some(expected)) => assert_eq!(error.to_string(), expected, "{}", row.name),
            (Ok(_), Some(_)) => panic!("{}: was taken", row.name),
            (Err(error), None) => panic!("{}: was refused: {error}", row.name),
        }
    }
}

fn served(key: &VerificationKey) -> Vec<&'static str> {
    Algorithm::ALL.iter().filter(|algorithm| key.supports(**algorithm)).map(|algorithm| algorithm.name()).collect()
}

/// Returns the error for an RSA key with this modulus and exponent, big-endian.
fn error(modulus: &[u8], exponent: &[u8]) -> Option<KeyError> {
    let (modulus, public_exponent) = (UintRef::new(modulus).unwrap(), UintRef::new(exponent).unwrap());
    let der = RsaPublicKey { modulus, public_exponent }.to_der().unwrap();
    VerificationKey::from_pem(&pem::encode(&Pem::new("RSA PUBLIC KEY", der))).err()
}

/// Returns an odd modulus of that many bits: not a product of two known primes, but a number of the right form.
fn modulus(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0xff; bits.div_ceil(8)];
    bytes[0] = match bits % 8 {
        0 => 0xff,
        1 => 0x01,
        7 => 0x7f,
        few => panic!("{few} bits in the first byte"),
    };
    bytes
}

#[test]
fn the_modulus_has_2048_to_8192_bits() {
    const E: &[u8] = &[1, 0, 1];
    assert_eq!(error(&modulus(1024), E), Some(KeyError::TooShort { bits: 1024 }));
    assert_eq!(error(&modulus(2047), E), Some(KeyError::TooShort { bits: 2047 }));
    for good in [2048, 2049, 3072, 4095, 4096, 8192] {
        assert_eq!(error(&modulus(good), E), None, "{good}");
    }
    assert_eq!(error(&modulus(8193), E), Some(KeyError::TooLong { bits: 8193 }));
    assert_eq!(error(&modulus(16384), E), Some(KeyError::TooLong { bits: 16384 }));
    assert_eq!(error(&[0], E), Some(KeyError::TooShort { bits: 0 }));

    let mut even = modulus(2048);
    even[255] = 0xfe;
    assert_eq!(error(&even, E), Some(KeyError::Rejected));
}

#[test]
fn the_exponent_is_odd_and_from_3_to_33_bits() {
    let exponent = |e: &[u8]| error(&modulus(2048), e);
    for unsafe_one in [&[0][..], &[1], &[2], &[4], &[1, 0, 0], &[1, 0, 0, 0, 0]] {
        assert_eq!(exponent(unsafe_one), Some(KeyError::ExponentUnsafe), "{unsafe_one:?}");
    }
    for good in [&[3][..], &[17], &[1, 0, 1], &[0xff; 4], &[1, 0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(exponent(good), None, "{good:?}");
    }
    assert_eq!(exponent(&[2, 0, 0, 0, 1]), Some(KeyError::ExponentTooLong { bits: 34 }));
    assert_eq!(exponent(&modulus(2048)), Some(KeyError::ExponentTooLong { bits: 2048 }));
}

#[test]
fn content_that_is_not_what_the_label_says_is_refused() {
    let message = |text: &str| VerificationKey::from_pem(text).unwrap_err().to_string();
    let not_der = "the PEM block's content is not the DER structure that its label names";
    let labels = ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"];
    let certificate = table::<Row>("pem.yaml").into_iter().find(|row| row.text.contains("CERTIFICATE")).unwrap();
    for (from, text) in labels.into_iter().zip([SPKI_PEM, PKCS1_PEM, &certificate.text]) {
        for to in labels.into_iter().filter(|to| *to != from) {
            assert_eq!(message(&text.replace(from, to)), not_der, "{from} as {to}");
        }
        let mut block = pem::parse(text).unwrap().into_contents();
        block.push(0);
        assert_eq!(message(&pem::encode(&Pem::new(from, block.clone()))), not_der, "{from}, a byte too many");
        block.truncate(block.len() - 2);
        assert_eq!(message(&pem::encode(&Pem::new(from, block))), not_der, "{from}, a byte too few");
        assert_eq!(message(&pem::encode(&Pem::new(from, ""))), not_der, "{from}, empty");
    }
}

/// Shows why keys of small order are rejected: with the neutral element as the key, one signature fits every message.
#[test]
fn the_library_takes_a_made_up_signature_of_a_key_of_small_order() {
    let neutral = |size: usize| -> Vec<u8> { (0..size).map(|at| u8::from(at == 0)).collect() };
    let key = UnparsedPublicKey::new(&ED25519, neutral(32));
    assert!(key.verify(b"anything", &neutral(64)).is_ok());
    assert!(key.verify(b"anything else", &neutral(64)).is_ok());
}

#[test]
fn a_secret_serves_the_hashes_that_are_not_longer() {
    let served = |bytes: usize| VerificationKey::from_secret(&vec![7; bytes]).map(|key| (served(&key), key.bits()));
    assert_eq!(served(0), Err(KeyError::SecretTooShort { bytes: 0 }));
    assert_eq!(served(31), Err(KeyError::SecretTooShort { bytes: 31 }));
    assert_eq!(served(32), Ok((vec!["HS256"], 256)));
    assert_eq!(served(47), Ok((vec!["HS256"], 376)));
    assert_eq!(served(48), Ok((vec!["HS256", "HS384"], 384)));
    assert_eq!(served(63), Ok((vec!["HS256", "HS384"], 504)));
    assert_eq!(served(64), Ok((vec!["HS256", "HS384", "HS512"], 512)));
    assert_eq!(served(1000), Ok((vec!["HS256", "HS384", "HS512"], 8000)));
}

#[test]
fn a_public_text_is_no_secret() {
    for text in [SPKI_PEM.to_owned(), PKCS1_PEM.to_owned(), format!("  {SPKI_PEM}"), SPKI_PEM.replace('\n', "\\n")] {
        assert_eq!(VerificationKey::from_secret(text.as_bytes()).err(), Some(KeyError::SecretIsPem));
    }
}

/// A public key that someone took for a secret would let everyone sign.
#[test]
fn a_public_key_in_any_form_is_no_secret() {
    let base64 = |pem: &str| pem.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect::<Vec<_>>();
    let certificate = table::<Row>("pem.yaml").into_iter().find(|row| row.text.contains("CERTIFICATE")).unwrap().text;
    for pem in [SPKI_PEM, PKCS1_PEM, &certificate] {
        let der = pem::parse(pem).unwrap().into_contents();
        for text in [der, base64(pem).concat().into_bytes(), base64(pem).join("\n").into_bytes()] {
            assert_eq!(VerificationKey::from_secret(&text).err(), Some(KeyError::SecretIsPublic), "{text:?}");
        }
    }
    for text in
        [r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ"}"#, r#" {"keys": [], "and": "more than 32 bytes"}"#]
    {
        assert_eq!(VerificationKey::from_secret(text.as_bytes()).err(), Some(KeyError::SecretIsJwk), "{text}");
    }
    // Neither the base64 of something else nor JSON of something else is a key.
    for text in ["MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA", r#"{"secret": "of more than 32 bytes in all"}"#] {
        assert!(VerificationKey::from_secret(text.as_bytes()).is_ok(), "{text}");
    }
}

#[test]
fn a_secret_that_is_too_short_for_the_allowed_algorithm_says_so() {
    let error = VerificationKey::from_secret(&[7; 33])
        .unwrap()
        .restricted_to(&[Algorithm::Hs512, Algorithm::Rs256])
        .unwrap_err();
    assert_eq!(error.to_string(), "the secret has 33 bytes, and HS512 needs at least 64");
    let error = VerificationKey::from_secret(&[7; 33]).unwrap().restricted_to(&[Algorithm::Rs256]).unwrap_err();
    assert_eq!(error, KeyError::NotServing { key_type: super::KeyType::Hmac });
}

#[test]
fn nothing_shows_a_secret() {
    let key = VerificationKey::from_secret(b"correct-horse-battery-staple-and-more").unwrap();
    assert_eq!((key.fingerprint().to_string().as_str(), key.thumbprint()), ("secret of 296 bits", None));
    let shown = format!("{key:?}");
    assert_eq!(shown, "VerificationKey { key_type: Hmac, bits: 296, fingerprint: secret of 296 bits, .. }");
    assert_eq!(format!("{:?}", key.identity()), "KeyIdentity(…)");
}

#[test]
fn debug_shows_no_content() {
    let shown = format!("{:?}", VerificationKey::from_pem(SPKI_PEM).unwrap());
    assert_eq!(shown, "VerificationKey { key_type: Rsa, bits: 2048, fingerprint: 156f19ccc7f6f9de, .. }");
}

#[test]
fn a_key_is_restricted_to_what_it_can() {
    let key = || VerificationKey::from_pem(SPKI_PEM).unwrap();
    let restricted = |algorithms: &[Algorithm]| key().restricted_to(algorithms).map(|key| served(&key));
    assert_eq!(restricted(Algorithm::ALL), Ok(served(&key())));
    assert_eq!(restricted(&[Algorithm::Es256, Algorithm::Ps512, Algorithm::Rs256]), Ok(vec!["RS256", "PS512"]));
    for none in [&[][..], &[Algorithm::Es256, Algorithm::Hs256]] {
        let error = restricted(none).unwrap_err();
        let expected = "the key is of type RSA, which no allowed algorithm uses; allow one of RS256, RS384, \
                        RS512, PS256, PS384, PS512";
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn identities_tell_apart_keys_names_and_algorithms() {
    let rsa = || VerificationKey::from_pem(SPKI_PEM).unwrap();
    let id = |text: &str| KeyId::new(text).unwrap();
    assert_eq!(rsa().identity(), VerificationKey::from_pem(PKCS1_PEM).unwrap().identity());
    assert_eq!(rsa().with_id(id("a")).with_id(id("b")).identity(), rsa().with_id(id("b")).identity());
    assert_eq!(rsa().restricted_to(Algorithm::ALL).unwrap().identity(), rsa().identity());

    let secret = |byte| VerificationKey::from_secret(&[byte; 32]).unwrap();
    let different = [
        rsa(),
        rsa().with_id(id("")),
        rsa().with_id(id("a")),
        rsa().with_id(id("RS256")),
        rsa().restricted_to(&[Algorithm::Rs256]).unwrap(),
        rsa().restricted_to(&[Algorithm::Ps256]).unwrap(),
        rsa().restricted_to(&[Algorithm::Ps256]).unwrap().with_id(id("a")),
        secret(1),
        secret(2),
        secret(2).with_id(id("a")),
        VerificationKey::from_secret(&[2; 33]).unwrap(),
    ];
    let identities: HashSet<_> = different.iter().map(VerificationKey::identity).collect();
    assert_eq!(identities.len(), different.len());
}
