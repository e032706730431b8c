//! modgud behind nginx, Caddy and HAProxy, as `modgud proxy` configures them: the real programs, with modgud as a process, and services that
//! echo what arrives.
//!
//! - `cases`: one table of requests, in `tests/data/proxies`, for each proxy.
//! - `outage`: modgud is away, hangs, and is back.
//! - `bodies`: bodies and upgrades.
//! - `careless`: configurations that leave something out, and the attack that then succeeds. `docs/proxies.md` names each.
//! - `nginx`, `caddy`, `haproxy`: the tests of each proxy. `make test` leaves out those whose program can't be had, and says so.
//! - `envoy`: Envoy's `http_service`.
//! - `page`: the commands of `docs/proxies.md`.
//! - `sizes`: many and long headers.
//! - `samples`: the files in `deploy/proxies`, and the command.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod bodies;
mod caddy;
mod careless;
mod cases;
mod envoy;
mod haproxy;
mod nginx;
mod outage;
mod page;
mod samples;
mod sizes;
mod upstream;

use crate::cli::process::{KEY_VARIABLE, run_in};
use crate::envoy::PATIENCE;
use crate::envoy::tokens::{claims, jwt, sign, with, without};
use crate::support::program;
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_testbed::http::Exchange;
use modgud_testbed::{Process, start_modgud};
use rustix::process::Signal;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use upstream::Upstream;

/// The configuration of most tests. The names in braces are replaced.
const CONFIG: &str = "
profile: bifrost
server: { http: { listen: '{listen}', proxy: {proxy} } }
authenticators:
  - name: opaque
    from: [{ header: x-opaque }]
    introspection: { url: 'http://127.0.0.1:1/', client_id: a, client_secret: { value: only-for-this-test } }
  - name: bifrost
    from: [{ header: authorization, schemes: [JWT, Bearer] }]
    jwt:
      issuer: bifrost
      algorithms: [RS256]
      keys: [{ pem: { env: JWT_PUBLIC_KEY_RSA_BIFROST } }]
      require: [core_user_uuid, username]
rules:
  - { name: open, match: { paths: ['/crm/public', '/oauth/{*rest}'] }, access: public }
  - { name: near, match: { paths: ['/crm/near'] }, access: public, when: 'request.headers[\"x-forwarded-for\"] == \"127.0.0.1\"' }
  - { name: far, match: { paths: ['/crm/far'] }, access: public, when: 'request.headers[\"x-forwarded-for\"] == \"10.0.0.9\"' }
  - { name: closed, match: { paths: ['/crm/admin/{*rest}'] }, access: denied }
  - { name: hidden, match: { paths: ['/crm/hidden'] }, access: denied, deny: { status: 404, detail: Not here. } }
  - { name: get, match: { methods: [GET], paths: ['/crm/get'] }, access: public }
  - { name: other-methods, match: { paths: ['/crm/get'] }, access: denied }
fallback: authenticated
upstream: { headers: { x-email: { claim: email } } }
modules:
  - { name: crm, prefix: /crm, upstream: '{crm}', cookies: keep }
  - { name: chat, prefix: /chat, upstream: '{crm}', upgrades: [websocket] }
  - { name: crm.reports, prefix: /crm/reports.v2, upstream: '{reports}', keep_prefix: true }
core: { upstream: '{core}' }
denials: { realm: api }
telemetry: { decisions: all }
";

/// A proxy of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Nginx,
    Caddy,
    Haproxy,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
        }
    }

    /// Starts the program with this configuration.
    fn start(self, folder: &Path, text: &str) -> Process {
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
        let command = match self {
            Self::Nginx => {
                write("modgud.conf", text);
                write("nginx.conf", &nginx::around(folder));
                let mut command = Command::new(program("MODGUD_TEST_NGINX"));
                command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
                command
            }
            Self::Caddy => {
                // Its admin interface has a fixed port.
                write("Caddyfile", &format!("{{\n\tadmin off\n}}\n{text}"));
                let mut command = Command::new(program("MODGUD_TEST_CADDY"));
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
                command.env("HOME", folder).env("XDG_DATA_HOME", folder).env("XDG_CONFIG_HOME", folder);
                command
            }
            Self::Haproxy => {
                write("haproxy.cfg", text);
                let mut command = Command::new(program("MODGUD_TEST_HAPROXY"));
                command.args(["-db", "-f"]).arg(folder.join("haproxy.cfg"));
                command
            }
        };
        Process::start(self.name(), command).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A proxy with modgud and services behind it.
struct Gateway {
    kind: Kind,
    address: SocketAddr,
    upstream: Upstream,
    key: SigningKey,
    modgud: Process,
    proxy: Process,
    folder: TempDir,
    /// Ports that stay reserved while their program is away: bound, never listening.
    _ports: [TcpSocket; 2],
}

fn reserved() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap(); // lets a program listen there all the same
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

impl Gateway {
    /// Starts modgud and the proxy with what `modgud proxy` writes.
    async fn start(kind: Kind) -> Self {
        Self::edited(kind, CONFIG, |text| text).await
    }

    /// The same with another configuration of modgud, and with changes to what `modgud proxy` writes, the script too.
    async fn edited(kind: Kind, config: &str, mut edit: impl FnMut(String) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let upstream = Upstream::start().await;
        let ((modgud_port, http), (proxy_port, address)) = (reserved(), reserved());
        let config = config
            .replace("{listen}", &http.to_string())
            .replace("{proxy}", kind.name())
            .replace("{crm}", &upstream.crm.to_string())
            .replace("{reports}", &upstream.reports.to_string())
            .replace("{core}", &upstream.core.to_string());
        std::fs::write(folder.path().join("modgud.yaml"), config).unwrap();
        let script = folder.path().join("modgud.lua");
        let (listen, script) = (address.to_string(), script.to_str().unwrap());
        let arguments = ["proxy", "--config", "modgud.yaml", "--listen", &listen, "--lua-file", script];
        let text = written(folder.path(), &arguments).await;
        if kind == Kind::Haproxy {
            let text = written(folder.path(), &["proxy", "--config", "modgud.yaml", "--lua"]).await;
            std::fs::write(script, edit(text)).unwrap();
        }
        let key = SigningKey::generate(Algorithm::Rs256).unwrap();
        let modgud = modgud(folder.path(), &key).await;
        let mut proxy = kind.start(folder.path(), &edit(text));
        listening(address, &mut proxy).await;
        Self { kind, address, upstream, key, modgud, proxy, folder, _ports: [modgud_port, proxy_port] }
    }

    /// Sends a request whose header lines name tokens: `JWT {good}`.
    async fn ask(&self, method: &str, target: &str, lines: &[String]) -> Exchange {
        let lines = self.fill(lines).join("\r\n");
        let between = if lines.is_empty() { "" } else { "\r\n" };
        let host = if lines.to_ascii_lowercase().contains("host: ") && lines.starts_with("Host") {
            ""
        } else {
            "Host: api.example.com\r\n"
        };
        let request = format!("{method} {target} HTTP/1.1\r\n{host}Connection: close\r\n{lines}{between}\r\n");
        self.raw(request.as_bytes()).await
    }

    /// Returns the protocol to which the connection is switched; `None` if it is not.
    async fn switched(&self, target: &str, lines: &[String]) -> Option<String> {
        let lines = self.fill(lines).join("\r\n");
        let request = format!("GET {target} HTTP/1.1\r\nHost: api.example.com\r\n{lines}\r\n\r\n");
        let answered = async {
            let mut stream = BufReader::new(TcpStream::connect(self.address).await.unwrap());
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut head = String::new();
            while stream.read_line(&mut head).await.unwrap() > 2 {}
            head
        };
        let head = timeout(PATIENCE, answered).await.unwrap().to_lowercase();
        assert!(head.starts_with("http/1.1 "), "{}: {head}", self.kind.name());
        let protocol = head.lines().find_map(|line| line.strip_prefix("upgrade: ")).unwrap_or_default();
        head.starts_with("http/1.1 101 ").then(|| protocol.to_owned())
    }

    /// Opens a WebSocket, and returns what is echoed. `None` if the connection is not switched.
    async fn websocket(&self, target: &str, lines: &[String]) -> Option<String> {
        let lines = self.fill(lines).join("\r\n");
        let request = format!("GET {target} HTTP/1.1\r\nHost: api.example.com\r\n{lines}\r\n\r\n");
        let echoed = async {
            let mut stream = BufReader::new(TcpStream::connect(self.address).await.unwrap());
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut head = String::new();
            while stream.read_line(&mut head).await.unwrap() > 2 {}
            if !head.starts_with("HTTP/1.1 101 ") {
                return None;
            }
            stream.write_all(b"echo").await.unwrap();
            let mut echoed = [0; 4];
            stream.read_exact(&mut echoed).await.unwrap();
            Some(String::from_utf8(echoed.to_vec()).unwrap())
        };
        timeout(PATIENCE, echoed).await.unwrap()
    }

    /// Sends these bytes.
    async fn raw(&self, request: &[u8]) -> Exchange {
        let text = String::from_utf8_lossy(request);
        Exchange::raw(self.address, request)
            .await
            .unwrap_or_else(|error| panic!("{}: {text}: {error}", self.kind.name()))
    }

    /// Puts tokens in the places of their names.
    fn fill(&self, lines: &[String]) -> Vec<String> {
        let claims = || with(claims(), "email", json!("a@example.com"));
        let lacking =
            ["scope", "organization_uuid", "email"].iter().fold(claims(), |claims, name| without(claims, name));
        let tokens = [
            ("{good}", sign(&self.key, &claims())),
            ("{lacking}", sign(&self.key, &lacking)),
            ("{braces}", sign(&self.key, &with(claims(), "username", json!("{env.HOME}{uri}$http_host%[src]")))),
            ("{expired}", sign(&self.key, &with(claims(), "exp", json!(1)))),
        ];
        let fill = |line: &String| tokens.iter().fold(line.clone(), |line, (name, token)| line.replace(name, token));
        lines.iter().map(fill).collect()
    }

    /// A header line with a good token.
    fn good(&self) -> String {
        jwt(&sign(&self.key, &claims()))
    }

    /// Signals modgud.
    fn signal_modgud(&self, signal: Signal) {
        self.modgud.signal(signal);
    }

    /// Returns true if every thread of modgud is stopped.
    fn is_stopped(&self) -> bool {
        let id = self.modgud.id().unwrap();
        let mut tasks = std::fs::read_dir(format!("/proc/{id}/task")).unwrap();
        tasks.all(|task| {
            let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            status.lines().any(|line| line.starts_with("State:\tT"))
        })
    }

    /// Kills modgud, and waits until it is gone.
    async fn kill_modgud(&mut self) {
        self.modgud.signal(Signal::KILL);
        self.modgud.ended().await;
    }

    /// Starts modgud again, at the same address.
    async fn start_modgud(&mut self) {
        self.modgud = modgud(self.folder.path(), &self.key).await;
    }

    async fn stop(self) {
        self.proxy.end().await;
        self.modgud.end().await;
    }
}

/// The output of a command of modgud.
async fn written(folder: &Path, arguments: &[&str]) -> String {
    let output = run_in(folder, &[], arguments).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""), "{arguments:?}");
    output.out
}

/// Starts modgud with `modgud.yaml` in this folder.
async fn modgud(folder: &Path, key: &SigningKey) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_modgud"));
    command
        .args(["serve", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config"])
        .arg(folder.join("modgud.yaml"));
    command.env(KEY_VARIABLE, key.public_pem().unwrap());
    let (modgud, _) = start_modgud(command).await.unwrap_or_else(|error| panic!("{error}"));
    modgud
}

/// Waits until the proxy listens. If it never does, the error has its output.
async fn listening(address: SocketAddr, proxy: &mut Process) {
    let connected = async {
        while TcpStream::connect(address).await.is_err() {
            assert!(proxy.id().is_some());
            sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(PATIENCE, connected).await.is_err() {
        proxy.wait_for(Duration::ZERO, |_| None::<()>).await.unwrap_or_else(|error| panic!("{error}"));
    }
}
