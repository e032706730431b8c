//! The JWS vectors of the project Wycheproof, if `MODGUD_TEST_WYCHEPROOF` names the folder with them.

use jsonwebtoken::signature::Verifier as _;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::compact::CompactToken;
use crate::jose::header::JoseHeader;
use crate::jose::json::read_object;
use crate::jose::key::VerificationKey;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    /// The public key of an asymmetric group.
    public: Option<Map<String, Value>>,
    /// The secret of a symmetric group; the private half of any other.
    private: Option<Map<String, Value>>,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    tc_id: u32,
    comment: String,
    jws: Value,
    result: String,
}

/// Valid vectors that are no strict compact JWS with claims.
const STRICTER: [&str; 3] = ["emptyPayload", "InvalidCharacterInsertedInHeader", "InvalidCharacterInsertedInPayload"];

/// Returns the algorithm of the token if the key verifies it; its payload may be anything.
fn verified(key: &VerificationKey, token: &str) -> Option<Algorithm> {
    let compact = CompactToken::parse(token).ok()?;
    let header = JoseHeader::from_object(read_object(compact.header()).ok()?).ok()?;
    let (message, signature) = compact.into_signed();
    let verifier = key.verifier(header.algorithm())?;
    let has_length = signature.len() == verifier.signature_len();
    let is_right = has_length && verifier.verify(message.as_bytes(), &signature).is_ok();
    (is_right && (header.key_id().is_none() || header.key_id() == key.id())).then_some(header.algorithm())
}

#[test]
fn the_vectors_of_wycheproof_are_decided_as_they_say() {
    #[expect(clippy::disallowed_methods, reason = "tests read their vectors")]
    let text = match std::env::var_os("MODGUD_TEST_WYCHEPROOF") {
        Some(folder) => {
            std::fs::read_to_string(std::path::Path::new(&folder).join("json_web_signature_test.json")).unwrap()
        }
        None => return eprintln!("not run: MODGUD_TEST_WYCHEPROOF does not name the folder of the vectors"),
    };
    let vectors: Vectors = serde_json::from_str(&text).unwrap();
    let (mut valid, mut invalid) = (Vec::new(), 0);
    for Group { public, private, tests } in vectors.test_groups {
        let mut jwk = public.or(private).unwrap();
        let key = |jwk: &Map<String, Value>| VerificationKey::from_own_jwk(&Value::Object(jwk.clone()).to_string());
        let restricted = key(&jwk);
        // The keys of the examples from RFC 7520 have an `alg` that is wrong, or no algorithm at all (`ES521`).
        jwk.remove("alg");
        let unrestricted = key(&jwk);
        for Case { tc_id, comment, jws, result } in tests {
            // A JWS in JSON serialization is no compact one.
            let token = jws.as_str().map_or_else(|| jws.to_string(), str::to_owned);
            if result != "valid" {
                let found = restricted.as_ref().ok().and_then(|key| verified(key, &token));
                assert_eq!(found, None, "{tc_id} {comment}");
                invalid += 1;
            } else if !STRICTER.contains(&comment.as_str()) {
                let found = verified(unrestricted.as_ref().unwrap(), &token);
                valid.push(found.unwrap_or_else(|| panic!("{tc_id} {comment}: {token}")));
            }
        }
    }
    for needed in [Algorithm::Es512, Algorithm::Hs256, Algorithm::Ps512] {
        assert!(valid.contains(&needed), "{} has no vector", needed.name());
    }
    assert!(invalid > 300, "{invalid}");
}
