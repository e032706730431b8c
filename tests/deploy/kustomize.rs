//! Every kustomization of `deploy` builds, and every version of Kubernetes accepts the result.

use super::manifests::{config_files, objects, sidecar_port_names, unrestricted, validate};
use super::samples::check_files;
use super::{files_below, run, shown};
use crate::support::program;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn build(folder: &Path) -> Result<String, String> {
    run(Command::new(program("MODGUD_TEST_KUSTOMIZE")).arg("build").arg(folder))
}

/// The folders of the kustomizations below a folder.
fn kustomizations(folder: &str) -> Vec<PathBuf> {
    let names = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
    let files = files_below(folder).into_iter();
    let found = files.filter(|file| names.iter().any(|name| file.ends_with(name)));
    found.map(|file| file.parent().unwrap().to_path_buf()).collect()
}

/// The built kustomizations, by folder.
fn built() -> BTreeMap<String, String> {
    let built = |folder: &PathBuf| build(folder).unwrap_or_else(|error| panic!("{}: {error}", shown(folder)));
    kustomizations("deploy").iter().map(|folder| (shown(folder), built(folder))).collect()
}

/// The first minor version of Kubernetes that has the kinds of a folder. The other folders are for every version.
///
/// Contour: `ValidatingAdmissionPolicy`.
const SINCE: [(&str, u32); 1] = [("deploy/gateways/contour", 30)];

#[test]
fn every_version_of_kubernetes_accepts_them() {
    let built = built();
    for (folder, _) in SINCE {
        assert!(built.contains_key(folder), "no kustomization in {folder}");
    }
    let has_kinds = |folder: &str, minor| SINCE.iter().all(|(name, first)| *name != folder || minor >= *first);
    validate(|minor| {
        let folders = built.iter().filter(|(folder, _)| has_kinds(folder.as_str(), minor));
        folders.map(|(folder, yaml)| (folder.clone(), yaml.clone())).collect()
    });
}

#[tokio::test]
async fn their_pods_are_restricted_and_their_configurations_valid() {
    for (name, yaml) in built() {
        let objects = objects(&yaml);
        assert!(!objects.is_empty(), "{name} makes no object");
        assert_eq!(sidecar_port_names(&objects), [""; 0], "{name}");
        for object in &objects {
            assert_eq!(unrestricted(object, true), [""; 0], "{name}");
            check_files(&name, &config_files(object)).await;
        }
    }
}

/// Folders are walked, and kustomize does look: a file that is not there is found.
#[test]
fn a_broken_kustomization_is_found() {
    let all = tempfile::tempdir().unwrap();
    let folder = all.path().join("a/b");
    std::fs::create_dir_all(&folder).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("kustomization.yaml", "resources: [service.yaml]\nnamePrefix: a-\n");
    let found = kustomizations(all.path().to_str().unwrap());
    assert_eq!(found, [folder.as_path()]);
    let error = build(&folder).unwrap_err();
    assert!(error.contains("service.yaml"), "{error}");
    write("service.yaml", "apiVersion: v1\nkind: Service\nmetadata: { name: b }\nspec: { ports: [{ port: 80 }] }\n");
    let built = build(&folder).unwrap();
    assert_eq!(objects(&built)[0]["metadata"]["name"], "a-b", "{built}");
    // The built form is what Kubernetes' schemas are for.
    validate(|_| BTreeMap::from([("broken".to_owned(), built.clone())]));
}
