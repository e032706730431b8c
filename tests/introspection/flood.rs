//! Many at once.

use super::asked::{Asked, outcome_metric, with, yaml};
use super::server::AuthorizationServer;
use crate::decisions::answer::Answer;
use crate::support::{KEY, claims};
use serde_json::json;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_with_one_unknown_token_are_one_question() {
    for (token, expected) in [("good", None), ("bad", Some(401))] {
        let server = AuthorizationServer::of(&["good"]).await;
        let asked = Asked::start(&yaml(&server, "")).await;
        server.hold(true);
        let mut checks = JoinSet::new();
        for _ in 0..20 {
            let client = asked.sidecar.client().await;
            for _ in 0..50 {
                let mut client = client.clone();
                checks.spawn(async move { client.check(with(token)).await.unwrap().into_inner() });
            }
        }
        server.asked(1).await;
        server.hold(false);
        for answer in checks.join_all().await {
            assert_eq!(Answer::read(answer).unwrap().status(), expected);
        }
        assert_eq!(server.count(), 1, "{token}");
    }
}

/// Above the limit no request waits.
#[tokio::test]
async fn only_so_many_questions_are_under_way() {
    let server = AuthorizationServer::of(&["a", "b", "c", "d"]).await;
    let mut asked = Asked::start(&yaml(&server, "max_concurrent: 2")).await;
    server.hold(true);
    let mut under_way = JoinSet::new();
    for token in ["a", "b", "a"] {
        let mut client = asked.sidecar.client().await;
        under_way.spawn(async move { client.check(with(token)).await.unwrap().into_inner() });
    }
    server.asked(2).await;
    for token in ["c", "d", "c"] {
        assert_eq!(asked.ask(token).await, "introspection_unavailable", "{token}");
    }
    assert_eq!(asked.outcome("not_asked_busy").await, 3);
    server.hold(false);
    for answer in under_way.join_all().await {
        assert_eq!(Answer::read(answer).unwrap().status(), None);
    }
    assert_eq!(server.count(), 2);
    assert_eq!(asked.ask("c").await, "allowed", "and there is room again");
}

#[tokio::test]
async fn made_up_tokens_push_no_good_ones_out() {
    let server = AuthorizationServer::of(&["good"]).await;
    let mut asked = Asked::start(&yaml(&server, "cache: 1h, negative_cache: 1h")).await;
    assert_eq!(asked.ask("good").await, "allowed");
    let mut client = asked.sidecar.client().await;
    for number in 0..1_000 {
        let answer = client.check(with(&format!("made-up-{number}"))).await.unwrap().into_inner();
        assert_eq!(Answer::read(answer).unwrap().status(), Some(401));
    }
    assert_eq!(asked.outcome("inactive").await, 1_000);
    assert_eq!(asked.ask("good").await, "allowed");
    assert_eq!(server.count(), 1_001, "it is known still");
}

/// A request without introspection does not wait; one without a response is denied in time; a late response is cached.
#[tokio::test]
async fn a_server_that_hangs_delays_no_other_request() {
    let server = AuthorizationServer::of(&["known", "late"]).await;
    let pem = KEY.public_pem().unwrap();
    let yaml = format!(
        "{}- name: signed\n  from: [{{ header: authorization, schemes: [Bearer] }}]\n  \
         jwt: {{ issuer: bifrost, algorithms: [RS256], keys: [{{ pem: {{ value: {pem:?} }} }}] }}\n",
        yaml(&server, "cache: 1h").replace("deadline: 10s", "deadline: 2s")
    );
    let mut asked = Asked::start(&yaml).await;
    assert_eq!(asked.ask("known").await, "allowed");
    server.hold(true);
    let mut client = asked.sidecar.client().await;
    let waiting = tokio::spawn(async move { client.check(with("late")).await.unwrap().into_inner() });
    server.asked(2).await;
    for number in 0..50 {
        let mut claims = claims();
        claims.push(("number".to_owned(), json!(number)));
        for token in [KEY.sign(&claims).unwrap().as_str(), "known"] {
            assert_eq!(asked.answer(with(token)).await.status(), None);
        }
    }
    // `deadline_exceeded` would be a 503, too: the reasons are counted apart.
    let answer = Answer::read(waiting.await.unwrap()).unwrap();
    assert_eq!(answer.status(), Some(503));
    let reason = "modgud_checks_total{decision=\"unavailable\",reason=\"introspection_unavailable\"}";
    assert_eq!(asked.counters().await.get(reason), 1);
    server.hold(false);
    asked.metric(&outcome_metric("active"), 2).await;
    assert_eq!(asked.ask("late").await, "allowed");
    assert_eq!(server.count(), 2, "the question that nobody waited for any more was answered");
}
