//! A real Envoy before modgud.

use super::{Examined, doctor_at};
use crate::cli::process::{Serving, run};
use crate::envoy::{ask, programs};
use crate::support::KEY;
use modgud_testbed::{EnvoyYaml, Setup, Testbed};
use rustix::process::Signal;
use std::time::Duration;
use tokio::time::{sleep, timeout};

async fn testbed(setup: Setup) -> Testbed {
    Testbed::start(&programs(), &setup, |_| {}).await.unwrap_or_else(|error| panic!("no gateway: {error}"))
}

async fn examine(testbed: &Testbed, arguments: &[&str]) -> Examined {
    let [envoy, admin, grpc] =
        [testbed.envoy_admin, testbed.modgud_admin, testbed.modgud_grpc].map(|one| one.to_string());
    doctor_at(&admin, &grpc, &[&["--envoy-admin", &envoy, "--modgud", &grpc], arguments].concat()).await
}

/// Sends requests through Envoy while `doctor` reads counters twice.
async fn examine_under_load(testbed: &Testbed) -> Examined {
    let load = async {
        loop {
            let _ = ask(testbed.gateway, "GET", "/crm/", &[]).await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        examined = examine(testbed, &["--interval", "3s"]) => examined,
        () = load => unreachable!("the load has no end"),
    }
}

#[tokio::test]
async fn a_healthy_gateway_has_no_finding() {
    let config = Some("profile: bifrost\nmodules: [{ name: crm, prefix: /crm, upstream: '{crm}' }]\n");
    let setup = Setup { config, envoy: EnvoyYaml::Written, ..Setup::default() };
    let testbed = testbed(setup).await;
    let examined = examine_under_load(&testbed).await;
    examined.expect(0, &[], &[], &[]);
    for code in [
        "modgud",
        "ready",
        "health",
        "probe",
        "reload",
        "checks",
        "envoy",
        "envoy-configuration",
        "ext-authz",
        "cluster",
    ] {
        examined.seen(code);
    }
    assert!(examined.seen("probe").contains("denied 401 (credential_missing), in "), "{}", examined.text);
    assert!(!examined.seen("ext-authz").contains("denied 0,"), "the load is counted: {}", examined.text);
    assert_eq!(examined.seen("clock").lines().count(), 2, "{}", examined.text);
    // The same for people.
    let [envoy, admin, grpc] =
        [testbed.envoy_admin, testbed.modgud_admin, testbed.modgud_grpc].map(|one| one.to_string());
    let arguments = ["doctor", "--admin", &admin, "--grpc", &grpc, "--envoy-admin", &envoy, "--interval", "0s"];
    let output = run(&arguments).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{}", output.out);
    let last = output.out.lines().last().unwrap();
    assert!(last.starts_with("0 problems, 0 warnings, 0 undecided, "), "{last}");
    assert!(output.out.contains(&format!("✓ ok             ready (modgud at {admin}): ready\n")), "{}", output.out);
    // Envoy asks another modgud than the one that is examined.
    let folder = tempfile::tempdir().unwrap();
    let other = Serving::start(folder.path(), &KEY.public_pem().unwrap(), &[]).await;
    let (other_admin, other_grpc) = (other.admin.to_string(), other.grpc.to_string());
    let examined = doctor_at(&other_admin, &other_grpc, &["--envoy-admin", &envoy]).await;
    assert_eq!(examined.code, Some(4), "{}", examined.text);
    assert!(examined.seen("envoy-undecided").contains("other-service"), "{}", examined.text);
    other.end(Signal::INT).await;
    testbed.stop().await;
}

#[tokio::test]
async fn a_modgud_that_is_gone_is_seen_in_envoy_s_counters() {
    let mut testbed = testbed(Setup::default()).await;
    testbed.kill_modgud().await;
    let examined = examine_under_load(&testbed).await;
    assert_eq!(examined.code, Some(1));
    for code in ["modgud-unreachable", "grpc-unreachable", "ext-authz-error-rising"] {
        assert!(examined.codes("problem").contains(code), "{code}: {}", examined.text);
    }
    assert!(
        examined.seen("ext-authz-error-rising").contains("http.gateway.ext_authz.modgud.error "),
        "{}",
        examined.text
    );

    // Some seconds later Envoy's health check has failed, too.
    let unhealthy = async { while !examine(&testbed, &[]).await.codes("problem").contains("cluster-unhealthy") {} };
    timeout(Duration::from_secs(60), unhealthy).await.expect("Envoy sees that modgud is away");

    // It is back: the errors stay in the counter, and are only a warning.
    testbed.start_modgud().await.unwrap();
    let healthy = async {
        loop {
            let examined = examine(&testbed, &[]).await;
            if examined.codes("problem").is_empty() {
                return examined;
            }
        }
    };
    let examined = timeout(Duration::from_secs(60), healthy).await.expect("Envoy sees that modgud is back");
    examined.expect(0, &[], &["ext-authz-error"], &[]);
    testbed.stop().await;
}

/// Envoy lets everybody pass when it gets no answer.
fn open_on_failure(yaml: &str) -> String {
    yaml.replace("failure_mode_allow: false", "failure_mode_allow: true")
}

#[tokio::test]
async fn an_envoy_that_lets_requests_pass_is_a_problem() {
    let mut testbed = testbed(Setup { edit: Some(open_on_failure), ..Setup::default() }).await;
    let examined = examine(&testbed, &[]).await;
    examined.expect(1, &["envoy-hole"], &[], &[]);
    assert!(examined.seen("envoy-hole").contains("fail-open at config_dump:"), "{}", examined.text);
    assert!(examined.text.contains("write `failure_mode_allow: false`"), "{}", examined.text);

    testbed.kill_modgud().await;
    let examined = examine_under_load(&testbed).await;
    let name = "ext-authz-failure-mode-allowed-rising";
    assert!(examined.codes("problem").contains(name), "{}", examined.text);
    assert!(examined.seen(name).contains(".failure_mode_allowed "), "{}", examined.text);
    testbed.stop().await;
}
