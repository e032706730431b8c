//! The chart's files agree with each other and with modgud: the schema of its values, the table of its README, its version.

use super::chart_folder;
use crate::readme::rows;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fs;

fn read(name: &str) -> String {
    fs::read_to_string(chart_folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn schema() -> Value {
    serde_json::from_str(&read("values.schema.json")).unwrap()
}

/// The paths of all values that are no maps, or maps without a member.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value.as_object() {
        Some(members) if !members.is_empty() => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(member, &path, found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

/// The default at a path such as `image.tag`.
fn at<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(values, |value, name| value.get(name))
}

#[test]
fn the_version_is_that_of_modgud() {
    let chart = yaml("Chart.yaml");
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    // The package of the test `the_package_renders_as_the_folder` has this name.
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
}

/// Helm reads no file outside of the chart.
#[test]
fn the_alerts_are_those_of_the_observability_folder() {
    let alerts = fs::read_to_string(super::root().join("deploy/observability/alerts.yaml")).unwrap();
    assert_eq!(read("alerts.yaml"), alerts, "copy deploy/observability/alerts.yaml to deploy/helm/modgud");
}

#[test]
fn the_configuration_in_the_schema_is_modguds() {
    let text = fs::read_to_string(super::root().join("deploy/modgud.schema.json")).unwrap();
    let mut configuration: Map<String, Value> = serde_json::from_str(&text).unwrap();
    let definitions = configuration.remove("$defs").unwrap();
    configuration.retain(|key, _| key != "$schema" && key != "title");
    let schema = schema();
    let same = schema["properties"]["config"] == Value::Object(configuration)
        && definitions.as_object().unwrap().iter().all(|(name, definition)| schema["$defs"][name] == *definition);
    let is_modguds = |name: &&String| name.starts_with(|first: char| first.is_ascii_uppercase());
    let count = schema["$defs"].as_object().unwrap().keys().filter(is_modguds).count();
    assert!(
        same && count == definitions.as_object().unwrap().len(),
        "values.schema.json has another configuration than deploy/modgud.schema.json; use python3 tools/chart_schema.py"
    );
}

/// An object of the schema names its keys and refuses others, or has keys that users choose. A value of Kubernetes' API is open:
/// the API server knows its keys.
#[test]
fn the_schema_is_strict() {
    let schema = schema();
    let open = ["/$defs/kubernetes", "/$defs/kubernetesList/items", "/properties/global"];
    let mut pending = vec![(String::new(), &schema)];
    let (mut objects, mut found) = (0, BTreeSet::new());
    while let Some((path, node)) = pending.pop() {
        match node {
            Value::Object(members) => {
                // `const`, `default` and `examples` hold values, not schemas.
                for (name, member) in
                    members.iter().filter(|(name, _)| !["default", "examples"].contains(&name.as_str()))
                {
                    pending.push((format!("{path}/{name}"), member));
                }
                if node["type"] == "object" {
                    objects += 1;
                    let strict = node["additionalProperties"] == false || node["additionalProperties"].is_object();
                    if !strict {
                        found.insert(path);
                    }
                }
            }
            Value::Array(items) => pending.extend(items.iter().map(|item| (format!("{path}/*"), item))),
            _ => {}
        }
    }
    assert_eq!(found, open.map(str::to_owned).into(), "these objects accept every key");
    assert!(objects > 60, "only {objects}");
}

/// Each default has a row, or an enclosing map has one, and each row shows the default.
#[test]
fn the_table_has_every_value_with_its_default() {
    let values = yaml("values.yaml");
    let mut leaves_of_values = Vec::new();
    leaves(&values, "", &mut leaves_of_values);
    let code = |cell: &str| cell.strip_prefix('`')?.strip_suffix('`').map(str::to_owned);
    let mut named = Vec::new();
    for row in rows(&read("README.md")) {
        let [key, default, meaning] = row.as_slice() else { continue };
        let key = code(key).unwrap_or_else(|| panic!("`{key}` is no code"));
        let found = at(&values, &key).unwrap_or_else(|| panic!("{key} is no value"));
        let default = code(default).unwrap_or_else(|| panic!("{key}: `{default}` is no code"));
        let default: Value = serde_saphyr::from_str(&default).unwrap_or_else(|error| panic!("{key}: {error}"));
        assert_eq!(default, *found, "{key}");
        assert!(!meaning.is_empty(), "{key} has no meaning");
        named.push(key);
    }
    let covered = |leaf: &String| named.iter().any(|key| leaf == key || leaf.starts_with(&format!("{key}.")));
    let missing: Vec<&String> = leaves_of_values.iter().filter(|leaf| !covered(leaf)).collect();
    assert!(missing.is_empty(), "the README of the chart has no row for {missing:?}");
    assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len(), "a row is twice there");
}

/// Helm validates the defaults with the schema, so each default is in it. This is the other direction.
#[test]
fn every_value_of_the_schema_has_a_default() {
    let (schema, values) = (schema(), yaml("values.yaml"));
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let mut named = keys(&schema["properties"]);
    // Helm's own.
    named.remove("global");
    assert_eq!(named, keys(&values));
}
