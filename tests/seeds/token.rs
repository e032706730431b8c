//! What documents 1 and 2 both say of modules, and of the token that reaches them from either issuer.

use super::{denied, get, only, python, send};
use crate::cli::process::KEY_VARIABLE;
use crate::envoy::seen::Seen;
use crate::envoy::tokens::{Tokens, claims, jwt, sign};
use crate::support::STRANGER;
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_testbed::Testbed;
use serde_json::Value;
use std::collections::BTreeSet;

/// The documents' call of `PyJWT`, as a program.
const DECODE: &str = include_str!("../data/seeds/decode.py");

/// The claims of the documents' payload.
pub(super) const CLAIMS: [&str; 7] = ["core_user_uuid", "exp", "iat", "iss", "organization_uuid", "scope", "username"];

/// The value of a module's `Authorization` header, decoded by the documents' own call. `Err` with Python's message.
pub(super) async fn decoded(gateway: &Testbed, authorization: &str) -> Result<Value, String> {
    let pem = gateway.key.public_pem().unwrap();
    let text = python(DECODE, (KEY_VARIABLE, &pem), &[authorization]).await?;
    Ok(serde_json::from_str(&text).unwrap())
}

/// The call decodes with the key of the environment, and with no other.
pub(super) async fn only_this_key_decodes(gateway: &Testbed, authorization: &str) {
    assert_eq!(decoded(gateway, authorization).await.unwrap()["username"], "admin");
    let other = STRANGER.public_pem().unwrap();
    let error = python(DECODE, (KEY_VARIABLE, &other), &[authorization]).await.unwrap_err();
    assert!(error.contains("InvalidSignatureError"), "{error}");
}

/// A token of the issuer `bifrost` is accepted only if its key signed it with RS256.
pub(super) async fn only_rs256_is_accepted(gateway: &Testbed) {
    let tokens = Tokens::new(&gateway.key);
    for name in ["alg_none", "alg_none_signed", "hs256_with_public_pem", "stranger"] {
        let lines = tokens.fill(&[format!("Authorization: JWT {{{name}}}")]);
        assert_eq!(denied(gateway, "/crm/", &[&lines[0]]).await, 401, "{name}");
    }
    let private = gateway.key.private_text().unwrap();
    let line = |algorithm| {
        let key = SigningKey::from_pem(private.expose_secret()).unwrap().with_algorithm(algorithm).unwrap();
        jwt(&sign(&key, &claims()))
    };
    assert_eq!(get(gateway, "/crm/", &[&line(Algorithm::Rs256)]).await.status, 200);
    for algorithm in [Algorithm::Rs384, Algorithm::Rs512, Algorithm::Ps256] {
        assert_eq!(denied(gateway, "/crm/", &[&line(algorithm)]).await, 401, "{algorithm:?}");
    }
}

/// The claims have exactly the names of the payload.
pub(super) fn has_seven_claims(claims: &Value) {
    let names: BTreeSet<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(CLAIMS));
    for time in ["exp", "iat"] {
        assert!(claims[time].is_u64(), "{claims}");
    }
}

/// The `Authorization` header that reached a module: `JWT`, a space and the token.
pub(super) fn authorization(seen: &Seen) -> &str {
    let value = only(seen, "authorization");
    let token = value.strip_prefix("JWT ").unwrap_or_else(|| panic!("not `JWT {{token}}`: {value}"));
    assert_eq!(token.split('.').count(), 3, "{value}");
    value
}

/// Each module, and the core service, is reached below its prefix by every method.
pub(super) async fn every_module_is_reached(gateway: &Testbed, caller: &str) {
    for (path, module, below) in
        [("/crm/a/1/?x=2", "crm", "/a/1/?x=2"), ("/documents/a", "documents", "/a"), ("/user/1/", "core", "/user/1/")]
    {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let seen = Seen::of(&send(gateway, method, path, &[caller]).await);
            assert_eq!((seen.module.as_str(), seen.method.as_str(), seen.path.as_str()), (module, method, below));
        }
    }
}
