//! Document 1, the Humanitec API gateway. Clients present its tokens. Envoy has the sample configuration, and modgud has none: the public
//! key is its only setting.

use super::gateway::Gateway;
use super::reserved::reserved_names;
use super::token::{
    authorization, decoded, every_module_is_reached, has_seven_claims, only_rs256_is_accepted, only_this_key_decodes,
};
use super::{denied, get, modgud, only, post, reached_a_module};
use crate::cli::process::{KEY_VARIABLE, run_in};
use crate::envoy::seen::Seen;
use crate::envoy::tokens::{Tokens, claims, jwt, object, sign, with, without};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use modgud_testbed::{Setup, Testbed};
use serde_json::{Value, json};
use std::fs;

static GATEWAY: Gateway = Gateway::new("seeds::humanitec::", |_| (Setup::default(), Vec::new()));

reserved_names!(GATEWAY, caller);

/// The header line of a caller whose token is valid.
fn caller(gateway: &Testbed) -> String {
    jwt(&sign(&gateway.key, &claims()))
}

/// The request that reached the module `crm`, of a caller with these claims.
async fn seen_of(gateway: &Testbed, claims: &[(String, Value)]) -> Seen {
    let answer = get(gateway, "/crm/appointment/", &[&jwt(&sign(&gateway.key, claims))]).await;
    assert_eq!(answer.status, 200);
    Seen::of(&answer)
}

/// The status for a caller with these claims.
async fn status(gateway: &Testbed, claims: &[(String, Value)]) -> u16 {
    let answer = get(gateway, "/crm/appointment/", &[&jwt(&sign(&gateway.key, claims))]).await;
    assert_eq!(answer.status == 200, reached_a_module(&answer));
    answer.status
}

#[test]
fn modules_communicate_over_the_authentication_layer() {
    GATEWAY.test(async |gateway| {
        let first = Seen::of(&get(gateway, "/crm/", &[&caller(gateway)]).await);
        // The module passes on what it got.
        let line = format!("Authorization: {}", only(&first, "authorization"));
        let second = Seen::of(&get(gateway, "/documents/", &[&line]).await);
        assert_eq!((second.module.as_str(), second.identity()), ("documents", first.identity()));
        assert_eq!(second.decoded, first.decoded);
        assert_eq!(denied(gateway, "/documents/", &[]).await, 401);
    });
}

#[test]
fn all_endpoints_are_exposed_as_one_api() {
    GATEWAY.test(async |gateway| every_module_is_reached(gateway, &caller(gateway)).await);
}

#[test]
fn a_module_has_its_swagger_json_at_docs() {
    GATEWAY.test(async |gateway| {
        let folder = tempfile::tempdir().unwrap();
        for path in ["/crm/docs", "/crm/docs/swagger.json"] {
            assert_eq!(denied(gateway, path, &[]).await, 401);
            let answer = get(gateway, path, &[&caller(gateway)]).await;
            assert_eq!((answer.status, &answer.json()["swagger"]), (200, &json!("2.0")));
            fs::write(folder.path().join("swagger.json"), &answer.body).unwrap();
            let output = run_in(folder.path(), &[], &["openapi", "check", "swagger.json", "--module", "crm"]).await;
            assert_eq!(output.code, Some(0), "{}", output.err);
        }
        fs::write(folder.path().join("swagger.json"), "{\"paths\": {}}").unwrap();
        let output = run_in(folder.path(), &[], &["openapi", "check", "swagger.json", "--module", "crm"]).await;
        assert_eq!(output.code, Some(1), "what follows no specification is rejected");
    });
}

#[test]
fn a_module_reads_json_web_tokens_with_a_library() {
    GATEWAY.test(async |gateway| {
        let claims = claims();
        // `PyJWT` in the module.
        assert_eq!(seen_of(gateway, &claims).await.decoded, object(&claims));
    });
}

#[test]
fn external_requests_start_with_an_oauth2_flow() {
    GATEWAY.test(async |gateway| {
        let answer = post(gateway, "/oauth/token/", &["Authorization: Basic Y2xpZW50OnNlY3JldA=="], "{}").await;
        let seen = Seen::of(&answer);
        assert_eq!((seen.module.as_str(), seen.method.as_str(), seen.path.as_str()), ("core", "POST", "/oauth/token/"));
        assert_eq!(only(&seen, "authorization"), "Basic Y2xpZW50OnNlY3JldA==", "the client's own credential");
        assert_eq!(denied(gateway, "/crm/oauth/token/", &["Authorization: Basic Y2xpZW50OnNlY3JldA=="]).await, 401);
    });
}

#[test]
fn tokens_are_signed_with_rs256() {
    GATEWAY.test(async |gateway| {
        assert_eq!(status(gateway, &claims()).await, 200);
        only_rs256_is_accepted(gateway).await;
    });
}

#[test]
fn the_public_key_is_in_the_environment() {
    GATEWAY.test(async |gateway| {
        // modgud of this gateway got it so, and so do commands.
        assert_eq!(status(gateway, &claims()).await, 200);
        let pem = gateway.key.public_pem().unwrap();
        let one_line = pem.replace('\n', "\\n");
        for (variables, code) in
            [(vec![(KEY_VARIABLE, pem.as_str())], 0), (vec![(KEY_VARIABLE, &one_line)], 0), (vec![], 1)]
        {
            let output = modgud("profile: bifrost\n", &variables, &["check", "--config", "modgud.yaml"]).await;
            assert_eq!(output.code, Some(code), "{}", output.err);
            assert_eq!(output.err.contains(KEY_VARIABLE), code == 1);
        }
    });
}

#[test]
fn a_module_decodes_with_the_key_of_its_environment() {
    GATEWAY.test(async |gateway| {
        let seen = seen_of(gateway, &claims()).await;
        only_this_key_decodes(gateway, authorization(&seen)).await;
    });
}

#[test]
fn authorization_is_jwt_and_the_token() {
    GATEWAY.test(async |gateway| {
        let token = sign(&gateway.key, &claims());
        for scheme in ["JWT", "jwt", "Bearer"] {
            let seen = Seen::of(&get(gateway, "/crm/", &[&format!("Authorization: {scheme} {token}")]).await);
            assert_eq!(authorization(&seen), format!("JWT {token}"), "{scheme}");
        }
        for other in ["Basic", "Token"] {
            assert_eq!(denied(gateway, "/crm/", &[&format!("Authorization: {other} {token}")]).await, 401, "{other}");
        }
    });
}

#[test]
fn the_example_header_has_a_token_of_this_form() {
    GATEWAY.test(async |gateway| {
        let line = Tokens::new(&gateway.key).fill(&["Authorization: JWT {sample}".to_owned()]);
        let parts: Vec<&str> = line[0].rsplit(' ').next().unwrap().split('.').collect();
        let part =
            |at: usize| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[at]).unwrap()).unwrap() };
        assert_eq!(part(0), json!({ "typ": "JWT", "alg": "RS256" }));
        has_seven_claims(&part(1));
        // The form is right, but the key is unknown and the token expired in 2019.
        assert_eq!(denied(gateway, "/crm/", &[&line[0]]).await, 401);
        let own: Vec<(String, Value)> = part(1).as_object().unwrap().clone().into_iter().collect();
        let renewed = with(own, "exp", claims()[1].1.clone());
        assert_eq!(status(gateway, &renewed).await, 200);
    });
}

#[test]
fn the_pyjwt_call_decodes_the_header() {
    GATEWAY.test(async |gateway| {
        let claims = claims();
        let seen = seen_of(gateway, &claims).await;
        assert_eq!(decoded(gateway, authorization(&seen)).await.unwrap(), object(&claims));
    });
}

#[test]
fn the_payload_has_seven_claims() {
    GATEWAY.test(async |gateway| has_seven_claims(&seen_of(gateway, &claims()).await.decoded));
}

#[test]
fn core_user_uuid_is_who_initiated_the_request() {
    GATEWAY.test(async |gateway| {
        let user = "82bdb6a3-2119-418f-8c2d-caab7ebb8975";
        let seen = seen_of(gateway, &with(claims(), "core_user_uuid", json!(user))).await;
        assert_eq!((only(&seen, "x-core-user-uuid"), &seen.decoded["core_user_uuid"]), (user, &json!(user)));
        assert_eq!(status(gateway, &without(claims(), "core_user_uuid")).await, 401);
    });
}

#[test]
fn exp_is_when_the_token_expires() {
    GATEWAY.test(async |gateway| {
        let now = claims()[2].1.as_u64().unwrap();
        assert_eq!(seen_of(gateway, &with(claims(), "exp", json!(now + 600))).await.decoded["exp"], now + 600);
        assert_eq!(status(gateway, &with(claims(), "exp", json!(now - 60))).await, 401);
        assert_eq!(status(gateway, &without(claims(), "exp")).await, 401);
    });
}

#[test]
fn iat_is_when_the_token_was_issued() {
    GATEWAY.test(async |gateway| {
        let now = claims()[2].1.as_u64().unwrap();
        assert_eq!(seen_of(gateway, &with(claims(), "iat", json!(now - 36_000))).await.decoded["iat"], now - 36_000);
        assert_eq!(
            status(gateway, &with(claims(), "iat", json!(now + 3_600))).await,
            401,
            "it was issued in the future"
        );
    });
}

#[test]
fn iss_is_always_bifrost() {
    GATEWAY.test(async |gateway| {
        assert_eq!(seen_of(gateway, &claims()).await.decoded["iss"], "bifrost");
        for other in [json!("Bifrost"), json!("bifrost "), json!(["bifrost"]), json!(null)] {
            assert_eq!(status(gateway, &with(claims(), "iss", other)).await, 401);
        }
    });
}

#[test]
fn organization_uuid_is_the_organization_of_the_user() {
    GATEWAY.test(async |gateway| {
        let organization = "b265bad5-b812-4f42-b3ee-341ebbb72c6b";
        let seen = seen_of(gateway, &with(claims(), "organization_uuid", json!(organization))).await;
        assert_eq!(only(&seen, "x-organization-uuid"), organization);
        assert_eq!(seen.decoded["organization_uuid"], organization);
    });
}

#[test]
fn scope_is_what_was_granted() {
    GATEWAY.test(async |gateway| {
        for scope in ["read write", "read"] {
            let seen = seen_of(gateway, &with(claims(), "scope", json!(scope))).await;
            assert_eq!((only(&seen, "x-scope"), &seen.decoded["scope"]), (scope, &json!(scope)));
        }
    });
}

#[test]
fn username_is_the_name_of_the_user() {
    GATEWAY.test(async |gateway| {
        let seen = seen_of(gateway, &with(claims(), "username", json!("bob"))).await;
        assert_eq!((only(&seen, "x-username"), &seen.decoded["username"]), ("bob", &json!("bob")));
    });
}

#[test]
fn no_other_configuration_is_necessary() {
    GATEWAY.test(async |gateway| {
        // This gateway has no file: the module works with its key alone.
        assert_eq!(status(gateway, &claims()).await, 200);
        let folder = tempfile::tempdir().unwrap();
        let pem = gateway.key.public_pem().unwrap();
        let output = run_in(folder.path(), &[(KEY_VARIABLE, &pem)], &["check"]).await;
        assert_eq!(output.code, Some(0), "{}", output.err);
    });
}
