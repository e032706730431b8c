//! Checks under way: those that wait for the network. They are bounded, and no connection uses up the bound.

use super::asked::{Asked, with, yaml};
use super::server::AuthorizationServer;
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::Sidecar;
use modgud::envoy::proto::AuthorizationClient;
use tokio::task::JoinSet;
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
fn waiting(client: &AuthorizationClient<Channel>, name: &str, count: usize) -> JoinSet<Option<u16>> {
    let mut checks = JoinSet::new();
    for number in 0..count {
        let (mut client, check) = (client.clone(), with(&format!("{name}-{number}")));
        checks.spawn(async move { Answer::read(client.check(check).await.unwrap().into_inner()).unwrap().status() });
    }
    checks
}

/// A check without a lookup is decided, however many wait.
#[tokio::test]
async fn one_check_too_many_is_denied_at_once() {
    let server = AuthorizationServer::of(&["known", "late"]).await;
    let mut asked = start(&server, 2).await;
    assert_eq!(asked.ask("known").await, "allowed");
    server.hold(true);
    let client = asked.sidecar.client().await;
    let mut checks = waiting(&client, "a", 2);
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
    let asked = start(&server, 6).await;
    server.hold(true);
    let greedy = asked.sidecar.client().await;
    let mut checks = waiting(&greedy, "a", 20);
    // Two thirds wait, the others are denied.
    for _ in 0..16 {
        assert_eq!(checks.join_next().await.unwrap().unwrap(), Some(503));
    }
    server.asked(4).await;
    let mut other = asked.sidecar.client().await;
    let admitted =
        tokio::spawn(async move { Answer::read(other.check(with("other")).await.unwrap().into_inner()).unwrap() });
    server.asked(5).await;
    server.hold(false);
    assert_eq!(admitted.await.unwrap().status(), None);
    assert_eq!(checks.join_all().await, vec![Some(401); 4]);
    assert_eq!(counted(&asked.sidecar).await, 16);
}

async fn counted(sidecar: &Sidecar) -> u64 {
    Counters::read(sidecar).await.get(OVERLOADED)
}
