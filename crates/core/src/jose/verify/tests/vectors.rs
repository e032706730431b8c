//! The example signatures of the standards. Some of their payloads are not claims, so these tests bypass the token parser.

use jsonwebtoken::signature::Verifier as _;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::compact::CompactToken;
use crate::jose::header::JoseHeader;
use crate::jose::json::read_object;
use crate::jose::key::VerificationKey;
use crate::jose::testing::table;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    source: String,
    key: Option<Map<String, Value>>,
    secret: Option<String>,
    token: [String; 3],
}

fn key(row: &Row) -> Option<VerificationKey> {
    match (&row.key, &row.secret) {
        (Some(jwk), None) => VerificationKey::from_jwk(jwk).ok(),
        (None, Some(secret)) => {
            let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
            VerificationKey::from_secret(&base64::Engine::decode(&engine, secret).unwrap()).ok()
        }
        _ => panic!("{}: one of key and secret", row.source),
    }
}

#[test]
fn the_examples_of_the_standards_verify() {
    let mut algorithms = Vec::new();
    for row in table::<Row>("vectors.yaml") {
        let token = row.token.join(".");
        let compact = CompactToken::parse(&token).unwrap();
        let header = JoseHeader::from_object(read_object(compact.header()).unwrap()).unwrap();
        let key = key(&row).unwrap();
        let (message, mut signature) = compact.into_signed();
        let key = key.verifier(header.algorithm()).unwrap();
        let verifies = |signature: &Vec<u8>| key.verify(message.as_bytes(), signature).is_ok();
        assert!(verifies(&signature), "{}", row.source);
        signature[0] ^= 1;
        assert!(!verifies(&signature), "{}", row.source);
        algorithms.push(header.algorithm());
    }
    for needed in
        [Algorithm::Rs256, Algorithm::Ps384, Algorithm::Es256, Algorithm::Es512, Algorithm::EdDsa, Algorithm::Hs256]
    {
        assert!(algorithms.contains(&needed), "{} has no example", needed.name());
    }
}
