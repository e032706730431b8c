//! The commands: `check` asks about a random token, `explain` about that of the request; nothing that is printed holds a secret or a token.

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
async fn check_tries_introspection_once_unless_it_is_offline() {
    let server = AuthorizationServer::start().await;
    let url = format!("{}?code=s3cret", server.url());
    let yaml = yaml(&server, "stale_if_error: 10m, audiences: [here]").replace(&server.url(), &url);
    let folder = folder(&yaml);
    let offline = run_in(folder.path(), &[], &["check", "--config", "modgud.yaml", "--offline"]).await;
    assert_eq!((offline.code, server.count()), (Some(0), 0), "{offline:?}");
    assert!(offline.out.contains("  introspection at 1 server: not tried (--offline)\n"), "{}", offline.out);
    let output = run_in(folder.path(), &[], &["check", "--config", "modgud.yaml"]).await;
    // The server answers no other address than its own: it has been asked, and the query is shown nowhere.
    assert_eq!(output.code, Some(1), "{output:?}");
    let line = format!(
        "  authenticator opaque: introspection at {}, audience here; results are cached for 30s (inactive tokens: 5s), and 10m longer \
         while the server fails\n",
        server.url()
    );
    assert!(output.out.contains(&line), "{}", output.out);
    assert!(!output.out.contains("s3cret") && !output.out.contains(SECRET));
    let failed = format!("modgud: {}: the response has status 400, and 200 is required\n", server.url());
    assert_eq!((output.err, server.count()), (failed, 1));
    fs::write(folder.path().join("modgud.yaml"), yaml.replace(&url, &server.url())).unwrap();
    let output = run_in(folder.path(), &[], &["check", "--config", "modgud.yaml"]).await;
    let tried =
        format!("  introspection of a random token at 1 server:\n  {}: not active, as it must be\n", server.url());
    assert!(output.code == Some(0) && output.out.contains(&tried), "{output:?}");
    assert!(output.out.starts_with("modgud.yaml on profile none: valid\n"), "{}", output.out);
    assert_eq!(server.count(), 2);
    let output = run_in(folder.path(), &[], &["config", "--config", "modgud.yaml"]).await;
    assert!(output.out.contains("client_id") && !output.out.contains(SECRET), "{}", output.out);
}

/// A wrong client secret is found without a request of a client.
#[tokio::test]
async fn check_and_explain_name_why_introspection_failed() {
    let server = AuthorizationServer::start().await;
    let of = |secret: &str| folder(&yaml_with(&server, secret, "cache: 30s"));
    let header = "authorization: Bearer a-token-that-is-not-shown";
    let refused = format!(
        "modgud: {}: the response has status 401: `client_id` or `client_secret` is not accepted",
        server.url()
    );
    let malformed = format!("modgud: {}: the response has no `active` that is `true` or `false`", server.url());
    let (wrong, right) = (of("a-secret-that-is-wrong"), of(SECRET));
    for (folder, expected) in [(&wrong, &refused), (&right, &malformed)] {
        server.always(Some(Reply::Body(br#"{"active": "true"}"#.to_vec())));
        if expected == &refused {
            server.always(None);
        }
        for (arguments, code) in [(&["check"][..], 1), (&["explain", "--header", header], 3)] {
            let arguments = [arguments, &["--config", "modgud.yaml"]].concat();
            let output = run_in(folder.path(), &[], &arguments).await;
            assert!(
                output.code == Some(code) && output.err.starts_with(expected.as_str()),
                "{arguments:?}: {output:?}"
            );
            assert!(
                !output.out.contains("valid\n") && !output.err.contains("a-token") && !output.err.contains("a-secret"),
                "{output:?}"
            );
        }
    }
}

async fn explain(folder: &Path, token: &str) -> (Option<i32>, String) {
    let header = format!("authorization: Bearer {token}");
    let output = run_in(folder, &[], &["explain", "--config", "modgud.yaml", "--header", &header]).await;
    assert!(!output.out.contains(SECRET) && !output.out.contains(token) && !output.err.contains(token), "{output:?}");
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

/// A log of any length introspects a token once, whether the server answers or not.
#[tokio::test]
async fn explain_introspects_a_token_once_for_a_whole_log() {
    let server = AuthorizationServer::start().await;
    let token = "a-token-that-is-not-shown";
    server.knows(token, &json!({ "active": true, "sub": "ann" }));
    let folder = folder(&yaml(&server, ""));
    let line = r#"{"timestamp":"2026-01-31T12:00:00Z","decision":"denied","method":"GET","path":"/"}"#;
    fs::write(folder.path().join("modgud.log"), [line; 3].join("\n")).unwrap();
    let header = format!("authorization: Bearer {token}");
    let arguments = ["explain", "--config", "modgud.yaml", "--log", "modgud.log", "--header", &header];
    let output = run_in(folder.path(), &[], &arguments).await;
    assert_eq!((output.code, server.count()), (Some(0), 1), "{output:?}");
    assert_eq!(output.out.matches("\nallowed").count(), 3, "{}", output.out);
    server.always(Some(Reply::Close));
    let output = run_in(folder.path(), &[], &arguments).await;
    assert_eq!((output.code, output.err.lines().count()), (Some(3), 1), "{output:?}");
    assert_eq!(output.out.matches("denied      introspection_unavailable").count(), 3, "{}", output.out);
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
    assert_eq!(
        reported("the response has status 401: `client_id` or `client_secret` is not accepted"),
        1,
        "{}",
        output.out
    );
    assert_eq!(reported("introspection circuit breaker opened"), 1, "{}", output.out);
    assert_eq!(reported("introspection_unavailable"), 10, "{}", output.out);
    for secret in [wrong, "a-token-that-is-not-shown", "YS1zZWNyZXQ"] {
        assert_eq!((reported(secret), output.err.contains(secret)), (0, false), "{secret}");
    }
}
