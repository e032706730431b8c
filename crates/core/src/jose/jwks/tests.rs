//! Sets: limits, and one bad key that leaves the others usable.

mod keyset;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Jwks, JwksError, SkippedKey};
use crate::jose::identity::KeyId;
use crate::jose::jwk::JwkError;
use crate::jose::testing::assert_good_messages;

fn key(id: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "kid": id})
}

fn parse(set: &Value) -> Result<(Vec<String>, Vec<String>), JwksError> {
    let (keys, skipped) = Jwks::parse(set.to_string().as_bytes())?.into_parts();
    let ids = keys.iter().map(|key| key.id().map(KeyId::as_str).unwrap_or_default().to_owned()).collect();
    Ok((ids, skipped.iter().map(SkippedKey::to_string).collect()))
}

#[test]
fn an_odd_key_is_skipped_and_named() {
    let set = json!({"keys": [
        key("a"),
        {"kty": "RSA", "use": "enc", "kid": "b"},
        7,
        {"kty": "oct", "k": "c2VjcmV0", "kid": "\u{1b}[2J"},
        {"kid": 9},
        key("a"),
        key("c"),
    ], "other": [1]});
    let (ids, skipped) = parse(&set).unwrap();
    assert_eq!(ids, ["a", "a", "c"]);
    assert_eq!(
        skipped,
        [
            "keys[1], `kid` `b`: the key's `use` is `enc`; use `sig`",
            "keys[2]: the key is not a JSON object",
            "keys[3], `kid` of 4 bytes that can't be shown: the key is a shared secret (`kty` is `oct`), which must not be \
             published; replace it, and use a public key",
            "keys[4]: the key's `kid` is not a string",
        ]
    );
}

/// A SPIFFE bundle (SPIFFE Trust Domain and Bundle §4): its keys for certificates are skipped without a word, unless one is private.
#[test]
fn of_a_spiffe_bundle_the_keys_for_tokens_are_used() {
    let with = |id: &str, purpose: &str| {
        let mut key = key(id);
        key["use"] = json!(purpose);
        key
    };
    let bundle = |keys: Value| json!({"keys": keys, "spiffe_sequence": 1, "spiffe_refresh_hint": 300});
    let authority = json!({"use": "x509-svid", "kty": "RSA", "n": "AQAB", "e": "AQAB", "x5c": ["MIIB"]});
    let (ids, skipped) = parse(&bundle(json!([authority, with("a", "jwt-svid"), with("b", "enc")]))).unwrap();
    assert_eq!((ids.as_slice(), skipped.len()), (["a".to_owned()].as_slice(), 1), "{skipped:?}");
    let mut leaked = authority.clone();
    leaked["d"] = json!("AQAB");
    let (_, skipped) = parse(&bundle(json!([leaked, with("a", "jwt-svid")]))).unwrap();
    assert!(skipped[0].contains("PRIVATE member `d`"), "{skipped:?}");
    let none = parse(&bundle(json!([authority]))).unwrap_err();
    assert_eq!(none.to_string(), "the JWKS has no usable key: keys[0]: the key's `use` is `x509-svid`; use `sig`");
}

#[test]
fn a_set_that_verifies_nothing_is_refused() {
    assert_eq!(parse(&json!({})), Err(JwksError::NoKeys));
    // Google's `oauth2/v1/certs` and `robot/v1/metadata/x509/NAME`.
    let certificate = "-----BEGIN CERTIFICATE-----\nMIID\n-----END CERTIFICATE-----\n";
    let map = parse(&json!({"a1": certificate, "b2": certificate})).unwrap_err();
    assert_eq!(
        map.to_string(),
        "the document maps key ids to certificates and is no JWKS; use `certificates` instead of `jwks`"
    );
    assert_eq!(parse(&json!({"a1": certificate, "b2": 1})), Err(JwksError::NoKeys));
    for other in [json!(null), json!({}), json!("keys"), json!(1)] {
        assert_eq!(parse(&json!({"keys": other})), Err(JwksError::NotAnArray));
    }
    let empty = parse(&json!({"keys": []})).unwrap_err();
    assert_eq!(empty.to_string(), "the JWKS has no usable key");
    let odd = parse(&json!({"keys": [1, {"kty": "AKP"}, {}, 2, 3]})).unwrap_err();
    assert_eq!(
        odd.to_string(),
        "the JWKS has no usable key: keys[0]: the key is not a JSON object; keys[1]: the key's \
         `kty` is `AKP`; use `RSA`, `EC` or `OKP`; keys[2]: the key has no `kty`; and 2 more"
    );
    let JwksError::NoneUsable(skipped) = odd else { panic!("another error") };
    assert_eq!(skipped[2].error(), &JwkError::Missing("kty"));
}

#[test]
fn a_set_is_strict_json() {
    let twice =
        r#"{"keys":[],"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    for (text, message) in [
        ("", "the JWKS is not well-formed JSON"),
        ("<html>", "the JWKS is not well-formed JSON"),
        ("[]", "the JWKS is not a JSON object"),
        (twice, "the JWKS has an object with a repeated name"),
    ] {
        assert_eq!(Jwks::parse(text.as_bytes()).unwrap_err().to_string(), message, "{text}");
    }
    let deep = format!("{{\"keys\":{}{}}}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(Jwks::parse(deep.as_bytes()).unwrap_err().to_string(), "the JWKS nests deeper than 32 levels");
}

#[test]
fn a_set_has_bounds() {
    let of = |size: usize| json!({"keys": vec![key("a"); size]});
    assert_eq!(parse(&of(Jwks::MAX_KEYS)).unwrap().0.len(), Jwks::MAX_KEYS);
    assert_eq!(parse(&of(Jwks::MAX_KEYS + 1)), Err(JwksError::TooMany { found: Jwks::MAX_KEYS + 1 }));

    let text = of(1).to_string();
    let padded = |size: usize| Jwks::parse(format!("{text}{}", " ".repeat(size - text.len())).as_bytes());
    assert!(padded(Jwks::MAX_BYTES).is_ok());
    assert_eq!(padded(Jwks::MAX_BYTES + 1).err(), Some(JwksError::TooLarge));
}

#[test]
fn messages_are_unique_lowercase_sentences() {
    assert_good_messages(&[
        JwksError::TooLarge,
        JwksError::NoKeys,
        JwksError::CertificateMap,
        JwksError::NotAnArray,
        JwksError::TooMany { found: 101 },
        JwksError::NoneUsable(Vec::new()),
    ]);
}

/// Generates JSON in which the names and words of JWKS are frequent.
fn any_json() -> impl Strategy<Value = Value> {
    let names = "kty|crv|x|y|n|e|d|k|use|alg|kid|key_ops|keys|x5c";
    let words =
        "RSA|EC|OKP|oct|P-256|P-384|Ed25519|sig|enc|RS256|ES256|EdDSA|verify|AQAB|[-_A-Za-z0-9]{0,90}|\\PC{0,8}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        words.prop_map(Value::from)
    ];
    leaf.prop_recursive(3, 32, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(names, inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_bytes_are_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Jwks::parse(&bytes).is_err());
    }

    #[test]
    fn every_key_of_any_set_is_used_or_named(list in proptest::collection::vec(any_json(), 0..6)) {
        let set = json!({"keys": list}).to_string();
        match Jwks::parse(set.as_bytes()) {
            Ok(set) => {
                let (keys, skipped) = set.into_parts();
                prop_assert!(!keys.is_empty());
                prop_assert_eq!(keys.len().checked_add(skipped.len()), Some(list.len()));
            }
            Err(JwksError::NoneUsable(skipped)) => prop_assert_eq!(skipped.len(), list.len()),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
