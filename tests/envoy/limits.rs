//! Limits that clients of a real Envoy reach: each is named as what it is. And an Envoy that speaks the wrong protocol to modgud.

use super::tokens::{claims, jwt, sign};
use super::{ask, replaced, testbed};
use crate::decisions::counters::Counters;
use modgud_testbed::http::Exchange;
use modgud_testbed::{Setup, Testbed};

/// Sends bodies of up to 3 MB along.
fn with_bodies(yaml: &str) -> String {
    let yaml = replaced(yaml, "per_connection_buffer_limit_bytes: 32768", "per_connection_buffer_limit_bytes: 5000000");
    replaced(
        &yaml,
        "                      failure_mode_allow: false",
        "                      with_request_body: { max_request_bytes: 3000000, pack_as_bytes: true }\n                      failure_mode_allow: false",
    )
}

async fn denied(testbed: &Testbed, reason: &str) -> u64 {
    let name = format!("modgud_checks_total{{decision=\"denied\",reason=\"{reason}\"}}");
    Counters::at(testbed.modgud_admin).await.get(&name)
}

#[tokio::test]
async fn a_body_over_1_mib_is_413_and_a_long_url_414() {
    let testbed = testbed(Setup { edit: Some(with_bodies), ..Setup::default() }).await;
    let good = jwt(&sign(&testbed.key, &claims()));
    let post = async |bytes: usize| {
        let head = format!(
            "POST /crm/a HTTP/1.1\r\nHost: api.example.com\r\n{good}\r\nContent-Length: {bytes}\r\nConnection: close\r\n\r\n"
        );
        Exchange::raw(testbed.gateway, &[head.as_bytes(), &vec![0; bytes]].concat()).await.unwrap()
    };
    assert_eq!(post(100_000).await.status, 200);
    assert_eq!(post(1_500_000).await.status, 413);
    assert_eq!(denied(&testbed, "request_too_large").await, 1);

    let path = |bytes: usize| format!("/crm/a?q={}", "a".repeat(bytes));
    assert_eq!(ask(testbed.gateway, "GET", &path(8_100), std::slice::from_ref(&good)).await.status, 200);
    assert_eq!(ask(testbed.gateway, "GET", &path(8_300), std::slice::from_ref(&good)).await.status, 414);
    assert_eq!(denied(&testbed, "uri_too_long").await, 1);
    testbed.stop().await;
}

/// The cluster of modgud without `http2_protocol_options`.
fn http1(yaml: &str) -> String {
    const OPTIONS: &str = "          explicit_http_config:\n            ";
    let (before, after) = yaml.split_once(&format!("{OPTIONS}http2_protocol_options:\n")).unwrap();
    let (_, after) = after.split_once("      circuit_breakers:\n").unwrap();
    // Envoy itself refuses a cluster that has gRPC health checks and no HTTP/2.
    let (limits, after) = after.split_once("      health_checks:\n").unwrap();
    let (_, after) = after.split_once("      common_lb_config:\n").unwrap();
    let http1 = "http_protocol_options: {}\n      circuit_breakers:\n";
    format!("{before}{OPTIONS}{http1}{limits}      common_lb_config:\n{after}")
}

#[tokio::test]
async fn a_cluster_without_http2_is_counted_as_http1() {
    let testbed = testbed(Setup { edit: Some(http1), ..Setup::default() }).await;
    assert_eq!(ask(testbed.gateway, "GET", "/crm/", &[]).await.status, 503);
    let counters = Counters::at(testbed.modgud_admin).await;
    assert!(counters.get("modgud_connections_closed_total{listener=\"grpc\",reason=\"http1\"}") > 0);
    testbed.stop().await;
}
