//! Single JWKs: accepted ones, and the errors for the others.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{JwkError, SafeToken, VerificationKey};
use crate::jose::algorithm::{Algorithm, KeyType};
use crate::jose::identity::KeyId;
use crate::jose::testing::{assert_good_messages, table};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    base: Option<Base>,
    #[serde(default)]
    jwk: Map<String, Value>,
    #[serde(default)]
    without: Vec<String>,
    long_kid: Option<usize>,
    says: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Base {
    Rsa,
    Ec,
    Okp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    source: String,
    key: Map<String, Value>,
    thumbprint: String,
}

/// Returns valid keys: those of RFC 7638 §3.1, RFC 7515 appendix A.3 and RFC 8037 appendix A.2.
fn good(base: &Base) -> Map<String, Value> {
    let vectors = table::<Named>("thumbprints.yaml");
    let of = |source: &str| vectors.iter().find(|row| row.source.contains(source)).unwrap().key.clone();
    match base {
        Base::Rsa => of("RFC 7638"),
        Base::Okp => of("RFC 8037"),
        Base::Ec => object(json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        })),
    }
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("a JWK is an object") };
    object
}

fn with(base: &Base, member: &str, value: Value) -> Result<VerificationKey, JwkError> {
    let mut jwk = good(base);
    jwk.insert(member.to_owned(), value);
    VerificationKey::from_jwk(&jwk)
}

#[test]
fn odd_keys_are_refused_with_these_words() {
    let mut names = HashSet::new();
    for row in table::<Row>("jwk.yaml") {
        assert!(names.insert(row.name.clone()), "two rows are called `{}`", row.name);
        let mut jwk = row.base.as_ref().map(good).unwrap_or_default();
        jwk.extend(row.jwk);
        if let Some(length) = row.long_kid {
            jwk.insert("kid".to_owned(), "k".repeat(length).into());
        }
        for member in row.without {
            assert!(jwk.remove(&member).is_some(), "{}: there is no {member} to take away", row.name);
        }
        let error = VerificationKey::from_jwk(&jwk).err().unwrap_or_else(|| panic!("{}: was taken", row.name));
        assert_eq!(error.to_string(), row.says, "{}", row.name);
    }
}

#[test]
fn thumbprints_are_those_of_the_standards() {
    for Named { source, key, thumbprint } in table("thumbprints.yaml") {
        let key = VerificationKey::from_jwk(&key).unwrap();
        assert_eq!(key.thumbprint().map(|print| print.to_string()), Some(thumbprint), "{source}");
    }
}

#[test]
fn a_key_is_read_with_its_name_and_its_algorithm() {
    let key = VerificationKey::from_jwk(&good(&Base::Rsa)).unwrap();
    assert_eq!((key.key_type(), key.bits(), key.id()), (KeyType::Rsa, 2048, KeyId::new("2011-04-29").as_ref()));
    let served: Vec<_> = Algorithm::ALL.iter().filter(|algorithm| key.supports(**algorithm)).collect();
    assert_eq!(served, [&Algorithm::Rs256]);

    let key = VerificationKey::from_jwk(&good(&Base::Okp)).unwrap();
    assert_eq!((key.key_type(), key.bits(), key.id()), (KeyType::Ed25519, 256, None));
    let key = VerificationKey::from_jwk(&good(&Base::Ec)).unwrap();
    assert_eq!((key.key_type(), key.bits(), key.id()), (KeyType::P256, 256, None));
}

#[test]
fn members_that_bring_a_certificate_along_change_nothing() {
    let plain = VerificationKey::from_jwk(&good(&Base::Ec)).unwrap().identity();
    for name in ["x5u", "x5c", "x5t", "x5t#S256", "ext", "exp", "unknown"] {
        for value in [json!("https://evil.example/key"), json!(["MIIB"]), json!(null), json!(1)] {
            assert_eq!(with(&Base::Ec, name, value).map(|key| key.identity()), Ok(plain), "{name}");
        }
    }
}

#[test]
fn a_key_for_signatures_is_taken_however_it_says_so() {
    for (member, value) in [
        ("use", json!("sig")),
        ("key_ops", json!(["verify"])),
        ("key_ops", json!(["sign", "verify"])),
        ("alg", json!("ES256")),
        // Some libraries write what a key does not have.
        ("use", json!(null)),
        ("use", json!("")),
        ("key_ops", json!(null)),
        ("key_ops", json!([])),
        ("alg", json!(null)),
        ("alg", json!("")),
        ("kid", json!(null)),
        ("kid", json!("")),
        ("kid", json!("k".repeat(256))),
    ] {
        assert!(with(&Base::Ec, member, value.clone()).is_ok(), "{member} {value}");
    }
}

/// A private member that is `null` or empty is none, and no reason to replace a key.
#[test]
fn a_private_member_that_is_null_or_empty_raises_no_alarm() {
    let plain = VerificationKey::from_jwk(&good(&Base::Rsa)).unwrap().identity();
    for name in super::PRIVATE {
        for value in [json!(null), json!(""), json!([]), json!({})] {
            assert_eq!(with(&Base::Rsa, name, value).map(|key| key.identity()), Ok(plain), "{name}");
        }
        for value in [json!("AQAB"), json!(["AQAB"]), json!(1), json!(false)] {
            assert_eq!(with(&Base::Rsa, name, value).err(), Some(JwkError::Private(name)), "{name}");
        }
    }
}

/// Some libraries write a number as a signed one: a zero byte comes first if the highest bit is set.
#[test]
fn a_leading_zero_byte_in_a_number_is_read_as_without() {
    let plain = VerificationKey::from_jwk(&good(&Base::Rsa)).unwrap();
    let n = good(&Base::Rsa)["n"].as_str().unwrap().to_owned();
    let bytes = [vec![0, 0], URL_SAFE_NO_PAD.decode(n).unwrap()].concat();
    for (member, value) in
        [("n", URL_SAFE_NO_PAD.encode(&bytes[1..])), ("n", URL_SAFE_NO_PAD.encode(&bytes)), ("e", "AAEAAQ".to_owned())]
    {
        let key = with(&Base::Rsa, member, json!(value)).unwrap();
        assert_eq!((key.identity(), key.thumbprint()), (plain.identity(), plain.thumbprint()), "{member}");
    }
}

#[test]
fn messages_are_unique_lowercase_sentences() {
    assert_good_messages(&[
        JwkError::NotAnObject,
        JwkError::Private("d"),
        JwkError::Symmetric,
        JwkError::Missing("kty"),
        JwkError::NotText("kty"),
        JwkError::Encoding("n"),
        JwkError::Zero("n"),
        JwkError::CoordinateLength { member: "x", bytes: 31, needed: 32 },
        JwkError::UnknownType(SafeToken::new("AKP")),
        JwkError::UnknownCurve(SafeToken::new("P-521")),
        JwkError::OtherUse(SafeToken::new("enc")),
        JwkError::OperationsMistyped,
        JwkError::OtherOperations,
        JwkError::UnknownAlgorithm(SafeToken::new("RSA-OAEP")),
        JwkError::AlgorithmMisfit { algorithm: Algorithm::Es256, key_type: KeyType::Rsa },
        JwkError::KeyIdTooLong,
    ]);
}
