//! The identity that Orchescala's workers get: where each value comes from, and what the signature protects.

use super::{COMPLETE, CONFIG, GATEWAY, SECRET, START, bearer, claims, correlation, denied, impersonator};
use crate::cli::process::{KEY_VARIABLE, run_with_input};
use crate::envoy::seen::Seen;
use crate::envoy::tokens::{with, without};
use crate::seeds::{get, modgud, only, post, reached_a_module};
use crate::support::STRANGER;
use modgud::clock::Clock;
use modgud_core::time::Timestamp;
use modgud_core::upstream::{IdentityCorrelation, SigningSecret, VerifyError};
use serde_json::{Value, json};
use std::fs;

fn secret() -> SigningSecret {
    SigningSecret::new(SECRET)
}

/// Runs `modgud correlation verify` or `sign` for a process instance, as a worker may. `None` if it fails.
async fn worker(command: &str, correlation: &str, instance: &str) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("key"), SECRET).unwrap();
    let arguments = ["correlation", command, "--key", "key", "--process-instance", instance, "-"];
    let output = run_with_input(folder.path(), &[], &arguments, correlation).await;
    (output.code == Some(0)).then_some(output.out)
}

#[test]
fn the_identity_is_extracted_from_the_token() {
    GATEWAY.test(async |gateway| {
        let line = bearer(&gateway.key, &claims());
        let forged = "X-Identity-Correlation: {\"username\":\"root\",\"issuedAt\":1}";
        let answer = get(gateway, COMPLETE, &[&line, forged]).await;
        assert_eq!(correlation(&answer).username.as_str(), "testuser");
    });
}

#[test]
fn the_identity_comes_from_token_and_variables() {
    GATEWAY.test(async |gateway| {
        let body = r#"{"customerId":"customer-456","amount":7}"#;
        let correlation = correlation(&post(gateway, START, &[&impersonator(gateway)], body).await);
        assert_eq!(correlation.username.as_str(), "testuser");
        assert_eq!(correlation.impersonated.unwrap().as_str(), "customer-456");
    });
}

#[test]
fn starting_a_process_is_signed_once_its_instance_is_known() {
    GATEWAY.test(async |gateway| {
        let answer = post(gateway, START, &[&bearer(&gateway.key, &claims())], "{}").await;
        let unsigned = only(&Seen::of(&answer), "x-identity-correlation").to_owned();
        assert_eq!(correlation(&answer).verify(&secret()), Err(VerifyError::Unsigned));
        assert!(worker("verify", &unsigned, "process-123").await.is_none());
        // The engine has started the process: the service that got the identity signs it.
        let signed = worker("sign", &unsigned, "process-123").await.unwrap();
        assert!(worker("verify", &signed, "process-123").await.is_some());
        let read = IdentityCorrelation::from_json(signed.as_bytes()).unwrap();
        assert_eq!((read.username.as_str(), read.verify(&secret())), ("testuser", Ok(())));
        assert!(worker("sign", &signed, "process-124").await.is_none(), "it is signed for another one");
    });
}

#[test]
fn completing_a_task_names_who_completed_it() {
    GATEWAY.test(async |gateway| {
        let answer = post(gateway, COMPLETE, &[&bearer(&gateway.key, &claims())], r#"{"approved":true}"#).await;
        let correlation = correlation(&answer);
        assert_eq!((correlation.username.as_str(), correlation.verify(&secret())), ("testuser", Ok(())));
    });
}

#[test]
fn username_is_preferred_username() {
    GATEWAY.test(async |gateway| {
        let username = async |claims: &[(String, Value)]| {
            let answer = get(gateway, COMPLETE, &[&bearer(&gateway.key, claims)]).await;
            correlation(&answer).username.as_str().to_owned()
        };
        assert_eq!(username(&with(claims(), "preferred_username", json!("bob"))).await, "bob");
        assert_eq!(username(&without(claims(), "preferred_username")).await, "");
    });
}

#[test]
fn email_is_the_email() {
    GATEWAY.test(async |gateway| {
        let with_email = get(gateway, COMPLETE, &[&bearer(&gateway.key, &claims())]).await;
        assert_eq!(correlation(&with_email).email.unwrap().as_str(), "test@example.com");
        let without_email = get(gateway, COMPLETE, &[&bearer(&gateway.key, &without(claims(), "email"))]).await;
        assert_eq!(correlation(&without_email).email, None);
    });
}

#[test]
fn impersonate_process_value_is_optional() {
    GATEWAY.test(async |gateway| {
        let line = impersonator(gateway);
        let acts_for = async |body: &str| {
            let answer = post(gateway, COMPLETE, &[&line], body).await;
            correlation(&answer).impersonated.map(|part| part.as_str().to_owned())
        };
        assert_eq!(acts_for(r#"{"customerId":"customer-456"}"#).await.as_deref(), Some("customer-456"));
        assert_eq!(acts_for(r#"{"customerId":null}"#).await, None);
        assert_eq!(acts_for("{}").await, None);
    });
}

#[test]
fn issued_at_is_when_the_token_was_issued() {
    GATEWAY.test(async |gateway| {
        let issued = Clock::System.now().as_secs() - 1_234;
        let line = bearer(&gateway.key, &with(claims(), "iat", json!(issued)));
        assert_eq!(correlation(&get(gateway, COMPLETE, &[&line]).await).issued_at, Timestamp::from_secs(issued));
    });
}

#[test]
fn the_process_instance_is_set_later() {
    GATEWAY.test(async |gateway| {
        let line = bearer(&gateway.key, &claims());
        assert_eq!(correlation(&post(gateway, START, &[&line], "{}").await).instance, None);
        let later = correlation(&post(gateway, COMPLETE, &[&line], "{}").await);
        assert_eq!(later.instance.unwrap().as_str(), "process-123");
    });
}

#[test]
fn the_signature_is_cryptographic() {
    GATEWAY.test(async |gateway| {
        let answer = post(gateway, COMPLETE, &[&bearer(&gateway.key, &claims())], "{}").await;
        let header = only(&Seen::of(&answer), "x-identity-correlation").to_owned();
        assert!(worker("verify", &header, "process-123").await.is_some());
        assert!(worker("verify", &header, "process-124").await.is_none());
        assert_eq!(correlation(&answer).verify(&SigningSecret::new("another")), Err(VerifyError::Signature));
    });
}

#[test]
fn without_a_signing_key_nothing_is_signed() {
    GATEWAY.test_without(async || {
        // `identitySigningKey = None` and `impersonateProcessKey = None` are the defaults.
        let yaml = CONFIG.split_once("correlation:").unwrap().0.replace("{crm}", "engine:8080");
        let pem = STRANGER.public_pem().unwrap();
        let variables = [(KEY_VARIABLE, pem.as_str())];
        let output = modgud(&yaml, &variables, &["config", "--config", "modgud.yaml"]).await;
        assert_eq!(output.code, Some(0), "{}", output.err);
        let effective: Value = serde_saphyr::from_str(&output.out).unwrap();
        let correlation = effective["correlation"].as_object().unwrap();
        assert!(correlation.contains_key("username") && !correlation.contains_key("key"), "{correlation:?}");
        assert!(!correlation.contains_key("impersonation"), "{correlation:?}");
    });
}

#[test]
fn the_signature_protects_every_part() {
    GATEWAY.test(async |gateway| {
        let answer = post(gateway, COMPLETE, &[&impersonator(gateway)], r#"{"customerId":"customer-456"}"#).await;
        let signed: Value = serde_json::from_str(only(&Seen::of(&answer), "x-identity-correlation")).unwrap();
        assert_eq!(signed.as_object().unwrap().len(), 6);
        let verify =
            |value: &Value| IdentityCorrelation::from_json(value.to_string().as_bytes()).unwrap().verify(&secret());
        assert_eq!(verify(&signed), Ok(()));
        for (member, value) in [
            ("username", json!("root")),
            ("email", json!("root@example.com")),
            ("impersonateProcessValue", json!("customer-457")),
            ("issuedAt", json!(1)),
            ("processInstanceId", json!("process-124")),
            ("email", json!(null)),
        ] {
            let mut changed = signed.clone();
            changed[member] = value;
            assert_eq!(verify(&changed), Err(VerifyError::Signature), "{member}");
        }
    });
}

#[test]
fn impersonation_needs_a_permission() {
    GATEWAY.test(async |gateway| {
        let plain = bearer(&gateway.key, &claims());
        let body = r#"{"customerId":"customer-456"}"#;
        assert_eq!(denied(&post(gateway, COMPLETE, &[&plain], body).await).0, 403);
        assert!(reached_a_module(&post(gateway, COMPLETE, &[&plain], "{}").await));
        assert!(reached_a_module(&post(gateway, COMPLETE, &[&impersonator(gateway)], body).await));
    });
}
