//! `deploy/envoy.yaml` of the repository, and what it keeps modgud from doing.

use super::tokens::{claims, jwt, sign};
use super::{ask, body, programs, testbed};
use modgud_testbed::Setup;
use std::path::Path;
use tokio::process::Command;

#[tokio::test]
async fn envoy_accepts_the_unchanged_sample() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/envoy.yaml");
    let validate = |file: &Path| {
        let mut command = Command::new(programs().envoy);
        command.args(["--mode", "validate", "--config-path"]).arg(file);
        command.kill_on_drop(true).output()
    };
    let output = validate(&sample).await.unwrap();
    let result = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{result}");
    assert!(!result.contains("deprecated"), "{result}");

    // That Envoy does look: a misspelt key is not accepted.
    let folder = tempfile::tempdir().unwrap();
    let misspelt = folder.path().join("envoy.yaml");
    let text = std::fs::read_to_string(&sample).unwrap();
    std::fs::write(&misspelt, super::replaced(&text, "failure_mode_allow:", "failure_mode_alow:")).unwrap();
    assert!(!validate(&misspelt).await.unwrap().status.success());
}

/// A name outside the sample's `decoder_header_mutation_rules`: the client reads 500, and no module is asked.
#[tokio::test]
async fn envoy_lets_modgud_change_no_other_header() {
    let config = Some("profile: bifrost\nupstream: { headers: { x-tenant: { claim: username } } }");
    let testbed = testbed(Setup { config, ..Setup::default() }).await;
    let token = jwt(&sign(&testbed.key, &claims()));
    let written = ask(testbed.gateway, "GET", "/crm/", std::slice::from_ref(&token)).await;
    assert_eq!((written.status, body(&written).as_str()), (500, ""));
    let removed = ask(testbed.gateway, "GET", "/oauth/", &["x-tenant: intruder".to_owned()]).await;
    assert_eq!((removed.status, body(&removed).as_str()), (500, ""));
    testbed.stop().await;
}
