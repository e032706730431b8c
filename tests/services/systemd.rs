//! The units of `deploy/systemd`: what systemd says of them, and a real systemd that runs them, in namespaces of its own.

use crate::cli::process::run_in;
use crate::support::KEY;
use rustix::process::getuid;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use tempfile::TempDir;
use tokio::process::Command;

/// The highest exposure, in tenths, that the page of systemd states.
const MAX_EXPOSURE: &str = "15";

fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd").join(name)
}

/// The units with the path of this binary.
fn units() -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in ["modgud.service", "modgud.socket"] {
        let unit = fs::read_to_string(deployed(name)).unwrap().replace("/usr/bin/modgud", env!("CARGO_BIN_EXE_modgud"));
        fs::write(folder.path().join(name), unit).unwrap();
    }
    folder
}

/// Reports that systemd is not here. Not by a macro, whose output is shown of failed tests only.
fn report(what: &str) {
    let mut stderr = std::io::stderr();
    writeln!(stderr, "{what}: the units of deploy/systemd are not tested by it").unwrap();
}

/// Runs `systemd-analyze`. `None` if it is not installed.
async fn analyze(folder: &TempDir, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new("systemd-analyze");
    command
        .current_dir(folder.path())
        .env("SYSTEMD_LOG_COLOR", "no")
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await.ok();
    if output.is_none() {
        report("systemd-analyze is not installed (Debian: apt install systemd)");
    }
    output
}

#[tokio::test]
async fn systemd_finds_no_fault_in_the_units() {
    let folder = units();
    let verify = ["verify", "--man=no", "./modgud.service", "./modgud.socket"];
    let Some(output) = analyze(&folder, &verify).await else { return };
    let faults = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !faults.contains("modgud"), "{faults}");

    // It does look.
    let unit = fs::read_to_string(folder.path().join("modgud.service")).unwrap();
    fs::write(folder.path().join("modgud.service"), unit.replace("ProtectHome=yes", "ProtectHome=perhaps")).unwrap();
    let output = analyze(&folder, &verify).await.unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("protect home"), "{output:?}");
}

#[tokio::test]
async fn the_exposure_is_what_the_page_states() {
    let folder = units();
    let threshold = format!("--threshold={MAX_EXPOSURE}");
    let security = ["security", "--offline=true", &threshold, "./modgud.service"];
    let Some(output) = analyze(&folder, &security).await else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/deploy/systemd.md")).unwrap();
    assert!(page.contains("rates the exposure 1.5 of 10"));
}

#[tokio::test]
async fn the_socket_unit_opens_what_the_configuration_says() {
    let folder = TempDir::new().unwrap();
    let key = folder.path().join("bifrost.pub.pem");
    fs::write(&key, KEY.public_pem().unwrap()).unwrap();
    let yaml = fs::read_to_string(deployed("modgud.yaml")).unwrap();
    fs::write(folder.path().join("modgud.yaml"), yaml.replace("/etc/modgud/bifrost.pub.pem", key.to_str().unwrap()))
        .unwrap();
    let output = run_in(folder.path(), &[], &["check", "--deny-warnings", "--config", "modgud.yaml"]).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{}", output.out);
    let unit = fs::read_to_string(deployed("modgud.socket")).unwrap();
    let setting =
        |name: &str| unit.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("no {name}"));
    let (path, mode, group) = (setting("ListenStream="), setting("SocketMode="), setting("SocketGroup="));
    let expected =
        format!("  checks on unix:{path}, probes and metrics on 127.0.0.1:9192\n    with mode {mode}, group {group}\n");
    assert!(output.out.contains(&expected), "{expected}{}", output.out);
    assert_eq!(setting("FileDescriptorName="), "grpc");
}

/// The first process of its own namespaces, with the restrictions of the units: start, socket activation, reload, restart, stop.
#[tokio::test]
async fn a_real_systemd_runs_the_units() {
    if !getuid().is_root() || !Path::new("/lib/systemd/systemd").exists() {
        report("systemd can't run here as the first process of namespaces (it needs root and an installed systemd)");
        return;
    }
    let folder = TempDir::new().unwrap();
    for name in ["units", "etc", "root", "changes", "out"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    for name in ["modgud.service", "modgud.socket"] {
        fs::copy(deployed(name), folder.path().join("units").join(name)).unwrap();
    }
    for name in ["modgud.yaml", "good.yaml"] {
        fs::copy(deployed("modgud.yaml"), folder.path().join("etc").join(name)).unwrap();
    }
    fs::write(folder.path().join("etc/bifrost.pub.pem"), KEY.public_pem().unwrap()).unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/systemd");
    fs::copy(data.join("test.sh"), folder.path().join("test.sh")).unwrap();
    let mut boot = Command::new("bash");
    boot.arg(data.join("boot.sh")).arg(folder.path()).arg(env!("CARGO_BIN_EXE_modgud"));
    let output = boot.stdin(Stdio::null()).kill_on_drop(true).output().await.unwrap();
    if output.status.code() == Some(77) {
        report(&format!(
            "systemd can't run here as the first process of namespaces: {}",
            String::from_utf8_lossy(&output.stderr)
        ));
        return;
    }
    let printed = fs::read_to_string(folder.path().join("out/out")).unwrap_or_default();
    assert_eq!(
        printed,
        fs::read_to_string(data.join("expected.txt")).unwrap(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
