//! `deploy/gateways/envoy-gateway` without a cluster: egctl translates it as the controller does, and a real Envoy runs the result with a
//! real modgud and a module.

use super::gateways::filter;
use super::{root, run};
use crate::envoy::seen::Seen;
use crate::envoy::tokens::{claims, jwt, sign};
use crate::envoy::{PATIENCE, ask, programs};
use crate::support::program;
use modgud_testbed::http::Exchange;
use modgud_testbed::{Setup, Testbed, start_envoy};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const FOLDER: &str = "deploy/gateways/envoy-gateway";

/// The Services that the sample refers to. Their addresses are replaced in the translation.
const SERVICES: &str = "---
apiVersion: v1
kind: Service
metadata: { name: modgud, namespace: modgud }
spec: { clusterIP: 127.0.0.1, ports: [{ name: grpc, port: 9191, appProtocol: kubernetes.io/h2c }] }
---
apiVersion: v1
kind: Service
metadata: { name: crm, namespace: api }
spec: { clusterIP: 127.0.0.1, ports: [{ name: http, port: 8080 }] }
";

/// What egctl makes of the sample, after a change of its text: objects with their status, and the parts of Envoy's configuration by kind.
fn translate(change: impl Fn(String) -> String) -> (Value, BTreeMap<String, Value>) {
    let folder = tempfile::tempdir().unwrap();
    let kustomization: Value =
        serde_saphyr::from_str(&fs::read_to_string(root().join(FOLDER).join("kustomization.yaml")).unwrap()).unwrap();
    let files = kustomization["resources"].as_array().unwrap().iter();
    let texts = files.map(|file| fs::read_to_string(root().join(FOLDER).join(file.as_str().unwrap())).unwrap());
    let all = texts.collect::<Vec<_>>().join("---\n");
    let input = folder.path().join("all.yaml");
    fs::write(&input, change(format!("{all}{SERVICES}"))).unwrap();
    let mut command = Command::new(program("MODGUD_TEST_EGCTL"));
    command.args([
        "x",
        "translate",
        "--from",
        "gateway-api",
        "--to",
        "gateway-api,xds",
        "--type",
        "all",
        "--output",
        "json",
        "--file",
    ]);
    let output = run(command.arg(&input)).unwrap_or_else(|error| panic!("{error}"));
    let output: Value = serde_json::from_str(&output).unwrap_or_else(|error| panic!("{error}: {output}"));
    let configs = output["xds"]["api/api"]["configs"].as_array().unwrap();
    let kind = |config: &Value| config["@type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
    let parts = configs.iter().map(|config| (kind(config), config.clone())).collect();
    (output, parts)
}

/// The conditions of a policy, by type.
fn conditions(objects: &Value, list: &str) -> BTreeMap<String, String> {
    let conditions = objects[list][0]["status"]["ancestors"][0]["conditions"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    conditions.iter().map(|one| (text(&one["type"]), text(&one["status"]))).collect()
}

fn without_type(value: &Value) -> Value {
    let mut object = value.as_object().unwrap().clone();
    object.remove("@type");
    Value::Object(object)
}

/// The listener for clients.
fn listener(parts: &BTreeMap<String, Value>) -> Value {
    let listeners = parts["ListenersConfigDump"]["dynamicListeners"].as_array().unwrap();
    let found = listeners.iter().map(|one| &one["activeState"]["listener"]).find(|one| one["name"] == "api/api/http");
    without_type(found.unwrap_or_else(|| panic!("no listener has the name of the patches")))
}

/// The connection manager of the listener.
fn manager(listener: &Value) -> Value {
    listener.pointer("/defaultFilterChain/filters/0/typedConfig").unwrap().clone()
}

/// A configuration that Envoy runs without a controller: what it would receive is in place.
fn bootstrap(parts: &BTreeMap<String, Value>, modgud: SocketAddr, module: SocketAddr) -> Value {
    let endpoints: BTreeMap<&str, &Value> = parts["EndpointsConfigDump"]["dynamicEndpointConfigs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["endpointConfig"]["clusterName"].as_str().unwrap(), &one["endpointConfig"]))
        .collect();
    let mut clusters = Vec::new();
    for one in parts["ClustersConfigDump"]["dynamicActiveClusters"].as_array().unwrap() {
        let mut cluster = without_type(&one["cluster"]);
        let name = cluster["name"].as_str().unwrap().to_owned();
        if let Some(assignment) = cluster["edsClusterConfig"]["serviceName"].as_str().map(|name| endpoints[name]) {
            let mut assignment = without_type(assignment);
            let address = if name.starts_with("securitypolicy/") { modgud } else { module };
            let endpoint = assignment.pointer_mut("/endpoints/0/lbEndpoints/0/endpoint/address/socketAddress").unwrap();
            *endpoint = json!({ "address": address.ip().to_string(), "portValue": address.port() });
            assignment["clusterName"] = json!(name);
            let fields = cluster.as_object_mut().unwrap();
            fields.remove("edsClusterConfig");
            fields.insert("type".to_owned(), json!("STATIC"));
            fields.insert("loadAssignment".to_owned(), assignment);
        }
        clusters.push(cluster);
    }
    let mut listener = listener(parts);
    listener["address"] = json!({ "socketAddress": { "address": "127.0.0.1", "portValue": 0 } });
    let routes = &parts["RoutesConfigDump"]["dynamicRouteConfigs"][0]["routeConfig"];
    let manager = listener.pointer_mut("/defaultFilterChain/filters/0/typedConfig").unwrap().as_object_mut().unwrap();
    assert_eq!(manager.remove("rds").unwrap()["routeConfigName"], routes["name"]);
    manager.insert("routeConfig".to_owned(), without_type(routes));
    json!({
        "admin": { "address": { "socketAddress": { "address": "127.0.0.1", "portValue": 0 } } },
        "layeredRuntime": parts["BootstrapConfigDump"]["bootstrap"]["layeredRuntime"],
        "staticResources": { "listeners": [listener], "clusters": clusters },
    })
}

/// The same field names in both: Envoy Gateway writes them as JSON does, the sample as protobuf does.
fn camel_case(value: &Value) -> Value {
    let name = |name: &String| {
        let mut parts = name.split('_');
        let first = parts.next().unwrap().to_owned();
        parts.fold(first, |all, part| {
            let (initial, rest) = part.split_at(1);
            format!("{all}{}{rest}", initial.to_uppercase())
        })
    };
    match value {
        Value::Object(members) => members.iter().map(|(key, value)| (name(key), camel_case(value))).collect(),
        Value::Array(items) => items.iter().map(camel_case).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_translated_filter_is_the_generated_one() {
    let (objects, parts) = translate(|text| text);
    for (list, wanted) in
        [("securityPolicies", "Accepted"), ("clientTrafficPolicies", "Accepted"), ("envoyPatchPolicies", "Accepted")]
    {
        assert_eq!(conditions(&objects, list).get(wanted).map(String::as_str), Some("True"), "{list}");
    }
    let manager = manager(&listener(&parts));
    let filters = manager["httpFilters"].as_array().unwrap();
    let found = filters.iter().find(|one| one["name"] == "envoy.filters.http.ext_authz/securitypolicy/api/modgud");
    let found = &found.expect("the patches name its start")["typedConfig"];
    let expected = camel_case(&filter());
    for field in
        ["encodeRawHeaders", "disallowedHeaders", "validateMutations", "decoderHeaderMutationRules", "statusOnError"]
    {
        let (mut found, mut expected) = (found[field].clone(), expected[field].clone());
        if field == "disallowedHeaders" {
            // The default of the protobuf message is left out on one side.
            found["patterns"][0].as_object_mut().unwrap().remove("ignoreCase");
            expected["patterns"][0].as_object_mut().unwrap().remove("ignoreCase");
        }
        assert_eq!(found, expected, "{field}");
    }
    assert!(found["failureModeAllow"].is_null() && found["clearRouteCache"].is_null(), "{found}");
    let own = camel_case(&super::gateways::manager());
    for field in ["normalizePath", "mergeSlashes", "pathWithEscapedSlashesAction", "useRemoteAddress"] {
        assert_eq!(manager[field], own[field], "{field}");
    }
}

/// Envoy Gateway goes on without a patch that does not apply, so the filter is there with what the `SecurityPolicy` says.
#[test]
fn without_the_patches_the_gateway_still_fails_closed() {
    let (_, parts) = translate(|text| text.replace("name: api/api/http\n", "name: api/api/https\n"));
    let manager = manager(&listener(&parts));
    let filters = manager["httpFilters"].as_array().unwrap();
    let filter =
        filters.iter().find(|one| one["name"].as_str().unwrap().starts_with("envoy.filters.http.ext_authz/")).unwrap();
    let settings = &filter["typedConfig"];
    assert_eq!(settings["statusOnError"], json!({ "code": "ServiceUnavailable" }));
    assert!(settings["failureModeAllow"].is_null() && settings["decoderHeaderMutationRules"].is_null(), "{settings}");
    assert!(!manager["earlyHeaderMutationExtensions"].is_null());
}

#[tokio::test]
async fn envoy_runs_the_translation() {
    let testbed = Testbed::start(&programs(), &Setup::default(), |_| {}).await.unwrap();
    let clusters = Exchange::get(testbed.envoy_admin, "/clusters").await.unwrap();
    let clusters = String::from_utf8(clusters.body).unwrap();
    let line = clusters.lines().find_map(|line| line.strip_prefix("crm::127.0.0.1:")).unwrap();
    let module: SocketAddr = format!("127.0.0.1:{}", line.split_once("::").unwrap().0).parse().unwrap();
    let (_, parts) = translate(|text| text);
    let folder = tempfile::tempdir().unwrap();
    let yaml = bootstrap(&parts, testbed.modgud_grpc, module);
    fs::write(folder.path().join("envoy.yaml"), yaml.to_string()).unwrap();
    let (envoy, _, gateway) = start_envoy(&programs(), folder.path()).await.unwrap();

    let token = jwt(&sign(&testbed.key, &claims()));
    let good = vec![token.clone()];
    let forged = vec![token.clone(), "x-core-user-uuid: forged".to_owned(), "X.USERNAME: forged".to_owned()];
    let seen = Seen::of(&ask(gateway, "GET", "/crm/a/../b//c/", &forged).await);
    assert_eq!((seen.module.as_str(), seen.path.as_str()), ("crm", "/b/c/"));
    assert!(
        !seen.identity().is_empty() && seen.headers.iter().all(|(_, value)| value != "forged"),
        "{:?}",
        seen.headers
    );
    for (path, lines, status) in [
        ("/crm/", &[][..], 401),
        ("/crm/", &["Authorization: JWT a.b.c".to_owned()], 401),
        ("/crm/%2fa", &good, 400),
        ("/crm/", &[token.clone(), "x_username: forged".to_owned()], 400),
        ("/crm/../admin/", &good, 404),
        ("/crmx/", &good, 404),
    ] {
        assert_eq!(ask(gateway, "GET", path, lines).await.status, status, "{path}");
    }

    testbed.modgud.signal(Signal::STOP);
    // Its threads stop one after the other, so the first request may still be answered.
    let not_allowed = async {
        loop {
            let since = Instant::now();
            let answer = ask(gateway, "GET", "/crm/", &good).await;
            if answer.status != 200 {
                return (answer.status, since.elapsed());
            }
        }
    };
    let (status, took) = timeout(PATIENCE, not_allowed).await.unwrap();
    assert_eq!(status, 503);
    assert!(took < Duration::from_secs(5), "the timeout is that of the policy, not Envoy Gateway's 10 s: {took:?}");
    testbed.modgud.signal(Signal::CONT);
    envoy.end().await;
    testbed.stop().await;
}
