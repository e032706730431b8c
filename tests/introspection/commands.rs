//! The commands: `check` sends no request, `explain` introspects as the server does; no output holds a secret or a token.

use super::asked::{outcome_metric, with, yaml, yaml_with};
use super::server::{AuthorizationServer, SECRET};
use crate::cli::process::{Serving, run_in};
use crate::decisions::counters::Counters;
use crate::support::KEY;
use modgud::envoy::proto::AuthorizationClient;
use modgud_testbed::idp::Reply;
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn folder(yaml: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    folder
}

#[tokio::test]
async fn check_summarizes_and_sends_no_request() {
    let server = AuthorizationServer::start().await;
    let url = format!("{}?code=s3cret", server.url());
    let yaml = yaml(&server, "stale_if_error: 10m, audiences: [here]").replace(&server.url(), &url);
    let folder = folder(&yaml);
    let output = run_in(folder.path(), &[], &["check", "--config", "modgud.yaml"]).await;
    assert_eq!(output.code, Some(0), "{output:?}");
    let line = format!(
        "  authenticator opaque: introspection at {}, audience here; results are cached for 30s (inactive tokens: 5s), and 10m longer \
         while the server fails\n",
        server.url()
    );
    assert!(output.out.contains(&line), "{}", output.out);
    assert!(!output.out.contains("s3cret") && !output.out.contains(SECRET));
    assert_eq!(server.count(), 0);
    let output = run_in(folder.path(), &[], &["config", "--config", "modgud.yaml"]).await;
    assert!(output.out.contains("client_id") && !output.out.contains(SECRET), "{}", output.out);
}

async fn explain(folder: &Path, token: &str) -> (Option<i32>, String) {
    let header = format!("authorization: Bearer {token}");
    let output = run_in(folder, &[], &["explain", "--config", "modgud.yaml", "--header", &header]).await;
    assert!(!output.out.contains(SECRET) && !output.out.contains(token) && output.err.is_empty(), "{output:?}");
    (output.code, output.out)
}

#[tokio::test]
async fn explain_asks_the_server() {
    let server = AuthorizationServer::start().await;
    let token = "a-token-that-is-not-shown";
    server.knows(token, &json!({ "active": true, "sub": "ann" }));
    let folder = folder(&yaml(&server, ""));
    let (code, out) = explain(folder.path(), token).await;
    assert!(
        code == Some(0) && out.contains("ann") && out.contains("a response of the authorization server is available"),
        "{out}"
    );
    let (code, out) = explain(folder.path(), "a-token-that-nobody-knows").await;
    assert!(code == Some(3) && out.contains("token_inactive"), "{out}");
    assert_eq!(server.count(), 2);
    server.always(Some(Reply::Close));
    let (code, out) = explain(folder.path(), token).await;
    assert!(code == Some(3) && out.contains("introspection_unavailable"), "{out}");
}

/// A failing server is logged once, not each time, without the token and the secret.
#[tokio::test]
async fn the_log_reports_failures_once_without_secrets() {
    let server = AuthorizationServer::start().await;
    let wrong = "a-secret-that-is-wrong";
    let folder = folder(&format!(
        "{}telemetry: {{ decisions: all }}\n",
        yaml_with(&server, wrong, "cache: 30s").replace("server: { deadline", "server: { drain: 0s, deadline")
    ));
    let pem = KEY.public_pem().unwrap();
    let serving = Serving::start(folder.path(), &pem, &["--config", "modgud.yaml"]).await;
    let mut client = AuthorizationClient::connect(format!("http://{}", serving.grpc)).await.unwrap();
    for number in 0..10 {
        client.check(with(&format!("a-token-that-is-not-shown-{number}"))).await.unwrap();
    }
    let counters = Counters::at(serving.admin).await;
    assert_eq!(counters.get(&outcome_metric("failed")), 5);
    let output = serving.end(Signal::INT).await;
    let reported = |text: &str| output.out.lines().filter(|line| line.contains(text)).count();
    assert_eq!(reported("the server rejects modgud as a client (status 401)"), 1, "{}", output.out);
    assert_eq!(reported("it is left alone but for a trial"), 1, "{}", output.out);
    assert_eq!(reported("introspection_unavailable"), 10, "{}", output.out);
    for secret in [wrong, "a-token-that-is-not-shown", "YS1zZWNyZXQ"] {
        assert_eq!((reported(secret), output.err.contains(secret)), (0, false), "{secret}");
    }
}
