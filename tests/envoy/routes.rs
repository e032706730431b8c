//! The reserved names belong to the core service, everything else to a module or to none.

use super::seen::Seen;
use super::tokens::{IDENTITY, claims, jwt, sign};
use super::{ask, table, testbed};
use modgud_testbed::Setup;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    path: String,
    without: u16,
    token: u16,
    basic: u16,
    by: Option<String>,
    sees: Option<String>,
    #[serde(default)]
    swagger: bool,
}

#[tokio::test]
async fn who_answers_a_path_and_who_may_ask() {
    let testbed = testbed(Setup::default()).await;
    let jwt = jwt(&sign(&testbed.key, &claims()));
    let basic = "Authorization: Basic dXNlcjpwYXNzd29yZA==".to_owned();
    for row in table::<Row>(include_str!("../data/envoy/routes.yaml")) {
        for (line, status) in [(None, row.without), (Some(&jwt), row.token), (Some(&basic), row.basic)] {
            let lines: Vec<String> = line.cloned().into_iter().collect();
            let answer = ask(testbed.gateway, "GET", &row.path, &lines).await;
            let case =
                format!("{} with {}", row.path, line.and_then(|line| line.split(' ').nth(1)).unwrap_or("nothing"));
            // On public routes the module itself refuses what it can't decode; that it was asked is what counts here.
            let asked = answer.json()["module"].is_string() && answer.status == 401;
            let got = if asked && row.without == 200 { 200 } else { answer.status };
            assert_eq!(got, status, "{case}");
            if status != 200 {
                assert!(answer.json()["module"].is_null(), "{case} reached a module");
            } else if row.swagger {
                assert_eq!(answer.json()["info"]["title"].as_str(), row.by.as_deref(), "{case}");
            } else {
                let seen = Seen::of(&answer);
                assert_eq!(Some(&seen.module), row.by.as_ref(), "{case}");
                assert_eq!(seen.path, *row.sees.as_ref().unwrap_or(&row.path), "{case}");
                let public = row.without == 200;
                assert_eq!(seen.identity(), if public { &[][..] } else { &IDENTITY[..] }, "{case}");
                let sent: Vec<&str> = line.map(|line| line.split_once(": ").unwrap().1).into_iter().collect();
                assert_eq!(seen.values("authorization"), sent, "{case}: Authorization is as it was sent");
            }
        }
    }
    testbed.stop().await;
}
