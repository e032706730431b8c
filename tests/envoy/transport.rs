//! Other ways from Envoy to modgud than plain TCP, as the documentation shows them: TLS with certificates on both sides, and a
//! socket in the file system.

use super::tokens::{claims, jwt, sign};
use super::{PATIENCE, ask, replaced, testbed, until};
use crate::cli::process::Serving;
use crate::readme::block;
use crate::reload::changing::Reported;
use crate::services::authority::{Authority, SERVER};
use modgud_testbed::{Setup, Testbed};
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use tempfile::TempDir;

/// Where the files of a test are: a change to Envoy's configuration has no other way to know it.
static OF_THE_PIPE: OnceLock<PathBuf> = OnceLock::new();
static OF_TLS: OnceLock<PathBuf> = OnceLock::new();

fn folder(place: &OnceLock<PathBuf>) -> TempDir {
    let folder = TempDir::new().unwrap();
    place.set(folder.path().to_path_buf()).unwrap();
    folder
}

/// Good requests pass, others don't, and modgud is the one that says so.
async fn serves(testbed: &Testbed) {
    let good = [jwt(&sign(&testbed.key, &claims()))];
    until(testbed.gateway, "/crm/", &good, 200).await;
    let denied = ask(testbed.gateway, "GET", "/crm/", &[]).await;
    assert_eq!(denied.status, 401);
    assert_eq!(denied.header("www-authenticate"), Some("Bearer realm=\"modgud\""));
}

/// Puts modgud's address into what takes the place of the one in the sample.
fn elsewhere(yaml: &str, address: &str) -> String {
    let (before, cluster) = yaml.split_once("cluster_name: modgud\n").unwrap();
    let (socket, after) = cluster.split_once("socket_address:\n").unwrap();
    let after = after.splitn(3, '\n').nth(2).unwrap();
    format!("{before}cluster_name: modgud\n{socket}{address}\n{after}")
}

fn by_pipe(yaml: &str) -> String {
    let socket = OF_THE_PIPE.get().unwrap().join("check.sock").display().to_string();
    let shown = block("docs/configuration.md", "yaml envoy pipe");
    elsewhere(yaml, &replaced(shown.trim(), "/run/modgud/check.sock", &socket))
}

#[tokio::test]
async fn a_socket_in_the_file_system() {
    let folder = folder(&OF_THE_PIPE);
    let testbed = testbed(Setup { edit: Some(by_pipe), ..Setup::default() }).await;
    assert_eq!(ask(testbed.gateway, "GET", "/oauth/", &[]).await.status, 503, "no service is there yet");
    let socket = folder.path().join("check.sock");
    let yaml = format!("profile: bifrost\nserver: {{ grpc: 'unix:{}', admin: '127.0.0.1:0' }}\n", socket.display());
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    // Beside the one that the testbed has started, and this Envoy does not ask.
    let pem = testbed.key.public_pem().unwrap();
    let serving = Serving::start_at(folder.path(), &pem, &["--config", "modgud.yaml"]).await;
    serves(&testbed).await;
    serving.end(Signal::INT).await;
    until(testbed.gateway, "/oauth/", &[], 503).await;
    testbed.stop().await;
}

/// The abstract name of one test, of which the machine has one.
fn abstract_name() -> String {
    format!("@modgud-test-envoy-{}", std::process::id())
}

fn by_name(yaml: &str) -> String {
    elsewhere(yaml, &format!("pipe: {{ path: \"{}\" }}", abstract_name()))
}

#[tokio::test]
async fn an_abstract_socket() {
    let testbed = testbed(Setup { edit: Some(by_name), ..Setup::default() }).await;
    assert_eq!(ask(testbed.gateway, "GET", "/oauth/", &[]).await.status, 503, "no service is there yet");
    let folder = tempfile::tempdir().unwrap();
    let address = format!("unix:{}", abstract_name());
    let pem = testbed.key.public_pem().unwrap();
    let serving = Serving::start_at(folder.path(), &pem, &["--grpc", &address, "--admin", "127.0.0.1:0"]).await;
    serves(&testbed).await;
    serving.end(Signal::INT).await;
    until(testbed.gateway, "/oauth/", &[], 503).await;
    testbed.stop().await;
}

fn by_tls(yaml: &str) -> String {
    let mut shown = block("docs/configuration.md", "yaml envoy tls");
    for (name, file) in [("modgud-ca.pem", "ca.pem"), ("envoy.pem", "client.pem"), ("envoy.key", "client.key")] {
        let file = OF_TLS.get().unwrap().join(file).display().to_string();
        shown = replaced(&shown, &format!("/etc/envoy/{name}"), &file);
    }
    shown = replaced(&shown, "exact: modgud", &format!("exact: {SERVER}"));
    let indented: Vec<String> = shown.lines().map(|line| format!("      {line}\n")).collect();
    let name = "    - name: modgud\n";
    replaced(yaml, name, &format!("{name}{}", indented.concat()))
}

#[tokio::test]
async fn tls_with_certificates_on_both_sides() {
    let folder = folder(&OF_TLS);
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    ours.server().write(folder.path(), "server");
    clients.client().write(folder.path(), "client");
    fs::write(folder.path().join("ca.pem"), ours.pem()).unwrap();
    let authorities = folder.path().join("clients.pem");
    fs::write(&authorities, clients.pem()).unwrap();
    let at = folder.path().display();
    let yaml = format!(
        "profile: bifrost\nserver: {{ tls: {{ cert: {at}/server.pem, key: {at}/server.key, client_ca: {at}/clients.pem }} }}\n"
    );
    // A setup holds what lives as long as the program.
    let config = Some(&*yaml.leak());
    let mut testbed = testbed(Setup { edit: Some(by_tls), config, ..Setup::default() }).await;
    serves(&testbed).await;

    // That the certificates do count: Envoy's is of no such authority any more.
    let before = Reported::at(testbed.modgud_admin).await;
    fs::write(&authorities, ours.pem()).unwrap();
    before.more(testbed.modgud_admin).await;
    testbed.restart_envoy().await.unwrap();
    let good = [jwt(&sign(&testbed.key, &claims()))];
    for _ in 0..3 {
        assert_eq!(ask(testbed.gateway, "GET", "/crm/", &good).await.status, 503);
    }
    let refused = |line: &str| line.contains("TLS handshake failed").then_some(());
    testbed.modgud.wait_for(PATIENCE, refused).await.unwrap();
    testbed.stop().await;
}
