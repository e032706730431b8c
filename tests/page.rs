//! The page for operators, served by the real program.
//!
//! - `browser`: in Chromium, driven by chromedriver: what is seen, the keyboard, hostile texts, the screenshots of docs/page.md.
//! - `canary`: no token and no claim in any response.
//! - `guards`: what is refused.
//! - `load`: a flood of decisions.
//! - `views`: what the page's requests return.
//! - `webdriver`: the client of chromedriver.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod browser;
mod canary;
mod guards;
mod load;
mod views;
mod webdriver;

use crate::support::{Encoding, KEY, check};
use modgud::clock::Clock;
use modgud::envoy::proto::{AuthorizationClient, CheckResponse};
use modgud_testbed::Process;
use modgud_testbed::http::Exchange;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use tonic::transport::Channel;

/// How long something may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running modgud with a page.
struct Served {
    modgud: Process,
    page: SocketAddr,
    admin: SocketAddr,
    client: AuthorizationClient<Channel>,
    folder: TempDir,
}

impl Served {
    /// Starts modgud with this configuration. `KEY` verifies tokens whose key is `{ env: KEY }`.
    async fn of(yaml: &str) -> Self {
        Self::start(yaml, &["--ui", "127.0.0.1:0"]).await
    }

    /// Starts modgud without a page, whose address then has the port 0.
    async fn without_page(yaml: &str) -> Self {
        Self::start(yaml, &[]).await
    }

    async fn start(yaml: &str, flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("modgud.yaml");
        std::fs::write(&file, yaml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_modgud"));
        command.args(["serve", "--grpc", "127.0.0.1:0", "--admin", "127.0.0.1:0"]).args(flags);
        command
            .arg("--config")
            .arg(&file)
            .env("KEY", KEY.public_pem().unwrap())
            .env("JWT_PUBLIC_KEY_RSA_BIFROST", KEY.public_pem().unwrap());
        let mut modgud = Process::start("modgud", command).unwrap();
        let (grpc, page, admin) = modgud.wait_for(PATIENCE, serving).await.unwrap();
        let client = AuthorizationClient::connect(format!("http://{grpc}")).await.unwrap();
        Self { modgud, page, admin, client, folder }
    }

    /// Sends a check.
    async fn check(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> CheckResponse {
        let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        let check = check(Encoding::Joined, method, path, &headers);
        self.client.clone().check(check).await.unwrap().into_inner()
    }

    /// Asks the page for something.
    async fn get(&self, path: &str) -> Exchange {
        Exchange::send(self.page, "GET", path, &[("host", "localhost:9194")]).await.unwrap()
    }

    /// Returns the token of the page.
    async fn token(&self) -> String {
        let html = String::from_utf8(self.get("/").await.body).unwrap();
        let (_, rest) = html.split_once(r#"name="page-token" content=""#).unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Posts a body, with these headers besides its length.
    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Exchange {
        let headers: String = headers.iter().flat_map(|(name, value)| [*name, ": ", *value, "\r\n"]).collect();
        let request = format!("POST {path} HTTP/1.1\r\n{headers}content-length: {}\r\n\r\n{body}", body.len());
        Exchange::raw(self.page, request.as_bytes()).await.unwrap()
    }

    /// Explains a request by the form.
    async fn explain(&self, request: &Value) -> Exchange {
        let token = self.token().await;
        let headers =
            [("host", "localhost:9194"), ("content-type", "application/json"), ("x-modgud-page", token.as_str())];
        self.post("/api/explain", &headers, &request.to_string()).await
    }

    /// Returns the decision of this number and its explanation, once that is made.
    async fn explained(&self, id: u64) -> Value {
        let made = async {
            loop {
                let answer = self.get(&format!("/api/decisions/{id}")).await.json();
                if !answer["explanation"].is_null() {
                    return answer;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, made).await.unwrap_or_else(|_| panic!("no explanation of {id}"))
    }
}

/// The addresses of checks, of the page, and of probes and metrics in the log's line `serving`.
fn serving(line: &str) -> Option<(SocketAddr, SocketAddr, SocketAddr)> {
    let event: Value = serde_json::from_str(line).ok()?;
    let address = |name: &str| event.get(name)?.as_str()?.parse().ok();
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    (event.get("message")? == "serving").then_some((
        address("grpc")?,
        address("ui").unwrap_or(nowhere),
        address("admin")?,
    ))
}

/// A token of the issuer `https://login.example.com`, with these claims more.
fn token(more: &[(&str, Value)]) -> String {
    let now = Clock::System.now().as_secs();
    let mut claims: Vec<(String, Value)> =
        [("iss", json!("https://login.example.com")), ("exp", json!(now + 3_600)), ("iat", json!(now))]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    claims.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    KEY.sign(&claims).unwrap()
}

/// A configuration with several kinds of rules.
const CONFIGURATION: &str = r#"
profile: none
server: { drain: 0s, deadline: 5s }
authenticators:
  - name: login
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt: { issuer: "https://login.example.com", algorithms: [RS256], audiences: any, keys: [{ pem: { env: KEY } }] }
  - name: partners
    from: [{ header: authorization, schemes: [Bearer] }]
    jwt:
      issuer: http://127.0.0.1:9/partners
      algorithms: [RS256]
      audiences: any
      keys: [{ jwks: { url: "http://127.0.0.1:9/keys?secret=canary-of-the-address" } }]
rules:
  - { name: read-orders, match: { paths: ["/orders/{*rest}"], methods: [GET] }, require: { roles: [clerk] } }
  - { name: change-orders, match: { paths: ["/orders/{id}"], methods: [PUT, DELETE] }, require: { roles: [manager] } }
  - { name: orders-of-tomorrow, match: { paths: ["/orders/{*rest}"], methods: [GET] }, require: { roles: [auditor] }, shadow: true }
  - { name: docs, match: { paths: ["/docs/{*rest}"] }, access: public }
  - { name: never, match: { hosts: [old.example.com], paths: ["/old/{*rest}"] } }
  - { name: own-only, match: { paths: ["/own/{who}"] }, when: "path.who == claims.sub" }
  - { name: "<img/src=x/onerror=alert(1)>", match: { paths: ["/hostile/{*rest}"] }, access: denied }
"#;
