//! The samples for gateways say what `modgud envoy` writes for the same configuration: mutation rules, early removal, deadline. A gateway
//! that was given other expressions would forward headers that modgud guards.

use super::manifests::{key, objects};
use super::root;
use modgud_testbed::SAMPLE;
use serde_json::{Value, json};
use std::fs;

fn read(file: &str) -> Vec<Value> {
    let path = root().join("deploy/gateways").join(file);
    objects(&fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// The object of this kind in a file.
fn object(file: &str, kind: &str) -> Value {
    let found = read(file).into_iter().find(|object| object["kind"] == kind);
    found.unwrap_or_else(|| panic!("{file} has no {kind}"))
}

/// The connection manager of `deploy/envoy.yaml`.
pub(super) fn manager() -> Value {
    let sample: Value = serde_saphyr::from_str(SAMPLE).unwrap();
    sample.pointer("/static_resources/listeners/0/filter_chains/0/filters/0/typed_config").unwrap().clone()
}

/// The filter that calls modgud in `deploy/envoy.yaml`.
pub(super) fn filter() -> Value {
    let manager = manager();
    let mut filters = manager["http_filters"].as_array().unwrap().iter();
    filters.find(|filter| filter["name"] == "envoy.filters.http.ext_authz").unwrap()["typed_config"].clone()
}

fn early_removal() -> Value {
    let manager = manager();
    let mutations = &manager["early_header_mutation_extensions"][0]["typed_config"]["mutations"];
    assert_eq!(mutations.as_array().unwrap().len(), 1);
    mutations[0]["remove_on_match"]["key_matcher"]["safe_regex"]["regex"].clone()
}

/// What a filter needs and no gateway has a key for.
const PATCHED: [&str; 4] =
    ["encode_raw_headers", "disallowed_headers", "validate_mutations", "decoder_header_mutation_rules"];

#[test]
fn the_patches_of_envoy_gateway_are_the_generated_filter() {
    let policy = object("envoy-gateway/envoy-patch-policy.yaml", "EnvoyPatchPolicy");
    let patches = policy["spec"]["jsonPatches"].as_array().unwrap();
    let found: Vec<(&Value, &Value)> =
        patches.iter().map(|patch| (&patch["operation"]["path"], &patch["operation"]["value"])).collect();
    let filter = filter();
    let expected: Vec<(Value, &Value)> = PATCHED.map(|name| (json!(name), &filter[name])).into();
    assert_eq!(found, expected.iter().map(|(name, value)| (name, *value)).collect::<Vec<_>>());

    let traffic = object("envoy-gateway/client-traffic-policy.yaml", "ClientTrafficPolicy");
    let matches = traffic["spec"]["headers"]["earlyRequestHeaders"]["removeOnMatch"].as_array().unwrap();
    assert!(matches.iter().all(|one| one["type"] == "RegularExpression"));
    let texts: Vec<&str> = matches.iter().map(|one| one["value"].as_str().unwrap()).collect();
    assert!(texts.iter().all(|text| text.len() <= 1024), "the API server refuses longer values");
    assert_eq!(json!(texts.join("|")), early_removal());

    let security = object("envoy-gateway/security-policy.yaml", "SecurityPolicy");
    let settings = &security["spec"]["extAuth"];
    assert_eq!((&settings["failOpen"], &settings["statusOnError"]), (&json!(false), &json!(503)));
    assert_eq!((&settings["timeout"], &filter["grpc_service"]["timeout"]), (&json!("250ms"), &json!("0.25s")));
    // A list of headers would hide the others from modgud.
    assert_eq!(settings["headersToExtAuth"], Value::Null);
}

/// Envoy has the metadata below the type of the filter, which in Envoy Gateway is not the filter's name.
#[test]
fn the_access_log_of_envoy_gateway_names_the_filters_type() {
    let proxy = object("envoy-gateway/gateway.yaml", "EnvoyProxy");
    let fields = &proxy["spec"]["telemetry"]["accessLog"]["settings"][0]["format"]["json"];
    for field in ["decision", "reason", "rule", "subject"] {
        assert_eq!(fields[field], json!(format!("%DYNAMIC_METADATA(envoy.filters.http.ext_authz:{field})%")));
    }
}

#[test]
fn the_envoy_filter_of_istio_is_the_generated_filter() {
    let patches = object("istio/envoy-filter.yaml", "EnvoyFilter")["spec"]["configPatches"].clone();
    let mut changed = patches[0]["patch"]["value"]["typed_config"].as_object().unwrap().clone();
    assert_eq!(changed.remove("@type"), Some(filter()["@type"].clone()));
    let filter = filter();
    let expected = PATCHED.map(|name| (name.to_owned(), filter[name].clone()));
    assert_eq!(changed, expected.into_iter().collect::<serde_json::Map<String, Value>>());
    let manager = &patches[1]["patch"]["value"]["typed_config"];
    let own = self::manager();
    assert_eq!(manager["@type"], own["@type"]);
    assert_eq!(manager["early_header_mutation_extensions"], own["early_header_mutation_extensions"]);

    let path = root().join("deploy/gateways/istio/values.yaml");
    let values: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let provider = &values["meshConfig"]["extensionProviders"][0];
    let settings = &provider["envoyExtAuthzGrpc"];
    assert_eq!((&settings["failOpen"], &settings["statusOnError"]), (&json!(false), &json!("503")));
    assert_eq!(settings["timeout"], filter["grpc_service"]["timeout"]);
    let policy = object("istio/authorization-policy.yaml", "AuthorizationPolicy");
    assert_eq!((&policy["spec"]["action"], &policy["spec"]["provider"]["name"]), (&json!("CUSTOM"), &provider["name"]));
    assert_eq!(policy["spec"]["rules"], json!([{}]), "every request");
}

#[test]
fn contour_asks_modgud_with_the_generated_timeout() {
    let path = root().join("deploy/gateways/contour/contour.yaml");
    let settings: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let global = &settings["globalExtAuth"];
    let service = object("contour/extension-service.yaml", "ExtensionService");
    let (namespace, name) = (&service["metadata"]["namespace"], &service["metadata"]["name"]);
    let named = format!("{}/{}", namespace.as_str().unwrap(), name.as_str().unwrap());
    assert_eq!((&global["extensionService"], &global["failOpen"]), (&json!(named), &json!(false)), "{}", key(&service));
    // Contour ignores the one of `globalExtAuth`.
    assert_eq!(service["spec"]["timeoutPolicy"]["response"], json!("250ms"));
}
