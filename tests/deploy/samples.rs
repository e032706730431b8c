//! Every configuration of modgud and of Envoy in `deploy`, as a file or as an entry of a ConfigMap.
//!
//! Samples name the folders of a pod (`/etc/modgud`, `/etc/envoy`). A test has these folders elsewhere, with the files beside the
//! configuration, and with keys and certificates of its own for those that a Secret would bring.

use super::manifests::{config_files, objects};
use super::{files_below, shown};
use crate::cli::process::{KEY_VARIABLE, run_in};
use crate::support::{KEY, program};
use modgud_testbed::idp::{IdpKey, jwk_set};
use rcgen::{CertifiedKey, KeyPair};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use tempfile::TempDir;
use tokio::process::Command;

/// The folders of a pod, or of a container with Docker Compose, that samples name.
const FOLDERS: [&str; 3] = ["/etc/modgud/", "/etc/envoy/", "/run/secrets/"];

/// The files that no configuration names: each is checked by itself, or names these folders of its own containers.
const NOT_BESIDE: [&str; 3] = ["modgud.yaml", "envoy.yaml", "docker-compose.yaml"];

/// The keys of modgud's configuration that name a file, also by a relative path.
const FILE_KEYS: [&str; 5] = ["file", "cert", "key", "client_ca", "ca"];

/// The files that a document names in a pod's folders, by their paths there: absolute ones, and relative ones at these keys.
fn named_files(node: &Value, key: &str, keys: &[&str], found: &mut BTreeSet<String>) {
    match node {
        Value::Object(members) => members.iter().for_each(|(key, member)| named_files(member, key, keys, found)),
        Value::Array(items) => items.iter().for_each(|item| named_files(item, key, keys, found)),
        Value::String(text) => {
            let absolute = FOLDERS.iter().find_map(|folder| text.strip_prefix(folder));
            let relative = Some(text.as_str()).filter(|text| keys.contains(&key) && !text.starts_with('/'));
            found.extend(absolute.or(relative).map(str::to_owned));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The content of a file that a Secret would bring, by its name. Certificates and private keys are one pair.
fn secret(path: &str, generated: &CertifiedKey<KeyPair>) -> String {
    let name = path.rsplit('/').next().unwrap();
    let ends = |ending: &str| name.ends_with(ending);
    if name == "api-keys.yaml" {
        "- { id: a, sha256: 9e128ef7d17fc79933f7d2fee49ef862d7377009b70099fd4b3b6136975e76bc, subject: a }\n".to_owned()
    } else if ends(".json") {
        jwk_set(&[&IdpKey::new("2026-01")]).to_string()
    } else if ends(".secret") {
        "only-a-secret-of-this-test-with-32-bytes".to_owned()
    } else if ends(".key") || ends("-key.pem") {
        generated.signing_key.serialize_pem()
    } else if ends(".pub.pem") || (ends(".pem") && path.contains("keys/")) {
        KEY.public_pem().unwrap()
    } else if ends(".crt") || ends(".pem") {
        generated.cert.pem()
    } else {
        panic!("a sample names {path}, and no such file is beside it")
    }
}

/// A folder with these files, in which `/etc/modgud` and `/etc/envoy` lead, and with every other file that they name there.
fn unpacked(files: &BTreeMap<String, String>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let generated = rcgen::generate_simple_self_signed(["modgud".to_owned()]).unwrap();
    for (name, text) in files {
        if let Ok(document) = serde_saphyr::from_str::<Value>(text) {
            let mut named = BTreeSet::new();
            let keys = if name == "modgud.yaml" { FILE_KEYS.as_slice() } else { &[] };
            named_files(&document, "", keys, &mut named);
            for path in named {
                let file = folder.path().join(&path);
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                let beside = files.get(path.rsplit('/').next().unwrap()).cloned();
                fs::write(file, beside.unwrap_or_else(|| secret(&path, &generated))).unwrap();
            }
        }
        let text = FOLDERS
            .iter()
            .fold(text.clone(), |text, root| text.replace(root, &format!("{}/", folder.path().display())));
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// `modgud check` accepts `modgud.yaml` among these files, without a warning.
pub(super) async fn check_configuration(place: &str, files: &BTreeMap<String, String>) {
    let folder = unpacked(files);
    let key = KEY.public_pem().unwrap();
    let arguments = ["check", "--offline", "--deny-warnings", "--config", "modgud.yaml"];
    let output = run_in(folder.path(), &[(KEY_VARIABLE, &key)], &arguments).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{place}\n{}", output.out);
}

async fn validate_envoy(files: &BTreeMap<String, String>, name: &str) -> Result<(), String> {
    let folder = unpacked(files);
    let mut command = Command::new(program("MODGUD_TEST_ENVOY"));
    command.args(["--mode", "validate", "--config-path"]).arg(folder.path().join(name)).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() && !text.contains("deprecated") { Ok(()) } else { Err(text) }
}

/// Checks the configurations of modgud and of Envoy among these files. Returns how many there are.
pub(super) async fn check_files(place: &str, files: &BTreeMap<String, String>) -> usize {
    let mut checked = 0;
    if files.contains_key("modgud.yaml") {
        check_configuration(place, files).await;
        checked += 1;
    }
    if files.contains_key("envoy.yaml") {
        if let Err(error) = validate_envoy(files, "envoy.yaml").await {
            panic!("{place}: {error}");
        }
        checked += 1;
    }
    checked
}

/// The files of a folder that are texts.
fn texts(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let named = entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path));
    named.filter_map(|(name, path)| Some((name, fs::read_to_string(path).ok()?))).collect()
}

/// Returns true for a file that Kubernetes reads: not one of the chart, which Helm renders, and not another program's.
fn is_manifest(file: &Path) -> bool {
    let is_yaml = file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    is_yaml && !file.starts_with(super::chart_folder()) && fs::read_to_string(file).unwrap().contains("kind: ConfigMap")
}

#[tokio::test]
async fn modgud_and_envoy_accept_every_sample() {
    let mut checked = 0;
    for file in files_below("deploy") {
        if file.ends_with("modgud.yaml") || file.ends_with("envoy.yaml") {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let mut files = texts(file.parent().unwrap());
            files.retain(|other, _| *other == name || !NOT_BESIDE.contains(&other.as_str()));
            checked += check_files(&shown(&file), &files).await;
        }
        if is_manifest(&file) {
            for object in objects(&fs::read_to_string(&file).unwrap()) {
                checked += check_files(&shown(&file), &config_files(&object)).await;
            }
        }
    }
    assert!(checked >= 2, "only {checked} samples");
}

/// Both programs do look: a misspelt key is refused.
#[tokio::test]
async fn a_misspelt_sample_is_found() {
    let deploy = texts(&super::root().join("deploy"));
    let spoiled = |name: &str, from: &str, to: &str| {
        assert!(deploy[name].contains(from), "{name}: {from}");
        BTreeMap::from([(name.to_owned(), deploy[name].replace(from, to))])
    };
    let error = validate_envoy(&spoiled("envoy.yaml", "failure_mode_allow:", "failure_mode_alow:"), "envoy.yaml").await;
    assert!(error.unwrap_err().contains("failure_mode_alow"));
    let folder = unpacked(&spoiled("modgud.yaml", "denials:", "denails:"));
    let key = KEY.public_pem().unwrap();
    let output = run_in(folder.path(), &[(KEY_VARIABLE, &key)], &["check", "--config", "modgud.yaml"]).await;
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.err.contains("unknown key `denails`"), "{output:?}");
}
