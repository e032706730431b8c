//! Holes whose attack needs more than a listener of its own. Each was found with a configuration written by hand; here it is only linted.

use super::{CONFIG, Place, found, report, written};
use modgud::config::Loaded;
use modgud::envoy::lint::{Document, Scope, lint};
use serde_json::{Value, json};

/// Sets a value at a place of the table of variants, or at a pointer.
fn set(root: &mut Value, at: &str, value: Value) {
    let pointer = if at.starts_with('/') { at.to_owned() } else { Place::pointer(at) };
    let (parent, name) = pointer.trim_end_matches('/').rsplit_once('/').unwrap();
    match root.pointer_mut(parent).unwrap() {
        Value::Array(list) => list.insert(name.parse().unwrap(), value),
        parent => parent[name] = value,
    }
}

const MUTATION: &str = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation";
const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// Returns the codes of the findings, each with its path.
fn found_in(root: &Value, loaded: &Loaded) -> Vec<(String, String)> {
    found(&report(&[root], Some(loaded))).into_iter().map(|(code, at)| (code.to_owned(), at.to_owned())).collect()
}

/// Returns these codes with their paths, of which some are places of the table of variants.
fn at_paths(expected: Vec<(&str, &str)>) -> Vec<(String, String)> {
    let path = |path: &str| if path.starts_with(['M', 'A', 'R']) { Place::path(path) } else { path.to_owned() };
    expected.into_iter().map(|(code, at)| (code.to_owned(), path(at))).collect()
}

#[tokio::test]
async fn what_was_tried_by_hand_is_found() {
    let (loaded, plain) = written(CONFIG, &[]).await;
    let disabled = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute", "disabled": true,
    });
    let forged = json!([{ "header": { "key": "x-core-user-uuid", "value": "%REQ(x-forged)%" } }]);
    let mutation = json!([{ "name": "a", "typed_config": {
        "@type": MUTATION, "mutations": { "request_mutations": [{ "append": forged[0] }] },
    } }]);
    let mut routes = plain.pointer(&Place::pointer("M/route_config")).unwrap().clone();
    routes["virtual_hosts"][0]["routes"][0]["typed_per_filter_config"] =
        json!({ "envoy.filters.http.ext_authz": disabled });
    let scopes = json!({
        "name": "a", "scope_key_builder": {},
        "scoped_route_configurations_list": { "scoped_route_configurations": [{ "name": "a", "route_configuration": routes }] },
    });
    let discovery = json!({
        "config_source": { "ads": {} }, "type_urls": ["envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"],
        "default_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors" },
    });
    let service = plain["static_resources"]["clusters"].as_array().unwrap().iter().position(|one| one["name"] == "crm");
    let service = format!("/static_resources/clusters/{}", service.unwrap());
    let shown = service.replace("/static_resources/clusters/", "static_resources.clusters[") + "]";
    let by_name = json!([{ "cluster_header": "x-mirror" }]);
    for (changes, expected) in [
        // A copy of each request, to any service.
        (
            vec![("R/route/request_mirror_policies", by_name.clone())],
            vec![("cluster-by-header", "R.route.request_mirror_policies[0].cluster_header")],
        ),
        (
            vec![("M/route_config/virtual_hosts/0/request_mirror_policies", by_name.clone())],
            vec![("cluster-by-header", "M.route_config.virtual_hosts[0].request_mirror_policies[0].cluster_header")],
        ),
        (
            vec![("M/route_config/request_mirror_policies", by_name)],
            vec![("cluster-by-header", "M.route_config.request_mirror_policies[0].cluster_header")],
        ),
        // The header is any address.
        (
            vec![
                (&format!("{service}/type"), json!("ORIGINAL_DST")),
                (&format!("{service}/original_dst_lb_config"), json!({ "use_http_header": true })),
            ],
            vec![("cluster-by-header", &format!("{shown}.original_dst_lb_config.use_http_header"))],
        ),
        (vec![(&format!("{service}/type"), json!("ORIGINAL_DST"))], vec![("route-unclear", &format!("{shown}.type"))]),
        (
            vec![(
                &format!("{service}/typed_extension_protocol_options"),
                json!({ OPTIONS: { "@type": format!("a/{OPTIONS}"), "http_filters": mutation } }),
            )],
            vec![(
                "identity-overwritten",
                &format!(
                    "{shown}.typed_extension_protocol_options[\"{OPTIONS}\"].http_filters[0].typed_config.mutations.request_mutations[0].append.header"
                ),
            )],
        ),
        // From the second request on.
        (
            vec![(
                "M/http_filters/2",
                json!({ "name": "a", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
                "request_headers_to_add_when_not_enforced": forged,
            } }),
            )],
            vec![(
                "identity-overwritten",
                "M.http_filters[2].typed_config.request_headers_to_add_when_not_enforced[0].header",
            )],
        ),
        // While the source of the filter does not answer.
        (
            vec![("M/http_filters/1/typed_config", Value::Null), ("M/http_filters/1/config_discovery", discovery)],
            vec![
                ("no-ext-authz", "M.http_filters[1].config_discovery.default_config"),
                ("not-included", "M.http_filters[1].config_discovery"),
            ],
        ),
        (
            vec![("M/route_config", Value::Null), ("M/scoped_routes", scopes)],
            vec![
                (
                    "ext-authz-disabled",
                    "M.scoped_routes.scoped_route_configurations_list.scoped_route_configurations[0].route_configuration.virtual_hosts[0].routes[0].typed_per_filter_config[\"envoy.filters.http.ext_authz\"].disabled",
                ),
                ("route-unclear", "M.scoped_routes.scope_key_builder"),
            ],
        ),
    ] {
        let mut varied = plain.clone();
        for (at, value) in changes {
            set(&mut varied, at, value);
        }
        assert_eq!(found_in(&varied, &loaded), at_paths(expected));
    }
}

#[tokio::test]
async fn what_withholds_a_header_or_switches_the_filter_off_is_found() {
    let (loaded, plain) = written(CONFIG, &[]).await;
    let layer = json!({ "layers": [{ "name": "a", "static_layer": { "some": { "key": 0 } } }] });
    for (changes, expected) in [
        // `Connection: Upgrade, x-core-user-uuid` removes the header that modgud writes.
        (
            vec![("A/disallowed_headers/patterns/0", json!({ "exact": "connection" }))],
            vec![("headers-withheld", "A.disallowed_headers")],
        ),
        (
            vec![
                ("/layered_runtime", layer),
                ("A/filter_enabled", json!({ "runtime_key": "some.key", "default_value": { "numerator": 100 } })),
            ],
            vec![("filter-enabled", "layered_runtime.layers[0].static_layer.some.key")],
        ),
    ] {
        let mut varied = plain.clone();
        for (at, value) in changes {
            set(&mut varied, at, value);
        }
        assert_eq!(found_in(&varied, &loaded), at_paths(expected));
    }
}

/// Envoy reads YAML by its own rules: words that are booleans, and keys that it drops.
#[tokio::test]
async fn yaml_is_read_as_envoy_reads_it() {
    let (_, plain) = written(CONFIG, &[]).await;
    let mut varied = plain.clone();
    set(&mut varied, "A/failure_mode_allow", json!("OPEN"));
    let text = varied.to_string();
    let codes = |text: &str| -> Vec<&str> {
        let report = lint(&[Document::parse("a", text).unwrap()], None, &Scope::default()).unwrap();
        report.findings.iter().map(|finding| finding.code().name()).collect()
    };
    for (word, expected) in [
        ("yes", &["fail-open"][..]),
        ("y", &["fail-open"]),
        ("On", &["fail-open"]),
        ("off", &[]),
        ("\"yes\"", &["unreadable"]),
        ("'on'", &["unreadable"]),
    ] {
        assert_eq!(codes(&text.replace("\"OPEN\"", word)), expected, "{word}");
    }
    let text = plain.to_string();
    let key = "\"use_remote_address\":";
    assert!(text.contains(key));
    for tag in ["!ignore ", "!<!ignore> ", "!ignore &a ", "&a !ignore "] {
        assert_eq!(codes(&text.replace(key, &format!("{tag}{key} "))), ["forwarded-proto"], "{tag}");
    }
    assert_eq!(codes(&text.replace(key, &format!("!other {key} "))), [""; 0]);
}

/// What `/config_dump?resource=` answers of an Envoy without such parts, and of its bootstrap.
#[tokio::test]
async fn an_empty_dump_and_a_bootstrap_of_a_dump_are_read() {
    let (_, plain) = written(CONFIG, &[]).await;
    let mut bootstrap = plain;
    bootstrap["@type"] = "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap".into();
    assert_eq!(found(&report(&[&json!({ "configs": [bootstrap] })], None)), []);
    assert_eq!(found(&report(&[&json!({})], None)), [("no-listener", "")]);
}
