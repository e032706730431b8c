//! `modgud envoy --health-listen`: two paths of Envoy's admin interface, and no other request reaches it.

use super::programs;
use crate::cli::process::{run, run_in};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use modgud_testbed::http::Exchange;
use modgud_testbed::{Process, start_envoy};
use std::net::SocketAddr;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// The most connections of the listener.
const MAX_CONNECTIONS: usize = 32;

struct Gateway {
    envoy: Process,
    admin: SocketAddr,
    health: SocketAddr,
    /// Keeps the port of the admin interface free for Envoy: bound, never listening.
    _port: TcpSocket,
    _folder: TempDir,
}

impl Gateway {
    async fn start() -> Self {
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
        std::fs::write(folder.path().join("envoy.yaml"), written.out).unwrap();
        let (envoy, admin, _) = start_envoy(&programs(), folder.path()).await.unwrap();
        let listeners = Exchange::get(admin, "/listeners?format=json").await.unwrap().json();
        let all = listeners["listener_statuses"].as_array().unwrap();
        let health = all.iter().find(|listener| listener["name"] == "health").unwrap();
        let health = health["local_address"]["socket_address"]["port_value"].as_u64().unwrap();
        let health = format!("127.0.0.1:{health}").parse().unwrap();
        Self { envoy, admin, health, _port: port, _folder: folder }
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
    assert_eq!((ready.status, ready.body.as_slice(), ready.header("server")), (200, &b"LIVE\n"[..], Some("modgud")));
    let metrics = Exchange::get(gateway.health, "/stats/prometheus").await.unwrap();
    let text = String::from_utf8(metrics.body).unwrap();
    assert!(
        metrics.status == 200
            && text.contains("envoy_http_downstream_cx_active{envoy_http_conn_manager_prefix=\"gateway\"}")
    );

    // A probe that keeps its connection is no client, and Envoy is not ready while it drains.
    let mut probe = TcpStream::connect(gateway.health).await.unwrap();
    probe.write_all(b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(probe.read(&mut [0; 1024]).await.unwrap() > 0);
    let admin = gateway.admin.to_string();
    let output = run(&["drain", "--admin", &admin, "--at-least", "0s", "--at-most", "1m"]).await;
    assert_eq!(
        (output.code, output.err.as_str()),
        (Some(0), "modgud: Envoy drains: 0 connections, 0 requests in progress\n")
    );
    let ready = Exchange::get(gateway.health, "/ready").await.unwrap();
    assert_eq!((ready.status, ready.body.as_slice()), (503, &b"DRAINING\n"[..]));
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
    assert_eq!(gateway.forwarded().await, before, "no request was forwarded");

    // What is forwarded are the two requests, and nothing that their headers ask for.
    let request = http::Request::get("http://a/ready").header("x-http-method-override", "POST");
    let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.into_body().collect().await.unwrap().to_bytes()),
        (200, "LIVE\n".into())
    );
    assert_eq!(
        status(gateway.health, "GET http://other/ready HTTP/1.1\r\nX-Original-Url: /quitquitquit").await,
        Some(200)
    );
    assert_ne!(gateway.forwarded().await, before);
    gateway.envoy.end().await;
}

#[tokio::test]
async fn the_listener_has_few_connections_and_clients_do_not_use_them_up() {
    let gateway = Gateway::start().await;
    let mut open = Vec::new();
    let mut closed = 0;
    for _ in 0..=MAX_CONNECTIONS {
        let mut stream = TcpStream::connect(gateway.health).await.unwrap();
        let asked = stream.write_all(b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n").await;
        match (asked, stream.read(&mut [0; 1024]).await) {
            (Ok(()), Ok(1..)) => open.push(stream),
            _ => closed += 1,
        }
    }
    assert_eq!((open.len(), closed), (MAX_CONNECTIONS, 1));
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
