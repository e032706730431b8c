//! Socket activation: listeners that a service manager opened and passed (`sd_listen_fds(3)`).

use super::launcher::{launch, sockets};
use crate::cli::process::{KEY_VARIABLE, Output, Serving, Starting, run};
use crate::support::{KEY, token};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::process::Command;

/// The configuration of a folder's socket, with free ports elsewhere.
fn write(folder: &TempDir, server: &str) {
    let yaml = format!("profile: bifrost\nserver: {{ {server} }}\n");
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
}

fn path(folder: &TempDir) -> PathBuf {
    folder.path().join("check.sock")
}

fn unix(folder: &TempDir) -> String {
    format!("unix:{}", path(folder).display())
}

async fn served(folder: &TempDir, passed: Value) -> Serving {
    launch(folder.path(), &sockets(&passed), &["--config", "modgud.yaml"]).serves().await
}

async fn is_answered(address: &str) -> bool {
    let header = format!("Authorization: JWT {}", token());
    let output = run(&["call", address, "--path", "/crm/", "--header", &header]).await;
    output.code == Some(3) && output.out.starts_with("denied 401\n")
}

#[tokio::test]
async fn passed_listeners_serve_by_their_names() {
    let folder = TempDir::new().unwrap();
    write(&folder, "grpc: '127.0.0.1:0', admin: '127.0.0.1:0'");
    // In another order than modgud opens them.
    let passed = json!([{ "name": "admin", "address": "127.0.0.1:0" }, { "name": "grpc", "address": "127.0.0.1:0" }]);
    let serving = served(&folder, passed).await;
    assert!(is_answered(&serving.grpc.to_string()).await);
    let ready = modgud_testbed::http::Exchange::get(serving.admin, "/livez").await.unwrap();
    assert_eq!(ready.status, 200);
    assert_eq!(serving.end(Signal::TERM).await.code, Some(0));
}

/// The file belongs to the service manager, which goes on listening: a client that connects between two processes waits for the next one.
#[tokio::test]
async fn the_file_of_a_passed_socket_outlives_modgud() {
    let folder = TempDir::new().unwrap();
    write(&folder, &format!("grpc: '{}', admin: '127.0.0.1:0'", unix(&folder)));
    let passed = json!([{ "name": "grpc", "address": unix(&folder), "mode": "660" }]);
    let serving = served(&folder, passed).await;
    assert_eq!(serving.grpc.to_string(), unix(&folder));
    assert!(is_answered(&unix(&folder)).await);
    assert_eq!(serving.end(Signal::TERM).await.code, Some(0));
    assert!(path(&folder).exists());
}

#[tokio::test]
async fn an_abstract_socket_can_be_passed() {
    let folder = TempDir::new().unwrap();
    let address = format!("unix:@modgud-test-activated-{}", std::process::id());
    write(&folder, &format!("grpc: '{address}', admin: '127.0.0.1:0', insecure_plaintext: true"));
    let serving = served(&folder, json!([{ "name": "grpc", "address": address }])).await;
    assert!(is_answered(&address).await);
    serving.end(Signal::INT).await;
}

async fn refused(folder: &TempDir, options: &Value) -> String {
    let Output { code, out, err } = launch(folder.path(), options, &["--config", "modgud.yaml"]).output().await;
    assert_eq!(code, Some(1), "{out}{err}");
    err
}

/// A passed listener that is not the configured one never serves: `modgud check` did not warn of it.
#[tokio::test]
async fn a_passed_listener_is_the_configured_one() {
    let folder = TempDir::new().unwrap();
    write(&folder, &format!("grpc: '{}', admin: '127.0.0.1:0'", unix(&folder)));
    let name = "; write FileDescriptorName=grpc (server.grpc), FileDescriptorName=http (server.http) or FileDescriptorName=admin \
                (server.admin) in its socket unit\n";
    for (passed, expected) in [
        (
            json!([{ "name": "grpc", "address": "127.0.0.1:0" }]),
            format!("but server.grpc is {}; write the same address in the socket unit (ListenStream=) and in the configuration\n", unix(&folder)),
        ),
        (
            json!([{ "name": "grpc", "address": unix(&folder), "mode": "666" }]),
            "modgud: the file of the passed socket `grpc` has the mode 0666, and server.socket.mode is 0660; write SocketMode=0660 in the \
             socket unit\n"
                .to_owned(),
        ),
        (
            json!([{ "name": "modgud.socket", "address": unix(&folder), "mode": "660" }]),
            format!("modgud: the service manager passed a socket named `modgud.socket`{name}"),
        ),
        (
            json!([{ "address": unix(&folder), "mode": "660" }]),
            format!("modgud: the service manager passed a socket named `unknown`{name}"),
        ),
        (
            json!([{ "name": "grpc", "address": unix(&folder), "mode": "660" }, { "name": "grpc", "address": "127.0.0.1:0" }]),
            "modgud: the service manager passed two sockets named `grpc`; use one ListenStream= for it\n".to_owned(),
        ),
        (
            json!([{ "name": "grpc", "address": unix(&folder), "mode": "660", "listen": false }]),
            "modgud: the socket `grpc` of the service manager accepts no connections; write ListenStream=, and Accept=no, in its socket \
             unit\n"
                .to_owned(),
        ),
    ] {
        let _ = fs::remove_file(path(&folder));
        let error = refused(&folder, &sockets(&passed)).await;
        assert!(error.starts_with("modgud: ") && error.ends_with(&expected), "{passed}: {error}");
    }
}

/// The variables were inherited: the descriptors are not those of this process.
#[tokio::test]
async fn variables_for_another_process_are_ignored() {
    let folder = TempDir::new().unwrap();
    write(&folder, "grpc: '127.0.0.1:0', admin: '127.0.0.1:0'");
    let options = json!({ "sockets": [{ "name": "grpc", "address": "127.0.0.2:0" }], "pid": "1" });
    let serving = launch(folder.path(), &options, &["--config", "modgud.yaml"]).serves().await;
    assert!(serving.grpc.to_string().starts_with("127.0.0.1:"), "{}", serving.grpc);
    serving.end(Signal::INT).await;
}

/// With systemd's own activator, which starts modgud for the first connection. systemd need not run for it.
#[tokio::test]
async fn systemd_can_activate_it() {
    let activator = "/usr/bin/systemd-socket-activate";
    if !std::path::Path::new(activator).exists() {
        // Not by a macro, whose output is shown of failed tests only.
        let result =
            "systemd-socket-activate is not installed (Debian: apt install systemd): only its protocol is tested";
        writeln!(std::io::stderr(), "{result}").unwrap();
        return;
    }
    let folder = TempDir::new().unwrap();
    let address = format!("unix:@modgud-test-systemd-{}", std::process::id());
    write(&folder, &format!("grpc: '{address}', admin: '127.0.0.1:0', insecure_plaintext: true"));
    let mut command = Command::new(activator);
    command.current_dir(folder.path()).env_clear().env(KEY_VARIABLE, KEY.public_pem().unwrap());
    command.arg(format!("--setenv={KEY_VARIABLE}")).arg(format!("--listen={}", address.trim_start_matches("unix:")));
    command.args(["--fdname=grpc", env!("CARGO_BIN_EXE_modgud"), "serve", "--config", "modgud.yaml"]);
    let starting = Starting::by(command);
    let name = SocketAddr::from_abstract_name(address.trim_start_matches("unix:@")).unwrap();
    let first = loop {
        match UnixStream::connect_addr(&name) {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let serving = starting.serves().await;
    drop(first);
    assert_eq!(serving.grpc.to_string(), address);
    assert!(is_answered(&address).await);
    assert_eq!(serving.end(Signal::TERM).await.code, Some(0));
}
