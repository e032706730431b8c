//! The commands: `check` asks nobody, `explain` asks as the server does; and nothing that is said holds a secret or a token.

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
async fn check_sums_up_and_asks_nobody() {
    let server = AuthorizationServer::start().await;
    let url = format!("{}?code=s3cret", server.url());
    let yaml = yaml(&server, "stale_if_error: 10m, audiences: [here]").replace(&server.url(), &url);
    let folder = folder(&yaml);
    let said = run_in(folder.path(), &[], &["check", "--config", "modgud.yaml"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let line = format!(
        "  authenticator opaque: introspection at {}, audience here; results are cached for 30s (inactive tokens: 5s), and 10m longer \
         while the server fails\n",
        server.url()
    );
    assert!(said.out.contains(&line), "{}", said.out);
    assert!(!said.out.contains("s3cret") && !said.out.contains(SECRET));
    assert_eq!(server.count(), 0);
    let said = run_in(folder.path(), &[], &["config", "--config", "modgud.yaml"]).await;
    assert!(said.out.contains("client_id") && !said.out.contains(SECRET), "{}", said.out);
}

async fn explain(folder: &Path, token: &str) -> (Option<i32>, String) {
    let header = format!("authorization: Bearer {token}");
    let said = run_in(folder, &[], &["explain", "--config", "modgud.yaml", "--header", &header]).await;
    assert!(!said.out.contains(SECRET) && !said.out.contains(token) && said.err.is_empty(), "{said:?}");
    (said.code, said.out)
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

/// A server that fails is told once, not each time, and neither what it was asked nor with what.
#[tokio::test]
async fn the_log_tells_of_failures_once_and_shows_nothing() {
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
    let said = serving.end(Signal::INT).await;
    let told = |text: &str| said.out.lines().filter(|line| line.contains(text)).count();
    assert_eq!(told("the server rejects modgud as a client (status 401)"), 1, "{}", said.out);
    assert_eq!(told("it is left alone but for a trial"), 1, "{}", said.out);
    assert_eq!(told("introspection_unavailable"), 10, "{}", said.out);
    for secret in [wrong, "a-token-that-is-not-shown", "YS1zZWNyZXQ"] {
        assert_eq!((told(secret), said.err.contains(secret)), (0, false), "{secret}");
    }
}
