//! Each value of the chart as `null`, and each form of `config.server.drain` against modgud's own parser.

use super::super::manifests::{key, objects};
use super::super::{chart_folder, table};
use super::{Helm, merge};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// A `drain` that modgud accepts counts in full, whatever its units are; every other one is refused.
#[test]
fn the_chart_reads_a_drain_as_modgud_does() {
    let helm = Helm::new();
    for Drain { drain } in table::<Drain>("drains.yaml") {
        let says = match humantime::parse_duration(&drain) {
            Err(_) => format!("config.server.drain: `{drain}` is not a duration"),
            Ok(span) if span > Duration::from_secs(600) => format!("config.server.drain: `{drain}` is out of range"),
            Ok(span) => {
                let rounded_up = span.as_secs() + u64::from(span.subsec_nanos() > 0);
                format!("`preStopSleepSeconds` and `config.server.drain` are {} s", rounded_up + 5)
            }
        };
        let mut values = json!({ "image": { "repository": "registry.example.com/modgud" } });
        values["config"] = json!({ "server": { "drain": drain } });
        // Too short for every drain, so that the message has the seconds.
        values["terminationGracePeriodSeconds"] = json!(1);
        let error = helm.template(&values, 37).expect_err(&drain);
        assert!(error.contains(&says), "{drain}: {says}\n{error}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Drain {
    drain: String,
}

/// Helm removes a default for `null`. Then the message names the value, or no object has a trace of it.
#[test]
fn each_value_can_be_null_or_is_refused_by_name() {
    let helm = Helm::new();
    let defaults = fs::read_to_string(chart_folder().join("values.yaml")).unwrap();
    let mut paths = Vec::new();
    pointers(&serde_saphyr::from_str(&defaults).unwrap(), "", &mut paths);
    assert!(paths.len() > 100, "{paths:?}");
    let mut refused = 0;
    for path in paths {
        // All objects, so that every template reads its values.
        let mut values = json!({
            "image": { "repository": "registry.example.com/modgud" },
            "tls": { "enabled": true, "certManager": { "enabled": true, "issuerRef": { "name": "internal" } } },
            "autoscaling": { "enabled": true },
            "metrics": { "service": { "enabled": true }, "podMonitor": { "enabled": true } },
            "networkPolicy": { "enabled": true, "gateways": [{ "ipBlock": { "cidr": "10.0.0.0/8" } }] },
        });
        merge(
            &mut values,
            &path.rsplit('/').filter(|key| !key.is_empty()).fold(Value::Null, |inner, key| json!({ key: inner })),
        );
        match helm.template(&values, 37) {
            Ok(yaml) => {
                let mut found = Vec::new();
                for object in objects(&yaml) {
                    nulls(&object, &key(&object), &mut found);
                }
                assert_eq!(found, [""; 0], "{path}");
            }
            Err(error) => {
                refused += 1;
                let top = path.split('/').nth(1).unwrap();
                assert!(error.contains(&format!("): {top}")), "{path}: {error}");
            }
        }
    }
    assert!(refused > 30, "only {refused}");
}

/// The JSON pointers of all values, maps and their members.
fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        pointers(member, &path, found);
        found.push(path);
    }
}

/// The places of all nulls.
fn nulls(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Null => found.push(path.to_owned()),
        Value::Object(members) => {
            members.iter().for_each(|(name, member)| nulls(member, &format!("{path}/{name}"), found));
        }
        Value::Array(items) => items.iter().for_each(|item| nulls(item, &format!("{path}/*"), found)),
        _ => {}
    }
}
