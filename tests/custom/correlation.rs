//! The identity correlation of callers whom a custom authenticator accepts: `extractCorrelation` of Orchescala's gateway.

use super::{Asked, authenticators};
use crate::decisions::answer::Answer;
use crate::support::{Encoding, NOW, check, program};
use modgud_core::authn::{
    AsyncCustomAuthenticator, CorrelationValues, CustomAuthenticator, CustomClaims, CustomDenial, CustomError,
    CustomInput,
};
use modgud_core::http::request::{Body, Request};
use modgud_core::jose::Claims;
use modgud_core::time::Timestamp;
use modgud_core::upstream::{IdentityCorrelation, SigningSecret};
use serde_json::{Map, Value, json};
use tokio::process::Command;

const YAML: &str = "
profile: none
server: { deadline: 10s }
authenticators:
  - { name: ours, from: [{ header: authorization, schemes: [Bearer] }], custom: KIND }
fallback: authenticated
principal: { subject: sub, permissions: [permissions] }
correlation:
  header: x-identity-correlation
  key: { value: test-secret-key }
  process_instance: { paths: ['/process/{process_instance}'] }
";

/// Accepts every credential as a user's name, and returns the correlation that a header names.
struct Extracting;

fn extracted(request: &Request<'_>, read: CorrelationValues) -> Result<CorrelationValues, CustomError> {
    let header = request.headers.iter().find(|field| field.name == b"x-change");
    let change: Value = header.map_or(Value::Null, |field| serde_json::from_slice(field.value).unwrap());
    let text = |name: &str| change[name].as_str().map(str::to_owned);
    match change["error"].as_str() {
        Some("panic") => panic!("a fault of one's own"),
        Some("forbidden") => return Err(CustomError::forbidden_with("Not in this process.")),
        Some("unavailable") => return Err(CustomError::Unavailable),
        _ => {}
    }
    // `in: JsonObject` of the seed: the variables in the body.
    let Body::NotSent = request.body else { panic!("no test sends a body") };
    Ok(CorrelationValues {
        username: text("username").unwrap_or(read.username),
        email: text("email").or(read.email),
        impersonated: text("impersonated").or(read.impersonated),
        issued_at: change["issued_at"].as_u64().map_or(read.issued_at, Timestamp::from_millis),
        process_instance: text("process_instance").or(read.process_instance),
    })
}

fn claims(credential: &str) -> Map<String, Value> {
    let permissions = if credential == "deputy" { json!(["impersonate"]) } else { json!([]) };
    let claims =
        json!({ "sub": credential, "preferred_username": credential, "permissions": permissions, "iat": NOW - 60 });
    claims.as_object().unwrap().clone()
}

impl CustomAuthenticator for Extracting {
    fn authenticate(&self, credential: &str, _: &Request<'_>, _: Timestamp) -> Result<Map<String, Value>, CustomError> {
        Ok(claims(credential))
    }

    fn correlation(
        &self,
        _: &Claims,
        request: &Request<'_>,
        read: CorrelationValues,
    ) -> Result<CorrelationValues, CustomError> {
        extracted(request, read)
    }
}

impl AsyncCustomAuthenticator for Extracting {
    fn input(&self) -> CustomInput {
        CustomInput::Credential
    }

    async fn authenticate(
        &self,
        credential: &str,
        _: Option<&Request<'_>>,
        _: Timestamp,
    ) -> Result<CustomClaims, CustomDenial> {
        Ok(CustomClaims::new(claims(credential)))
    }

    fn correlation(
        &self,
        _: &Claims,
        request: &Request<'_>,
        read: CorrelationValues,
    ) -> Result<CorrelationValues, CustomError> {
        extracted(request, read)
    }
}

async fn start(kind: &str, more: &str) -> Asked {
    let all = authenticators().with("sync", Extracting).with_async("async", Extracting);
    Asked::start(&format!("{}{more}", YAML.replace("KIND", kind)), all).await
}

/// The correlation that the service gets, or the status and the reason.
async fn ask(asked: &Asked, credential: &str, path: &str, change: &Value) -> Result<String, (u16, String)> {
    let (authorization, change) = (format!("Bearer {credential}"), change.to_string());
    let headers = [("authorization", authorization.as_bytes()), ("x-change", change.as_bytes())];
    let (answer, reason) = asked.checked(check(Encoding::Joined, "GET", path, &headers)).await;
    match answer {
        Answer::Allow { set, .. } => Ok(set["x-identity-correlation"].clone()),
        Answer::Deny { status, .. } => Err((status, reason)),
    }
}

/// The signature that Python computes from the members, as a worker does.
async fn signature(correlation: &str) -> String {
    const SIGN: &str = "
import base64, hashlib, hmac, json, sys
c = json.loads(sys.argv[1])
text = '|'.join([c['username'], c.get('email', ''), c.get('impersonateProcessValue', ''), str(c['issuedAt']), c['processInstanceId']])
print(base64.b64encode(hmac.new(b'test-secret-key', text.encode(), hashlib.sha256).digest()).decode())
";
    let output = Command::new(program("MODGUD_TEST_PYTHON")).args(["-c", SIGN, correlation]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn it_sets_every_value_and_modgud_signs_them() {
    for kind in ["sync", "async"] {
        let asked = start(kind, "").await;
        let now = NOW * 1_000;
        let read = ask(&asked, "alice", "/", &Value::Null).await.unwrap();
        assert_eq!(read, format!(r#"{{"username":"alice","issuedAt":{now}}}"#), "{kind}: as configured");
        let change = json!({
            "username": "custom-user", "email": "üser@example.com", "impersonated": "customer-456",
            "issued_at": 1_501_234_567_890_u64, "process_instance": "process-123",
        });
        for path in ["/", "/process/other"] {
            let made = ask(&asked, "alice", path, &change).await.unwrap();
            let read: Value = serde_json::from_str(&made).unwrap();
            let signed = signature(&made).await;
            assert_eq!(
                read,
                json!({
                    "username": "custom-user", "email": "üser@example.com", "impersonateProcessValue": "customer-456",
                    "issuedAt": 1_501_234_567_890_u64, "processInstanceId": "process-123", "signature": signed,
                }),
                "{kind}"
            );
            let read = IdentityCorrelation::from_json(made.as_bytes()).unwrap();
            assert_eq!(read.verify(&SigningSecret::new("test-secret-key")), Ok(()));
        }
    }
}

#[tokio::test]
async fn its_values_are_checked_like_claims() {
    for kind in ["sync", "async"] {
        let asked = start(kind, "").await;
        let long = "a".repeat(257);
        for member in ["username", "email", "impersonated", "process_instance"] {
            for text in ["a|b", "a\nb", "a\u{85}b", &long] {
                let found = ask(&asked, "alice", "/", &json!({ member: text })).await;
                assert_eq!(found, Err((401, "claim_invalid".to_owned())), "{kind} {member} {text:?}");
            }
        }
        for (change, status, reason) in [
            (json!({ "process_instance": "" }), 401, "claim_invalid"),
            (json!({ "issued_at": u64::MAX }), 401, "claim_invalid"),
            (json!({ "issued_at": NOW.saturating_add(61).saturating_mul(1_000) }), 401, "claim_invalid"),
            (json!({ "error": "panic" }), 503, "internal"),
            (json!({ "error": "forbidden" }), 403, "caller_refused"),
            (json!({ "error": "unavailable" }), 503, "authenticator_unavailable"),
        ] {
            assert_eq!(ask(&asked, "alice", "/", &change).await, Err((status, reason.to_owned())), "{kind} {change}");
        }
    }
}

#[tokio::test]
async fn a_configured_permission_to_impersonate_counts_for_it_too() {
    let asked = start("sync", "  impersonation: { header: x-impersonate, permission: impersonate }\n").await;
    let change = json!({ "impersonated": "customer-456" });
    assert_eq!(ask(&asked, "alice", "/", &change).await, Err((403, "permission_missing".to_owned())));
    assert!(ask(&asked, "deputy", "/", &change).await.unwrap().contains("customer-456"));
}

#[tokio::test]
async fn the_time_of_issue_is_that_of_the_decision_or_of_the_token() {
    for (key, issued) in [("", NOW), ("  issued_at: decision\n", NOW), ("  issued_at: token\n", NOW - 60)] {
        let asked = start("sync", key).await;
        let made = ask(&asked, "alice", "/", &Value::Null).await.unwrap();
        assert_eq!(made, format!(r#"{{"username":"alice","issuedAt":{}}}"#, issued * 1_000), "{key}");
    }
    // The example's tokens have no `iat`.
    let yaml = YAML.replace("KIND", "valid-prefix");
    let asked = Asked::start(&format!("{yaml}  issued_at: token\n"), authenticators()).await;
    let found = ask(&asked, &format!("valid-bob-{}", NOW + 60), "/", &Value::Null).await;
    assert_eq!(found, Err((401, "claim_invalid".to_owned())));
}
