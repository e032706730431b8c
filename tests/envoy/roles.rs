//! The role of the profile `bearer` behind Envoy: a claim, whichever has it, and never a client's header.

use super::seen::Seen;
use super::tokens::{claims, sign, with};
use super::{ask, replaced, testbed};
use modgud_testbed::{EnvoyYaml, Setup};
use serde_json::{Value, json};

const CONFIG: &str = "
profile: bearer
authenticators:
  - name: login
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }] }
modules:
  - { name: crm, prefix: /crm, upstream: '{crm}' }
";

/// Envoy forwards names with `_`: modgud has to remove them.
fn allow_underscores(yaml: &str) -> String {
    replaced(yaml, "headers_with_underscores_action: REJECT_REQUEST", "headers_with_underscores_action: ALLOW")
}

#[tokio::test]
async fn the_role_is_a_claim_and_never_a_header_of_the_client() {
    let setup =
        Setup { config: Some(CONFIG), envoy: EnvoyYaml::Written, edit: Some(allow_underscores), ..Setup::default() };
    let testbed = testbed(setup).await;
    let token = |over: &[(&'static str, Value)]| {
        let claims =
            over.iter().fold(with(claims(), "sub", json!("u")), |all, (name, value)| with(all, name, value.clone()));
        sign(&testbed.key, &claims)
    };
    for (over, status, role) in [
        (vec![("role", json!("editor"))], 200, vec!["editor"]),
        (vec![("roles", json!(["user", "editor"])), ("role", json!("admin"))], 200, vec!["user"]),
        (vec![("roles", json!([])), ("role", json!("admin"))], 200, vec![]),
        (vec![], 200, vec![]),
        (vec![("role", json!({ "name": "admin" }))], 401, vec![]),
        (vec![("role", json!(["user", 7]))], 401, vec![]),
    ] {
        let spoofed = ["X-User-Role: root", "x_user_role: root", "X-User-Roles: root"].map(str::to_owned);
        let headers = [spoofed.as_slice(), &[format!("Authorization: Bearer {}", token(&over))]].concat();
        let answer = ask(testbed.gateway, "GET", "/crm/", &headers).await;
        if status == 401 {
            assert_eq!(
                (answer.status, answer.json()),
                (401, json!({ "error": "Invalid or expired token" })),
                "{over:?}"
            );
            continue;
        }
        // The token stays at the gateway, so that the module of the testbed, which verifies one, says 401 itself.
        let seen = Seen::of(&answer);
        assert_eq!((seen.values("x-user-id"), seen.values("x-user-role")), (vec!["u"], role), "{over:?}");
        let others = seen.headers.iter().filter(|(_, value)| value == "root").count();
        assert_eq!(others, 0, "{:?}", seen.headers);
    }
    testbed.stop().await;
}
