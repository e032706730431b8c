//! `modgud envoy lint`: it finds each variant of what `modgud envoy` writes, and a real Envoy shows what the variant does.

mod by_hand;
mod files;
mod hostile;
mod page;
mod patch;
mod services;
mod tried;
mod variants;

use super::{programs, table};
use crate::cli::process::run_in;
use modgud::config::{Environment, EphemeralKeys, Keys, Loaded, Overrides, load_with_keys};
use modgud::envoy::bootstrap::CheckCluster;
use modgud::envoy::lint::{Document, Report, Scope, Settings, lint};
use patch::{Patch, Place};
use serde::Deserialize;
use serde_json::Value;
use std::fs;

/// modgud's configuration for the variants. The limit of a message is low, so that a test needs no large body.
const CONFIG: &str = "
profile: bifrost
server: { max_message: 128KiB }
request: { client: external }
modules: [{ name: crm, prefix: /crm, upstream: '{crm}' }]
core: { upstream: '{core}' }
upstream: { strip: [x-core-*, x-organization-*] }
rules:
  - { name: admin, match: { paths: ['/crm/admin/{*rest}'] }, access: denied }
  - { name: public, match: { paths: ['/crm/public/{*rest}'] }, access: public }
  - { name: open, match: { paths: ['/crm/open'] }, access: public, when: \"!('x-debug' in request.headers)\" }
  - { name: device, match: { paths: ['/crm/device'] }, access: public, when: \"request.headers['x-core-device'] == 'intruder'\" }
  - { name: ten, match: { paths: ['/crm/ten'] }, access: public, require: { clients: [10.0.0.0/8] } }
  - { name: https, match: { paths: ['/crm/https'] }, access: public, when: request.scheme == 'https' }
";

/// A variant of Envoy's configuration, and what becomes of a request. The table explains the parts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variant {
    code: String,
    #[serde(default)]
    name: String,
    path: String,
    config: Option<String>,
    #[serde(default)]
    given: Vec<Patch>,
    patch: Vec<Patch>,
    #[serde(default)]
    also: Vec<String>,
    #[serde(default)]
    away: bool,
    #[serde(default)]
    send: Option<tried::Sent>,
    #[serde(rename = "is")]
    with: Option<tried::Outcome>,
    #[serde(rename = "was")]
    without: Option<tried::Outcome>,
    refused: Option<String>,
}

fn variants() -> Vec<Variant> {
    table(include_str!("../data/envoy/lint/variants.yaml"))
}

/// modgud's configuration, loaded, and what `modgud envoy` writes for it.
async fn written(config: &str, arguments: &[&str]) -> (Loaded, Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    fs::write(&file, config.replace("'{crm}'", "'crm:8080'").replace("'{core}'", "'core:8080'")).unwrap();
    let keys = Keys::Replaced(EphemeralKeys::default());
    let loaded = load_with_keys(Some(&file), &Overrides::default(), &Environment::fixed([("A", "a")]), keys).unwrap();
    let arguments = [["envoy", "--config", "modgud.yaml"].as_slice(), arguments].concat();
    let output = run_in(folder.path(), &[], &arguments).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
    (loaded, serde_saphyr::from_str(&output.out).unwrap())
}

/// Checks documents. JSON is YAML.
fn report(documents: &[&Value], loaded: Option<&Loaded>) -> Report {
    let parse = |(number, one): (usize, &&Value)| Document::parse(&format!("{number}.json"), &one.to_string()).unwrap();
    let documents: Vec<Document> = documents.iter().enumerate().map(parse).collect();
    let settings = loaded.map(|loaded| Settings::of(&loaded.config));
    let modgud = loaded.and_then(|loaded| CheckCluster::of(&loaded.config.server.grpc));
    lint(&documents, settings.as_ref(), &Scope { modgud, ..Scope::default() }).unwrap()
}

/// The codes and paths of the findings.
fn found(report: &Report) -> Vec<(&'static str, &str)> {
    report.findings.iter().map(|finding| (finding.code().name(), finding.path())).collect()
}
