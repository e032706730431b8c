//! Objects of Kubernetes: reading them, Kubernetes' own schemas, and the rules of PodSecurity `restricted`.

use super::run;
use crate::support::program;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

/// The minor versions of Kubernetes 1 that the manifests are for. `tools/kubernetes_schemas.py` has the same.
pub(super) const VERSIONS: std::ops::RangeInclusive<u32> = 29..=37;

/// The objects of a YAML stream.
pub(super) fn objects(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Kind and name.
pub(super) fn key(object: &Value) -> String {
    format!("{}/{}", text(object, "/kind"), text(object, "/metadata/name"))
}

/// The texts of a ConfigMap, by name.
pub(super) fn config_files(object: &Value) -> BTreeMap<String, String> {
    if text(object, "/kind") != "ConfigMap" {
        return BTreeMap::new();
    }
    let data = object["data"].as_object().into_iter().flatten();
    data.map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned())).collect()
}

/// What a run of kubeconform found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) valid: u64,
    /// The objects that are not valid, and those without a schema, each with the cause.
    pub(super) faults: Vec<String>,
}

/// Holds every YAML file of a folder against the schemas of one version. Unknown and duplicate keys are faults.
pub(super) fn kubeconform(folder: &Path, minor: u32) -> Found {
    let schemas = program("MODGUD_TEST_KUBERNETES_SCHEMAS");
    let schemas = schemas.display();
    let mut command = Command::new(program("MODGUD_TEST_KUBECONFORM"));
    command.args(["-strict", "-summary", "-output", "json", "-kubernetes-version", &format!("1.{minor}.0")]);
    for location in [
        "{{ .NormalizedKubernetesVersion }}{{ .StrictSuffix }}/{{ .ResourceKind }}{{ .KindSuffix }}.json",
        "custom/{{ .Group }}/{{ .ResourceKind }}_{{ .ResourceAPIVersion }}.json",
    ] {
        command.args(["-schema-location", &format!("{schemas}/{location}")]);
    }
    let output = run(command.arg(folder)).unwrap_or_else(|output| output);
    let report: Value = serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"));
    let resources = report["resources"].as_array().into_iter().flatten();
    let faults = resources.map(|one| {
        let of = |key: &str| one[key].as_str().unwrap_or_default();
        format!("1.{minor}: {}: {}/{}: {}", of("filename"), of("kind"), of("name"), of("msg"))
    });
    let found = Found { valid: report["summary"]["valid"].as_u64().unwrap(), faults: faults.collect() };
    assert_eq!(report["summary"]["skipped"].as_u64(), Some(0), "{output}");
    found
}

/// Validates manifests with every version: `manifests` returns those of one, by a name for messages. All are valid, or the test fails.
pub(super) fn validate(manifests: impl Fn(u32) -> BTreeMap<String, String> + Sync) {
    let one = |minor: u32| {
        let folder = tempfile::tempdir().unwrap();
        let manifests = manifests(minor);
        let mut expected = 0;
        for (name, yaml) in &manifests {
            expected += objects(yaml).len();
            fs::write(folder.path().join(format!("{}.yaml", name.replace('/', "-"))), yaml).unwrap();
        }
        let found = kubeconform(folder.path(), minor);
        assert_eq!(found, Found { valid: u64::try_from(expected).unwrap(), faults: Vec::new() });
    };
    // Each is one process of kubeconform, which loads one version's schemas.
    thread::scope(|scope| {
        for minor in VERSIONS {
            scope.spawn(move || one(minor));
        }
    });
}

/// The pod of an object: its own, or its template.
fn pod(object: &Value) -> Option<&Value> {
    let pointer = match text(object, "/kind").as_str() {
        "Pod" => "/spec",
        "Deployment" | "DaemonSet" | "StatefulSet" | "Job" | "ReplicaSet" => "/spec/template/spec",
        "CronJob" => "/spec/jobTemplate/spec/template/spec",
        _ => return None,
    };
    Some(object.pointer(pointer).unwrap_or_else(|| panic!("{}: no {pointer}", key(object))))
}

/// What PodSecurity `restricted` would refuse in an object, and a root file system that can be written.
///
/// `user` is false where the platform chooses it, as OpenShift does.
pub(super) fn unrestricted(object: &Value, user: bool) -> Vec<String> {
    let Some(pod) = pod(object) else { return Vec::new() };
    let mut faults = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            faults.push(format!("{}: {what}", key(object)));
        }
    };
    for name in ["hostNetwork", "hostPID", "hostIPC"] {
        expect(pod[name] != true, name.to_owned());
    }
    for volume in pod["volumes"].as_array().into_iter().flatten() {
        let kinds = [
            "configMap",
            "csi",
            "downwardAPI",
            "emptyDir",
            "ephemeral",
            "persistentVolumeClaim",
            "projected",
            "secret",
        ];
        expect(kinds.iter().any(|kind| !volume[*kind].is_null()), format!("volume {}", volume["name"]));
    }
    let mut count = 0;
    for list in ["initContainers", "containers"] {
        for container in pod[list].as_array().into_iter().flatten() {
            count += 1;
            let own = &container["securityContext"];
            let either = |key: &str| if own[key].is_null() { &pod["securityContext"][key] } else { &own[key] };
            let name = &container["name"];
            expect(either("runAsNonRoot") == true, format!("{name}: runAsNonRoot"));
            expect(!user || either("runAsUser").as_u64().is_some_and(|user| user > 0), format!("{name}: runAsUser"));
            expect(either("seccompProfile")["type"] == "RuntimeDefault", format!("{name}: seccompProfile"));
            expect(own["allowPrivilegeEscalation"] == false, format!("{name}: allowPrivilegeEscalation"));
            expect(own["privileged"] != true, format!("{name}: privileged"));
            let all = own["capabilities"]["drop"].as_array().is_some_and(|drop| drop.iter().any(|one| one == "ALL"));
            expect(all && own["capabilities"]["add"].is_null(), format!("{name}: capabilities"));
            expect(own["readOnlyRootFilesystem"] == true, format!("{name}: readOnlyRootFilesystem"));
            let host = container["ports"].as_array().into_iter().flatten().any(|port| !port["hostPort"].is_null());
            expect(!host, format!("{name}: hostPort"));
        }
    }
    expect(count > 0, "no container".to_owned());
    faults
}

/// The Services and network policies that name a port of an init container. Such a name is not found before Kubernetes 1.33, and then
/// the Service has no endpoint, or the policy no port.
pub(super) fn sidecar_port_names(objects: &[Value]) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let names =
        |container: &Value| list(&container["ports"]).iter().map(|port| text(port, "/name")).collect::<Vec<_>>();
    let pods = objects.iter().filter_map(pod);
    let sidecars: Vec<String> = pods.flat_map(|pod| list(&pod["initContainers"])).flat_map(|one| names(&one)).collect();
    let mut faults = Vec::new();
    for object in objects {
        let spec = &object["spec"];
        let ports = match text(object, "/kind").as_str() {
            "Service" => list(&spec["ports"]).iter().map(|port| port["targetPort"].clone()).collect(),
            "NetworkPolicy" => {
                let rules = ["ingress", "egress"].into_iter().flat_map(|direction| list(&spec[direction]));
                rules.flat_map(|rule| list(&rule["ports"])).map(|port| port["port"].clone()).collect()
            }
            _ => Vec::new(),
        };
        for port in ports.iter().filter_map(Value::as_str).filter(|port| sidecars.iter().any(|name| name == port)) {
            faults.push(format!("{}: `{port}` is the port of an init container; use its number", key(object)));
        }
    }
    faults
}

#[test]
fn a_port_of_an_init_container_has_no_name_for_others() {
    let yaml = "kind: Deployment
metadata: { name: a }
spec: { template: { spec: { initContainers: [{ ports: [{ name: side }] }], containers: [{ ports: [{ name: main }] }] } } }
---
kind: Service
metadata: { name: a }
spec: { ports: [{ name: side, port: 80, targetPort: side }, { port: 81, targetPort: 8000 }, { port: 82, targetPort: main }] }
---
kind: NetworkPolicy
metadata: { name: a }
spec: { ingress: [{}, { ports: [{ port: main }, { port: side }] }], egress: [{ ports: [{ port: side }, { port: 53 }] }] }
";
    let says = "`side` is the port of an init container; use its number";
    let expected = ["Service", "NetworkPolicy", "NetworkPolicy"].map(|kind| format!("{kind}/a: {says}"));
    assert_eq!(sidecar_port_names(&objects(yaml)), expected);
}

/// Every rule can be broken.
#[test]
fn a_pod_without_settings_is_not_restricted() {
    let yaml = "kind: Pod
metadata: { name: a }
spec:
  hostNetwork: true
  volumes: [{ name: v, hostPath: { path: / } }]
  containers: [{ name: c, ports: [{ hostPort: 1 }], securityContext: { privileged: true } }]
";
    let faults = unrestricted(&objects(yaml)[0], true);
    let expected = [
        "hostNetwork",
        "volume \"v\"",
        "\"c\": runAsNonRoot",
        "\"c\": runAsUser",
        "\"c\": seccompProfile",
        "\"c\": allowPrivilegeEscalation",
        "\"c\": privileged",
        "\"c\": capabilities",
        "\"c\": readOnlyRootFilesystem",
        "\"c\": hostPort",
    ];
    assert_eq!(faults, expected.map(|fault| format!("Pod/a: {fault}")));
    assert_eq!(unrestricted(&objects("kind: Service\nmetadata: { name: a }\n")[0], true), [""; 0]);
}
