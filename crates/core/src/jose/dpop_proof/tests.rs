use super::{ProofError, UnverifiedDpopProof};
use crate::jose::testing::{Signer, assert_good_messages, encode};
use crate::jose::{Algorithm, JwkError, TokenError};
use serde_json::{Value, json};

/// The example of RFC 9449 §7.1, figure 13.
const EXAMPLE: &str = include_str!("../../../../../tests/data/sender/rfc9449.txt");

fn claims(proof: &str) -> Result<Value, ProofError> {
    let claims = UnverifiedDpopProof::parse(proof)?.verify()?;
    Ok(claims.get("jti").map(|id| id.to_value()).unwrap_or_default())
}

/// Returns the public half of a key on a curve, as a JWK.
fn jwk(signer: &Signer) -> Value {
    let point = signer.public_bytes();
    let (x, y) = point[1..].split_at(point.len() / 2);
    let curve = if x.len() == 32 { "P-256" } else { "P-384" };
    json!({ "kty": "EC", "crv": curve, "x": encode(x), "y": encode(y) })
}

#[test]
fn the_example_of_the_rfc_proves_its_key() {
    let proof = UnverifiedDpopProof::parse(EXAMPLE.trim_end()).unwrap();
    assert_eq!(proof.thumbprint().unwrap().to_string(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    assert_eq!(claims(EXAMPLE.trim_end()), Ok(json!("e1j3V_bKic8-LAEB")));
}

#[test]
fn one_changed_character_proves_nothing() {
    for (at, old) in EXAMPLE.trim_end().bytes().enumerate().filter(|(_, byte)| *byte != b'.') {
        for new in *b"Aa0-_." {
            let mut changed = EXAMPLE.trim_end().as_bytes().to_vec();
            changed[at] = new;
            if new != old {
                assert!(claims(std::str::from_utf8(&changed).unwrap()).is_err(), "{at}: {}", char::from(new));
            }
        }
    }
}

#[test]
fn a_header_is_that_of_a_proof_with_a_public_key() {
    let signer = Signer::new(Algorithm::Es256);
    let good = jwk(&signer);
    let other = jwk(&Signer::new(Algorithm::Es256));
    let longer = jwk(&Signer::new(Algorithm::Es384));
    let with = |name: &str, value: Value| {
        let mut changed = good.clone();
        changed[name] = value;
        changed
    };
    let header = |typ: Value, alg: &str, jwk: Value| json!({ "typ": typ, "alg": alg, "jwk": jwk });
    let token = ProofError::Token;
    let cases = [
        (header(json!("dpop+jwt"), "ES256", good.clone()), Ok(json!("a"))),
        (header(json!("DPoP+JWT"), "ES256", good.clone()), Ok(json!("a"))),
        (header(json!("dpop+jwt"), "ES256", with("alg", json!("ES256"))), Ok(json!("a"))),
        (header(json!("dpop+jwt"), "ES256", with("use", json!("sig"))), Ok(json!("a"))),
        (header(json!("JWT"), "ES256", good.clone()), Err(ProofError::Type)),
        (header(json!("application/dpop+jwt"), "ES256", good.clone()), Err(ProofError::Type)),
        (header(json!("dpop+jwt "), "ES256", good.clone()), Err(ProofError::Type)),
        (json!({ "alg": "ES256", "jwk": good }), Err(ProofError::Type)),
        (header(json!(["dpop+jwt"]), "ES256", good.clone()), Err(token(TokenError::TypeNotText))),
        (header(json!("dpop+jwt"), "none", good.clone()), Err(token(TokenError::AlgorithmUnknown))),
        (header(json!("dpop+jwt"), "ES384", good.clone()), Err(ProofError::KeyUnfit)),
        (header(json!("dpop+jwt"), "HS256", good.clone()), Err(ProofError::KeyUnfit)),
        (header(json!("dpop+jwt"), "RS256", good.clone()), Err(ProofError::KeyUnfit)),
        (header(json!("dpop+jwt"), "ES256", longer), Err(ProofError::KeyUnfit)),
        (header(json!("dpop+jwt"), "ES256", other), Err(ProofError::Signature)),
        (json!({ "typ": "dpop+jwt", "alg": "ES256" }), Err(ProofError::KeyMissing)),
        (header(json!("dpop+jwt"), "ES256", Value::Null), Err(ProofError::KeyMissing)),
        (header(json!("dpop+jwt"), "ES256", json!(good.to_string())), Err(ProofError::KeyMissing)),
        (header(json!("dpop+jwt"), "ES256", json!([good])), Err(ProofError::KeyMissing)),
        (json!({ "typ": "dpop+jwt", "alg": "ES256", "jku": "https://evil.example/keys" }), Err(ProofError::KeyMissing)),
        (header(json!("dpop+jwt"), "ES256", with("d", json!("AA"))), Err(ProofError::Key(JwkError::Private("d")))),
        (
            header(json!("dpop+jwt"), "HS256", json!({"kty": "oct", "k": "AA"})),
            Err(ProofError::Key(JwkError::Symmetric)),
        ),
        (
            header(json!("dpop+jwt"), "ES256", with("key_ops", json!(["sign"]))),
            Err(ProofError::Key(JwkError::OtherOperations)),
        ),
        (
            json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": good, "crit": ["exp"] }),
            Err(token(TokenError::CriticalExtension)),
        ),
    ];
    for (header, expected) in cases {
        assert_eq!(claims(&signer.sign(header.to_string(), r#"{"jti":"a"}"#)), expected, "{header}");
    }
    // A repeated member could be two keys.
    let twice = format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{good},"jwk":{good}}}"#);
    assert!(matches!(claims(&signer.sign(twice, "{}")), Err(ProofError::Token(TokenError::Json(..)))));
}

#[test]
fn every_kind_of_public_key_proves_itself() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384] {
        let signer = Signer::new(algorithm);
        let header = json!({ "typ": "dpop+jwt", "alg": algorithm.name(), "jwk": jwk(&signer) });
        assert_eq!(claims(&signer.sign(header.to_string(), r#"{"jti":"a"}"#)), Ok(json!("a")), "{}", algorithm.name());
    }
    let signer = Signer::new(Algorithm::EdDsa);
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(signer.public_bytes()) });
    let header = json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk });
    assert_eq!(claims(&signer.sign(header.to_string(), r#"{"jti":"a"}"#)), Ok(json!("a")));
}

#[test]
fn messages_are_unique_lowercase_sentences() {
    assert_good_messages(&[
        ProofError::Token(TokenError::TooLarge { found: 2, limit: 1 }),
        ProofError::Type,
        ProofError::KeyMissing,
        ProofError::Key(JwkError::Symmetric),
        ProofError::KeyUnfit,
        ProofError::Signature,
    ]);
}
