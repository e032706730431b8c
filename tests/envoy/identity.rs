//! Only modgud sets identity headers: clients' own headers of these names reach no module, in no spelling.

use super::seen::Seen;
use super::tokens::{IDENTITY, claims, jwt, sign};
use super::{ask, replaced, table, testbed};
use modgud_testbed::{Setup, Testbed};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    send: Vec<String>,
    sample: u16,
}

fn rows() -> Vec<Row> {
    table(include_str!("../data/envoy/identity.yaml"))
}

/// Envoy forwards names with `_`, as it does by default.
fn allow_underscores(yaml: &str) -> String {
    replaced(yaml, "headers_with_underscores_action: REJECT_REQUEST", "headers_with_underscores_action: ALLOW")
}

#[tokio::test]
async fn with_the_sample_configuration() {
    let testbed = testbed(Setup::default()).await;
    for row in rows() {
        check(&testbed, &row.send, row.sample).await;
    }
    testbed.stop().await;
}

#[tokio::test]
async fn with_an_envoy_that_lets_underscores_through() {
    let testbed = testbed(Setup { edit: Some(allow_underscores), ..Setup::default() }).await;
    // They do get through: the module sees one of an unused name.
    let foreign = ask(testbed.gateway, "GET", "/oauth/", &["x_other: client".to_owned()]).await;
    assert_eq!(Seen::of(&foreign).values("x_other"), ["client"]);
    for row in rows() {
        check(&testbed, &row.send, 200).await;
    }
    testbed.stop().await;
}

/// Every name in the profile, as `-`, as `_` and mixed, is one that Envoy lets modgud write and remove: a forbidden change
/// would be answered with 500.
#[tokio::test]
async fn every_name_of_the_profile_is_one_that_the_sample_lets_modgud_change() {
    let profile: Value = serde_saphyr::from_str(include_str!("../../src/config/profiles/bifrost.yaml")).unwrap();
    let upstream = &profile["upstream"];
    let written = upstream["headers"].as_object().unwrap().keys().cloned();
    let stripped =
        upstream["strip"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().replace('*', "anything"));
    let names: Vec<String> = written.chain(stripped).collect();
    assert!(names.len() > IDENTITY.len(), "the profile's names were found: {names:?}");

    let testbed = testbed(Setup { edit: Some(allow_underscores), ..Setup::default() }).await;
    for name in names {
        for spelling in [name.clone(), name.replace('-', "_"), name.replacen('-', "_", 1), name.to_ascii_uppercase()] {
            check(&testbed, &[format!("{spelling}: intruder")], 200).await;
        }
    }
    testbed.stop().await;
}

/// Sends the lines with a token and to a public route, and looks at what the module got.
async fn check(testbed: &Testbed, lines: &[String], status: u16) {
    let token = sign(&testbed.key, &claims());
    let with_token: Vec<String> = lines.iter().cloned().chain([jwt(&token)]).collect();
    for (path, lines, identity) in [("/crm/", with_token.as_slice(), &IDENTITY[..]), ("/oauth/", lines, &[])] {
        let answer = ask(testbed.gateway, "GET", path, lines).await;
        assert_eq!(answer.status, status, "{path} {lines:?}");
        if status == 200 {
            let seen = Seen::of(&answer);
            assert_eq!(seen.identity(), identity, "{path} {lines:?}");
            let spoofed = seen.headers.iter().find(|(_, value)| value.contains("intruder"));
            assert_eq!(spoofed, None, "{path} {lines:?}");
        }
    }
}
