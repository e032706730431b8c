//! A configuration that changes: what is known of a server stays while it is the same server, asked by the same client.

use super::asked::{Asked, yaml, yaml_with};
use super::server::{AuthorizationServer, SECRET};
use modgud_testbed::idp::Reply;
use serde_json::json;

#[tokio::test]
async fn what_is_known_stays_when_the_server_does() {
    let server = AuthorizationServer::of(&["good"]).await;
    let mut asked = Asked::start(&yaml(&server, "cache: 1h")).await;
    assert_eq!(asked.ask("good").await, "allowed");
    server.always(Some(Reply::Close));
    // Other rules and durations apply to cached responses, too.
    asked.change(&format!("{}# the same\n", yaml(&server, "cache: 1h, max_concurrent: 1")), 1).await;
    assert_eq!(asked.ask("good").await, "allowed");
    assert_eq!(server.count(), 1);
    asked.change(&yaml(&server, "cache: 1h, require: [email]"), 2).await;
    assert_eq!(asked.ask("good").await, "claim_missing", "what is asked of a token counts at once");
    asked.change(&yaml(&server, "cache: 10s"), 3).await;
    asked.at(9_999);
    assert_eq!(asked.ask("good").await, "allowed");
    assert_eq!(server.count(), 1);
    asked.at(10_000);
    assert_eq!(asked.ask("good").await, "introspection_unavailable", "and so does for how long");
}

#[tokio::test]
async fn nothing_is_known_of_another_server_or_by_another_client() {
    let (server, other) = (AuthorizationServer::of(&["good"]).await, AuthorizationServer::start().await);
    let mut asked = Asked::start(&yaml(&server, "cache: 1h")).await;
    assert_eq!(asked.ask("good").await, "allowed");
    asked.change(&yaml(&other, "cache: 1h"), 1).await;
    assert_eq!(asked.ask("good").await, "token_inactive");
    asked.change(&yaml_with(&server, "wrong", "cache: 1h"), 2).await;
    assert_eq!(asked.ask("good").await, "introspection_unavailable");
    // One that comes back begins anew.
    server.knows("good", &json!({ "active": false }));
    asked.change(&yaml_with(&server, SECRET, "cache: 1h"), 3).await;
    assert_eq!(asked.ask("good").await, "token_inactive");
}

#[tokio::test]
async fn a_server_that_is_left_alone_stays_so() {
    let server = AuthorizationServer::of(&["good"]).await;
    let mut asked = Asked::start(&yaml(&server, "")).await;
    server.always(Some(Reply::Close));
    for _ in 0..5 {
        assert_eq!(asked.ask("good").await, "introspection_unavailable");
    }
    server.always(None);
    asked.change(&yaml(&server, "cache: 10s"), 1).await;
    assert_eq!(asked.ask("good").await, "introspection_unavailable");
    assert_eq!(server.count(), 5);
    assert_eq!(asked.outcome("failed").await, 5, "and what was counted is counted still");
}

/// A check that began with the configuration before ends on it.
#[tokio::test]
async fn a_check_that_waits_is_answered_across_a_change() {
    let server = AuthorizationServer::of(&["good"]).await;
    let asked = Asked::start(&yaml(&server, "")).await;
    server.hold(true);
    let mut client = asked.sidecar.client().await;
    let waiting = tokio::spawn(async move { client.check(super::asked::with("good")).await.unwrap().into_inner() });
    server.asked(1).await;
    asked.change(&yaml(&server, "cache: 10s"), 1).await;
    server.hold(false);
    let answer = crate::decisions::answer::Answer::read(waiting.await.unwrap()).unwrap();
    assert_eq!(answer.status(), None);
}
