//! Checks under way: those that wait for the network. They are bounded, and no connection uses up the bound.

use super::asked::{Asked, with, yaml};
use super::server::AuthorizationServer;
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::Sidecar;
use modgud::envoy::proto::AuthorizationClient;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::interval;
use tonic::transport::Channel;

const OVERLOADED: &str = "modgud_checks_total{decision=\"unavailable\",reason=\"overloaded\"}";

async fn start(server: &AuthorizationServer, most: usize) -> Asked {
    Asked::start(
        &yaml(server, "max_concurrent: 1000")
            .replace("deadline: 10s", &format!("deadline: 10s, max_in_flight: {most}")),
    )
    .await
}

/// Checks of one client, each with a token of its own, that wait until the server answers.
async fn waiting(client: &AuthorizationClient<Channel>, name: &str, count: usize) -> JoinSet<Option<u16>> {
    let mut checks = JoinSet::new();
    for number in 0..count {
        let (mut client, check) = (client.clone(), with(&format!("{name}-{number}")));
        checks.spawn(async move { Answer::read(client.check(check).await.unwrap().into_inner()).unwrap().status() });
    }
    checks
}

/// One that needs nobody is decided, however many wait.
#[tokio::test]
async fn one_check_too_many_is_denied_at_once() {
    let server = AuthorizationServer::of(&["known", "late"]).await;
    let mut asked = start(&server, 2).await;
    assert_eq!(asked.ask("known").await, "allowed");
    server.hold(true);
    let client = asked.sidecar.client().await;
    let mut checks = waiting(&client, "a", 2).await;
    server.asked(3).await;
    let refused = asked.answer(with("late")).await;
    assert_eq!((refused.status(), asked.counters().await.get(OVERLOADED)), (Some(503), 1));
    assert_eq!(asked.ask("known").await, "allowed");
    assert!(checks.try_join_next().is_none(), "the others still wait");
    server.hold(false);
    assert_eq!(checks.join_all().await, [Some(401), Some(401)]);
    assert_eq!(asked.ask("late").await, "allowed", "and there is room again");
}

/// A connection that has most slots leaves some, and gets no more than a quarter once another one has a check under way.
#[tokio::test]
async fn one_connection_does_not_use_up_the_slots_of_others() {
    let server = AuthorizationServer::of(&["other"]).await;
    let asked = start(&server, 16).await;
    server.hold(true);
    let greedy = asked.sidecar.client().await;
    let mut checks = waiting(&greedy, "a", 100).await;
    // Two thirds wait, the others are denied.
    for _ in 0..89 {
        assert_eq!(checks.join_next().await.unwrap().unwrap(), Some(503));
    }
    server.asked(11).await;
    let mut other = asked.sidecar.client().await;
    let admitted =
        tokio::spawn(async move { Answer::read(other.check(with("other")).await.unwrap().into_inner()).unwrap() });
    server.asked(12).await;
    server.hold(false);
    assert_eq!(admitted.await.unwrap().status(), None);
    assert_eq!(checks.join_all().await, vec![Some(401); 11]);
    assert_eq!(counted(&asked.sidecar).await, 89);
}

/// Several that take what they get leave some too.
#[tokio::test]
async fn five_connections_do_not_use_up_the_slots_of_a_sixth() {
    const EACH: usize = 128;
    let server = AuthorizationServer::of(&["other"]).await;
    let asked = start(&server, 256).await;
    server.hold(true);
    let mut all = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        all.push(waiting(&asked.sidecar.client().await, name, EACH).await);
    }
    // All have come: each is denied, or waits.
    let mut looks = interval(Duration::from_millis(10));
    while counted(&asked.sidecar).await + server.count() < 5 * u64::try_from(EACH).unwrap() {
        looks.tick().await;
    }
    let under_way = server.count();
    assert!(under_way < 256, "{under_way}");
    let mut other = asked.sidecar.client().await;
    let sixth =
        tokio::spawn(async move { Answer::read(other.check(with("other")).await.unwrap().into_inner()).unwrap() });
    server.asked(under_way + 1).await;
    server.hold(false);
    assert_eq!(sixth.await.unwrap().status(), None);
    for checks in all {
        assert!(checks.join_all().await.contains(&Some(401)), "one got none");
    }
}

async fn counted(sidecar: &Sidecar) -> u64 {
    Counters::read(sidecar).await.get(OVERLOADED)
}
