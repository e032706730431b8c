//! Differential tests against `jsonwebtoken`: it accepts and reads alike whatever this layer accepts, for each of its algorithms. In the other
//! direction this layer is meant to be stricter, and every such difference is listed. Excluded are headers in which only `jsonwebtoken`
//! reads members that are ignored here (a `jku` that is not a string).
//!
//! These tests use the provider of `jsonwebtoken`, without which the product is built.

#![expect(clippy::disallowed_methods, reason = "the second opinion is what the product must not call")]

use std::collections::BTreeSet;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::ThumbprintHash;
use jsonwebtoken::signature::{Signer as _, Verifier as _};
use jsonwebtoken::{DecodingKey, EncodingKey, TokenData, Validation};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::{CLAIMS, HEADER};
use crate::jose::algorithm::{Algorithm, KeyType};
use crate::jose::error::TokenError;
use crate::jose::header::JoseHeader;
use crate::jose::key::VerificationKey;
use crate::jose::published::PublicJwk;
use crate::jose::testing::{ISSUER, STRANGER, Signer, encode};
use crate::jose::verify::UnverifiedToken;

/// The tokens with a valid signature that `jsonwebtoken` accepts and this layer rejects.
const STRICTER: [&str; 6] = [
    "header with b64",
    "header with enc",
    "header with zip",
    "payload deep",
    "payload with a claim twice",
    "payload with a claim twice, escaped",
];

/// Returns the result of `jsonwebtoken`, with every check off except that of the signature.
fn second_opinion(signer: &Signer, token: &str) -> Option<TokenData<Value>> {
    let algorithm = signer.key().algorithm();
    let mut validation = Validation::new(algorithm.name().parse().unwrap());
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    jsonwebtoken::decode(token, &decoding_key(signer), &validation).ok()
}

/// Returns the verification key, as `jsonwebtoken` reads it: from the published JWK, or from the secret.
fn decoding_key(signer: &Signer) -> DecodingKey {
    let algorithm = signer.key().algorithm();
    match algorithm.key_type() {
        KeyType::Rsa | KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 => {
            let published = PublicJwk::from_pem(&signer.public_pem(), algorithm).unwrap();
            DecodingKey::from_jwk(published.jwk())
        }
        KeyType::Hmac => DecodingKey::from_secret(signer.key().private_text().unwrap().expose_secret().as_bytes()),
    }
    .unwrap()
}

/// Returns the signing key, as `jsonwebtoken` takes it.
fn encoding_key(signer: &Signer) -> EncodingKey {
    let text = signer.key().private_text().unwrap();
    let der = || pem::parse(text.expose_secret()).unwrap().into_contents();
    match signer.key().algorithm().key_type() {
        // PKCS#8 has 26 bytes before the PKCS#1 form of 2048 bits, which is the one taken here.
        KeyType::Rsa => EncodingKey::from_rsa_der(&der()[26..]),
        KeyType::P256 | KeyType::P384 | KeyType::P521 => EncodingKey::from_ec_der(&der()),
        KeyType::Ed25519 => EncodingKey::from_ed_der(&der()),
        KeyType::Hmac => EncodingKey::from_secret(text.expose_secret().as_bytes()).unwrap(),
    }
}

/// Returns true if this layer accepts the token, and asserts that `jsonwebtoken` does too and reads the same claims.
fn agreed(signer: &Signer, token: &str) -> bool {
    let verify = || UnverifiedToken::parse(token)?.verify(&signer.key_set(), &[signer.key().algorithm()]);
    let verified: Result<_, TokenError> = verify();
    let Ok(verified) = verified else { return false };
    let theirs = second_opinion(signer, token).unwrap_or_else(|| panic!("accepted by us alone: {token}"));
    assert_eq!(JoseHeader::try_from(&theirs.header).as_ref(), Ok(verified.header()), "{token}");
    let ours = verified.into_claims();
    for (name, value) in theirs.claims.as_object().unwrap() {
        assert_eq!(ours.get(name), Some(value.into()), "{token}");
    }
    true
}

/// Returns tokens that are odd in one way each, with a name; those that begin with `good` are valid.
fn tokens(signer: &Signer, stranger: &Signer) -> Vec<(&'static str, String)> {
    let alg = signer.key().algorithm().name();
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let headers = [
        ("good header", r#"{"alg":"ALG"}"#),
        ("good header with more", r#" {"alg" : "ALG", "kid":"a","typ":"at+jwt","cty":"x","unknown":{"a":[1]}} "#),
        ("good header with jku", r#"{"alg":"ALG","jku":"https://evil.example"}"#),
        ("header with alg twice", r#"{"alg":"ALG","alg":"ALG"}"#),
        ("header with crit", r#"{"alg":"ALG","crit":["x"]}"#),
        ("header with b64", r#"{"alg":"ALG","b64":true}"#),
        ("header with zip", r#"{"alg":"ALG","zip":"DEF"}"#),
        ("header with enc", r#"{"alg":"ALG","enc":"A256GCM"}"#),
        ("header with none", r#"{"alg":"none"}"#),
        ("header without alg", "{}"),
        ("header no object", "[]"),
    ];
    let payloads: [(&str, &[u8]); 15] = [
        ("good payload", CLAIMS.as_bytes()),
        ("good payload, empty", b"{}"),
        ("good payload with spaces", b" {} "),
        ("good payload with numbers", br#"{"exp":1.5e9,"n":-0.0,"big":18446744073709551616,"t":"\ud83d\ude00"}"#),
        ("good payload with lists", br#"{"aud":["a","b"],"nbf":"x","nested":{"a":{"b":[null,true]}}}"#),
        ("payload with a claim twice", br#"{"a":1,"a":2}"#),
        ("payload with a claim twice, escaped", br#"{"a":1,"\u0061":2}"#),
        ("payload with a byte order mark", b"\xef\xbb\xbf{}"),
        ("payload with two objects", b"{}{}"),
        ("payload not UTF-8", b"{\"a\":\"\xff\"}"),
        ("payload with a lone surrogate", br#"{"a":"\ud800"}"#),
        ("payload beyond numbers", br#"{"a":1e400}"#),
        ("payload deep", deep.as_bytes()),
        ("payload null", b"null"),
        ("payload empty", b""),
    ];
    let token = signer.sign(signer.header(), CLAIMS);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut tokens = vec![
        ("good token", token.clone()),
        ("signature padded", format!("{token}=")),
        ("signature after a space", format!(" {token}")),
        ("signature before a line feed", format!("{token}\n")),
        ("signature of standard base64", format!("{message}.{}", signature.replace('-', "+").replace('_', "/") + "+")),
        ("signature with unused bits", with_unused_bit(&token)),
        ("signature short", format!("{message}.{}", encode("short"))),
        ("signature empty", format!("{message}.")),
        ("signature missing", message.to_owned()),
        ("parts four", format!("{token}.{signature}")),
        ("parts empty", token.replacen('.', "..", 1)),
        ("signature of a stranger", stranger.sign(signer.header(), CLAIMS)),
    ];
    tokens.extend(headers.map(|(what, header)| (what, signer.sign(header.replace("ALG", alg), CLAIMS))));
    tokens.extend(payloads.map(|(what, payload)| (what, signer.sign(signer.header(), payload))));
    tokens
}

/// Sets unused bits of the last character; a lenient decoder reads the same bytes.
fn with_unused_bit(token: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (last, rest) = token.as_bytes().split_last().unwrap();
    let at = ALPHABET.iter().position(|one| one == last).unwrap();
    format!("{}{}", std::str::from_utf8(rest).unwrap(), char::from(ALPHABET[at ^ 1]))
}

/// Returns a signer and a stranger.
fn signers(algorithm: Algorithm) -> (Signer, Signer) {
    match algorithm.key_type() {
        KeyType::Rsa => (ISSUER.with(algorithm), STRANGER.with(algorithm)),
        KeyType::P256 | KeyType::P384 | KeyType::P521 | KeyType::Ed25519 | KeyType::Hmac => {
            (Signer::new(algorithm), Signer::new(algorithm))
        }
    }
}

/// Returns the algorithms that both libraries have: all but ES512.
fn common() -> impl Iterator<Item = (Algorithm, jsonwebtoken::Algorithm)> {
    Algorithm::ALL.iter().filter_map(|ours| Some((*ours, jsonwebtoken::Algorithm::try_from(*ours).ok()?)))
}

/// Checks that both libraries make and verify the same signatures.
#[test]
fn each_library_verifies_what_the_other_signs() {
    const MESSAGE: &[u8] = b"header.payload";
    for (algorithm, theirs) in common() {
        let name = algorithm.name();
        let (signer, stranger) = signers(algorithm);
        let ours = signer.key().try_sign(MESSAGE).unwrap();
        let accepted =
            |text: &str| jsonwebtoken::crypto::verify(text, MESSAGE, &decoding_key(&signer), theirs).unwrap();
        assert!(accepted(&encode(&ours)), "{name}");
        assert!(!accepted(&encode(stranger.key().try_sign(MESSAGE).unwrap())), "{name}");

        let text = jsonwebtoken::crypto::sign(MESSAGE, &encoding_key(&signer), theirs).unwrap();
        let mut signature = base64::Engine::decode(&URL_SAFE_NO_PAD, text).unwrap();
        let key = signer.key().verification_key().unwrap();
        let verifier = key.verifier(algorithm).unwrap();
        assert!(verifier.verify(MESSAGE, &ours).is_ok(), "{name}");
        assert!(verifier.verify(MESSAGE, &signature).is_ok(), "{name}");
        assert!(verifier.verify(b"header.another", &signature).is_err(), "{name}");
        signature[0] ^= 1;
        assert!(verifier.verify(MESSAGE, &signature).is_err(), "{name}");
    }
}

#[test]
fn a_published_key_is_read_back_with_the_thumbprint_of_jsonwebtoken() {
    for algorithm in Algorithm::ALL.iter().filter(|algorithm| algorithm.key_type() != KeyType::Hmac) {
        let published = PublicJwk::from_pem(&signers(*algorithm).0.public_pem(), *algorithm).unwrap();
        assert_eq!(published.jwk().thumbprint(ThumbprintHash::SHA256).unwrap(), published.id().as_str());
        let key = VerificationKey::try_from(published.jwk()).unwrap();
        assert_eq!(key.id(), Some(published.id()));
        assert!(key.supports(*algorithm));
    }
}

#[test]
fn what_we_accept_a_second_library_accepts() {
    for (algorithm, _) in common() {
        let (signer, stranger) = signers(algorithm);
        let mut stricter = BTreeSet::new();
        for (what, token) in tokens(&signer, &stranger) {
            let ours = agreed(&signer, &token);
            assert_eq!(ours, what.starts_with("good"), "{}, {what}", algorithm.name());
            if !ours && second_opinion(&signer, &token).is_some() {
                stricter.insert(what);
            }
        }
        assert_eq!(stricter, BTreeSet::from(STRICTER), "{}", algorithm.name());
    }
}

proptest! {
    #[test]
    fn what_we_accept_of_mutated_tokens_a_second_library_accepts(
        edits in proptest::collection::vec((any::<Index>(), prop::sample::select(vec!["", ".", "=", "A", "_", "-", "+", "e30", " "])), 0..3)
    ) {
        let mut token = ISSUER.sign(HEADER, CLAIMS);
        for (at, piece) in &edits {
            let at = at.index(token.len());
            token.replace_range(at..=at, piece);
        }
        prop_assert!(agreed(&ISSUER, &token) || !edits.is_empty());
    }
}
