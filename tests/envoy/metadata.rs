//! Dynamic metadata in a real Envoy: its access log tells who and why, of denials too, and its rate limits go by the organization.

use super::tokens::{claims, jwt, sign, with, without};
use super::{PATIENCE, ask, envoy_minor, replaced, testbed};
use crate::readme::block;
use modgud_testbed::{Setup, Testbed};
use serde_json::{Value, json};

/// Rules that deny an authenticated caller, and metadata that could do harm.
const CONFIGURATION: &str = r#"
profile: bifrost
rules:
  - { name: closed, match: { paths: ["/crm/closed/{*rest}"] }, require: { roles: [chief] } }
  - { name: open, match: { paths: ["/crm/open/{*rest}"] }, access: public }
upstream:
  metadata:
    deep: { claim: deep }
    team: { claim: team }
    teams: { claim: teams }
    about: { cel: "{'rule': rule, 'host': request.host, 'teams': has(claims.teams) ? claims.teams.size() : 0}" }
"#;

/// The members of the access log's line about a path that tell of modgud.
async fn logged(testbed: &mut Testbed, path: &str) -> Value {
    let found = |line: &str| {
        let event: Value = serde_json::from_str(line).ok()?;
        (event["path"] == path).then_some(event)
    };
    let event = testbed.envoy.wait_for(PATIENCE, found).await.unwrap();
    let names =
        ["decision", "reason", "rule", "authenticator", "subject", "organization", "teams", "team", "deep", "about"];
    // Before 1.40 Envoy writes `null` for metadata that is absent: docs/envoy-versions.md.
    let is_left_out = |value: &Value| value.is_null() && envoy_minor() < 40;
    let reported = names.iter().filter_map(|name| Some(((*name).to_owned(), event.get(*name)?.clone())));
    let reported = reported.filter(|(_, value)| !is_left_out(value));
    reported.collect::<serde_json::Map<_, _>>().into()
}

/// The sample's log with the metadata of [`CONFIGURATION`] too.
fn log_more(yaml: &str) -> String {
    let known = r#"subject: "%DYNAMIC_METADATA(envoy.filters.http.ext_authz:subject)%""#;
    let more = ["team", "teams", "deep", "about"].map(|name| known.replace("subject", name));
    let indent = " ".repeat(26);
    replaced(yaml, known, &[known, &more[0], &more[1], &more[2], &more[3]].join(&format!("\n{indent}")))
}

const SUBJECT: &str = "fd76ce0c-d8be-4aa6-91ed-59e698f6af60";
const ORGANIZATION: &str = "70f0d039-e3d9-427e-b161-4e95dbd9e918";

#[tokio::test]
async fn the_access_log_has_caller_and_reason() {
    let setup = Setup { config: Some(CONFIGURATION), edit: Some(log_more), ..Setup::default() };
    let mut testbed = testbed(setup).await;
    let good = sign(&testbed.key, &claims());
    let expired = sign(&testbed.key, &with(with(claims(), "exp", json!(2)), "iat", json!(1)));
    let of = |more: Value| {
        let mut reported = json!({"authenticator": "bifrost", "subject": SUBJECT, "organization": ORGANIZATION});
        reported.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        reported
    };
    let deep = (1..200).fold(json!("x"), |inner, _| json!([inner]));
    let odd = with(with(claims(), "team", json!("a\"b\r\nforged: line")), "teams", json!(["a", 1, {"b": null}]));
    let too_deep = with(with(claims(), "deep", deep), "team", json!("blue ü"));
    let rows = [
        ("/crm/allowed", vec![jwt(&good)], 200, of(json!({"decision": "allowed"}))),
        ("/crm/missing", vec![], 401, json!({"decision": "denied", "reason": "credential_missing"})),
        ("/crm/expired", vec![jwt(&expired)], 401, json!({"decision": "denied", "reason": "token_expired"})),
        (
            "/crm/closed/x",
            vec![jwt(&good)],
            403,
            of(json!({"decision": "denied", "reason": "role_missing", "rule": "closed"})),
        ),
        ("/crm/open/x", vec![jwt(&good)], 200, json!({"decision": "allowed", "rule": "open"})),
        (
            "/crm/odd",
            vec![jwt(&sign(&testbed.key, &odd))],
            200,
            of(json!({"decision": "allowed", "teams": ["a", 1, {"b": null}]})),
        ),
        (
            "/crm/deep",
            vec![jwt(&sign(&testbed.key, &too_deep))],
            401,
            json!({"decision": "denied", "reason": "token_malformed"}),
        ),
        (
            "/crm/nobody",
            vec![jwt(&sign(&testbed.key, &with(without(claims(), "organization_uuid"), "team", json!("blue ü"))))],
            200,
            json!({"decision": "allowed", "authenticator": "bifrost", "subject": SUBJECT, "team": "blue ü"}),
        ),
    ];
    let about = |rule: Value, teams: i64| json!({"rule": rule, "host": "api.example.com", "teams": teams});
    let computed = [
        about(json!(null), 0),
        about(json!(null), 0),
        about(json!(null), 0),
        about(json!("closed"), 0),
        about(json!("open"), 0),
        about(json!(null), 3),
        about(json!(null), 0),
        about(json!(null), 0),
    ];
    // Envoy writes its log every ten seconds: all is asked before any of it is looked at.
    for (path, lines, status, _) in &rows {
        assert_eq!(ask(testbed.gateway, "GET", path, lines).await.status, *status, "{path}");
    }
    for ((path, _, _, mut expected), about) in rows.into_iter().zip(computed) {
        expected["about"] = about;
        assert_eq!(logged(&mut testbed, path).await, expected, "{path}");
    }
    testbed.stop().await;
}

#[tokio::test]
async fn a_claim_as_deep_as_a_token_may_be_is_no_harm() {
    /// As deep as is read of a token, and deeper: none of them may keep Envoy from reading the answer.
    const DEPTHS: [usize; 6] = [2, 8, 9, 30, 60, 126];
    let setup = Setup { config: Some(CONFIGURATION), edit: Some(log_more), ..Setup::default() };
    let mut testbed = testbed(setup).await;
    for depth in DEPTHS {
        let deep = (1..depth).fold(json!("x"), |inner, _| json!([inner]));
        let token = sign(&testbed.key, &with(claims(), "deep", deep));
        let answer = ask(testbed.gateway, "GET", &format!("/crm/{depth}"), &[jwt(&token)]).await;
        assert!([200, 401].contains(&answer.status), "{depth}: {}", answer.status);
    }
    for depth in DEPTHS {
        let reported = logged(&mut testbed, &format!("/crm/{depth}")).await;
        assert_eq!(reported.get("deep").is_some(), depth <= 8, "{depth}: {reported}");
        assert!(reported.get("decision").is_some(), "{depth}: {reported}");
    }
    testbed.stop().await;
}

/// The sample with the limiter that the documentation shows, behind `ext_authz`.
fn limited(yaml: &str) -> String {
    let router = "                  - name: envoy.filters.http.router\n";
    let filter: String = block("docs/metadata.md", "yaml envoy limit-filter")
        .lines()
        .flat_map(|line| ["                  ", line, "\n"])
        .collect();
    replaced(yaml, router, &format!("{filter}{router}"))
}

#[tokio::test]
async fn each_organization_has_a_limit_of_its_own() {
    let testbed = testbed(Setup { edit: Some(limited), ..Setup::default() }).await;
    let token =
        |organization: &str| jwt(&sign(&testbed.key, &with(claims(), "organization_uuid", json!(organization))));
    for organization in ["one", "two"] {
        let token = token(organization);
        let mut statuses = Vec::new();
        for _ in 0..5 {
            // What a client says of itself chooses no bucket.
            let lines = [token.clone(), "x-organization-uuid: three".to_owned(), "organization: three".to_owned()];
            statuses.push(ask(testbed.gateway, "GET", "/crm/", &lines).await.status);
        }
        assert_eq!(statuses, [200, 200, 200, 429, 429], "{organization}");
    }
    // Somebody without an organization is in none of these buckets.
    let anonymous = jwt(&sign(&testbed.key, &without(claims(), "organization_uuid")));
    for _ in 0..5 {
        assert_eq!(ask(testbed.gateway, "GET", "/crm/", std::slice::from_ref(&anonymous)).await.status, 200);
    }
    testbed.stop().await;
}
