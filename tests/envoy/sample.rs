//! `deploy/envoy.yaml` as the repository has it.

use super::programs;
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
