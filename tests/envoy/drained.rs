//! `modgud drain` and a real Envoy: clients that send requests are sent elsewhere without losing one, and idle ones are counted.

use super::tokens::{claims, jwt, sign};
use super::{PATIENCE, programs, testbed};
use crate::cli::process::{Output, run};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use modgud_testbed::http::Exchange;
use modgud_testbed::{Process, Setup, start_envoy};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Clients on each version of HTTP.
const CLIENTS: usize = 4;
/// Requests that each client has sent before the drain begins.
const BEFORE: usize = 5;

async fn drain(admin: SocketAddr, least: &str, most: &str) -> (Output, Duration) {
    let started = Instant::now();
    let output = run(&["drain", "--admin", &admin.to_string(), "--at-least", least, "--at-most", most]).await;
    (output, started.elapsed())
}

/// A client on one kept connection of HTTP/1.1.
struct Kept(BufReader<TcpStream>);

impl Kept {
    async fn connect(to: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(to).await.unwrap()))
    }

    /// Sends a request; returns the status, and true if the response ends the connection.
    async fn ask(&mut self, path: &str, line: &str) -> (String, bool) {
        let Self(stream) = self;
        let request = format!("GET {path} HTTP/1.1\r\nHost: api.example.com\r\n{line}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).await.unwrap() > 0, "the connection ends without a response: {head}");
        }
        let head = head.to_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let length: u64 = header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = Vec::new();
        stream.take(length).read_to_end(&mut body).await.unwrap();
        (head.lines().next().unwrap().to_owned(), header("connection") == Some("close"))
    }
}

/// Sends requests on one connection until a response says that it ends, and then leaves.
async fn on_http1(to: SocketAddr, line: String, ready: Arc<Barrier>) {
    let mut kept = Kept::connect(to).await;
    for number in 1.. {
        let (status, ends) = kept.ask("/crm/", &line).await;
        assert_eq!(status, "http/1.1 200 ok");
        if ends {
            assert!(number > BEFORE, "before the drain");
            return;
        }
        if number == BEFORE {
            ready.wait().await;
        }
    }
}

/// The same on HTTP/2: GOAWAY ends the connection for new requests, and those in progress are answered.
async fn on_http2(to: SocketAddr, line: String, ready: Arc<Barrier>) {
    let stream = TokioIo::new(TcpStream::connect(to).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    let ended = tokio::spawn(connection);
    let (name, value) = line.split_once(": ").unwrap();
    for number in 1.. {
        if sender.ready().await.is_err() {
            assert!(number > BEFORE, "before the drain");
            break;
        }
        let request = http::Request::get("http://api.example.com/crm/").header(name, value);
        let response = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await;
        let response = match response {
            Ok(response) => response,
            // It was never sent: GOAWAY had come.
            Err(error) if error.is_canceled() => break,
            Err(error) => panic!("lost: {error:?}"),
        };
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap();
        if number == BEFORE {
            ready.wait().await;
        }
    }
    drop(sender);
    ended.await.unwrap().unwrap();
}

#[tokio::test]
async fn clients_that_send_requests_leave_and_none_is_lost() {
    const LEAST: Duration = Duration::from_secs(1);
    let testbed = testbed(Setup::default()).await;
    let line = jwt(&sign(&testbed.key, &claims()));
    let ready = Arc::new(Barrier::new(2 * CLIENTS + 1));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(on_http1(testbed.gateway, line.clone(), Arc::clone(&ready)));
        clients.spawn(on_http2(testbed.gateway, line.clone(), Arc::clone(&ready)));
    }
    timeout(PATIENCE, ready.wait()).await.expect("each client sends requests");
    let (output, elapsed) = drain(testbed.envoy_admin, "1s", "40s").await;
    assert_eq!(output.code, Some(0), "{}", output.err);
    assert!(output.out.ends_with(" s: 0 connections remain\n"), "{}", output.out);
    assert!(output.err.starts_with("modgud: Envoy drains: "), "{}", output.err);
    assert!(elapsed >= LEAST, "{elapsed:?}");
    timeout(PATIENCE, clients.join_all()).await.expect("each client has left");

    // A new client is served, too: others may send it until they know that the pod leaves.
    let mut late = Kept::connect(testbed.gateway).await;
    assert_eq!(late.ask("/crm/", &line).await, ("http/1.1 200 ok".to_owned(), true));
    testbed.stop().await;
}

/// An Envoy without modgud, whose listener answers 404: connections differ in nothing from others.
async fn lone_envoy() -> (Process, SocketAddr, SocketAddr, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("modgud.yaml"),
        "profile: none\nmodules: [{ name: a, prefix: /a, upstream: '127.0.0.1:1' }]\n",
    )
    .unwrap();
    let arguments = ["envoy", "--config", "modgud.yaml", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
    let written = crate::cli::process::run_in(folder.path(), &[], &arguments).await;
    assert_eq!(written.code, Some(0), "{}", written.err);
    std::fs::write(folder.path().join("envoy.yaml"), written.out).unwrap();
    let (envoy, admin, gateway) = start_envoy(&programs(), folder.path()).await.unwrap();
    (envoy, admin, gateway, folder)
}

/// Starts `drain` and waits until it has counted one connection.
async fn draining(admin: SocketAddr, folder: &Path) -> Process {
    let mut command = Command::new(programs().modgud);
    command.args(["drain", "--admin", &admin.to_string(), "--at-least", "0s", "--at-most", "1h"]).current_dir(folder);
    let mut process = Process::start("drain", command).unwrap();
    let counted = |line: &str| line.contains("Envoy drains: 1 connection, ").then_some(());
    process.wait_for(PATIENCE, counted).await.unwrap();
    process
}

#[tokio::test]
async fn an_envoy_without_clients_has_its_least_time() {
    let (envoy, admin, _, _folder) = lone_envoy().await;
    let (output, elapsed) = drain(admin, "1500ms", "1m").await;
    assert_eq!(
        (output.code, output.err.as_str()),
        (Some(0), "modgud: Envoy drains: 0 connections, 0 requests in progress\n")
    );
    assert!((Duration::from_millis(1_500)..PATIENCE).contains(&elapsed), "{elapsed:?}");
    envoy.end().await;
}

#[tokio::test]
async fn an_idle_connection_remains_until_its_next_request() {
    let (envoy, admin, gateway, _folder) = lone_envoy().await;
    let mut kept = Kept::connect(gateway).await;
    assert_eq!(kept.ask("/", "a: b").await, ("http/1.1 404 not found".to_owned(), false));
    let (output, _) = drain(admin, "0s", "1s").await;
    let expected = "modgud: Envoy drains: 1 connection, 0 requests in progress\n\
        modgud: 1 connection remains after 1s; no request is in progress on them. Close idle connections in the clients, or lower `idle_timeout` of Envoy's listener\n";
    assert_eq!((output.code, output.out.as_str(), output.err.as_str()), (Some(1), "", expected));
    assert_eq!(kept.ask("/", "a: b").await, ("http/1.1 404 not found".to_owned(), true));
    drop(kept);
    let (output, _) = drain(admin, "0s", "1m").await;
    assert_eq!(output.code, Some(0), "{}", output.err);
    envoy.end().await;
}

#[tokio::test]
async fn an_envoy_that_ends_meanwhile_is_drained() {
    let (envoy, admin, gateway, folder) = lone_envoy().await;
    let mut kept = Kept::connect(gateway).await;
    kept.ask("/", "a: b").await;
    let mut process = draining(admin, folder.path()).await;
    envoy.end().await;
    process.wait_for(PATIENCE, |line| line.ends_with(" s: Envoy ended").then_some(())).await.unwrap();
    assert_eq!(process.ended().await, Some(0));
}

#[tokio::test]
async fn a_signal_ends_the_wait() {
    let (envoy, admin, gateway, folder) = lone_envoy().await;
    let mut kept = Kept::connect(gateway).await;
    kept.ask("/", "a: b").await;
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = draining(admin, folder.path()).await;
        process.signal(signal);
        let said = |line: &str| {
            (line == "modgud: a signal stopped the command while Envoy drains; 1 connection remains").then_some(())
        };
        process.wait_for(PATIENCE, said).await.unwrap();
        assert_eq!(process.ended().await, Some(1));
    }
    // Envoy drains on: it was asked to.
    assert_eq!(Exchange::get(admin, "/ready").await.unwrap().status, 503);
    envoy.end().await;
}
