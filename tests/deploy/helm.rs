//! The chart through Helm and kubeconform: what each row of `tests/data/deploy/chart.yaml` makes, and the values that are refused.

use super::manifests::{Found, config_files, key, kubeconform, objects, unrestricted, validate};
use super::samples::check_configuration;
use super::{chart_folder, root, run, table};
use crate::readme::blocks;
use crate::support::program;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// Values, the objects that the chart makes from them, and what these say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    values: Value,
    objects: Vec<String>,
    expect: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    object: String,
    /// A JSON pointer.
    at: String,
    is: Value,
    /// The versions of Kubernetes for which it does not hold.
    #[serde(default)]
    without: Vec<String>,
}

/// Helm with a home of its own, so that nothing of the user's counts or is written.
struct Helm(TempDir);

impl Helm {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn command(&self, arguments: &[&str], values: &Value) -> Command {
        let file = self.0.path().join("values.yaml");
        // JSON is YAML.
        fs::write(&file, values.to_string()).unwrap();
        let mut command = Command::new(program("MODGUD_TEST_HELM"));
        for kind in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{kind}_HOME"), self.0.path());
        }
        command.env("KUBECONFIG", "/nonexistent").args(arguments).arg("--values").arg(file);
        command
    }

    /// Renders the chart as release `shop` in the namespace `gateways`.
    fn template(&self, values: &Value, minor: u32) -> Result<String, String> {
        let folder = chart_folder();
        let version = format!("1.{minor}.0");
        let arguments =
            ["template", "shop", folder.to_str().unwrap(), "--namespace", "gateways", "--kube-version", &version];
        run(&mut self.command(&arguments, values))
    }
}

fn rendered(case: &Case, minor: u32) -> String {
    Helm::new().template(&case.values, minor).unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

/// The objects of the table, and those of values that a page shows or names.
#[test]
fn every_version_of_kubernetes_accepts_the_chart() {
    let cases = table::<Case>("chart.yaml");
    let values = values_of_pages();
    validate(|minor| {
        let of_table = cases.iter().map(|case| (case.name.clone(), rendered(case, minor)));
        let of_page = values.iter().map(|(place, values)| {
            (place.clone(), Helm::new().template(values, minor).unwrap_or_else(|error| panic!("{place}: {error}")))
        });
        of_table.chain(of_page).collect()
    });
}

/// kubeconform does look, at kinds of others too: an unknown key, a wrong type and a kind without a schema are found.
#[test]
fn what_kubernetes_would_refuse_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let all = table::<Case>("chart.yaml");
    let yaml = rendered(all.iter().find(|case| case.name == "everything").unwrap(), 37);
    for (name, from, to) in [
        ("key", "revisionHistoryLimit:", "revisionHistoryLimits:"),
        ("type", "minReadySeconds: 0", "minReadySeconds: none"),
        ("custom", "podMetricsEndpoints:", "podMetricEndpoints:"),
        ("kind", "kind: NetworkPolicy", "kind: NetworkPolice"),
    ] {
        assert!(yaml.contains(from), "{from}");
        fs::write(folder.path().join(format!("{name}.yaml")), yaml.replace(from, to)).unwrap();
    }
    let Found { faults, .. } = kubeconform(folder.path(), 37);
    for name in
        ["key.yaml: Deployment/", "type.yaml: Deployment/", "custom.yaml: PodMonitor/", "kind.yaml: NetworkPolice/"]
    {
        assert!(faults.iter().any(|fault| fault.contains(name)), "{name}: {faults:?}");
    }
    assert_eq!(faults.len(), 4, "{faults:?}");
}

#[test]
fn values_make_the_objects_of_the_table() {
    for case in table::<Case>("chart.yaml") {
        for minor in [29, 37] {
            let objects: BTreeMap<String, Value> =
                objects(&rendered(&case, minor)).into_iter().map(|object| (key(&object), object)).collect();
            let name = format!("{}, Kubernetes 1.{minor}", case.name);
            assert_eq!(objects.keys().collect::<Vec<_>>(), case.objects.iter().collect::<Vec<_>>(), "{name}");
            for Expected { object, at, is, without } in &case.expect {
                let is = if without.contains(&format!("1.{minor}")) { &Value::Null } else { is };
                let found = objects[object].pointer(at).unwrap_or(&Value::Null);
                assert_eq!(found, is, "{name}: {object} {at}");
            }
            for object in objects.values() {
                assert_eq!(unrestricted(object, case.name != "everything"), [""; 0], "{name}");
                assert_eq!(object["metadata"]["namespace"], "gateways", "{name}: {}", key(object));
            }
        }
    }
}

#[tokio::test]
async fn modgud_accepts_each_rendered_configuration() {
    for case in table::<Case>("chart.yaml") {
        let objects = objects(&rendered(&case, 37));
        let maps: Vec<_> = objects.iter().map(config_files).filter(|files| !files.is_empty()).collect();
        let [files] = maps.as_slice() else { panic!("{}: {maps:?}", case.name) };
        check_configuration(&format!("the chart, {}", case.name), files).await;
    }
}

/// The values that the pages of gateways install modgud with.
const OF_GATEWAYS: &str = "deploy/gateways/values.yaml";

/// The values in each block of the chart's page, with an image, and [`OF_GATEWAYS`], with their places.
fn values_of_pages() -> Vec<(String, Value)> {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    let page = "docs/deploy/helm.md";
    let shown = blocks(&read(page)).into_iter().filter(|block| block.info == "yaml values");
    let mut values: Vec<(String, Value)> = shown
        .map(|block| {
            let mut values = json!({ "image": { "repository": "registry.example.com/modgud" } });
            merge(&mut values, &serde_saphyr::from_str(&block.text).unwrap());
            (format!("{page}:{}", block.line), values)
        })
        .collect();
    assert!(!values.is_empty(), "{page} has no block `yaml values`");
    values.push((OF_GATEWAYS.to_owned(), serde_saphyr::from_str(&read(OF_GATEWAYS)).unwrap()));
    values
}

#[tokio::test]
async fn modgud_accepts_the_configurations_of_the_pages() {
    let helm = Helm::new();
    for (place, values) in values_of_pages() {
        let yaml = helm.template(&values, 37).unwrap_or_else(|error| panic!("{place}: {error}"));
        for files in objects(&yaml).iter().map(config_files).filter(|files| !files.is_empty()) {
            check_configuration(&place, &files).await;
        }
    }
}

#[test]
fn helm_finds_nothing_to_complain_about() {
    let helm = Helm::new();
    let folder = chart_folder();
    for Case { name, values, .. } in table::<Case>("chart.yaml") {
        let output = run(&mut helm.command(&["lint", "--strict", folder.to_str().unwrap()], &values));
        let output = output.unwrap_or_else(|output| panic!("{name}: {output}"));
        assert!(!output.contains("[WARNING]") && !output.contains("[ERROR]"), "{name}: {output}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrong {
    values: Value,
    says: Vec<String>,
}

#[test]
fn wrong_values_are_refused_with_what_to_write() {
    let helm = Helm::new();
    for Wrong { values, says } in table::<Wrong>("wrong-values.yaml") {
        let mut all = json!({ "image": { "repository": "registry.example.com/modgud" } });
        merge(&mut all, &values);
        let error = helm.template(&all, 37).expect_err(&values.to_string());
        for text in says {
            assert!(error.contains(&text), "{values}: {text}\n{error}");
        }
    }
}

/// Merges maps as Helm does.
fn merge(base: &mut Value, overlay: &Value) {
    match (base, overlay) {
        (Value::Object(base), Value::Object(overlay)) => {
            for (key, value) in overlay {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, overlay) => *base = overlay.clone(),
    }
}

/// The package has every file that the chart needs.
#[test]
fn the_package_renders_as_the_folder() {
    let helm = Helm::new();
    let folder = chart_folder();
    let values = json!({ "image": { "repository": "registry.example.com/modgud" } });
    let package = run(Command::new(program("MODGUD_TEST_HELM")).args([
        "package",
        folder.to_str().unwrap(),
        "--destination",
        helm.0.path().to_str().unwrap(),
    ]));
    package.unwrap();
    let package = helm.0.path().join(format!("modgud-{}.tgz", env!("CARGO_PKG_VERSION")));
    let arguments =
        ["template", "shop", package.to_str().unwrap(), "--namespace", "gateways", "--kube-version", "1.37.0"];
    assert_eq!(run(&mut helm.command(&arguments, &values)), helm.template(&values, 37));
}
