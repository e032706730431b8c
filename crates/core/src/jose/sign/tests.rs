//! Private keys and secrets: their formats, and the verification of their signatures by their public halves.

use serde::Deserialize;
use serde_json::json;

use super::{SigningError, SigningKey};
use crate::jose::algorithm::{Algorithm, KeyType};
use crate::jose::identity::KeyId;
use crate::jose::testing::{assert_good_messages, table};
use crate::jose::{KeySet, UnverifiedToken, VerificationKey};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    text: String,
    algorithm: Option<String>,
    /// The beginning of the expected error text, if the key is rejected.
    refused: Option<String>,
}

fn verifies(key: &SigningKey, token: &str) -> bool {
    let keys = KeySet::new(vec![key.verification_key().unwrap()]).unwrap();
    UnverifiedToken::parse(token).unwrap().verify(&keys, &[key.algorithm()]).is_ok()
}

#[test]
fn private_keys_are_read_in_the_forms_that_tools_write() {
    for row in table::<Row>("private.yaml") {
        match SigningKey::from_pem(&row.text) {
            Ok(key) => {
                assert_eq!(Some(key.algorithm().name()), row.algorithm.as_deref(), "{}", row.name);
                assert!(verifies(&key, &key.sign(&[]).unwrap()), "{}", row.name);
            }
            Err(error) => {
                let refused = row.refused.unwrap_or_else(|| panic!("{}: {error}", row.name));
                assert!(error.to_string().starts_with(&refused), "{}: {error}", row.name);
            }
        }
    }
}

#[test]
fn a_key_of_each_algorithm_is_made_written_and_read_again() {
    for algorithm in Algorithm::ALL {
        let key = SigningKey::generate(*algorithm).unwrap();
        let text = key.private_text().unwrap();
        let again = match algorithm.key_type() {
            KeyType::Hmac => SigningKey::from_secret(text.expose_secret()),
            KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => {
                SigningKey::from_pem(text.expose_secret())
            }
        };
        let again = again.unwrap().with_algorithm(*algorithm).unwrap();
        let token = again.sign(&[("iss".to_owned(), json!("bifrost"))]).unwrap();
        assert!(verifies(&key, &token), "{}", algorithm.name());
        assert!(!verifies(&SigningKey::generate(*algorithm).unwrap(), &token), "{}", algorithm.name());
        match key.public_pem() {
            Ok(pem) => assert_eq!(VerificationKey::from_pem(&pem).unwrap().key_type(), algorithm.key_type()),
            Err(error) => assert_eq!((error, algorithm.key_type()), (SigningError::NoPublicHalf, KeyType::Hmac)),
        }
    }
}

#[test]
fn a_key_signs_with_the_algorithms_of_its_family_only() {
    for (algorithm, other) in
        Algorithm::ALL.iter().flat_map(|one| Algorithm::ALL.iter().map(move |other| (*one, *other)))
    {
        // RSA keys take long to generate, and one of them represents all.
        if algorithm.key_type() == KeyType::Rsa && algorithm != Algorithm::Rs256 {
            continue;
        }
        let key_type = algorithm.key_type();
        let result = SigningKey::generate(algorithm).unwrap().with_algorithm(other).map(|key| key.algorithm());
        match (key_type == other.key_type(), algorithm, other) {
            (false, ..) => assert_eq!(result, Err(SigningError::OtherKeyType { key_type, algorithm: other })),
            // A secret that was made for HS256 is 43 characters long.
            (true, Algorithm::Hs256, Algorithm::Hs384) => {
                assert_eq!(result, Err(SigningError::SecretTooShort { bytes: 43, needed: 48 }));
            }
            (true, Algorithm::Hs256, Algorithm::Hs512) => {
                assert_eq!(result, Err(SigningError::SecretTooShort { bytes: 43, needed: 64 }));
            }
            (true, ..) => assert_eq!(result, Ok(other)),
        }
    }
    let short = SigningKey::from_secret(&"s".repeat(31)).err();
    assert_eq!(short, Some(SigningError::SecretTooShort { bytes: 31, needed: 32 }));
}

#[test]
fn the_header_names_the_algorithm_and_the_key() {
    let header = |key: &SigningKey| {
        let token = key.sign(&[]).unwrap();
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        String::from_utf8(base64::Engine::decode(&engine, token.split('.').next().unwrap()).unwrap()).unwrap()
    };
    let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
    assert_eq!(header(&key), r#"{"typ":"JWT","alg":"EdDSA"}"#);
    let key = key.with_id(KeyId::new("a\"b").unwrap());
    assert_eq!(header(&key), r#"{"typ":"JWT","alg":"EdDSA","kid":"a\"b"}"#);
    assert_eq!(key.verification_key().unwrap().id().map(KeyId::as_str), Some("a\"b"));
}

#[test]
fn debug_shows_nothing() {
    let key = SigningKey::generate(Algorithm::Hs256).unwrap();
    assert_eq!(format!("{key:?} {:?}", key.private_text().unwrap()), "SigningKey(…) SecretString(…)");
}

#[test]
fn messages_are_unique_lowercase_sentences() {
    assert_good_messages(&[
        SigningError::NotAPrivateKey,
        SigningError::PublicHalf,
        SigningError::Encrypted,
        SigningError::RsaLength,
        SigningError::SecretTooShort { bytes: 31, needed: 32 },
        SigningError::OtherKeyType { key_type: KeyType::Rsa, algorithm: Algorithm::Es256 },
        SigningError::NoPublicHalf,
        SigningError::Library,
    ]);
}
