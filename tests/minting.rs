//! Tokens that modgud mints for modules: their claims, their verification, how long they are used, and that no request gets one
//! without a caller. Verified by another library, with the keys that modgud publishes. The module's side is in `envoy/minted.rs`.
//!
//! - `bifrost`: BiFrost's tokens for callers who bring something else, behind a real Envoy and decoded by `PyJWT`.
//! - `callers`: who gets a token, and what becomes of the credential that was shown.
//! - `keys`: the JWKS, rotation, and that no private key is ever shown.
//! - `own`: tokens in BiFrost's form, and minted tokens that come back.
//! - `times`: how long a token lives, and when it is minted anew.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod bifrost;
mod callers;
mod keys;
mod own;
mod times;

use crate::decisions::answer::Answer;
use crate::support::{Encoding, KEY, Sidecar, check, claims};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use modgud::envoy::proto::CheckRequest;
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_testbed::http::Exchange;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A key as its owner has it in a file.
fn private(algorithm: Algorithm) -> String {
    SigningKey::generate(algorithm).unwrap().private_text().unwrap().expose_secret().to_owned()
}

/// The public half of a private key.
fn public(private: &str) -> String {
    SigningKey::from_pem(private).unwrap().public_pem().unwrap()
}

/// A configuration that mints, with these keys besides the usual ones; the profile's rules stay.
fn minting(algorithm: Algorithm, more: &str) -> String {
    format!(
        "
profile: bifrost
server: {{ deadline: 10s }}
mint:
  - name: internal
    algorithm: {}
    key: {{ file: signing.key }}
    issuer: modgud
    audience: modules
    {more}
upstream: {{ credential: {{ mint: internal }} }}
",
        algorithm.name()
    )
}

/// A sidecar of this configuration, with this key in its folder.
async fn sidecar(yaml: &str, key: &str) -> Sidecar {
    Sidecar::with_files(yaml, &BTreeMap::from([("signing.key".to_owned(), key.to_owned())])).await
}

/// A check with these headers.
fn asking(path: &str, headers: &[(&str, &str)]) -> CheckRequest {
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    check(Encoding::Raw, "GET", path, &headers)
}

/// A check with a token of these claims laid over the usual ones.
fn with_claims(changed: &[(&str, Value)]) -> CheckRequest {
    let mut claims = claims();
    for (name, value) in changed {
        claims.retain(|(known, _)| known != name);
        claims.push(((*name).to_owned(), value.clone()));
    }
    asking("/crm/", &[("authorization", &format!("JWT {}", KEY.sign(&claims).unwrap()))])
}

async fn ask(sidecar: &Sidecar, check: CheckRequest) -> Answer {
    Answer::read(sidecar.client().await.check(check).await.unwrap().into_inner()).unwrap()
}

/// The token that a check is answered with.
async fn minted(sidecar: &Sidecar, check: CheckRequest) -> String {
    let Answer::Allow { set, .. } = ask(sidecar, check).await else { panic!("it is turned away") };
    let authorization = set.get("authorization").expect("no token is handed on");
    authorization.strip_prefix("Bearer ").unwrap_or_else(|| panic!("{authorization}")).to_owned()
}

/// What modgud publishes.
async fn published(sidecar: &Sidecar) -> Value {
    let answer = Exchange::get(sidecar.addresses.admin, "/.well-known/jwks.json").await.unwrap();
    let header = |name| answer.header(name).unwrap_or_default().to_owned();
    assert_eq!(
        (answer.status, header("content-type").as_str(), header("cache-control").as_str()),
        (200, "application/jwk-set+json", "public, max-age=60")
    );
    answer.json()
}

/// The names of the published keys.
async fn published_ids(sidecar: &Sidecar) -> Vec<String> {
    let keys = published(sidecar).await;
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Verifies a token as a module would: by the key of its name, issuer and audience. The time is the test's to look at.
fn verified(token: &str, published: &Value) -> Value {
    let header = decode_header(token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("JWT"));
    let keys: JwkSet = serde_json::from_value(published.clone()).unwrap();
    let key = keys.find(header.kid.as_deref().expect("the token names its key")).expect("its key is published");
    claimed(token, &DecodingKey::from_jwk(key).unwrap(), header.alg)
}

/// The same whatever its audience.
fn verified_for_anyone(token: &str, published: &Value) -> Value {
    let header = decode_header(token).unwrap();
    let keys: JwkSet = serde_json::from_value(published.clone()).unwrap();
    let key = keys.find(header.kid.as_deref().expect("the token names its key")).expect("its key is published");
    let mut validation = Validation::new(header.alg);
    (validation.validate_exp, validation.validate_aud) = (false, false);
    decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
}

/// What a token says that is good by this key.
fn claimed(token: &str, key: &DecodingKey, algorithm: jsonwebtoken::Algorithm) -> Value {
    let mut validation = Validation::new(algorithm);
    validation.validate_exp = false;
    validation.set_issuer(&["modgud"]);
    validation.set_audience(&["modules"]);
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    decode::<Value>(token, key, &validation).unwrap().claims
}

/// The claims but for `jti`, which has to be there.
fn without_id(mut claims: Value) -> Value {
    let id = claims.as_object_mut().unwrap().remove("jti").expect("the token has a name");
    assert_eq!(id.as_str().unwrap().len(), 22, "16 bytes in base64url");
    claims
}

/// What is minted for the usual token when nothing is added, at this time.
fn usual(now: u64) -> Value {
    json!({ "iss": "modgud", "aud": "modules", "sub": "fd76ce0c-d8be-4aa6-91ed-59e698f6af60", "iat": now, "exp": now + 60 })
}
