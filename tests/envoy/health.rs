//! `modgud envoy --health-listen`: two paths of Envoy's admin interface. No other request reaches it, and no other peer keeps probes out.

use super::programs;
use crate::cli::process::{run, run_in};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use modgud_testbed::http::Exchange;
use modgud_testbed::{Process, start_envoy};
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// A request for readiness, without the end of its head.
const UNFINISHED: &str = "GET /ready HTTP/1.1\r\nHost: a\r\n";
/// Number of peers that stay connected in one way.
const PEERS: usize = 60;
/// Time in which Envoy closes the connection of such a peer. It takes seconds; a test on a busy machine has more.
const CLOSING_TIME: Duration = Duration::from_secs(30);

struct Gateway {
    envoy: Process,
    admin: SocketAddr,
    listener: SocketAddr,
    health: SocketAddr,
    /// Keeps the port of the admin interface free for Envoy: bound, never listening.
    _port: TcpSocket,
    _folder: TempDir,
}

impl Gateway {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts an Envoy whose file has these texts replaced.
    async fn start_with(replaced: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = TcpSocket::new_v4().unwrap();
        port.set_reuseaddr(true).unwrap();
        port.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let admin = port.local_addr().unwrap().to_string();
        std::fs::write(
            folder.path().join("modgud.yaml"),
            "profile: none\nmodules: [{ name: a, prefix: /a, upstream: '127.0.0.1:1' }]\n",
        )
        .unwrap();
        let addresses = ["--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0", "--admin", &admin];
        let arguments = [["envoy", "--config", "modgud.yaml"].as_slice(), &addresses].concat();
        let written = run_in(folder.path(), &[], &arguments).await;
        assert_eq!((written.code, written.err.as_str()), (Some(0), ""));
        let yaml = replaced.iter().fold(written.out, |yaml, (from, to)| {
            assert_eq!(yaml.matches(from).count(), 1, "{from}");
            yaml.replace(from, to)
        });
        std::fs::write(folder.path().join("envoy.yaml"), yaml).unwrap();
        let (envoy, admin, listener) = start_envoy(&programs(), folder.path()).await.unwrap();
        let listeners = Exchange::get(admin, "/listeners?format=json").await.unwrap().json();
        let all = listeners["listener_statuses"].as_array().unwrap();
        let health = all.iter().find(|listener| listener["name"] == "health").unwrap();
        let health = health["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
        let health = format!("127.0.0.1:{health}").parse().unwrap();
        Self { envoy, admin, listener, health, _port: port, _folder: folder }
    }

    /// Number of requests that the admin interface has got from the listener.
    async fn forwarded(&self) -> String {
        let stats = Exchange::get(self.admin, "/stats?filter=%5Ecluster.envoy%20admin.upstream_rq_total%24").await;
        String::from_utf8(stats.unwrap().body).unwrap().trim().to_owned()
    }
}

#[tokio::test]
async fn the_two_paths_are_those_of_the_admin_interface() {
    let gateway = Gateway::start().await;
    let ready = Exchange::get(gateway.health, "/ready").await.unwrap();
    assert_eq!((ready.status, ready.body.as_slice(), ready.header("server")), (200, &b""[..], Some("modgud")));
    let metrics = Exchange::get(gateway.health, "/stats/prometheus").await.unwrap();
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(
        metrics.status == 200
            && text.contains("envoy_http_downstream_cx_active{envoy_http_conn_manager_prefix=\"gateway\"}")
    );

    // A probe that keeps its connection is no client, and Envoy is not ready while it drains.
    let mut probe = TcpStream::connect(gateway.health).await.unwrap();
    probe.write_all(format!("{UNFINISHED}\r\n").as_bytes()).await.unwrap();
    assert!(probe.read(&mut [0; 1024]).await.unwrap() > 0);
    let admin = gateway.admin.to_string();
    let output = run(&["drain", "--admin", &admin, "--at-least", "0s", "--at-most", "1m"]).await;
    assert_eq!(
        (output.code, output.err.as_str()),
        (Some(0), "modgud: Envoy drains: 0 connections, 0 requests in progress\n")
    );
    let ready = Exchange::get(gateway.health, "/ready").await.unwrap();
    assert_eq!((ready.status, ready.body.as_slice()), (503, &b""[..]));
    gateway.envoy.end().await;
}

/// The status of a request that is sent as it is; `None` without a response.
async fn status(to: SocketAddr, request: &str) -> Option<u16> {
    let request = format!("{request}\r\nHost: a\r\nConnection: close\r\n\r\n");
    Exchange::raw(to, request.as_bytes()).await.ok().map(|answer| answer.status)
}

#[tokio::test]
async fn no_other_request_reaches_the_admin_interface() {
    let gateway = Gateway::start().await;
    let before = gateway.forwarded().await;
    for (request, expected) in [
        ("GET / HTTP/1.1", 404),
        ("GET /quitquitquit HTTP/1.1", 404),
        ("POST /quitquitquit HTTP/1.1", 404),
        ("POST /healthcheck/fail HTTP/1.1", 404),
        ("POST /ready HTTP/1.1", 404),
        ("PUT /stats/prometheus HTTP/1.1", 404),
        ("OPTIONS * HTTP/1.1", 404),
        ("CONNECT 127.0.0.1:9901 HTTP/1.1", 404),
        ("GET /ready? HTTP/1.1", 404),
        ("GET /ready?x HTTP/1.1", 404),
        ("GET /stats/prometheus?filter=. HTTP/1.1", 404),
        ("GET /ready/ HTTP/1.1", 404),
        ("GET //ready HTTP/1.1", 404),
        ("GET /./ready HTTP/1.1", 404),
        ("GET /READY HTTP/1.1", 404),
        ("GET /%72eady HTTP/1.1", 404),
        ("GET /ready;a=b HTTP/1.1", 404),
        ("GET /ready/../quitquitquit HTTP/1.1", 404),
        ("GET /ready/..%2fquitquitquit HTTP/1.1", 404),
        ("GET /ready%2f..%2fconfig_dump HTTP/1.1", 404),
        ("GET /stats/prometheus/%2e%2e/%2e%2e/config_dump HTTP/1.1", 404),
        ("GET /ready\\..\\config_dump HTTP/1.1", 404),
        ("GET /stats HTTP/1.1", 404),
        ("GET /config_dump HTTP/1.1", 404),
        ("GET http://a/config_dump HTTP/1.1", 404),
        ("GET http://127.0.0.1/ready/../config_dump HTTP/1.1", 404),
        ("GET /ready#/../config_dump HTTP/1.1", 400),
        ("GET ready HTTP/1.1", 400),
        ("get /ready HTTP/1.1", 400),
        (
            "POST /quitquitquit HTTP/1.1\r\nX-HTTP-Method-Override: GET\r\nX-Original-Url: /ready\r\nX-Envoy-Original-Path: /ready",
            404,
        ),
        ("GET /config_dump HTTP/1.1\r\nX-Rewrite-Url: /ready", 404),
    ] {
        assert_eq!(status(gateway.health, request).await, Some(expected), "{request}");
    }
    let large = format!("GET /ready HTTP/1.1\r\nA: {}", "a".repeat(9 * 1024));
    assert_eq!(status(gateway.health, &large).await, Some(431));

    // HTTP/2 without TLS, where `:path` and `:method` are headers.
    let stream = TokioIo::new(TcpStream::connect(gateway.health).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    for (method, path) in [
        ("POST", "/quitquitquit"),
        ("GET", "/ready/../config_dump"),
        ("GET", "/ready?x"),
        ("POST", "/ready"),
        ("HEAD", "/ready"),
    ] {
        let request = http::Request::builder().method(method).uri(format!("http://a{path}"));
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 404, "{method} {path}");
    }
    // What its headers ask for does not count, and the admin interface is not needed for readiness.
    let request = http::Request::get("http://a/ready").header("x-http-method-override", "POST");
    let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes()),
        (200, Bytes::new())
    );
    assert_eq!(
        status(gateway.health, "GET http://other/ready HTTP/1.1\r\nX-Original-Url: /quitquitquit").await,
        Some(200)
    );
    assert_eq!(gateway.forwarded().await, before, "no request was forwarded");
    let metrics = "GET http://other/stats/prometheus HTTP/1.1\r\nX-Original-Url: /quitquitquit";
    assert_eq!(status(gateway.health, metrics).await, Some(200));
    assert_ne!(gateway.forwarded().await, before);
    gateway.envoy.end().await;
}

/// Connects, and sends this.
async fn peer(to: SocketAddr, sent: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(sent.as_bytes()).await.unwrap();
    stream
}

/// Returns once Envoy has closed the connection.
async fn closed(mut stream: TcpStream) {
    let mut received = Vec::new();
    // A reset is a close too.
    let _ = timeout(CLOSING_TIME, stream.read_to_end(&mut received)).await.expect("Envoy keeps the connection");
}

#[tokio::test]
async fn peers_that_stay_connected_do_not_keep_probes_out() {
    let gateway = Gateway::start().await;
    let kinds = [
        String::new(),
        UNFINISHED.to_owned(),
        format!("{UNFINISHED}\r\n"),
        format!("{UNFINISHED}Content-Length: 1\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    let mut peers = Vec::new();
    for kind in &kinds {
        for _ in 0..PEERS {
            peers.push(peer(gateway.health, kind).await);
        }
    }
    assert_eq!(status(gateway.health, "GET /ready HTTP/1.1").await, Some(200));
    for peer in peers {
        closed(peer).await;
    }
    gateway.envoy.end().await;
}

/// The admin interface has one thread, and answers few requests of the listener at once.
#[tokio::test]
async fn scrapes_do_not_keep_probes_out() {
    let gateway = Gateway::start_with(&[("max_requests: 32", "max_requests: 0")]).await;
    assert_eq!(status(gateway.health, "GET /stats/prometheus HTTP/1.1").await, Some(503), "none is left for scrapes");
    assert_eq!(status(gateway.health, "GET /ready HTTP/1.1").await, Some(200));
    gateway.envoy.end().await;
}

#[tokio::test]
async fn the_listener_has_a_limit_of_its_own() {
    let longer =
        [("idle_timeout: 2s", "idle_timeout: 60s"), ("max_connection_duration: 10s", "max_connection_duration: 60s")];
    let gateway =
        Gateway::start_with(&[[("max_connections: 1000", "max_connections: 4")].as_slice(), &longer].concat()).await;
    let mut peers = Vec::new();
    for _ in 0..4 {
        let mut peer = peer(gateway.health, &format!("{UNFINISHED}\r\n")).await;
        assert!(peer.read(&mut [0; 1024]).await.unwrap() > 0);
        peers.push(peer);
    }
    assert_eq!(status(gateway.health, "GET /ready HTTP/1.1").await, None);
    gateway.envoy.end().await;
}

#[tokio::test]
async fn clients_that_hold_all_connections_keep_neither_probes_nor_a_drain_out() {
    let limit = ("max_active_downstream_connections: 50000", "max_active_downstream_connections: 1");
    let gateway = Gateway::start_with(&[limit]).await;
    let client = peer(gateway.listener, "").await;
    closed(TcpStream::connect(gateway.listener).await.unwrap()).await;
    for path in ["/ready", "/stats/prometheus"] {
        assert_eq!(status(gateway.health, &format!("GET {path} HTTP/1.1")).await, Some(200), "{path}");
    }
    drop(client);
    let output = run(&["drain", "--admin", &gateway.admin.to_string(), "--at-least", "0s", "--at-most", "1m"]).await;
    assert_eq!(output.code, Some(0), "{}", output.err);
    gateway.envoy.end().await;
}

#[tokio::test]
async fn listeners_have_addresses_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("modgud.yaml"),
        "profile: none\nserver: { admin: '0.0.0.0:9192' }\nmodules: [{ name: a, prefix: /a, upstream: '127.0.0.1:1' }]\n",
    )
    .unwrap();
    for (health, says) in [
        (
            "127.0.0.1:8000",
            "--listen 0.0.0.0:8000 is the address of --health-listen (127.0.0.1:8000) too; use another port",
        ),
        (
            "0.0.0.0:9901",
            "--admin 127.0.0.1:9901 is the address of --health-listen (0.0.0.0:9901) too; use another port",
        ),
        (
            "0.0.0.0:9191",
            "--health-listen 0.0.0.0:9191 is the address of `server.grpc` (127.0.0.1:9191) too; use another port",
        ),
        (
            "0.0.0.0:9192",
            "--health-listen 0.0.0.0:9192 is the address of `server.admin` (0.0.0.0:9192) too; use another port",
        ),
    ] {
        let output = run_in(folder.path(), &[], &["envoy", "--config", "modgud.yaml", "--health-listen", health]).await;
        assert_eq!((output.code, output.out.as_str(), output.err), (Some(1), "", format!("modgud: {says}\n")));
    }
    let arguments = ["envoy", "--config", "modgud.yaml", "--admin", "127.0.0.1:0", "--health-listen", "0.0.0.0:8001"];
    let output = run_in(folder.path(), &[], &arguments).await;
    assert_eq!(output.code, Some(1));
    assert!(output.err.contains("whose port 0 is any free one; use --admin with another port"), "{}", output.err);
}
