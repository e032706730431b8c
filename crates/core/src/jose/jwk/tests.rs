//! Single JWKs: accepted ones, and the errors for the others.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{JwkError, SafeToken, VerificationKey};
use crate::jose::algorithm::{Algorithm, KeyType};
use crate::jose::identity::KeyId;
use crate::jose::json::JsonError;
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
    P521,
    Okp,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    source: String,
    key: Map<String, Value>,
    thumbprint: String,
}

/// Returns valid keys: those of RFC 7638 §3.1, RFC 7515 appendix A.3, RFC 7520 §3.1 and RFC 8037 appendix A.2.
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
        Base::P521 => object(json!({
            "kty": "EC",
            "kid": "bilbo.baggins@hobbiton.example",
            "use": "sig",
            "crv": "P-521",
            "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
            "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1",
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
    let key = with(&Base::P521, "alg", json!("ES512")).unwrap();
    let id = KeyId::new("bilbo.baggins@hobbiton.example");
    assert_eq!((key.key_type(), key.bits(), key.id()), (KeyType::P521, 521, id.as_ref()));
}

#[test]
fn an_ed25519_key_is_the_same_under_both_names_of_its_algorithm() {
    let keys = ["EdDSA", "Ed25519"].map(|name| with(&Base::Okp, "alg", json!(name)).unwrap());
    assert!(keys.iter().all(|key| key.supports(Algorithm::EdDsa)));
    assert_eq!(keys[0].identity(), keys[1].identity());
}

/// The secret of RFC 7515 appendix A.1, 64 bytes.
const SECRET: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

#[test]
fn one_jwk_of_the_operator_may_be_a_secret() {
    let own = |jwk: Value| VerificationKey::from_own_jwk(&jwk.to_string());
    let served = |jwk: Value| {
        let key = own(jwk).unwrap();
        Algorithm::ALL.iter().filter(|one| key.supports(**one)).map(|one| one.name()).collect::<Vec<_>>()
    };
    assert_eq!(served(json!({"kty": "oct", "k": SECRET})), ["HS256", "HS384", "HS512"]);
    assert_eq!(served(json!({"kty": "oct", "k": SECRET, "alg": "HS384", "use": "sig"})), ["HS384"]);
    assert_eq!(served(json!({"kty": "oct", "k": SECRET, "key_ops": ["sign", "verify"]})).len(), 3);
    assert_eq!(served(json!(good(&Base::Rsa))), ["RS256"]);
    let key = own(json!({"kty": "oct", "k": SECRET, "kid": "shared"})).unwrap();
    assert_eq!((key.key_type(), key.bits(), key.id()), (KeyType::Hmac, 512, KeyId::new("shared").as_ref()));
    assert_eq!(VerificationKey::from_own_jwk(&format!(" {}\n", json!(good(&Base::Ec)))).unwrap().bits(), 256);

    let der = {
        let pem = pem::parse(crate::jose::testing::SPKI_PEM).unwrap();
        URL_SAFE_NO_PAD.encode(pem.contents())
    };
    let private = "the key has the PRIVATE member `d`, so every reader can sign tokens; replace the key, and publish its public half only";
    for (jwk, message) in [
        (json!({"kty": "oct"}), "the key has no `k`"),
        (json!({"kty": "oct", "k": 1}), "the key's `k` is not a string"),
        (json!({"kty": "oct", "k": format!("{SECRET}==")}), "the key's `k` is not canonical base64url without padding"),
        (json!({"kty": "oct", "k": "c2hvcnQ"}), "the secret has 5 bytes; use at least 32 random ones"),
        (
            json!({"kty": "oct", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T", "alg": "HS512"}),
            "the secret has 33 bytes, and HS512 needs at least 64",
        ),
        (
            json!({"kty": "oct", "k": SECRET, "alg": "RS256"}),
            "the key's `alg` is RS256, which a key of type HMAC does not support",
        ),
        (
            json!({"kty": "oct", "k": SECRET, "alg": "A256KW"}),
            "the key's `alg` is `A256KW`, which is not a supported signature algorithm",
        ),
        (json!({"kty": "oct", "k": SECRET, "use": "enc"}), "the key's `use` is `enc`; use `sig`"),
        (json!({"kty": "oct", "k": SECRET, "key_ops": ["sign"]}), "the key's `key_ops` does not list `verify`"),
        (
            json!({"kty": "oct", "k": der}),
            "the secret is a public key or a certificate; use `pem`, or random bytes that only signer and verifier know",
        ),
        (json!({"keys": [{"kty": "oct", "k": SECRET}]}), "the text is a JWKS; use `jwks` instead of `jwk`"),
        (json!([{"kty": "oct", "k": SECRET}]), "the text is not a JSON object"),
        (
            json!({"k": SECRET}),
            "the key has the PRIVATE member `k`, so every reader can sign tokens; replace the key, and publish its public half only",
        ),
    ] {
        assert_eq!(own(jwk.clone()).unwrap_err().to_string(), message, "{jwk}");
    }
    let mut jwk = good(&Base::Rsa);
    jwk.insert("d".to_owned(), json!("AQAB"));
    assert_eq!(own(json!(jwk)).unwrap_err().to_string(), private);
    let twice = format!(r#"{{"kty":"oct","k":"{SECRET}","k":"{SECRET}"}}"#);
    assert_eq!(
        VerificationKey::from_own_jwk(&twice).unwrap_err().to_string(),
        "the text has an object with a repeated name"
    );
    assert_eq!(VerificationKey::from_own_jwk("").unwrap_err().to_string(), "the text is not well-formed JSON");
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
        ("use", json!("jwt-svid")),
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
        JwkError::Json(JsonError::NotAnObject),
        JwkError::IsSet,
        JwkError::NotACertificate,
        JwkError::NotAnObject,
        JwkError::Private("d"),
        JwkError::Symmetric,
        JwkError::Missing("kty"),
        JwkError::NotText("kty"),
        JwkError::Encoding("n"),
        JwkError::Zero("n"),
        JwkError::CoordinateLength { member: "x", bytes: 31, needed: 32 },
        JwkError::UnknownType(SafeToken::new("AKP")),
        JwkError::UnknownCurve(SafeToken::new("P-224")),
        JwkError::OtherUse(SafeToken::new("enc")),
        JwkError::OperationsMistyped,
        JwkError::OtherOperations,
        JwkError::UnknownAlgorithm(SafeToken::new("RSA-OAEP")),
        JwkError::AlgorithmMisfit { algorithm: Algorithm::Es256, key_type: KeyType::Rsa },
        JwkError::KeyIdTooLong,
    ]);
}
