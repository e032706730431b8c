//! A server that does not answer.

use super::asked::{Asked, yaml};
use super::server::AuthorizationServer;
use modgud_testbed::idp::Reply;

const PAUSED: &str = "modgud_introspection_paused{authenticator=\"opaque\"}";

#[tokio::test]
async fn after_five_failures_it_is_left_alone_but_for_a_trial() {
    let server = AuthorizationServer::of(&["known", "new", "other"]).await;
    let mut asked = Asked::start(&yaml(&server, "cache: 1h")).await;
    assert_eq!(asked.ask("known").await, "allowed");
    server.always(Some(Reply::Close));
    for failure in 1..=5 {
        assert_eq!(asked.counters().await.get(PAUSED), 0, "before failure {failure}");
        assert_eq!(asked.ask("new").await, "introspection_unavailable");
    }
    assert_eq!((server.count(), asked.counters().await.get(PAUSED)), (6, 1));
    for token in ["new", "other", "third"] {
        assert_eq!(asked.ask(token).await, "introspection_unavailable");
    }
    assert_eq!(server.count(), 6, "nobody asks");
    assert_eq!(asked.outcome("not_asked_paused").await, 3);
    assert_eq!(asked.ask("known").await, "allowed", "what is known counts");

    let mut at = 0;
    let mut count = 6;
    for span in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
        asked.at(at + span - 1);
        assert_eq!(asked.ask("new").await, "introspection_unavailable");
        assert_eq!(server.count(), count, "{span} ms are not over");
        at += span;
        asked.at(at);
        count += 1;
        assert_eq!(asked.ask("new").await, "introspection_unavailable");
        assert_eq!(server.count(), count, "{span} ms are over: a trial");
        assert_eq!(asked.ask("new").await, "introspection_unavailable");
        assert_eq!(server.count(), count, "and only one");
    }
    server.always(None);
    assert_eq!(asked.ask("new").await, "introspection_unavailable");
    asked.at(at + 30_000);
    assert_eq!(asked.ask("new").await, "allowed");
    assert_eq!(asked.ask("other").await, "allowed");
    assert_eq!(asked.counters().await.get(PAUSED), 0);
}

/// During the probe no other request waits.
#[tokio::test]
async fn one_trial_at_a_time() {
    let server = AuthorizationServer::of(&["a", "b"]).await;
    let mut asked = Asked::start(&yaml(&server, "")).await;
    server.always(Some(Reply::Close));
    for _ in 0..5 {
        assert_eq!(asked.ask("a").await, "introspection_unavailable");
    }
    server.always(None);
    server.hold(true);
    asked.at(1_000);
    let mut client = asked.sidecar.client().await;
    let trial = tokio::spawn(async move { client.check(super::asked::with("a")).await.unwrap() });
    server.asked(6).await;
    assert_eq!(asked.ask("b").await, "introspection_unavailable");
    assert_eq!(server.count(), 6);
    server.hold(false);
    trial.await.unwrap();
    assert_eq!(asked.ask("b").await, "allowed");
}

/// What a single odd token can bring about must not turn the others away.
#[tokio::test]
async fn a_refusal_of_one_token_is_no_failure_of_the_server() {
    let server = AuthorizationServer::of(&["good"]).await;
    let mut asked = Asked::start(&yaml(&server, "")).await;
    server.replies("odd", Reply::Raw(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()));
    server.replies("large", Reply::Body(vec![b' '; 70_000]));
    for _ in 0..10 {
        assert_eq!(asked.ask("odd").await, "introspection_unavailable");
        assert_eq!(asked.ask("large").await, "introspection_unavailable");
    }
    assert_eq!((server.count(), asked.counters().await.get(PAUSED)), (20, 0));
    assert_eq!(asked.ask("good").await, "allowed");
}

#[tokio::test]
async fn while_it_is_left_alone_what_may_be_stale_serves_at_once() {
    let server = AuthorizationServer::of(&["known"]).await;
    let mut asked = Asked::start(&yaml(&server, "cache: 1s, stale_if_error: 1h")).await;
    assert_eq!(asked.ask("known").await, "allowed");
    server.always(Some(Reply::Close));
    for _ in 0..5 {
        assert_eq!(asked.ask("new").await, "introspection_unavailable");
    }
    asked.at(999);
    let before = server.count();
    server.always(Some(Reply::Silence));
    asked.at(1_000);
    // The trial; it fails in its own time.
    let mut client = asked.sidecar.client().await;
    let trial = tokio::spawn(async move { client.check(super::asked::with("new")).await.unwrap() });
    server.asked(before + 1).await;
    for _ in 0..10 {
        assert_eq!(asked.ask("known").await, "allowed");
    }
    assert_eq!(server.count(), before + 1);
    trial.abort();
}

#[tokio::test]
async fn a_slow_server_costs_a_check_no_more_than_its_deadline() {
    for reply in [Reply::Silence, Reply::Drip] {
        let server = AuthorizationServer::of(&["known"]).await;
        let yaml = yaml(&server, "").replace("deadline: 10s", "deadline: 1500ms");
        let mut asked = Asked::start(&yaml).await;
        assert_eq!(asked.ask("known").await, "allowed");
        server.always(Some(reply));
        assert_eq!(asked.ask("new").await, "introspection_unavailable", "not `deadline_exceeded`");
        assert_eq!(asked.ask("known").await, "allowed");
    }
}
