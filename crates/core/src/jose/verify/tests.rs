mod differential;
mod families;
mod vectors;
mod wycheproof;

use std::collections::HashSet;

use aws_lc_rs::hmac;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;

use super::{Algorithm, JoseHeader, KeySet, TokenError, UnverifiedToken, VerifiedToken};
use crate::jose::error::Part;
use crate::jose::json::JsonError;
use crate::jose::key::VerificationKey;
use crate::jose::testing::{ISSUER, PKCS1_PEM, SPKI_PEM, STRANGER, encode};
use crate::reason::Reason;

const HEADER: &str = r#"{"typ":"JWT","alg":"RS256"}"#;
const CLAIMS: &str = r#"{"iss":"bifrost","exp":1560604976,"iat":1560518576,"username":"admin"}"#;

/// The sample token of `BiFrost`'s documentation, signed with a 512-bit key.
const BIFROST_SAMPLE: &str = concat!(
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.",
    "eyJpc3MiOiJiaWZyb3N0IiwiZXhwIjoxNTYwNjA0OTc2LCJpYXQiOjE1NjA1MTg1NzYsImNvcmVfdXNlcl91dWlkIjoiODJiZGI2YTMtMjExOS00MThm",
    "LThjMmQtY2FhYjdlYmI4OTc1Iiwib3JnYW5pemF0aW9uX3V1aWQiOiJiMjY1YmFkNS1iODEyLTRmNDItYjNlZS0zNDFlYmJiNzJjNmIiLCJzY29wZSI6",
    "InJlYWQgd3JpdGUiLCJ1c2VybmFtZSI6ImFkbWluIn0.",
    "CV8PafWuGDZSpWRI5wC6btO6cyt9udI9P5uLBdnHzVhbbIY-LH1o3qBgnRf0OAreUhRfl7zBTBMNO56pbyWeyg"
);

fn verify_with(keys: &KeySet, token: &str) -> Result<VerifiedToken, TokenError> {
    UnverifiedToken::parse(token)?.verify(keys, &[Algorithm::Rs256])
}

fn verify(token: &str) -> Result<VerifiedToken, TokenError> {
    verify_with(&ISSUER.key_set(), token)
}

fn keys(texts: &[&str]) -> KeySet {
    KeySet::new(texts.iter().map(|text| VerificationKey::from_pem(text).unwrap()).collect()).unwrap()
}

#[test]
fn a_good_token_gives_its_header_and_claims() {
    let token = ISSUER.sign(r#"{"typ":"JWT","alg":"RS256","kid":"1"}"#, CLAIMS);
    let unverified = UnverifiedToken::parse(&token).unwrap();
    assert_eq!((unverified.claimed_issuer(), unverified.len()), (Some("bifrost"), token.len()));
    let header: JoseHeader = unverified.header().clone();

    let verified = unverified.verify(&ISSUER.key_set(), &[Algorithm::Rs256]).unwrap();
    assert_eq!(verified.header(), &header);
    assert_eq!(verified.claims().text("username"), Ok(Some("admin")));
    assert_eq!(verified.into_claims().get("exp"), Some((&json!(1_560_604_976)).into()));
}

#[test]
fn the_sample_token_of_bifrost_is_readable_and_never_verifies() {
    let token = UnverifiedToken::parse(BIFROST_SAMPLE).unwrap();
    assert_eq!(token.claimed_issuer(), Some("bifrost"));
    assert_eq!(verify(BIFROST_SAMPLE).err(), Some(TokenError::SignatureLength));
}

#[test]
fn any_key_of_the_set_may_verify_and_no_other() {
    let (ours, theirs) = (ISSUER.public_pem(), STRANGER.public_pem());
    let token = ISSUER.sign(HEADER, CLAIMS);
    assert!(verify_with(&keys(&[&theirs, SPKI_PEM, &ours]), &token).is_ok());
    assert_eq!(verify_with(&keys(&[&theirs, PKCS1_PEM]), &token).err(), Some(TokenError::SignatureMismatch));
    assert_eq!(verify_with(&KeySet::default(), &token).err(), Some(TokenError::KeyUnfit));
    // A `kid` names a key and does not make it trusted; a key without a `kid` is tried for every `kid`.
    let named = STRANGER.sign(r#"{"alg":"RS256","kid":"/dev/null"}"#, CLAIMS);
    assert_eq!(verify(&named).err(), Some(TokenError::SignatureMismatch));
}

#[test]
fn an_algorithm_must_be_allowed() {
    let token = ISSUER.sign(HEADER, CLAIMS);
    let error = UnverifiedToken::parse(&token).unwrap().verify(&ISSUER.key_set(), &[]).unwrap_err();
    assert_eq!((error, error.reason()), (TokenError::AlgorithmNotAllowed, Reason::AlgorithmNotAllowed));
}

#[test]
fn an_unproven_token_shows_its_issuer_and_nothing_else() {
    let issuer = |claims: &str| {
        let token = format!("{}.{}.AA", encode(HEADER), encode(claims));
        UnverifiedToken::parse(&token).unwrap().claimed_issuer().map(str::to_owned)
    };
    assert_eq!(issuer(r#"{"iss":"Bifrost "}"#).as_deref(), Some("Bifrost "));
    for claims in ["{}", r#"{"iss":null}"#, r#"{"iss":["bifrost"]}"#, r#"{"iss":{"iss":"bifrost"}}"#, r#"{"iss":1}"#] {
        assert_eq!(issuer(claims), None, "{claims}");
    }
    let token = ISSUER.sign(HEADER, CLAIMS);
    let shown = format!("{:?}", UnverifiedToken::parse(&token).unwrap());
    assert!(!shown.contains("admin") && !shown.contains("bifrost"), "{shown}");
}

/// Tests tokens with a valid signature of the issuer, so that only the strict parsing prevents acceptance.
#[test]
fn a_good_signature_does_not_help_a_bad_token() {
    const HEAD: Part = Part::Header;
    const BODY: Part = Part::Payload;
    let header = |text: &str| ISSUER.sign(text, CLAIMS);
    let claims = |text: &[u8]| ISSUER.sign(HEADER, text);
    let json = |part, error| TokenError::Json(part, error);
    let deep = format!("{{\"iss\":{}{}}}", "[".repeat(4_999), "]".repeat(4_999));
    let long_id = format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(8 * 1024));
    let (encoded_header, encoded_claims) = (encode(HEADER), encode(CLAIMS));
    let padded = |text: &str| format!("{text}{}", "=".repeat((4 - text.len() % 4) % 4));
    assert!(padded(&encoded_claims) != encoded_claims);

    let table = [
        ("alg none", header(r#"{"alg":"none"}"#), TokenError::AlgorithmUnknown),
        ("alg None", header(r#"{"alg":"None"}"#), TokenError::AlgorithmUnknown),
        ("alg NONE", header(r#"{"alg":"NONE"}"#), TokenError::AlgorithmUnknown),
        ("alg nOnE", header(r#"{"alg":"nOnE"}"#), TokenError::AlgorithmUnknown),
        ("alg none, escaped", header(r#"{"alg":"n\u006fne"}"#), TokenError::AlgorithmUnknown),
        ("alg in lower case", header(r#"{"alg":"rs256"}"#), TokenError::AlgorithmUnknown),
        ("alg of PSS", header(r#"{"alg":"PS256"}"#), TokenError::AlgorithmNotAllowed),
        ("alg of HMAC", header(r#"{"alg":"HS256"}"#), TokenError::AlgorithmNotAllowed),
        ("alg of P-521", header(r#"{"alg":"ES512"}"#), TokenError::AlgorithmNotAllowed),
        ("alg of secp256k1", header(r#"{"alg":"ES256K"}"#), TokenError::AlgorithmUnknown),
        ("alg empty", header(r#"{"alg":""}"#), TokenError::AlgorithmUnknown),
        ("alg missing", header(r#"{"typ":"JWT"}"#), TokenError::AlgorithmMissing),
        ("alg an object", header(r#"{"alg":{"RS256":1}}"#), TokenError::AlgorithmNotText),
        ("alg an array", header(r#"{"alg":["RS256"]}"#), TokenError::AlgorithmNotText),
        ("alg null", header(r#"{"alg":null}"#), TokenError::AlgorithmNotText),
        ("alg twice", header(r#"{"alg":"none","alg":"RS256"}"#), json(HEAD, JsonError::DuplicateName)),
        ("alg twice, escaped", header(r#"{"alg":"RS256","\u0061lg":"none"}"#), json(HEAD, JsonError::DuplicateName)),
        ("crit unknown", header(r#"{"alg":"RS256","crit":["x"],"x":1}"#), TokenError::CriticalExtension),
        ("crit exp", header(r#"{"alg":"RS256","crit":["exp"],"exp":1}"#), TokenError::CriticalExtension),
        ("crit empty", header(r#"{"alg":"RS256","crit":[]}"#), TokenError::CriticalExtension),
        ("crit a string", header(r#"{"alg":"RS256","crit":"exp"}"#), TokenError::CriticalExtension),
        ("crit null", header(r#"{"alg":"RS256","crit":null}"#), TokenError::CriticalExtension),
        ("b64 false, critical", header(r#"{"alg":"RS256","crit":["b64"],"b64":false}"#), TokenError::CriticalExtension),
        ("b64 false", header(r#"{"alg":"RS256","b64":false}"#), TokenError::UnencodedPayload),
        ("b64 true", header(r#"{"alg":"RS256","b64":true}"#), TokenError::UnencodedPayload),
        ("zip", header(r#"{"alg":"RS256","zip":"DEF"}"#), TokenError::CompressedPayload),
        ("enc", header(r#"{"alg":"RS256","enc":"A256GCM"}"#), TokenError::EncryptedPayload),
        ("kid a number", header(r#"{"alg":"RS256","kid":1}"#), TokenError::KeyIdNotText),
        ("kid null", header(r#"{"alg":"RS256","kid":null}"#), TokenError::KeyIdNotText),
        ("kid of 8 KiB", header(&long_id), TokenError::KeyIdTooLong),
        ("typ a number", header(r#"{"alg":"RS256","typ":1}"#), TokenError::TypeNotText),
        ("header an array", header(r#"["RS256"]"#), json(HEAD, JsonError::NotAnObject)),
        ("header a string", header(r#""RS256""#), json(HEAD, JsonError::NotAnObject)),
        ("header and more", header(r#"{"alg":"RS256"}{}"#), json(HEAD, JsonError::Syntax)),
        ("header with a byte order mark", header("\u{feff}{\"alg\":\"RS256\"}"), json(HEAD, JsonError::Syntax)),
        ("claims empty text", ISSUER.sign(HEADER, ""), TokenError::EmptyPart(BODY)),
        ("claims an array", claims(b"[]"), json(BODY, JsonError::NotAnObject)),
        ("claims null", claims(b"null"), json(BODY, JsonError::NotAnObject)),
        ("claims a token in a token", claims(ISSUER.sign(HEADER, CLAIMS).as_bytes()), json(BODY, JsonError::Syntax)),
        ("claim twice", claims(br#"{"iss":"a","iss":"bifrost"}"#), json(BODY, JsonError::DuplicateName)),
        ("claim twice, escaped", claims(br#"{"iss":"a","is\u0073":"b"}"#), json(BODY, JsonError::DuplicateName)),
        ("claim twice, inside", claims(br#"{"a":{"b":1,"b":1}}"#), json(BODY, JsonError::DuplicateName)),
        ("claims deep", claims(deep.as_bytes()), json(BODY, JsonError::TooDeep)),
        ("claims not UTF-8", claims(b"{\"iss\":\"\xff\"}"), json(BODY, JsonError::NotUtf8)),
        ("claims with a lone surrogate", claims(br#"{"iss":"\ud800"}"#), json(BODY, JsonError::Syntax)),
        ("claims with a byte order mark", claims("\u{feff}{}".as_bytes()), json(BODY, JsonError::Syntax)),
        ("claims and more", claims(b"{}x"), json(BODY, JsonError::Syntax)),
        ("exp 1e400", claims(br#"{"exp":1e400}"#), json(BODY, JsonError::Syntax)),
        ("header padded", ISSUER.sign_parts("eyJhbGciOiJSUzI1NiJ9IA==", &encoded_claims), TokenError::Encoding(HEAD)),
        ("claims padded", ISSUER.sign_parts(&encoded_header, &padded(&encoded_claims)), TokenError::Encoding(BODY)),
        (
            "claims in standard base64",
            ISSUER.sign_parts(&encoded_header, "eyJhIjoi77+/In0"),
            TokenError::Encoding(BODY),
        ),
        (
            "claims with a space",
            ISSUER.sign_parts(&encoded_header, &format!("{encoded_claims} ")),
            TokenError::Encoding(BODY),
        ),
        ("claims with unused bits set", ISSUER.sign_parts(&encoded_header, "e31"), TokenError::Encoding(BODY)),
        ("no signature", format!("{encoded_header}.{encoded_claims}."), TokenError::EmptyPart(Part::Signature)),
        (
            "unsecured",
            format!("{}.{encoded_claims}.", encode(r#"{"alg":"none"}"#)),
            TokenError::EmptyPart(Part::Signature),
        ),
        ("detached payload", format!("{encoded_header}..AA"), TokenError::EmptyPart(BODY)),
        (
            "JSON serialisation",
            format!(r#"{{"payload":"{encoded_claims}","signatures":[]}}"#),
            TokenError::PartCount { found: 1 },
        ),
        ("five parts", "eyJhbGciOiJkaXIifQ..AA.AA.AA".to_owned(), TokenError::Encrypted),
        (
            "signature in front of another",
            format!("{}.AA", ISSUER.sign(HEADER, CLAIMS)),
            TokenError::PartCount { found: 4 },
        ),
        ("a megabyte of dots", ".".repeat(1 << 20), TokenError::TooLarge { found: 1 << 20, limit: 64 << 10 }),
    ];
    let names: HashSet<_> = table.iter().map(|(what, ..)| what).collect();
    assert_eq!(names.len(), table.len());
    for (what, token, expected) in table {
        assert_eq!(verify(&token).err(), Some(expected), "{what}");
        assert_ne!(expected.reason(), Reason::SignatureInvalid, "{what}");
    }
}

#[test]
fn a_public_key_is_no_hmac_secret() {
    let pem = ISSUER.public_pem();
    let der = ISSUER.public_bytes();
    for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), &der, b""] {
        for (header, expected) in [(r#"{"alg":"HS256"}"#, TokenError::KeyUnfit), (HEADER, TokenError::SignatureLength)]
        {
            let message = format!("{}.{}", encode(header), encode(CLAIMS));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
            let token = format!("{message}.{}", encode(tag));
            // Even where every algorithm is allowed.
            let verified = UnverifiedToken::parse(&token).unwrap().verify(&ISSUER.key_set(), Algorithm::ALL);
            assert_eq!(verified.err(), Some(expected));
        }
    }
}

#[test]
fn a_signature_has_the_length_of_the_modulus() {
    let token = ISSUER.sign(HEADER, CLAIMS);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature).unwrap();
    let with = |bytes: &[u8]| verify(&format!("{message}.{}", encode(bytes))).map(|_| ());
    assert_eq!(with(&bytes), Ok(()));
    for other in [&bytes[..255], &[&[0], &bytes[..]].concat(), &[&bytes[..], &[0]].concat(), &[1], &[0; 512]] {
        assert_eq!(with(other), Err(TokenError::SignatureLength), "{} bytes", other.len());
    }
    bytes.fill(0);
    assert_eq!(with(&bytes), Err(TokenError::SignatureMismatch));
    bytes[255] = 1;
    assert_eq!(with(&bytes), Err(TokenError::SignatureMismatch));
    bytes.fill(0xff);
    assert_eq!(with(&bytes), Err(TokenError::SignatureMismatch));
}

/// Returns the token with one bit of one byte flipped, if that is still text; the gRPC layer rejects the rest.
fn flipped(token: &str, byte: usize, bit: u8) -> Option<String> {
    let mut bytes = token.as_bytes().to_vec();
    bytes[byte] ^= 1 << bit;
    String::from_utf8(bytes).ok()
}

proptest! {
    #[test]
    fn no_flipped_bit_of_any_token_verifies(name in any::<String>(), byte in any::<Index>(), bit in 0..7_u8) {
        let token = ISSUER.sign(HEADER, json!({"iss": "bifrost", "username": name}).to_string());
        let verified = verify(&token).unwrap();
        prop_assert_eq!(verified.claims().text("username"), Ok(Some(name.as_str())));
        // Seven bits: the eighth makes a byte that is not ASCII, which is impossible in a token.
        let changed = flipped(&token, byte.index(token.len()), bit).unwrap();
        prop_assert!(verify(&changed).is_err(), "{}", changed);
    }

    #[test]
    fn any_text_is_an_answer(text in "[-A-Za-z0-9_.=+/ {}\"]{0,200}|\\PC{0,100}") {
        prop_assert!(verify(&text).is_err());
    }
}
