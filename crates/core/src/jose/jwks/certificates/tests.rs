//! Maps of certificates: their usable members, and the errors for the others.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CertificatesError, Jwks};
use crate::jose::identity::KeyId;
use crate::jose::jwks::SkippedKey;
use crate::jose::testing::{SPKI_PEM, assert_good_messages, table};

#[derive(Deserialize)]
struct Row {
    name: String,
    text: String,
}

/// Returns a certificate of the table of PEM texts.
fn certificate(name: &str) -> Value {
    table::<Row>("pem.yaml").into_iter().find(|row| row.name == name).unwrap().text.into()
}

fn parse(map: &Value) -> Result<(Vec<String>, Vec<String>), CertificatesError> {
    let (keys, skipped) = Jwks::from_certificates(map.to_string().as_bytes())?.into_parts();
    let shown = |key: &crate::jose::VerificationKey| {
        format!("{} {}", key.id().map(KeyId::as_str).unwrap_or_default(), key.key_type().name())
    };
    Ok((keys.iter().map(shown).collect(), skipped.iter().map(SkippedKey::to_string).collect()))
}

#[test]
fn one_bad_certificate_does_not_take_the_others_away() {
    let (ec, ed) =
        (certificate("a certificate for a key of type P-384"), certificate("a certificate for a key of type Ed25519"));
    let chain = format!("{}{}", ec.as_str().unwrap(), ed.as_str().unwrap());
    let map = json!({
        "a": ec, "b": ed, "c": 7, "d": "text", "e": SPKI_PEM, "f": chain, "g": SPKI_PEM.replace("PUBLIC", "PRIVATE"),
        "h": SPKI_PEM.replace("PUBLIC KEY", "CERTIFICATE"), "": ec, "i".repeat(257): ec,
    });
    let (usable, skipped) = parse(&map).unwrap();
    assert_eq!(usable, [" P-384", "a P-384", "b Ed25519"]);
    assert_eq!(
        skipped,
        [
            "`kid` `c`: the value is not the PEM of one certificate",
            "`kid` `d`: the value is not the PEM of one certificate",
            "`kid` `e`: the value is not the PEM of one certificate",
            "`kid` `f`: the value is not the PEM of one certificate",
            "`kid` `g`: the PEM block is a private key; use its public half (`openssl pkey -pubout` writes it)",
            "`kid` `h`: the PEM block's content is not the DER structure that its label names",
            "the key's `kid` is longer than 256 bytes",
        ]
    );
}

#[test]
fn a_map_without_a_usable_certificate_is_an_error() {
    let message = |text: &str| Jwks::from_certificates(text.as_bytes()).unwrap_err().to_string();
    for (text, expected) in [
        ("", "the map of certificates is not well-formed JSON"),
        ("<html>", "the map of certificates is not well-formed JSON"),
        ("[]", "the map of certificates is not a JSON object"),
        ("{}", "the map of certificates is empty"),
        (r#"{"a": "x", "\u0061": "y"}"#, "the map of certificates has an object with a repeated name"),
        (r#"{"keys": []}"#, "the document is a JWKS and no map of certificates; use `jwks` instead of `certificates`"),
        (
            r#"{"keys": 1}"#,
            "the map has no usable certificate: `kid` `keys`: the value is not the PEM of one certificate",
        ),
    ] {
        assert_eq!(message(text), expected, "{text}");
    }
}

#[test]
fn a_map_has_the_limits_of_a_jwks() {
    let one = certificate("a certificate for a key of type Ed25519");
    let of = |size: usize| Value::Object((0..size).map(|number| (number.to_string(), one.clone())).collect());
    assert_eq!(parse(&of(Jwks::MAX_KEYS)).unwrap().0.len(), Jwks::MAX_KEYS);
    assert_eq!(parse(&of(Jwks::MAX_KEYS + 1)), Err(CertificatesError::TooMany { found: Jwks::MAX_KEYS + 1 }));
    let text = of(1).to_string();
    let padded = |size: usize| Jwks::from_certificates(format!("{text}{}", " ".repeat(size - text.len())).as_bytes());
    assert!(padded(Jwks::MAX_BYTES).is_ok());
    assert_eq!(padded(Jwks::MAX_BYTES + 1).err(), Some(CertificatesError::TooLarge));
}

#[test]
fn messages_are_unique_lowercase_sentences() {
    assert_good_messages(&[
        CertificatesError::TooLarge,
        CertificatesError::IsJwks,
        CertificatesError::Empty,
        CertificatesError::TooMany { found: 101 },
        CertificatesError::NoneUsable(Vec::new()),
    ]);
}
