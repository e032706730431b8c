//! The token that modules get: its form, and what each claim of its payload means.

use super::{API_KEY, GATEWAY, ORGANIZATION, of_provider, seen_of};
use crate::envoy::seen::Seen;
use crate::envoy::tokens::{claims, sign, with, without};
use crate::seeds::token::{authorization, decoded, has_seven_claims};
use crate::seeds::{denied, get, only, reached_a_module};
use crate::support::STRANGER;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud::clock::Clock;
use serde_json::{Value, json};

#[test]
fn the_example_header_has_the_form_of_minted_tokens() {
    GATEWAY.test(async |gateway| {
        let sample = include_str!("../../data/envoy/bifrost_sample_token.jwt").trim();
        let seen = seen_of(gateway, claims()).await;
        let parts = |token: &str| -> Vec<Value> {
            let parts = token.split('.').take(2).map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
            parts.map(|part| serde_json::from_slice(&part).unwrap()).collect()
        };
        let (sample, minted) = (parts(sample), parts(authorization(&seen).trim_start_matches("JWT ")));
        let names = |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        assert_eq!(names(&minted[1]), names(&sample[1]));
        assert_eq!([&minted[0]["typ"], &minted[0]["alg"]], [&sample[0]["typ"], &sample[0]["alg"]]);
    });
}

#[test]
fn the_pyjwt_call_decodes_the_header() {
    GATEWAY.test(async |gateway| {
        let claims = decoded(gateway, authorization(&seen_of(gateway, claims()).await)).await.unwrap();
        assert_eq!((&claims["username"], claims.get("aud")), (&json!("admin"), None));
    });
}

#[test]
fn the_payload_has_seven_claims() {
    GATEWAY.test(async |gateway| has_seven_claims(&seen_of(gateway, claims()).await.decoded));
}

#[test]
fn core_user_uuid_is_who_initiated_the_request() {
    GATEWAY.test(async |gateway| {
        let user = "82bdb6a3-2119-418f-8c2d-caab7ebb8975";
        let seen = seen_of(gateway, with(claims(), "core_user_uuid", json!(user))).await;
        assert_eq!((only(&seen, "x-core-user-uuid"), &seen.decoded["core_user_uuid"]), (user, &json!(user)));
        let line = of_provider(without(claims(), "core_user_uuid"));
        assert!(!reached_a_module(&get(gateway, "/crm/", &[&line]).await));
    });
}

#[test]
fn exp_is_when_the_token_expires() {
    GATEWAY.test(async |gateway| {
        let now = Clock::System.now().as_secs();
        let expires = seen_of(gateway, claims()).await.decoded["exp"].as_u64().unwrap();
        assert!(now < expires && expires <= now + 330, "{expires} {now}");
        // Never later than the client's own token, with the authenticator's tolerance.
        let short = with(claims(), "exp", json!(now + 20));
        let expires = seen_of(gateway, short).await.decoded["exp"].as_u64().unwrap();
        assert!(expires <= now + 20 + 30, "{expires} {now}");
    });
}

#[test]
fn iat_is_when_the_token_was_issued() {
    GATEWAY.test(async |gateway| {
        let before = Clock::System.now().as_secs();
        let issued =
            seen_of(gateway, with(claims(), "username", json!("just-now"))).await.decoded["iat"].as_u64().unwrap();
        assert!(before - 5 <= issued && issued <= Clock::System.now().as_secs(), "{issued} {before}");
    });
}

#[test]
fn iss_is_always_bifrost() {
    GATEWAY.test(async |gateway| {
        let module = Seen::of(&get(gateway, "/crm/", &[&format!("X-API-Key: {API_KEY}")]).await);
        assert_eq!([&module.decoded["iss"], &seen_of(gateway, claims()).await.decoded["iss"]], ["bifrost", "bifrost"]);
        // The provider can't write this issuer: another key signs for it.
        let line = format!("Authorization: JWT {}", sign(&STRANGER, &claims()));
        assert_eq!(denied(gateway, "/crm/", &[&line]).await, 401);
    });
}

#[test]
fn organization_uuid_is_the_organization_of_the_user() {
    GATEWAY.test(async |gateway| {
        let seen = seen_of(gateway, claims()).await;
        assert_eq!(
            (only(&seen, "x-organization-uuid"), &seen.decoded["organization_uuid"]),
            (ORGANIZATION, &json!(ORGANIZATION))
        );
    });
}

#[test]
fn scope_is_what_was_granted() {
    GATEWAY.test(async |gateway| {
        for scope in ["read write", "read"] {
            let seen = seen_of(gateway, with(claims(), "scope", json!(scope))).await;
            assert_eq!((only(&seen, "x-scope"), &seen.decoded["scope"]), (scope, &json!(scope)));
        }
    });
}

#[test]
fn username_is_the_name_of_the_user() {
    GATEWAY.test(async |gateway| {
        let seen = seen_of(gateway, with(claims(), "username", json!("bob"))).await;
        assert_eq!((only(&seen, "x-username"), &seen.decoded["username"]), ("bob", &json!("bob")));
    });
}
