//! The alerts: promtool plays their situations through, and every one of them has a moment to fire and one to be silent.

use super::{file, metrics_of, path, promtool};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn alerts() -> Vec<Value> {
    let rules = yaml(&file("alerts.yaml"));
    rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

#[test]
fn every_situation_ends_as_it_should() {
    let (rules, tests) = (path("alerts.yaml"), path("alerts.test.yaml"));
    assert!(promtool(&["check", "rules", rules.to_str().unwrap()], "").contains("SUCCESS"));
    assert!(promtool(&["test", "rules", tests.to_str().unwrap()], "").contains("SUCCESS"));
}

#[test]
fn every_alert_fires_in_one_test_and_is_silent_in_another() {
    let tests = yaml(&file("alerts.test.yaml"));
    let mut tested: BTreeMap<String, BTreeSet<bool>> = BTreeMap::new();
    for test in tests["tests"].as_array().unwrap() {
        for expected in test["alert_rule_test"].as_array().unwrap() {
            let fires = !expected["exp_alerts"].as_array().unwrap().is_empty();
            tested.entry(expected["alertname"].as_str().unwrap().to_owned()).or_default().insert(fires);
        }
    }
    let expected: BTreeMap<String, BTreeSet<bool>> = alerts()
        .iter()
        .map(|alert| (alert["alert"].as_str().unwrap().to_owned(), BTreeSet::from([false, true])))
        .collect();
    assert_eq!(tested, expected);
}

/// A metric that modgud does not have would make an alert that never fires.
#[test]
fn alerts_are_about_metrics_of_the_table_and_lead_to_pages() {
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/metrics.yaml");
    let table = yaml(&std::fs::read_to_string(table).unwrap());
    let names: BTreeSet<String> =
        table.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    for alert in alerts() {
        let metrics = metrics_of(alert["expr"].as_str().unwrap());
        assert!(!metrics.is_empty(), "{alert}");
        for metric in metrics {
            let family = ["_total", "_bucket", "_count"].iter().find_map(|suffix| metric.strip_suffix(suffix));
            assert!(names.contains(family.unwrap_or(metric)), "{metric} of {} is in no table", alert["alert"]);
        }
        let runbook = alert["annotations"]["runbook_url"].as_str().unwrap();
        let (page, anchor) = runbook.split_once('#').map_or((runbook, None), |(page, anchor)| (page, Some(anchor)));
        let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page))
            .unwrap_or_else(|error| panic!("{runbook}: {error}"));
        if let Some(anchor) = anchor {
            let anchors = page.lines().filter(|line| line.starts_with('#')).map(|line| {
                let heading = line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
                heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect::<String>()
            });
            assert!(anchors.into_iter().any(|found| found == anchor), "{runbook}: no such heading");
        }
    }
}
