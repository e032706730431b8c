//! `deploy/kubernetes/sidecar`: the configurations load, Envoy's is the output of `modgud envoy`, and the manifest keeps what its
//! comments and `docs/deploy/sidecar.md` promise. The real cluster is another test.

#![expect(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::cli::process::run_in;
use crate::envoy::programs;
use modgud_core::jose::{Algorithm, SigningKey};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;

const VARIANTS: [&str; 2] = ["tcp", "unix"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes/sidecar")
}

fn text(file: &str) -> String {
    fs::read_to_string(folder().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&text(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("{value} is a list"))
}

/// The pod of the Deployment.
fn pod() -> Value {
    yaml("base/deployment.yaml")["spec"]["template"]["spec"].take()
}

fn containers(pod: &Value) -> Vec<&Value> {
    list(&pod["initContainers"]).iter().chain(list(&pod["containers"])).collect()
}

/// A variant's configuration in a folder with the files of the volume, as the pod sees it.
fn mounted(variant: &str) -> TempDir {
    let mounted = tempfile::tempdir().unwrap();
    fs::write(mounted.path().join("modgud.yaml"), text(&format!("{variant}/modgud.yaml"))).unwrap();
    let pem = SigningKey::generate(Algorithm::Rs256).unwrap().public_pem().unwrap();
    let table = "- { id: partner, sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08, subject: partner }\n";
    for source in list(&pod()["volumes"][0]["projected"]["sources"]) {
        for item in source["secret"]["items"].as_array().into_iter().flatten() {
            let file = mounted.path().join(item["path"].as_str().unwrap());
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, if file.extension().unwrap() == "pem" { pem.as_str() } else { table }).unwrap();
        }
    }
    mounted
}

#[tokio::test]
async fn the_configuration_loads_with_the_files_of_its_volume() {
    for variant in VARIANTS {
        let mounted = mounted(variant);
        let check = ["check", "--config", "modgud.yaml", "--offline", "--deny-warnings"];
        let output = run_in(mounted.path(), &[], &check).await;
        assert_eq!(output.code, Some(0), "{variant}: {}{}", output.out, output.err);
    }
    let [mut tcp, mut unix] = VARIANTS.map(|variant| yaml(&format!("{variant}/modgud.yaml")));
    assert_ne!(tcp["server"].take(), unix["server"].take());
    assert_eq!(tcp, unix, "the variants differ in `server` only");
}

/// Envoy's file is what the command in the comment of `kustomization.yaml` writes, and Envoy accepts it.
#[tokio::test]
async fn envoy_has_the_output_of_the_command_in_the_comment() {
    for variant in VARIANTS {
        let kustomization = text(&format!("{variant}/kustomization.yaml"));
        let command =
            kustomization.lines().find_map(|line| line.trim_start_matches('#').trim().strip_prefix("modgud "));
        let command = command.and_then(|command| command.strip_suffix(" > envoy.yaml")).unwrap();
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let output = run_in(&folder().join(variant), &[], &arguments).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{variant}");
        let file = format!("{variant}/envoy.yaml");
        assert!(output.out == text(&file), "{file} is not current; write it by `modgud {command} > envoy.yaml`");
        let mut envoy = Command::new(programs().envoy);
        envoy.args(["--mode", "validate", "--config-path"]).arg(folder().join(&file)).kill_on_drop(true);
        let validated = envoy.output().await.unwrap();
        assert!(validated.status.success(), "{file}: {}", String::from_utf8_lossy(&validated.stderr));
    }
}

/// The strictest of the [Pod Security Standards](https://kubernetes.io/docs/concepts/security/pod-security-standards/), and more.
#[test]
fn each_container_is_restricted() {
    let pod = pod();
    for (path, expected) in [
        ("/automountServiceAccountToken", Value::from(false)),
        ("/enableServiceLinks", Value::from(false)),
        ("/securityContext/runAsNonRoot", Value::from(true)),
        ("/securityContext/runAsUser", Value::from(65_532)),
        ("/securityContext/seccompProfile/type", Value::from("RuntimeDefault")),
    ] {
        assert_eq!(pod.pointer(path), Some(&expected), "{path}");
    }
    let all = containers(&pod);
    assert_eq!(all.len(), 3);
    for container in all {
        let name = &container["name"];
        let context = &container["securityContext"];
        assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
        assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
        assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]), "{name}");
        let resources = &container["resources"];
        assert!(resources["limits"]["memory"].is_string() && resources["requests"]["memory"].is_string(), "{name}");
        assert!(resources["limits"].get("cpu").is_none(), "{name}: a limit of CPU stops it in the middle of requests");
    }
}

/// The port of the Service, and no other, is open for every pod: the others are for the kubelet and Prometheus.
#[test]
fn only_the_port_of_the_service_is_open() {
    let policy = yaml("base/networkpolicy.yaml");
    let [rule] = &list(&policy["spec"]["ingress"])[..] else { panic!("one rule: {policy}") };
    assert!(rule["from"].is_null(), "{rule}");
    let [port] = &list(&rule["ports"])[..] else { panic!("one port: {rule}") };
    let service = yaml("base/service.yaml");
    let [of_service] = &list(&service["spec"]["ports"])[..] else { panic!("one port: {service}") };
    assert_eq!((&port["port"], &of_service["targetPort"]), (&Value::from(8_000), &Value::from(8_000)));
}

#[test]
fn modgud_starts_before_envoy_and_envoy_before_the_module() {
    let pod = pod();
    let names: Vec<&str> = containers(&pod).iter().map(|container| container["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["modgud", "envoy", "module"]);
    for sidecar in list(&pod["initContainers"]) {
        assert_eq!(sidecar["restartPolicy"], "Always", "{sidecar}");
        let probe = |name: &str| sidecar[name].to_string();
        let probes: BTreeSet<String> = ["startupProbe", "livenessProbe", "readinessProbe"].map(probe).into();
        assert_eq!(probes.len(), 3, "the probes differ: {probes:?}");
        // A provider that is away, or a drain, must not restart a container.
        let liveness = probe("livenessProbe");
        assert!(!liveness.contains("/ready") && liveness.contains("periodSeconds"), "{liveness}");
    }
}

/// Clients are gone before the module is, and everything has ended before Kubernetes kills it.
#[test]
fn the_times_of_a_stop_fit_together() {
    let pod = pod();
    let [modgud, _, module] = containers(&pod)[..] else { panic!("three containers") };
    let command: Vec<&str> =
        list(&modgud["lifecycle"]["preStop"]["exec"]["command"]).iter().map(|word| word.as_str().unwrap()).collect();
    let ["modgud", "drain", "--at-least", least, "--at-most", most] = command[..] else { panic!("{command:?}") };
    let [least, most] =
        [least, most].map(|text| text.strip_suffix('s').unwrap().parse().map(Duration::from_secs).unwrap());
    let serves = Duration::from_secs(module["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap());
    let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().unwrap());
    assert!(least < most && most <= serves, "{least:?} {most:?} {serves:?}");
    assert!(serves + Duration::from_secs(25) <= grace, "{serves:?} {grace:?}");
}

/// The probes and the Service use the ports of the configurations.
#[test]
fn the_ports_are_those_of_the_configurations() {
    let pod = pod();
    for variant in VARIANTS {
        let modgud = yaml(&format!("{variant}/modgud.yaml"));
        let envoy = text(&format!("{variant}/envoy.yaml"));
        for container in containers(&pod) {
            for port in list(&container["ports"]) {
                let (name, number) = (port["name"].as_str().unwrap(), &port["containerPort"]);
                let there = match name {
                    "modgud-admin" => modgud["server"]["admin"].as_str().unwrap().ends_with(&format!(":{number}")),
                    "module" => modgud["modules"][0]["upstream"].as_str().unwrap().ends_with(&format!(":{number}")),
                    _ => envoy.contains(&format!("address: 0.0.0.0\n          port_value: {number}\n")),
                };
                assert!(there, "{variant}: {name} {number}");
            }
        }
        let socket = modgud["server"]["grpc"].as_str().and_then(|grpc| grpc.strip_prefix("unix:"));
        assert_eq!(socket.is_some(), variant == "unix");
    }
    let patch = yaml("unix/socket.yaml");
    for sidecar in list(&patch["spec"]["template"]["spec"]["initContainers"]) {
        assert_eq!(sidecar["volumeMounts"][0]["mountPath"], "/run/modgud", "the folder of `server.grpc`");
    }
}
