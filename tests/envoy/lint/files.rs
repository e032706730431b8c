//! The files that people have: what `modgud envoy` writes in each form, `deploy/`, dumps of a running Envoy, and several files as one.

use super::patch::{Patch, apply};
use super::{CONFIG, found, report, written};
use crate::cli::process::{Output, run_in, run_with_input};
use crate::envoy::testbed;
use modgud_testbed::http::Exchange;
use modgud_testbed::{EnvoyYaml, Setup};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const CORE: &str = "{ profile: bifrost, core: { upstream: 'core:1' } }";

async fn lint(folder: &Path, arguments: &[&str]) -> Output {
    run_in(folder, &[], &[["envoy", "lint"].as_slice(), arguments].concat()).await
}

/// Every `envoy.yaml` in `deploy` has modgud's configuration beside it.
#[tokio::test]
async fn the_samples_have_no_finding() {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy")];
    let mut samples = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name == "envoy.yaml") {
                let output = lint(&folder, &["--config", "modgud.yaml", "envoy.yaml"]).await;
                let expected = "0 holes, 0 breaks, 0 undecided\n";
                assert_eq!(
                    (output.code, output.out.as_str()),
                    (Some(0), expected),
                    "{}: {}",
                    path.display(),
                    output.err
                );
                samples += 1;
            }
        }
    }
    assert!(samples >= 4, "only {samples}");
}

/// With each option, as one file through a pipe, and as files of resources.
#[tokio::test]
async fn what_modgud_envoy_writes_has_no_finding() {
    let tls = "server: { tls: { cert: a.pem, key: a.key, client_ca: ca.pem }, grpc: '127.0.0.1:9191' }";
    let to_tls = [
        "--modgud-tls-ca",
        "/ca.pem",
        "--modgud-tls-name",
        "modgud",
        "--modgud-tls-cert",
        "/c.pem",
        "--modgud-tls-key",
        "/c.key",
    ];
    for (number, (config, arguments)) in [
        ("", &[][..]),
        (tls, &to_tls),
        (
            "server: { grpc: 'unix:/run/modgud/check.sock', deadline: 5s, max_in_flight: 10000, max_message: 16MiB }",
            &[],
        ),
        ("server: { grpc: 'unix:@modgud', insecure_plaintext: true }", &["--health-listen", "0.0.0.0:8001"]),
        (
            "",
            &["--health-listen", "[::]:8001", "--admin", "0.0.0.0:9901", "--docs", "/a.json", "--docs-page", "/a.html"],
        ),
        ("", &["--tls-cert", "/a.pem", "--tls-key", "/a.key", "--listen", "[::]:443", "--modgud", "modgud:9191"]),
        ("modules: [{ name: a, prefix: /a.b, upstream: 'a:1', keep_prefix: true, case: fold }]", &[]),
        (
            "modules: [{ name: a, prefix: /a, upstream: 'a:1', upgrades: [websocket], timeout: 0s, cookies: keep }]",
            &["--server-name", "gateway"],
        ),
        ("authenticators: [{ name: mesh, mtls: { principals: ['*'] } }]", &[]),
        ("upstream: { keep: [x-forwarded-host], strip: [x-tenant-*] }", &[]),
        (
            "rules: [{ name: a, match: { paths: ['/a'] }, access: public, when: \"request.headers['cookie'] == ''\" }]",
            &[],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("modgud.yaml"),
            format!("profile: bifrost\ncore: {{ upstream: 'core:1' }}\n{config}\n"),
        )
        .unwrap();
        let base = ["envoy", "--config", "modgud.yaml"];
        let one = run_in(folder.path(), &[], &[&base, arguments].concat()).await;
        assert_eq!((one.code, one.err.as_str()), (Some(0), ""), "{number}");
        let input = ["envoy", "lint", "--config", "modgud.yaml", "-"];
        let result = run_with_input(folder.path(), &[], &input, &one.out).await;
        assert_eq!(
            (result.code, result.out.as_str()),
            (Some(0), "0 holes, 0 breaks, 0 undecided\n"),
            "{number}: {}",
            result.err
        );

        let files = run_in(folder.path(), &[], &[&base, arguments, &["--xds", "xds"]].concat()).await;
        assert_eq!((files.code, files.err.as_str()), (Some(0), ""), "{number}");
        let names = ["bootstrap", "listeners", "routes", "clusters"].map(|name| format!("xds/{name}.yaml"));
        let all = ["--config", "modgud.yaml", &names[0], &names[1], &names[2], &names[3]];
        let result = lint(folder.path(), &all).await;
        assert_eq!(
            (result.code, result.out.as_str()),
            (Some(0), "0 holes, 0 breaks, 0 undecided\n"),
            "{number}: {}",
            result.err
        );
    }
}

/// A part that is missing is not taken for a good one.
#[tokio::test]
async fn files_that_are_left_out_are_undecided() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), CORE).unwrap();
    let output = run_in(folder.path(), &[], &["envoy", "--config", "modgud.yaml", "--xds", "."]).await;
    assert_eq!(output.code, Some(0), "{}", output.err);
    for (files, codes) in [
        (&["bootstrap.yaml"][..], &["no-listener", "not-included", "not-included"][..]),
        (&["clusters.yaml"], &["no-listener"]),
        (&["listeners.yaml"], &["not-included", "not-included"]), // routes, clusters
        (&["listeners.yaml", "routes.yaml"], &["not-included"]),
        (&["listeners.yaml", "routes.yaml", "clusters.yaml"], &[]),
        (&["bootstrap.yaml", "routes.yaml", "clusters.yaml"], &["no-listener", "not-included"]),
    ] {
        let output = lint(folder.path(), &[&["--json"], files].concat()).await;
        assert_eq!(output.code, Some(if codes.is_empty() { 0 } else { 4 }), "{files:?}: {}{}", output.out, output.err);
        let json: Value = serde_json::from_str(&output.out).unwrap();
        let list = json["findings"].as_array().unwrap();
        let found: Vec<&str> = list.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
        assert_eq!(found, codes, "{files:?}");
        assert!(list.iter().all(|finding| finding["kind"] == "undecided"));
    }
}

/// The connection manager of the health listener reaches the admin interface, and no service.
#[tokio::test]
async fn a_listener_that_reaches_more_of_the_admin_interface_is_a_hole() {
    let (loaded, mut root) = written(CONFIG, &["--health-listen", "127.0.0.1:8001"]).await;
    assert_eq!(found(&report(&[&root], Some(&loaded))), []);
    let routes = "static_resources.listeners[1].filter_chains[0].filters[1].typed_config.route_config.virtual_hosts[0].routes[0]";
    let pointer =
        "/static_resources/listeners/1/filter_chains/0/filters/1/typed_config/route_config/virtual_hosts/0/routes/0";
    for matched in [json!({ "prefix": "/" }), json!({ "path": "/config_dump" }), json!({ "path": "/quitquitquit" })] {
        root.pointer_mut(pointer).unwrap()["match"] = matched;
        assert_eq!(found(&report(&[&root], Some(&loaded))), [("admin-exposed", routes)]);
    }
    // Another cluster is a service.
    root.pointer_mut(pointer).unwrap()["route"]["cluster"] = "crm".into();
    let filters = "static_resources.listeners[1].filter_chains[0].filters[1].typed_config.http_filters";
    assert_eq!(found(&report(&[&root], Some(&loaded))), [("no-ext-authz", filters)]);
}

fn opened(yaml: &str) -> String {
    let mut root: Value = serde_saphyr::from_str(yaml).unwrap();
    let open = |at: &str, set: Value| Patch { at: at.to_owned(), set: Some(set), insert: None };
    apply(&mut root, &[open("A/failure_mode_allow", json!(true)), open("R/match", json!({ "prefix": "/crm" }))]);
    root.to_string()
}

/// What a running Envoy says of itself, whole and in parts.
#[tokio::test]
async fn a_dump_of_a_running_envoy_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let config = CONFIG.replace("'{crm}'", "'crm:8080'").replace("'{core}'", "'core:8080'");
    fs::write(folder.path().join("modgud.yaml"), config).unwrap();
    let manager = ".filter_chains[0].filters[0].typed_config";
    let holes = [
        format!("{manager}.route_config.virtual_hosts[0].routes[0].match.prefix"),
        format!("{manager}.http_filters[1].typed_config.failure_mode_allow"),
    ];
    for (edit, code, expected) in [(None, 0, &[][..]), (Some(opened as fn(&str) -> String), 1, &holes)] {
        let testbed =
            testbed(Setup { config: Some(CONFIG), envoy: EnvoyYaml::Written, edit, ..Setup::default() }).await;
        for (query, listener) in [
            ("", "configs[2].static_listeners[0].listener"),
            ("?include_eds", "configs[2].static_listeners[0].listener"),
        ] {
            let dump = Exchange::get(testbed.envoy_admin, &format!("/config_dump{query}")).await.unwrap();
            fs::write(folder.path().join("dump.json"), &dump.body).unwrap();
            let grpc = testbed.modgud_grpc.to_string();
            let arguments = ["--config", "modgud.yaml", "--modgud", &grpc, "--json", "dump.json"];
            let output = lint(folder.path(), &arguments).await;
            assert_eq!((output.code, output.err.as_str()), (Some(code), ""), "{}", output.out);
            let json: Value = serde_json::from_str(&output.out).unwrap();
            let list = json["findings"].as_array().unwrap();
            let paths: Vec<&str> = list.iter().map(|finding| finding["path"].as_str().unwrap()).collect();
            assert_eq!(paths.len(), expected.len(), "{query}: {list:#?}");
            for (path, expected) in paths.iter().zip(expected) {
                let (root, rest) = path.split_once(".filter_chains").unwrap();
                assert_eq!(format!(".filter_chains{rest}"), *expected);
                assert!(root.ends_with(listener.split_once("].").unwrap().1), "{root}");
            }
        }
        testbed.stop().await;
    }
}

/// Dynamic parts of a dump: routes by name, a filter by name, and a listener that takes the place of another soon.
#[tokio::test]
async fn dynamic_parts_of_a_dump_are_found_by_name() {
    let (loaded, root) = written(CONFIG, &[]).await;
    let mut listener = root["static_resources"]["listeners"][0].clone();
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    let manager = listener.pointer_mut("/filter_chains/0/filters/0/typed_config").unwrap();
    let mut routes = manager["route_config"].clone();
    routes["@type"] = json!("type.googleapis.com/envoy.config.route.v3.RouteConfiguration");
    manager.as_object_mut().unwrap().remove("route_config");
    manager["rds"] = json!({ "route_config_name": "gateway", "config_source": { "ads": {} } });
    let mut check = manager["http_filters"][1]["typed_config"].clone();
    check["failure_mode_allow"] = json!(true);
    manager["http_filters"][1] = json!({ "name": "check", "config_discovery": { "config_source": { "ads": {} } } });
    let clusters = |list: &Value| -> Vec<Value> {
        let cluster = |cluster: &Value| {
            let mut cluster = cluster.clone();
            cluster["@type"] = json!("type.googleapis.com/envoy.config.cluster.v3.Cluster");
            json!({ "cluster": cluster })
        };
        list.as_array().unwrap().iter().map(cluster).collect()
    };
    let admin = |name: &str| format!("type.googleapis.com/envoy.admin.v3.{name}");
    let mut dump = json!({ "configs": [
        { "@type": admin("BootstrapConfigDump"), "bootstrap": { "dynamic_resources": { "lds_config": { "ads": {} }, "cds_config": { "ads": {} } } } },
        { "@type": admin("ClustersConfigDump"), "dynamic_active_clusters": clusters(&root["static_resources"]["clusters"]) },
        { "@type": admin("ListenersConfigDump"), "dynamic_listeners": [
            { "name": "gateway", "active_state": { "listener": listener }, "error_state": { "failed_configuration": {} } },
        ] },
        { "@type": admin("RoutesConfigDump"), "dynamic_route_configs": [{ "route_config": routes }] },
        { "@type": admin("EcdsConfigDump"), "ecds_filters": [{ "ecds_filter": {
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig", "name": "check", "typed_config": check } }] },
    ] });
    let path = "configs[4].ecds_filters[0].ecds_filter.typed_config.failure_mode_allow";
    assert_eq!(found(&report(&[&dump], Some(&loaded))), [("fail-open", path)]);
    // Without the filter nothing says what it is.
    dump["configs"].as_array_mut().unwrap().pop();
    let discovery = "configs[2].dynamic_listeners[0].active_state.listener.filter_chains[0].filters[0].typed_config.http_filters[1].config_discovery";
    assert_eq!(found(&report(&[&dump], Some(&loaded))), [("not-included", discovery)]);
    let warming = dump["configs"][2]["dynamic_listeners"][0]["active_state"].clone();
    dump["configs"][2]["dynamic_listeners"][0]["warming_state"] = warming;
    assert_eq!(report(&[&dump], Some(&loaded)).findings.len(), 2);
}

/// The text names place, kind, code, path, reason and what to write; `--json` has the same parts.
#[tokio::test]
async fn a_finding_says_where_why_and_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), CORE).unwrap();
    let yaml = run_in(folder.path(), &[], &["envoy", "--config", "modgud.yaml"]).await.out;
    let open = yaml.replace("failure_mode_allow: false", "failure_mode_allow: true");
    fs::write(folder.path().join("envoy.yaml"), &open).unwrap();
    let line = open.lines().position(|line| line.contains("failure_mode_allow: true")).unwrap() + 1;
    let output = lint(folder.path(), &["envoy.yaml"]).await;
    let path = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[1].typed_config.failure_mode_allow";
    let expected = format!(
        "envoy.yaml:{line}:43: hole fail-open: {path}: `failure_mode_allow` is `true`: while modgud does not answer, requests reach the \
         service without a check; write `failure_mode_allow: false` (listener `gateway`)\n1 hole, 0 breaks, 0 undecided\n\
         not checked without --config: identity-overwritten, external-address, identity-removed, cluster-tls, circuit-breakers, timeout, \
         body-too-large, body-withheld, peer-certificate, external-hops, peer-of-proxy\n"
    );
    assert_eq!((output.code, output.out, output.err), (Some(1), expected, String::new()));
    let output = lint(folder.path(), &["--config", "modgud.yaml", "--json", "envoy.yaml"]).await;
    let json: Value = serde_json::from_str(&output.out).unwrap();
    let finding = json!({
        "code": "fail-open", "kind": "hole", "file": "envoy.yaml", "line": line, "column": 43, "path": path, "within": "listener `gateway`",
        "found": "`failure_mode_allow` is `true`", "reason": "while modgud does not answer, requests reach the service without a check",
        "instead": "write `failure_mode_allow: false`",
    });
    let whole = json!({ "files": ["envoy.yaml"], "holes": 1, "breaks": 0, "undecided": 0, "findings": [finding], "unlisted": 0, "not_checked": [] });
    assert_eq!((output.code, json), (Some(1), whole));
}

/// A listener for outgoing requests needs no check.
#[tokio::test]
async fn one_listener_can_be_checked_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut root) = written(CONFIG, &[]).await;
    let mut outgoing = root["static_resources"]["listeners"][0].clone();
    outgoing["name"] = json!("outgoing");
    outgoing
        .pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters")
        .unwrap()
        .as_array_mut()
        .unwrap()
        .remove(1);
    root["static_resources"]["listeners"].as_array_mut().unwrap().push(outgoing);
    fs::write(folder.path().join("envoy.json"), root.to_string()).unwrap();
    for (arguments, code) in [
        (&["envoy.json"][..], 1),
        (&["--listener", "gateway", "envoy.json"], 0),
        (&["--listener", "gateway", "--listener", "outgoing", "envoy.json"], 1),
        (&["--listener", "other", "envoy.json"], 2),
    ] {
        let output = lint(folder.path(), arguments).await;
        assert_eq!(output.code, Some(code), "{arguments:?}: {}{}", output.out, output.err);
    }
}
