//! The dashboard for Grafana: each of its queries is asked of a Prometheus that scrapes a busy sidecar, and returns something.

use super::file;
use super::scrape::{configuration, hostile};
use super::server::Prometheus;
use crate::support::{Encoding, Sidecar, check, token};
use modgud::server::app::Shutdown;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::Value;

/// The queries, with what Grafana writes for its variables.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| {
        panel["targets"].as_array().unwrap().iter().map(|target| (panel["title"].clone(), target["expr"].clone()))
    });
    let written = |text: &str| {
        let written = text.replace("$__rate_interval", "20s").replace("$job", ".*").replace("$instance", ".*");
        assert!(!written.contains('$'), "{text}: an unknown variable");
        written
    };
    targets.map(|(title, query)| (title.as_str().unwrap().to_owned(), written(query.as_str().unwrap()))).collect()
}

#[tokio::test]
async fn every_query_returns_something() {
    let (yaml, mut files) = configuration();
    let CertifiedKey { cert, .. } = generate_simple_self_signed(["api.example.com".to_owned()]).unwrap();
    files.insert("issuer.pem".to_owned(), cert.pem());
    let certified = "authenticators:\n  - { name: certified, from: [{ header: x-certified }], jwt: { issuer: certified, algorithms: [ES256], keys: [{ pem: { file: issuer.pem } }] } }\n";
    let sidecar = Sidecar::with_files(&yaml.replacen("authenticators:\n", certified, 1), &files).await;
    let prometheus = Prometheus::start(sidecar.addresses.admin).await;
    prometheus.until("up{job=\"modgud\"} == 1", |found| found.len() == 1).await;
    let mut client = sidecar.client().await;
    let good = format!("JWT {}", token());
    for _ in 0..2 {
        hostile(&sidecar, 0).await;
        for (name, value) in [("authorization", good.as_str()), ("x-api-key", "key-1")] {
            client.check(check(Encoding::Joined, "GET", "/crm/", &[(name, value.as_bytes())])).await.unwrap();
        }
    }
    let queries = queries();
    assert!(queries.len() > 15, "{}", queries.len());
    for (title, query) in queries {
        let found = prometheus.until(&query, |found| !found.is_empty()).await;
        assert!(!found.is_empty(), "{title}");
    }
    prometheus.stop().await;
    sidecar.stop(Shutdown::Immediate).await;
}
