//! The real binary: where it listens for a proxy, what it says about that, and a stop.

use super::client::{Client, Told};
use crate::cli::process::{KEY_VARIABLE, Output, Serving, run_in};
use crate::services::launcher::launch;
use crate::support::KEY;
use modgud::forward_auth::Proxy;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;
use tokio::net::UnixStream;

fn folder(server: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let rules = "rules:\n  - { name: site, match: { paths: ['/site/{*rest}'] }, access: public }\n";
    let yaml = format!("profile: bifrost\nserver: {{ grpc: '127.0.0.1:0', admin: '127.0.0.1:0', {server} }}\n{rules}");
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    folder
}

async fn serve(folder: &TempDir) -> Serving {
    Serving::start_at(folder.path(), &KEY.public_pem().unwrap(), &["--config", "modgud.yaml"]).await
}

fn site() -> Vec<u8> {
    Told::new("GET", "/site/a", &[]).bytes(Proxy::Nginx)
}

/// The event `serving` of this output.
fn serving(output: &str) -> Value {
    let events = output.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.into_iter().find(|event| event["message"] == "serving").unwrap()
}

#[tokio::test]
async fn a_socket_in_the_file_system_has_the_mode_of_the_other_one() {
    let folder = folder("http: { listen: 'unix:SOCKET', proxy: nginx }, socket: { mode: '0600' }");
    let path = folder.path().join("http.sock");
    let file = folder.path().join("modgud.yaml");
    let yaml = fs::read_to_string(&file).unwrap().replace("SOCKET", path.to_str().unwrap());
    fs::write(&file, yaml).unwrap();
    let serving = serve(&folder).await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut client = Client::over(UnixStream::connect(&path).await.unwrap());
    assert_eq!(client.ask(&site()).await.status, 200);
    let output = serving.end(Signal::TERM).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
    assert_eq!(self::serving(&output.out)["http"], json!(format!("unix:{}", path.display())));
    assert!(!path.exists());
}

#[tokio::test]
async fn an_abstract_socket_is_served_with_a_warning() {
    let name = format!("@modgud-test-http-{}", std::process::id());
    let folder = folder(&format!("http: {{ listen: 'unix:{name}', proxy: nginx }}"));
    let serving = serve(&folder).await;
    let mut client = Client::over(UnixStream::connect(name.replacen('@', "\0", 1)).await.unwrap());
    assert_eq!(client.ask(&site()).await.status, 200);
    let output = serving.end(Signal::INT).await;
    assert!(output.out.contains("server.http.listen: an abstract socket has no file mode"), "{}", output.out);
}

#[tokio::test]
async fn the_service_manager_may_pass_the_listener() {
    let folder = folder("http: { listen: '127.0.0.1:0', proxy: nginx }");
    let options = json!({ "sockets": [{ "name": "http", "address": "127.0.0.1:0" }] });
    let serving = launch(folder.path(), &options, &["--config", "modgud.yaml"]).serves().await;
    let output = serving.end(Signal::TERM).await;
    assert!(self::serving(&output.out)["http"].as_str().unwrap().parse::<SocketAddr>().is_ok(), "{}", output.out);
    // Without the section it would be open and never served.
    fs::write(folder.path().join("modgud.yaml"), "profile: bifrost\n").unwrap();
    let Output { code, err, .. } = launch(folder.path(), &options, &["--config", "modgud.yaml"]).output().await;
    let expected = "modgud: the service manager passed a socket named `http`, but the configuration has no server.http; write one with the \
                    same address (listen), or disable the socket unit\n";
    assert_eq!((code, err.as_str()), (Some(1), expected));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let folder = folder(&format!("http: {{ listen: '{address}', proxy: nginx }}"));
    let variables = [(KEY_VARIABLE, KEY.public_pem().unwrap())];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let output = run_in(folder.path(), &variables, &["serve", "--config", "modgud.yaml"]).await;
    let expected = format!("modgud: can't listen on {address} for checks of a proxy (server.http): ");
    assert!(output.code == Some(1) && output.err.starts_with(&expected), "{}", output.err);
}

/// Neither the address nor the proxy changes while it runs, and a proxy must learn of another governed header.
#[tokio::test]
async fn what_needs_a_restart_is_named() {
    let folder = folder("http: { listen: '127.0.0.1:0', proxy: nginx }");
    let mut serving = serve(&folder).await;
    let file = folder.path().join("modgud.yaml");
    let yaml = fs::read_to_string(&file).unwrap();
    fs::write(&file, yaml.replace("proxy: nginx", "proxy: caddy")).unwrap();
    serving.wait_for("\"key\":\"server.http\"").await;
    fs::write(&file, format!("{yaml}upstream: {{ headers: {{ x-more: {{ claim: more }} }} }}\n")).unwrap();
    serving.wait_for("the proxy's configuration must name these headers").await;
    let output = serving.end(Signal::INT).await;
    let event = output.out.lines().find(|line| line.contains("must name these headers")).unwrap();
    assert!(event.contains("x-more"), "{event}");
}
