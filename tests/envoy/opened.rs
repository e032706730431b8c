//! A route for which `ext_authz` is disabled: modgud is not asked, and yet no header of a client reaches the module that is ours, or that
//! overrides a part of the request.

use super::seen::Seen;
use super::{ask, replaced, testbed};
use modgud_testbed::{EnvoyYaml, Setup};

/// Another spelling of each kind; all of them get through an Envoy that neither removes nor refuses them.
const FORGED: [&str; 10] = [
    "x-core-user-uuid: intruder",
    "x-username: intruder",
    "X_Core_User_UUID: intruder",
    "x.core-y: intruder",
    "X-Organization-Anything: intruder",
    "SCRIPT_NAME: intruder",
    "PATH_INFO: intruder",
    "X-Original-URL: /intruder",
    "x_http_method_override: intruder",
    "Remote-User: intruder",
];

const ROUTE: &str = "                        - match: { path_separated_prefix: /crm }\n";

/// The usual way to open a path in Envoy, with an Envoy that lets names with `_` through.
fn opened(yaml: &str) -> String {
    let public = format!(
        "                        - match: {{ prefix: /crm/public/ }}
                          route: {{ cluster: crm, prefix_rewrite: / }}
                          typed_per_filter_config:
                            envoy.filters.http.ext_authz:
                              \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute
                              disabled: true
{ROUTE}"
    );
    let underscores = "headers_with_underscores_action: ";
    let yaml = replaced(yaml, &format!("{underscores}REJECT_REQUEST"), &format!("{underscores}ALLOW"));
    replaced(&yaml, ROUTE, &public)
}

/// The same without what removes them.
fn opened_without(yaml: &str) -> String {
    without_early_removal(&opened(yaml))
}

/// An Envoy that removes nothing before its filters.
pub(super) fn without_early_removal(yaml: &str) -> String {
    let (before, after) = yaml.split_once("                early_header_mutation_extensions:\n").unwrap();
    let (_, rest) = after.split_once("\n\n").unwrap();
    format!("{before}\n{rest}")
}

fn lines(more: &[&str]) -> Vec<String> {
    FORGED.iter().chain(more).map(|line| (*line).to_owned()).collect()
}

fn intruders(seen: &Seen) -> Vec<&str> {
    seen.headers.iter().filter(|(_, value)| value.contains("intruder")).map(|(name, _)| name.as_str()).collect()
}

#[tokio::test]
async fn forged_headers_do_not_pass_a_route_with_ext_authz_disabled() {
    let testbed = testbed(Setup { edit: Some(opened), ..Setup::default() }).await;
    let kept = ["x-request-id: kept", "x-other: kept"];
    let seen = Seen::of(&ask(testbed.gateway, "GET", "/crm/public/x", &lines(&kept)).await);
    assert_eq!((seen.path.as_str(), seen.identity()), ("/x", vec![]));
    assert_eq!(intruders(&seen), [""; 0], "{seen:?}");
    assert_eq!(seen.values("x-other"), ["kept"]);
    assert_eq!(seen.values("x-forwarded-proto"), ["http"]);
    assert_eq!((seen.values("x-request-id").len(), seen.values("x-forwarded-for").len()), (1, 1));
    // modgud is asked on other routes.
    assert_eq!(ask(testbed.gateway, "GET", "/crm/publicity", &lines(&[])).await.status, 401);
    testbed.stop().await;
}

/// That the test above sees them at all.
#[tokio::test]
async fn without_early_removal_forged_headers_pass_such_a_route() {
    let testbed = testbed(Setup { edit: Some(opened_without), ..Setup::default() }).await;
    let seen = Seen::of(&ask(testbed.gateway, "GET", "/crm/public/x", &lines(&[])).await);
    assert_eq!(intruders(&seen).len(), FORGED.len(), "{seen:?}");
    testbed.stop().await;
}

const READS: &str = "
profile: bifrost
modules: [{ name: crm, prefix: /crm, upstream: '{crm}' }]
upstream: { keep: [x-forwarded-host] }
rules:
  - { name: device, match: { paths: ['/crm/device'] }, access: public, when: \"request.headers['x-core-device'] == 'a'\" }
  - { name: host, match: { paths: ['/crm/host'] }, access: public }
";

fn underscores(yaml: &str) -> String {
    replaced(yaml, "headers_with_underscores_action: REJECT_REQUEST", "headers_with_underscores_action: ALLOW")
}

#[tokio::test]
async fn what_a_condition_reads_and_what_is_kept_is_not_removed_early() {
    let setup = Setup { config: Some(READS), envoy: EnvoyYaml::Written, edit: Some(underscores), ..Setup::default() };
    let testbed = testbed(setup).await;
    let send = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    // modgud reads it; the module does not get it, nor another spelling.
    let seen = ask(testbed.gateway, "GET", "/crm/device", &send(&["X-Core-Device: a", "x_core_device: b"])).await;
    assert_eq!(Seen::of(&seen).headers.iter().filter(|(name, _)| name.contains("device")).count(), 0);
    assert_eq!(ask(testbed.gateway, "GET", "/crm/device", &send(&["x_core_device: a"])).await.status, 403);
    let kept = send(&["X-Forwarded-Host: a.example", "x_forwarded_host: b.example", "x-original-url: /b"]);
    let seen = Seen::of(&ask(testbed.gateway, "GET", "/crm/host", &kept).await);
    assert_eq!(seen.values("x-forwarded-host"), ["a.example"]);
    assert_eq!((seen.values("x_forwarded_host"), seen.values("x-original-url")), (vec![], vec![]));
    testbed.stop().await;
}
