//! Paths that some services treat as others: `/crm/Admin/x` and `/crm/admin.json` with a rule that denies `/crm/admin/{*rest}`.

use super::seen::Seen;
use super::tokens::{claims, jwt, sign};
use super::{ask, testbed};
use crate::cli::process::run_in;
use modgud_testbed::Setup;

const CONFIG: &str = "
profile: bifrost
rules:
  - { name: closed, match: { paths: ['/crm/admin/{*rest}'] }, access: denied }
modules:
  - { name: crm, prefix: /crm, upstream: 'crm:8080', case: fold, suffixes: [json] }
fallback: authenticated
";

#[tokio::test]
async fn what_a_folding_service_takes_for_the_same_is_denied_as_the_same() {
    let testbed = testbed(Setup { config: Some(CONFIG), ..Setup::default() }).await;
    let token = [jwt(&sign(&testbed.key, &claims()))];
    for (path, status) in [
        ("/crm/admin/x", 403),
        ("/crm/Admin/x", 403),
        ("/crm/ADMIN", 403),
        ("/crm/admin.json", 403),
        ("/crm/Admin.JSON/", 403),
        ("/crm/adm%C4%B1n", 400),
        ("/crm/admin.json.json", 400),
        ("/crm/admin.json/x", 400),
        ("/crm/Administration", 200),
        ("/crm/x/admin.json", 200),
    ] {
        let answer = ask(testbed.gateway, "GET", path, &token).await;
        assert_eq!(answer.status, status, "{path}");
        if status == 200 {
            assert_eq!(format!("/crm{}", Seen::of(&answer).path), path, "the module gets what was sent");
        }
    }
    // Envoy finds the module by the prefix as it is written: no other spelling of it reaches the module.
    let answer = ask(testbed.gateway, "GET", "/CRM/admin/x", &token).await;
    assert!(answer.status >= 400 && answer.json()["module"].is_null(), "{}", answer.status);
    testbed.stop().await;
}

#[tokio::test]
async fn envoy_routes_a_folding_module_by_the_exact_prefix() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("modgud.yaml"), CONFIG).unwrap();
    let output = run_in(folder.path(), &crate::configuration::variables(), &["envoy", "--config", "modgud.yaml"]).await;
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(
        output.out.contains("path_separated_prefix: /crm ") && !output.out.contains("case_sensitive"),
        "{}",
        output.out
    );
}
