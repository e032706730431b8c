//! Custom authenticators, and `examples/custom_authenticator.rs`: the very file, asked as a server through gRPC, and as a program.
//!
//! - `waiting`: those that wait for another server.
//! - `correlation`: the identity correlation, which they may change.
//! - `commands`: the example's commands.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod commands;
mod correlation;
mod waiting;

#[path = "../examples/custom_authenticator.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a program, whose `main` nobody calls here")]
mod example;

use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, NOW, Sidecar, check};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud::config::{Environment, Overrides, load};
use modgud::envoy::proto::CheckRequest;
use modgud_core::authn::{CustomAuthenticator, CustomAuthenticators, CustomError};
use modgud_core::http::request::Request;
use modgud_core::time::Timestamp;
use serde_json::{Map, Value, json};
use std::fs;

const YAML: &str = include_str!("../examples/custom_authenticator.yaml");

/// Those of the example, whose server is absent.
fn authenticators() -> CustomAuthenticators {
    example::authenticators(http::Uri::from_static("http://127.0.0.1:1/"))
}

struct Asked {
    sidecar: Sidecar,
}

impl Asked {
    async fn start(yaml: &str, authenticators: CustomAuthenticators) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("modgud.yaml");
        fs::write(&file, yaml).unwrap();
        fs::write(folder.path().join("revoked.yaml"), "subjects: [eve]\n").unwrap();
        let environment = Environment::fixed([]).with_authenticators(authenticators);
        Self { sidecar: Sidecar::in_environment(Some(file), folder, environment, None).await }
    }

    /// The answer, and the reason that is counted.
    async fn ask(&self, method: &str, authorization: &str) -> (Answer, String) {
        self.checked(check(Encoding::Joined, method, "/", &[("authorization", authorization.as_bytes())])).await
    }

    async fn checked(&self, check: CheckRequest) -> (Answer, String) {
        let before = Counters::read(&self.sidecar).await;
        let answer = self.sidecar.client().await.check(check).await.unwrap().into_inner();
        let reasons = Counters::read(&self.sidecar).await.reasons_since(&before);
        let [reason] = <[String; 1]>::try_from(reasons).unwrap_or_else(|reasons| panic!("{reasons:?}"));
        (Answer::read(answer).unwrap(), reason)
    }
}

#[tokio::test]
async fn the_example_serves() {
    let asked = Asked::start(YAML, authenticators()).await;
    let later = NOW.saturating_add(60);
    let set = |answer: &Answer| match answer {
        Answer::Allow { set, .. } => set.iter().map(|(name, value)| format!("{name}: {value}")).collect(),
        Answer::Deny { .. } => Vec::new(),
    };
    let (answer, _) = asked.ask("GET", &format!("Bearer valid-bob-{later}")).await;
    assert_eq!(set(&answer), ["x-email: bob@example.com", "x-user: bob"], "{answer:?}");
    for (method, authorization, status, reason) in [
        ("DELETE", format!("Bearer valid-alice-{later}"), None, ""),
        ("DELETE", format!("Bearer valid-bob-{later}"), Some(403), "permission_missing"),
        ("GET", format!("Bearer valid-bob-{NOW}"), Some(401), "token_expired"),
        ("GET", format!("Bearer valid--{later}"), Some(401), "credential_refused"),
        ("GET", "Bearer invalid".to_owned(), Some(401), "credential_refused"),
        ("GET", "Bearer a.b.c".to_owned(), Some(401), "credential_refused"),
        ("GET", "Basic dXNlcg==".to_owned(), Some(401), "credential_malformed"),
        ("GET", "Bearer a b".to_owned(), Some(401), "credential_malformed"),
    ] {
        let (answer, counted) = asked.ask(method, &authorization).await;
        assert_eq!((answer.status(), counted.as_str()), (status, reason), "{method} {authorization}");
    }
}

/// Says what the credential says.
struct Reported;

impl CustomAuthenticator for Reported {
    fn authenticate(
        &self,
        credential: &str,
        request: &Request<'_>,
        _: Timestamp,
    ) -> Result<Map<String, Value>, CustomError> {
        match credential {
            "unavailable" => Err(CustomError::Unavailable),
            "panic" => panic!("a fault of one's own"),
            path if request.path.as_str() == "/" => {
                Ok(Map::from_iter([("sub".to_owned(), path.into()), ("jti".to_owned(), "one".into())]))
            }
            _ => Err(CustomError::Rejected),
        }
    }
}

#[tokio::test]
async fn whatever_it_does_the_check_is_answered() {
    let reported = authenticators().with("valid-prefix", Reported);
    let asked = Asked::start(&format!("{YAML}revocations: {{ file: revoked.yaml }}\n"), reported).await;
    for (credential, status, reason) in [
        ("unavailable", Some(503), "authenticator_unavailable"),
        ("panic", Some(503), "internal"),
        ("somebody", None, ""),
        ("eve", Some(401), "token_revoked"),
    ] {
        let (answer, counted) = asked.ask("GET", &format!("Bearer {credential}")).await;
        assert_eq!((answer.status(), counted.as_str()), (status, reason), "{credential}");
    }
}

/// Says the claims that stand in the credential, as JSON in base64url.
struct Claimed;

impl CustomAuthenticator for Claimed {
    fn authenticate(&self, credential: &str, _: &Request<'_>, _: Timestamp) -> Result<Map<String, Value>, CustomError> {
        let json = URL_SAFE_NO_PAD.decode(credential).map_err(|_| CustomError::Rejected)?;
        serde_json::from_slice(&json).map_err(|_| CustomError::Rejected)
    }
}

/// A claim that decides something is there with a type that rules, revocations and headers could not read alike.
#[tokio::test]
async fn a_deciding_claim_of_an_unexpected_type_is_claim_invalid() {
    let claimed = authenticators().with("valid-prefix", Claimed);
    let principal = "principal: { subject: sub, organization: organization_uuid, roles: roles, permissions: [permissions], \
                     scopes: [scope], absent: [None] }\nrevocations: { file: revoked.yaml }\n";
    let yaml = YAML.replace("x-email: { claim: email }", "x-organization: { claim: organization_uuid }");
    let asked = Asked::start(&format!("{yaml}{principal}"), claimed).await;
    let mut rows = vec![
        (json!({ "sub": "eve" }), "token_revoked"),
        (json!({ "sub": ["eve"] }), "claim_invalid"),
        (json!({ "sub": { "id": "eve" } }), "claim_invalid"),
        (json!({ "sub": 7 }), "claim_invalid"),
        (json!({ "jti": 7 }), "claim_invalid"),
    ];
    for claim in ["sub", "organization_uuid", "roles", "permissions", "scope"] {
        rows.extend([
            (json!({ claim: "a" }), ""),
            (json!({ claim: null }), ""),
            (json!({ claim: "None" }), ""),
            (json!({ claim: 7 }), "claim_invalid"),
            (json!({ claim: true }), "claim_invalid"),
            (json!({ claim: { "a": "b" } }), "claim_invalid"),
        ]);
    }
    rows.push((json!({ "organization_uuid": ["a"] }), "claim_invalid"));
    for claim in ["roles", "permissions", "scope"] {
        rows.extend([
            (json!({ claim: ["a", "b"] }), ""),
            (json!({ claim: ["a", 7] }), "claim_invalid"),
            (json!({ claim: ["a", null] }), "claim_invalid"),
            (json!({ claim: ["a", ""] }), "claim_invalid"),
        ]);
    }
    for (claims, reason) in rows {
        let credential = URL_SAFE_NO_PAD.encode(claims.to_string());
        let (answer, counted) = asked.ask("GET", &format!("Bearer {credential}")).await;
        let status = (!reason.is_empty()).then_some(401);
        assert_eq!((answer.status(), counted.as_str()), (status, reason), "{claims}");
    }
}

#[test]
fn an_unregistered_name_is_reported_with_the_registered_ones() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    fs::write(&file, YAML.replace("valid-prefix", "valid-prefixes")).unwrap();
    let problems = |authenticators| {
        let environment = Environment::fixed([]).with_authenticators(authenticators);
        let loaded = load(Some(&file), &Overrides::default(), &environment);
        loaded.err().map(|error| error.to_string().replace(&file.display().to_string(), "modgud.yaml"))
    };
    assert_eq!(
        problems(authenticators()).unwrap(),
        "modgud.yaml:6:13: authenticators[0].custom: `valid-prefixes` is not an authenticator of this program; \
         write one of `session-server`, `valid-prefix` [custom-unknown]"
    );
    assert_eq!(
        problems(CustomAuthenticators::default()).unwrap(),
        "modgud.yaml:6:13: authenticators[0].custom: `valid-prefixes` is not an authenticator of this program; \
         write another kind: `custom` is for programs that use modgud as a library [custom-unknown]\n\
         modgud.yaml:9:13: authenticators[1].custom: `session-server` is not an authenticator of this program; \
         write another kind: `custom` is for programs that use modgud as a library [custom-unknown]"
    );
}
