//! Which of the filters is modgud's: the addresses of clusters decide, where they can be compared.

use super::{CONFIG, written};
use crate::cli::process::run_in;
use serde_json::{Value, json};
use std::fs;

const FILTERS: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";

/// A filter of another service, as people have it: none of its settings is as modgud's.
fn other() -> Value {
    json!({
        "name": "opa",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "grpc_service": { "envoy_grpc": { "cluster_name": "opa" }, "timeout": "0.1s" },
            "failure_mode_allow": true,
        },
    })
}

/// The cluster of the other service: HTTP/2 and no limits.
fn cluster(endpoint: Option<Value>) -> Value {
    let mut cluster = json!({ "name": "opa", "type": "EDS", "http2_protocol_options": {} });
    if let Some(address) = endpoint {
        cluster["type"] = json!("STRICT_DNS");
        cluster["load_assignment"] = json!({
            "cluster_name": "opa", "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        });
    }
    cluster
}

fn socket(address: &str, port: u16) -> Option<Value> {
    Some(json!({ "socket_address": { "address": address, "port_value": port } }))
}

/// `--config` compares with `server.grpc`, `--modgud` with another address.
#[tokio::test]
async fn checks_are_of_the_filter_that_calls_modgud() {
    let folder = tempfile::tempdir().unwrap();
    let config = CONFIG.replace("'{crm}'", "'crm:8080'").replace("'{core}'", "'core:8080'");
    let none: &[&str] = &[];
    let pipe = |path: &str| Some(json!({ "pipe": { "path": path } }));
    // modgud's own address, how it is named for lint, the other service, where its filter is, and what is found.
    for (own, arguments, endpoint, place, codes) in [
        ("127.0.0.1:9191", none, socket("127.0.0.1", 9292), 0, &[][..]),
        ("127.0.0.1:9191", none, socket("127.0.0.1", 9292), 1, &[]),
        ("127.0.0.1:9191", none, socket("opa.example.com", 9191), 1, &[]),
        ("127.0.0.1:9191", none, None, 1, &[]),
        ("127.0.0.1:9191", none, socket("opa.example.com", 9191), 2, &["other-service"]),
        ("modgud.example.com:9191", &["--modgud", "modgud.example.com:9191"], socket("opa.example.com", 9191), 1, &[]),
        // Both are names, and `server.grpc` is none: each may be modgud's.
        ("modgud.example.com:9191", none, socket("opa.example.com", 9191), 1, &["fail-open", "circuit-breakers", "status-on-error", "timeout"]),
        ("unix:/run/modgud.sock", &["--modgud", "unix:/run/modgud.sock"], pipe("/run/opa.sock"), 1, &[]),
        ("unix:@modgud", &["--modgud", "unix:@modgud"], pipe("@opa"), 2, &["other-service"]),
        ("unix:@modgud", &["--modgud", "unix:@modgud"], socket("127.0.0.1", 9191), 1, &[]),
    ] {
        fs::write(folder.path().join("modgud.yaml"), &config).unwrap();
        let output = run_in(folder.path(), &[], &["envoy", "--config", "modgud.yaml", "--modgud", own]).await;
        assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
        let mut root: Value = serde_saphyr::from_str(&output.out).unwrap();
        root.pointer_mut(FILTERS).unwrap().as_array_mut().unwrap().insert(place, other());
        let what = format!("{own} {endpoint:?} {place}");
        root["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster(endpoint));
        fs::write(folder.path().join("envoy.json"), root.to_string()).unwrap();
        let base = ["envoy", "lint", "--config", "modgud.yaml", "--json", "envoy.json"];
        let output = run_in(folder.path(), &[], &[&base, arguments].concat()).await;
        let json: Value = serde_json::from_str(&output.out).unwrap_or_else(|_| panic!("{}", output.err));
        let found = json["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap());
        assert_eq!(found.collect::<Vec<_>>(), codes, "{what}: {}", output.out);
    }
}

/// A listener with nothing but another service is no listener of modgud's. Without an address to compare, the filter counts as modgud's.
#[tokio::test]
async fn a_filter_of_another_service_alone_is_undecided() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut root) = written(CONFIG, &[]).await;
    root.pointer_mut(FILTERS).unwrap()[1] = other();
    root["static_resources"]["clusters"].as_array_mut().unwrap().push(cluster(socket("127.0.0.1", 9292)));
    fs::write(folder.path().join("envoy.json"), root.to_string()).unwrap();
    fs::write(folder.path().join("modgud.yaml"), "profile: bifrost\n").unwrap();
    for (arguments, code, found) in [
        (&["--config", "modgud.yaml"][..], 4, ": undecided other-service: "),
        (&["--modgud", "127.0.0.1:9191"], 4, ": undecided other-service: "),
        (&["--modgud", "127.0.0.1:9292"], 1, ": hole fail-open: "),
        (&[], 1, ": hole fail-open: "),
    ] {
        let output = run_in(folder.path(), &[], &[&["envoy", "lint", "envoy.json"], arguments].concat()).await;
        assert!(output.code == Some(code) && output.out.contains(found), "{arguments:?}: {}{}", output.out, output.err);
        let lines = output.out.lines().filter(|line| line.starts_with("envoy.json:")).count();
        assert!(code != 4 || lines == 1, "{arguments:?}: {}", output.out);
    }
}

/// Of two filters that may be modgud's, one is disabled on a route.
#[tokio::test]
async fn a_filter_that_may_be_modguds_and_is_disabled_is_undecided() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut root) = written(CONFIG, &[]).await;
    let mut second = root.pointer(FILTERS).unwrap()[1].clone();
    second["name"] = json!("second");
    root.pointer_mut(FILTERS).unwrap().as_array_mut().unwrap().insert(1, second);
    let off = json!({ "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", "disabled": true });
    let route = FILTERS.replace("http_filters", "route_config/virtual_hosts/0/routes/0");
    root.pointer_mut(&route).unwrap()["typed_per_filter_config"] = json!({ "second": off });
    fs::write(folder.path().join("envoy.json"), root.to_string()).unwrap();
    let output = run_in(folder.path(), &[], &["envoy", "lint", "envoy.json"]).await;
    assert!(output.code == Some(4) && output.out.contains(": undecided other-service: "), "{}", output.out);
}
