//! The few commands of `WebDriver` (W3C) that the tests need, sent to chromedriver as JSON over HTTP. A library for all of them brings forty
//! crates along.

use super::PATIENCE;
use crate::support::program;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use modgud_testbed::Process;
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

/// A browser with one window.
pub(super) struct Browser {
    driver: Process,
    client: Client<HttpConnector, Full<Bytes>>,
    session: String,
    /// Holds the files of the browser, and removes them on drop.
    profile: TempDir,
}

impl Browser {
    /// Starts a browser without a window on the screen.
    pub(super) async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(program("MODGUD_TEST_CHROMEDRIVER"));
        command.arg("--port=0");
        let mut driver = Process::start("chromedriver", command).unwrap();
        let started =
            |line: &str| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok();
        let port = driver.wait_for(PATIENCE, started).await.unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut browser = Self { driver, client, session: format!("http://127.0.0.1:{port}"), profile };
        let folder = browser.profile.path().display();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            "--window-size=1280,800",
            &format!("--user-data-dir={folder}"),
        ];
        let options = json!({ "binary": program("MODGUD_TEST_CHROMIUM"), "args": arguments });
        let logs = json!({ "browser": "ALL", "performance": "ALL" });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": logs });
        let session = browser.post("/session", &json!({ "capabilities": { "alwaysMatch": wanted } })).await;
        browser.session = format!("{}/session/{}", browser.session, session["sessionId"].as_str().unwrap());
        browser
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        self.send("POST", path, body.to_string()).await
    }

    async fn send(&self, method: &str, path: &str, body: String) -> Value {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.session));
        let request = request.header("content-type", "application/json").body(Full::from(body)).unwrap();
        let exchange = async {
            let response = self.client.request(request).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        };
        let body = timeout(PATIENCE, exchange).await.unwrap();
        let mut answer: Value = serde_json::from_slice(&body).unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].take()
    }

    /// Opens an address.
    pub(super) async fn open(&self, address: &str) {
        self.post("/url", &json!({ "url": address })).await;
    }

    /// Evaluates an expression.
    pub(super) async fn eval(&self, expression: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": format!("return {expression}"), "args": [] })).await
    }

    /// Waits until an expression is true.
    pub(super) async fn wait_for(&self, expression: &str) {
        let holds = async {
            while self.eval(&format!("Boolean({expression})")).await != true {
                sleep(Duration::from_millis(50)).await;
            }
        };
        if timeout(PATIENCE, holds).await.is_err() {
            let text = self.eval("document.body.innerText").await;
            panic!("never: {expression}\n{}\n{:?}", text.as_str().unwrap_or_default(), self.log("browser").await);
        }
    }

    /// Returns the visible text of the elements of a selector, each on a line.
    pub(super) async fn text(&self, selector: &str) -> String {
        let all =
            format!("[...document.querySelectorAll({})].map((one) => one.innerText).join('\\n')", json!(selector));
        self.eval(&all).await.as_str().unwrap().to_owned()
    }

    /// Presses and releases keys, one after the other.
    pub(super) async fn keys(&self, keys: &[&str]) {
        let actions: Vec<Value> = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", &json!({ "actions": [keyboard] })).await;
    }

    /// Clicks the first element of a selector, as a mouse does.
    pub(super) async fn click(&self, selector: &str) {
        let found = self.post("/element", &json!({ "using": "css selector", "value": selector })).await;
        let id = found.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned();
        self.post(&format!("/element/{id}/click"), &json!({})).await;
    }

    /// Sends a command of the Chrome `DevTools` protocol.
    pub(super) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await
    }

    /// Sets the size of the window, and whether the system is dark.
    pub(super) async fn look(&self, (width, height): (u32, u32), dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", media).await;
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// Returns a picture of the window (PNG).
    pub(super) async fn picture(&self) -> Vec<u8> {
        STANDARD.decode(self.send("GET", "/screenshot", String::new()).await.as_str().unwrap()).unwrap()
    }

    /// Returns the messages of a log since it was last asked for.
    pub(super) async fn log(&self, kind: &str) -> Vec<String> {
        let entries = self.post("/se/log", &json!({ "type": kind })).await;
        entries
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Ends the browser.
    pub(super) async fn end(self) {
        self.send("DELETE", "", String::new()).await;
        self.driver.end().await;
    }
}
