//! What the topics share: a sidecar of their own with a clock of their own, tokens for it, and a gRPC client.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "helpers of tests: a fault here is a failed test, and the environment names the installed programs"
)]

use modgud::clock::{Clock, ManualClock};
use modgud::config::{Environment, HttpListener, Overrides};
use modgud::envoy::proto::{
    AttributeContext, AuthorizationClient, CheckRequest, HeaderMap, HeaderValue, HeadersEntry, HttpRequest, Request,
};
use modgud::forward_auth::Proxy;
use modgud::net::listen_addr::ListenAddr;
use modgud::server::app::{Addresses, App, Shutdown};
use modgud::server::reload::{ConfigSource, Reloader};
use modgud::server::shadow_config;
use modgud_core::decide::Snapshot;
use modgud_core::jose::{Algorithm, SigningKey};
use modgud_core::time::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// The time at which tests take place, in seconds: 2023-11-14T22:13:20Z.
pub const NOW: u64 = 1_700_000_000;

/// The key that sidecars trust.
pub static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());

/// An untrusted key.
pub static STRANGER: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());

/// A program that `make test` installs; the variable is set by the Makefile.
pub fn program(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(path) => PathBuf::from(path),
        None => panic!("{variable} is not set: run the tests with `make test`, which installs what they need"),
    }
}

/// Returns true if a variable of the Makefile is set and not empty.
pub fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn own_headers(snapshot: &Snapshot) -> BTreeSet<String> {
    let identity = snapshot.upstream.identity.headers().iter().map(|header| &header.name);
    let names = identity.chain(snapshot.correlation.as_ref().map(|correlation| &correlation.header));
    names.map(|name| name.as_str().to_ascii_lowercase()).collect()
}

/// A running sidecar. It ends when it is dropped.
pub struct Sidecar {
    pub addresses: Addresses,
    pub clock: ManualClock,
    stop: mpsc::Sender<Shutdown>,
    reload: mpsc::Sender<()>,
    shadow_reload: mpsc::Sender<()>,
    running: JoinHandle<()>,
    folder: TempDir,
    /// The headers that only modgud writes, in lower case: each answer that allows sets or removes every one.
    pub own_headers: BTreeSet<String>,
}

impl Sidecar {
    /// The profile `bifrost` with the key [`KEY`], at [`NOW`].
    pub async fn bifrost() -> Self {
        Self::with("").await
    }

    /// This configuration (`""`: none, the profile as it is), on free ports, with the key [`KEY`] in `JWT_PUBLIC_KEY_RSA_BIFROST` and `JWT_PUBLIC_KEY`, at [`NOW`].
    pub async fn with(yaml: &str) -> Self {
        Self::with_files(yaml, &BTreeMap::new()).await
    }

    /// The same with files in the configuration's folder, by name.
    pub async fn with_files(yaml: &str, files: &BTreeMap<String, String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let file = (!yaml.is_empty()).then(|| folder.path().join("modgud.yaml"));
        if let Some(file) = &file {
            std::fs::write(file, yaml).unwrap();
        }
        Self::of(file, folder).await
    }

    /// The configuration in this file of this folder; the rest as [`Self::with`]. It follows the file's changes.
    pub async fn of(file: Option<PathBuf>, folder: TempDir) -> Self {
        Self::compared(file, folder, None).await
    }

    /// The same, compared with another configuration.
    pub async fn compared(file: Option<PathBuf>, folder: TempDir, shadow: Option<PathBuf>) -> Self {
        let pem = KEY.public_pem().unwrap();
        let environment = Environment::fixed([("JWT_PUBLIC_KEY_RSA_BIFROST", &pem), ("JWT_PUBLIC_KEY", &pem)]);
        Self::in_environment(file, folder, environment, shadow).await
    }

    /// The same in another environment.
    pub async fn in_environment(
        file: Option<PathBuf>,
        folder: TempDir,
        environment: Environment,
        shadow: Option<PathBuf>,
    ) -> Self {
        Self::asked_by(file, folder, environment, shadow, None).await
    }

    /// The configuration and files as in [`Self::with_files`], asked by this proxy over HTTP too. What the proxy can't carry out is no error
    /// here: `tests/data/configuration` has these.
    pub async fn for_proxy(yaml: &str, files: &BTreeMap<String, String>, proxy: Proxy) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let file = folder.path().join("modgud.yaml");
        std::fs::write(&file, yaml).unwrap();
        let pem = KEY.public_pem().unwrap();
        let environment = Environment::fixed([("JWT_PUBLIC_KEY_RSA_BIFROST", &pem), ("JWT_PUBLIC_KEY", &pem)]);
        Self::asked_by(Some(file), folder, environment, None, Some(proxy)).await
    }

    async fn asked_by(
        file: Option<PathBuf>,
        folder: TempDir,
        environment: Environment,
        shadow: Option<PathBuf>,
        proxy: Option<Proxy>,
    ) -> Self {
        let (grpc, admin) = ("127.0.0.1:0".parse().ok(), "127.0.0.1:0".parse().ok());
        let shadow = shadow.map(|file| ConfigSource {
            file: Some(file),
            overrides: Overrides::default(),
            environment: environment.clone(),
        });
        let origin = ConfigSource { file, overrides: Overrides { grpc, admin, ..Overrides::default() }, environment };
        let (loaded, watched) = origin.load();
        let mut config = loaded.unwrap().config;
        if let Some(proxy) = proxy {
            config.server.http = Some(HttpListener { listen: "127.0.0.1:0".parse().unwrap(), proxy });
        }
        let own_headers = own_headers(&config.snapshot);
        let reloader = Reloader::new(origin, &config, watched);
        let clock = ManualClock::new(Timestamp::from_secs(NOW));
        let app = App::bind(config, Clock::Manual(clock.clone())).await.unwrap();
        let addresses = app.addresses().clone();
        let (reload, asked) = mpsc::channel(1);
        tokio::spawn(reloader.run(app.live().clone(), asked));
        let (shadow_reload, asked) = mpsc::channel(1);
        if let Some(origin) = shadow {
            let (loaded, watched) = origin.load();
            let loaded = loaded.unwrap();
            let reloader = Reloader::new(origin, &loaded.config, watched);
            shadow_config::start(loaded, reloader, asked, Clock::Manual(clock.clone()), &app.live().checks).unwrap();
        }
        let (stop, stopped) = mpsc::channel(1);
        let running = tokio::spawn(async move { app.run(stopped).await.unwrap() });
        Self { addresses, clock, stop, reload, shadow_reload, running, folder, own_headers }
    }

    /// The folder of its configuration.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What SIGHUP does: asks for the configuration to be loaded again.
    pub fn reload(&self) {
        // A pending request covers this one too.
        let _ = (self.reload.try_send(()), self.shadow_reload.try_send(()));
    }

    /// A client of this sidecar.
    pub async fn client(&self) -> AuthorizationClient<Channel> {
        AuthorizationClient::connect(format!("http://{}", self.addresses.grpc)).await.unwrap()
    }

    /// The address for the proxy.
    pub fn http(&self) -> SocketAddr {
        match &self.addresses.http {
            Some(ListenAddr::Tcp(address)) => *address,
            other => panic!("no address for a proxy: {other:?}"),
        }
    }

    /// Asks it to leave, and does not wait.
    pub async fn leave(&self, how: Shutdown) {
        self.stop.send(how).await.unwrap();
    }

    /// Asks it to leave, and waits until it has left.
    pub async fn stop(self, how: Shutdown) {
        self.stop.send(how).await.unwrap();
        self.running.await.unwrap();
    }
}

/// The claims of a `BiFrost` token that is good at [`NOW`], in `BiFrost`'s order.
pub fn claims() -> Vec<(String, Value)> {
    [
        ("iss", json!("bifrost")),
        ("exp", json!(NOW + 36_000)),
        ("iat", json!(NOW)),
        ("core_user_uuid", json!("fd76ce0c-d8be-4aa6-91ed-59e698f6af60")),
        ("organization_uuid", json!("70f0d039-e3d9-427e-b161-4e95dbd9e918")),
        ("scope", json!("read write")),
        ("username", json!("admin")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// A good token.
pub fn token() -> String {
    KEY.sign(&claims()).unwrap()
}

/// How headers travel in a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// As the map `headers`.
    Joined,
    /// As the list `header_map`, with raw values: `encode_raw_headers` in Envoy.
    Raw,
}

impl Encoding {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Joined, Self::Raw];
}

/// A check as Envoy would send it.
pub fn check(encoding: Encoding, method: &str, path: &str, headers: &[(&str, &[u8])]) -> CheckRequest {
    let owned = |bytes: &[u8]| bytes.to_vec().into();
    let mut http = HttpRequest {
        method: owned(method.as_bytes()),
        path: owned(path.as_bytes()),
        host: owned(b"api.example.com"),
        scheme: owned(b"https"),
        protocol: owned(b"HTTP/1.1"),
        ..HttpRequest::default()
    };
    match encoding {
        Encoding::Joined => {
            let entry =
                |(name, value): &(&str, &[u8])| HeadersEntry { key: owned(name.as_bytes()), value: owned(value) };
            http.headers = headers.iter().map(entry).collect();
        }
        Encoding::Raw => {
            let value = |(name, value): &(&str, &[u8])| HeaderValue {
                key: owned(name.as_bytes()),
                raw_value: owned(value),
                ..HeaderValue::default()
            };
            http.header_map = Some(HeaderMap { headers: headers.iter().map(value).collect() });
        }
    }
    let request = Request { time: None, http: Some(http) };
    CheckRequest { attributes: Some(AttributeContext { request: Some(request), ..AttributeContext::default() }) }
}
