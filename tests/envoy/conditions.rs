//! What rules ask of the request itself holds for the request that the module gets: the same path, query and headers, and Envoy's own
//! context.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign};
use super::{ask, logged, replaced, table, testbed};
use modgud_testbed::Setup;
use modgud_testbed::http::Exchange;
use serde::Deserialize;

const RULES: &str = "
profile: bifrost
telemetry: { decisions: all }
rules:
  - { name: own, match: { paths: ['/crm/orgs/{org}/{*rest}'] }, same_organization: path.org }
  - { name: query, match: { paths: ['/crm/query'] }, when: query.org == claims.organization_uuid }
  - { name: header, match: { paths: ['/crm/header'] }, when: \"request.headers['x-region'] == 'eu'\" }
  - { name: context, match: { paths: ['/crm/context'] }, same_organization: context.org, when: context.tier == 'gold' }
  - { name: method, match: { paths: ['/crm/method'] }, access: public, when: request.method == 'GET' && request.scheme == 'http' }
fallback: denied
";

const POLICIES: &str = "
                      typed_per_filter_config:
";

/// A route that says whose it is.
fn with_context(yaml: &str) -> String {
    let context = format!(
        "{POLICIES}                        envoy.filters.http.ext_authz:
                          \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                          check_settings:
                            context_extensions:
                              org: 70f0d039-e3d9-427e-b161-4e95dbd9e918
                              tier: gold
"
    );
    replaced(yaml, POLICIES, &context)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    method: Option<String>,
    path: String,
    #[serde(default)]
    send: Vec<String>,
    reason: Option<String>,
}

#[tokio::test]
async fn conditions_hold_for_what_the_module_gets() {
    let setup = Setup { config: Some(RULES), edit: Some(with_context), ..Setup::default() };
    let mut testbed = testbed(setup).await;
    let jwt = jwt(&sign(&testbed.key, &claims()));
    for row in table::<Row>(include_str!("../data/envoy/conditions.yaml")) {
        let lines: Vec<String> = row.send.iter().cloned().chain([jwt.clone()]).collect();
        let answer = ask(testbed.gateway, row.method.as_deref().unwrap_or("GET"), &row.path, &lines).await;
        let event = logged(&mut testbed.modgud).await;
        assert_eq!(event["reason"].as_str(), row.reason.as_deref(), "{row:?}: {event}");
        assert_eq!(answer.status, if row.reason.is_some() { 403 } else { 200 }, "{row:?}");
        if row.reason.is_none() {
            let seen = Seen::of(&answer);
            assert_eq!((seen.module.as_str(), format!("/crm{}", seen.path)), ("crm", row.path.clone()), "{row:?}");
        }
    }
    let metrics = Exchange::get(testbed.modgud_admin, "/metrics").await.unwrap();
    let metrics = String::from_utf8(metrics.body).unwrap();
    assert!(metrics.contains("\nmodgud_condition_errors_total{rule=\"query\"} 4\n"), "{metrics}");
    testbed.stop().await;
}
