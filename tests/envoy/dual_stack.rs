//! `modgud envoy --listen '[::]:PORT'`: Envoy serves IPv4 and IPv6 clients (dual stack).

use super::{PATIENCE, programs};
use crate::cli::process::run_in;
use modgud_testbed::Process;
use modgud_testbed::http::Exchange;
use std::fs;
use std::net::SocketAddr;
use tokio::process::Command;

#[tokio::test]
async fn a_listener_on_every_address_serves_ipv4_and_ipv6() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), "profile: bifrost\ncore: { upstream: '127.0.0.1:1' }\n").unwrap();
    let arguments = ["envoy", "--config", "modgud.yaml", "--listen", "[::]:0", "--admin", "127.0.0.1:0"];
    let written = run_in(folder.path(), &[], &arguments).await;
    assert_eq!((written.code, written.err.as_str()), (Some(0), ""));
    fs::write(folder.path().join("envoy.yaml"), &written.out).unwrap();
    let mut command = Command::new(programs().envoy);
    command.args(["--config-path", "envoy.yaml", "--admin-address-path", "admin"]).current_dir(folder.path());
    command.args(["--concurrency", "1", "--use-dynamic-base-id", "--disable-hot-restart"]);
    let mut envoy = Process::start("Envoy", command).unwrap();
    envoy.wait_for(PATIENCE, |line| line.contains("starting workers").then_some(())).await.unwrap();
    let admin: SocketAddr = fs::read_to_string(folder.path().join("admin")).unwrap().trim().parse().unwrap();
    let listeners = Exchange::get(admin, "/listeners?format=json").await.unwrap().json();
    let port = listeners.pointer("/listener_statuses/0/local_address/socket_address/port_value").unwrap();
    for host in ["127.0.0.1", "[::1]"] {
        let gateway: SocketAddr = format!("{host}:{port}").parse().unwrap();
        // No modgud runs: Envoy answers by itself.
        let answer = Exchange::get(gateway, "/docs").await.unwrap_or_else(|error| panic!("{host}: {error}"));
        assert_eq!(answer.status, 503, "{host}");
        assert_eq!(answer.header("server"), Some("bifrost"));
    }
    envoy.end().await;
}
