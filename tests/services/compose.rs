//! `deploy/docker-compose.yaml`: validated by the Compose Specification, with the files that it names. No container engine runs.

use crate::cli::process::{Serving, run, run_in};
use crate::support::{KEY, program};
use rustix::process::Signal;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn compose() -> String {
    fs::read_to_string(deploy().join("docker-compose.yaml")).unwrap()
}

/// The file as JSON, or what is wrong with it by the specification.
async fn validated(text: &str) -> Result<Value, String> {
    let mut python = Command::new(program("MODGUD_TEST_PYTHON"));
    python.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/python/compose.py"));
    python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = python.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[tokio::test]
async fn the_file_fits_the_specification() {
    validated(&compose()).await.unwrap();
    // The specification is held against it: these are what authors get wrong.
    for (right, wrong) in [
        ("user:", "usr:"),
        ("condition: service_healthy", "condition: healthy"),
        ("secrets: [bifrost.pub.pem]", "secrets: [other]"),
        ("source: check,", "source: chek,"),
    ] {
        let text = compose();
        assert!(text.contains(right), "{right}");
        assert!(validated(&text.replace(right, wrong)).await.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn every_service_is_restricted_and_every_file_exists() {
    let compose = validated(&compose()).await.unwrap();
    let services = compose["services"].as_object().unwrap();
    assert_eq!(services.keys().collect::<Vec<_>>(), ["crm", "envoy", "modgud"]);
    for (name, service) in services {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]), "{name}");
        assert_eq!(service["security_opt"], serde_json::json!(["no-new-privileges:true"]), "{name}");
        let (user, group) = service["user"].as_str().unwrap().split_once(':').unwrap();
        assert!(user.parse::<u32>().unwrap() > 0 && group == "65532", "{name}");
        for volume in service["volumes"].as_array().into_iter().flatten().filter(|volume| volume["type"] == "bind") {
            assert!(deploy().join(volume["source"].as_str().unwrap()).is_file(), "{volume}");
            assert_eq!(volume["read_only"], true, "{volume}");
        }
        if let Some(context) = service["build"]["context"].as_str() {
            let context = deploy().join(context);
            assert!(context.is_dir(), "{name}");
            if let Some(file) = service["build"]["dockerfile"].as_str() {
                assert!(context.join(file).is_file(), "{name}: {file}");
            }
        }
    }
    // Only Envoy is reached from outside, and only from this machine.
    let ports: Vec<_> =
        services.iter().filter(|(_, service)| service["ports"].is_array()).map(|(name, _)| name).collect();
    assert_eq!(ports, ["envoy"]);
    assert_eq!(services["envoy"]["ports"], serde_json::json!(["127.0.0.1:8000:8000"]));
}

/// modgud's configuration with the socket and the key in a folder. Only root may set the group.
fn unpacked() -> (TempDir, String) {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("bifrost.pub.pem"), KEY.public_pem().unwrap()).unwrap();
    let yaml = fs::read_to_string(deploy().join("compose/modgud.yaml")).unwrap();
    for name in ["/run/secrets/bifrost.pub.pem", "/run/modgud/check.sock", "group: 65532", "0.0.0.0:9192"] {
        assert!(yaml.contains(name), "{name}");
    }
    let socket = at("check.sock");
    let yaml =
        yaml.replace("/run/secrets/bifrost.pub.pem", &at("bifrost.pub.pem")).replace("/run/modgud/check.sock", &socket);
    let own = rustix::process::getgid().as_raw();
    let yaml = yaml.replace("group: 65532", &format!("group: {own}")).replace("0.0.0.0:9192", "127.0.0.1:0");
    fs::write(at("modgud.yaml"), yaml).unwrap();
    (folder, socket)
}

#[tokio::test]
async fn the_configurations_fit_together() {
    let (folder, _) = unpacked();
    let output = run_in(folder.path(), &[], &["check", "--deny-warnings", "--config", "modgud.yaml"]).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{}", output.out);
    // Envoy's file is what modgud writes.
    let file = deploy().join("compose/modgud.yaml");
    let output = run(&["envoy", "--config", file.to_str().unwrap()]).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
    let envoy = deploy().join("compose/envoy.yaml");
    assert_eq!(fs::read_to_string(&envoy).unwrap(), output.out, "write it by `modgud envoy --config modgud.yaml`");
    let mut command = Command::new(program("MODGUD_TEST_ENVOY"));
    command.args(["--mode", "validate", "--config-path"]).arg(envoy).kill_on_drop(true);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The command of the health check, with this configuration.
#[tokio::test]
async fn the_health_check_succeeds_while_modgud_serves() {
    let compose = validated(&compose()).await.unwrap();
    let test = compose["services"]["modgud"]["healthcheck"]["test"].as_array().unwrap();
    let words: Vec<&str> = test.iter().map(|word| word.as_str().unwrap()).collect();
    let ["CMD", "/usr/bin/modgud", arguments @ ..] = words.as_slice() else { panic!("{words:?}") };
    let (folder, socket) = unpacked();
    let address = format!("unix:{socket}");
    let arguments: Vec<&str> =
        arguments.iter().map(|word| if *word == "unix:/run/modgud/check.sock" { &address } else { *word }).collect();
    assert!(arguments.contains(&address.as_str()));
    assert_eq!(run(&arguments).await.code, Some(1));
    let serving = Serving::start_at(folder.path(), "", &["--config", "modgud.yaml"]).await;
    assert_eq!(run(&arguments).await.code, Some(0));
    serving.end(Signal::INT).await;
}
