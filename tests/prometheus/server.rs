//! A Prometheus that scrapes one sidecar several times a second.

use crate::support::program;
use modgud_testbed::Process;
use modgud_testbed::http::Exchange;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{interval, timeout};

/// How long anything may take before its test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is asked whether something has come about.
const ASK: Duration = Duration::from_millis(50);

pub(super) struct Prometheus {
    process: Process,
    address: SocketAddr,
    _folder: TempDir,
}

impl Prometheus {
    /// Starts one with the alerts, which scrapes this admin listener as job `modgud`.
    pub(super) async fn start(admin: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = folder.path().join("prometheus.yml");
        let alerts = super::path("alerts.yaml").display().to_string();
        let text = format!(
            "global: {{ scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 1s }}\nrule_files: [\"{alerts}\"]\nscrape_configs: [{{ job_name: modgud, static_configs: [{{ targets: [\"{admin}\"] }}] }}]\n"
        );
        fs::write(&configuration, text).unwrap();
        let mut command = Command::new(program("MODGUD_TEST_PROMETHEUS"));
        command.arg(format!("--config.file={}", configuration.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        command.arg("--web.listen-address=127.0.0.1:0");
        let mut process = Process::start("prometheus", command).unwrap();
        let listening = |line: &str| {
            let (_, address) = line.split_once("msg=\"Listening on\" address=")?;
            address.split_whitespace().next()?.parse().ok()
        };
        let address = process.wait_for(PATIENCE, listening).await.unwrap();
        Self { process, address, _folder: folder }
    }

    /// Asks its API; nothing before it is ready.
    pub(super) async fn api(&self, path: &str) -> Option<Value> {
        let answer = Exchange::get(self.address, path).await.ok()?;
        assert!(answer.status == 200 || answer.status == 503, "{path}: {}", String::from_utf8_lossy(&answer.body));
        (answer.status == 200).then(|| answer.json()["data"].clone())
    }

    /// The series that a query returns now. A query that it can't read is a failure.
    pub(super) async fn query(&self, query: &str) -> Vec<Value> {
        let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let data = self.api(&format!("/api/v1/query?query={query}")).await;
        data.and_then(|data| data["result"].as_array().cloned()).unwrap_or_default()
    }

    /// Waits until a query returns what is wanted.
    pub(super) async fn until(&self, query: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut asks = interval(ASK);
        let found = async {
            loop {
                asks.tick().await;
                let found = self.query(query).await;
                if wanted(&found) {
                    return found;
                }
            }
        };
        if let Ok(found) = timeout(PATIENCE, found).await {
            return found;
        }
        panic!("{query} returns {:?}", self.query(query).await)
    }

    pub(super) async fn stop(self) {
        self.process.end().await;
    }
}

/// The value of a series.
pub(super) fn number(series: &Value) -> f64 {
    series["value"][1].as_str().unwrap().parse().unwrap()
}
