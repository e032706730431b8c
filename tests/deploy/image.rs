//! The image that `tools/oci_image.py` writes without an engine: the same bytes each time, and what `deploy/Dockerfile` sets, too.

use super::{files_below, root, run};
use crate::support::program;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// The binary under test.
const MODGUD: &str = env!("CARGO_BIN_EXE_modgud");

/// Writes the image of a program.
fn write(output: &Path, program_file: &str) -> Result<String, String> {
    run(Command::new(program("MODGUD_TEST_PYTHON"))
        .arg(root().join("tools/oci_image.py"))
        .args([program_file, "--tag", "registry.example.com/modgud:9", "--revision", "abc", "--output"])
        .arg(output))
}

/// The files of a tar archive, as Python's own reader lists them: name, mode and kind.
fn listed(archive: &Path, layer: bool) -> Vec<String> {
    let script = "import sys,tarfile,io\n\
        archive=tarfile.open(sys.argv[1])\n\
        names=[m.name for m in archive]\n\
        if sys.argv[2]=='layer':\n\
        \x20   import json\n\
        \x20   read=lambda d: archive.extractfile('blobs/sha256/'+d[7:]).read()\n\
        \x20   index=json.load(archive.extractfile('index.json'))\n\
        \x20   manifest=json.loads(read(index['manifests'][0]['digest']))\n\
        \x20   archive=tarfile.open(fileobj=io.BytesIO(read(manifest['layers'][0]['digest'])))\n\
        \x20   names=[f'{m.name} {m.mode:o} {m.uid}' for m in archive if m.isfile()]\n\
        print('\\n'.join(names))";
    let kind = if layer { "layer" } else { "archive" };
    let listed = run(Command::new(program("MODGUD_TEST_PYTHON")).args(["-c", script]).arg(archive).arg(kind)).unwrap();
    listed.lines().map(str::to_owned).collect()
}

/// The configuration of the image in an archive.
fn config(archive: &Path) -> Value {
    let script = "import sys,tarfile,json\n\
        archive=tarfile.open(sys.argv[1])\n\
        read=lambda d: json.load(archive.extractfile('blobs/sha256/'+d[7:]))\n\
        index=json.load(archive.extractfile('index.json'))\n\
        print(json.dumps(read(read(index['manifests'][0]['digest'])['config']['digest'])))";
    let printed = run(Command::new(program("MODGUD_TEST_PYTHON")).args(["-c", script]).arg(archive)).unwrap();
    serde_json::from_str(&printed).unwrap()
}

/// The instructions of the Dockerfile's last stage, by their first word.
fn dockerfile() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap().replace("\\\n", " ");
    let last = text.rsplit_once("\nFROM ").unwrap().1.to_owned();
    let instruction = |line: &str| line.split_once(' ').map(|(name, rest)| (name.to_owned(), rest.to_owned()));
    last.lines().filter(|line| !line.starts_with('#')).filter_map(instruction).collect()
}

/// An image of modgud in an archive, and what was printed. Packing takes half a minute, so the tests share it.
static IMAGE: LazyLock<(Vec<u8>, String)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("image.tar");
    let said = write(&archive, MODGUD).unwrap();
    (fs::read(&archive).unwrap(), said)
});

#[test]
fn the_same_binary_gives_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one.tar"), folder.path().join("other.tar"));
    let (archive, said) = &*IMAGE;
    fs::write(&one, archive).unwrap();
    // A copy with another time and another path.
    let copy = folder.path().join("copy");
    fs::copy(MODGUD, &copy).unwrap();
    assert!(said.starts_with("registry.example.com/modgud:9 ") && said.contains("sha256:"), "{said}");
    assert_eq!(write(&other, copy.to_str().unwrap()).unwrap(), *said);
    assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap(), "the archives differ");

    let files = listed(&one, true);
    assert!(files.contains(&"usr/bin/modgud 755 0".to_owned()), "{files:?}");
    assert!(files.iter().any(|file| file.contains("libc.so.6")), "{files:?}");
    let shells = ["bin/sh", "bin/bash", "bin/busybox", "apt", "dpkg"];
    assert!(!files.iter().any(|file| shells.iter().any(|shell| file.contains(shell))), "{files:?}");
    assert!(listed(&one, false).contains(&"oci-layout".to_owned()));
}

/// Both ways to build the image set the same user, program, ports and labels.
#[test]
fn the_dockerfile_sets_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("image.tar");
    fs::write(&archive, &IMAGE.0).unwrap();
    let image = config(&archive);
    let image = &image["config"];
    let dockerfile = dockerfile();
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(image["User"], dockerfile["USER"]);
    assert_eq!(image["Entrypoint"], json(&dockerfile["ENTRYPOINT"]));
    assert_eq!(image["Cmd"], json(&dockerfile["CMD"]));
    assert_eq!(image["WorkingDir"], dockerfile["WORKDIR"]);
    let ports: Vec<String> = dockerfile["EXPOSE"].split(' ').map(|port| format!("{port}/tcp")).collect();
    assert_eq!(image["ExposedPorts"].as_object().unwrap().keys().collect::<Vec<_>>(), ports.iter().collect::<Vec<_>>());
    let labels = image["Labels"].as_object().unwrap();
    let set: Vec<&str> = dockerfile["LABEL"]
        .split_whitespace()
        .filter_map(|word| word.split_once("=\"").map(|(name, _)| name))
        .collect();
    assert_eq!(labels.len(), set.len(), "{labels:?} {set:?}");
    assert!(set.iter().all(|name| labels.contains_key(*name)), "{labels:?} {set:?}");
    assert_eq!(labels["org.opencontainers.image.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(labels["org.opencontainers.image.revision"], "abc");
}

/// The version of the sources is the default of the Dockerfile, and both ways use one version of cargo-auditable.
#[test]
fn versions_agree() {
    let dockerfile = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let makefile = fs::read_to_string(root().join("Makefile")).unwrap();
    assert!(dockerfile.contains(concat!("ARG VERSION=", env!("CARGO_PKG_VERSION"), "\n")));
    let version = makefile.split_once("CARGO_AUDITABLE_VERSION := ").unwrap().1.lines().next().unwrap();
    assert!(dockerfile.contains(&format!("ARG CARGO_AUDITABLE_VERSION={version}\n")), "{version}");
}

/// The builder's engine gets the folder of the project, where the pages tell users to make private keys.
#[test]
fn private_keys_of_the_pages_stay_out_of_images_and_of_git() {
    let endings = [".key", ".key.pem"];
    for (file, before) in [(".dockerignore", "**/*"), (".gitignore", "*")] {
        let text = fs::read_to_string(root().join(file)).unwrap();
        for ending in endings {
            assert!(text.lines().any(|line| line == format!("{before}{ending}")), "{file} lacks {before}{ending}");
        }
    }
    let mut found = 0;
    for path in [files_below("docs"), files_below("deploy"), vec![root().join("README.md")]].concat() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for rest in ["--private ", "-keyout "].iter().flat_map(|option| text.split(option).skip(1)) {
            let name = rest.split([' ', '`', '\n']).next().unwrap();
            assert!(endings.iter().any(|ending| name.ends_with(ending)), "{}: {name}", path.display());
            found += 1;
        }
    }
    assert!(found >= 6, "only {found}");
}

#[test]
fn what_can_not_be_packed_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("image.tar");
    let error = write(&output, "/no/such/modgud").unwrap_err();
    assert!(error.contains("/no/such/modgud is not there; build it first"), "{error}");
    for (other, reason) in [("Cargo.toml", "can't be run (Permission denied)"), ("/bin/true", "is another program")] {
        let other = root().join(other);
        let error = write(&output, other.to_str().unwrap()).unwrap_err();
        assert!(error.contains(reason) && error.contains("name modgud's binary"), "{error}");
    }
    assert!(!output.exists());
}
