//! The files in `deploy` are accepted by the programs that read them: Helm, Kubernetes, kustomize, modgud and Envoy.
//!
//! - `chart`: the schema of the chart's values, and the table in its README.
//! - `egctl`: what Envoy Gateway makes of its sample, in a real Envoy. Needs egctl.
//! - `gateways`: the samples for gateways have the expressions and limits that `modgud envoy` writes.
//! - `helm`: what the chart renders or refuses, as the tables in `tests/data/deploy` say. Needs Helm and kubeconform.
//! - `image`: the image without an engine, and that the Dockerfile sets the same.
//! - `kustomize`: every kustomization. Needs kustomize and kubeconform.
//! - `manifests`: objects, kubeconform, and the rules of PodSecurity `restricted`.
//! - `samples`: every configuration of modgud and of Envoy, also inside ConfigMaps.
//!
//! The Makefile installs the programs. On a machine without Go it names the modules that it leaves out.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod chart;
mod egctl;
mod gateways;
mod helm;
mod image;
mod kustomize;
mod manifests;
mod samples;

use serde::de::DeserializeOwned;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The chart's folder.
fn chart_folder() -> PathBuf {
    root().join("deploy/helm/modgud")
}

/// A table of `tests/data/deploy`: a list of rows, which is never empty.
fn table<Row: DeserializeOwned>(name: &str) -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests/data/deploy").join(name)).unwrap();
    let rows: Vec<Row> = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(!rows.is_empty(), "{name} has no row");
    rows
}

/// Every file below a folder, in order. A relative path starts at the project's root.
fn files_below(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// A file's path from the project's root, for messages.
fn shown(file: &Path) -> String {
    file.strip_prefix(root()).unwrap_or(file).display().to_string()
}

/// Runs a command. `Ok` has its standard output, `Err` both outputs.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}{}", text(&output.stdout), text(&output.stderr)))
    }
}
