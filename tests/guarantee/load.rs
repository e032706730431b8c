//! Many checks at once, over few connections: each gets its own answer, and the right one.

use super::frames::{Connection, check as begun, last};
use super::{frame, good};
use crate::decisions::PATIENT;
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, KEY, STRANGER, Sidecar, check, claims};
use prost::Message;
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};

const CHECKS: u64 = 2_000;
const CONNECTIONS: u64 = 4;
const USERS: u64 = 100;

/// What the check of a number is to come to.
#[derive(Debug)]
enum Kind {
    /// Let through as the user of this number.
    User(u64),
    Forged,
    Public,
    Admin,
    Ambiguous,
}

fn kind(number: u64) -> Kind {
    match number % 5 {
        0 => Kind::User(number / 5 % USERS),
        1 => Kind::Forged,
        2 => Kind::Public,
        3 => Kind::Admin,
        _ => Kind::Ambiguous,
    }
}

fn right(kind: &Kind, answer: &Answer) -> bool {
    match (kind, answer) {
        (Kind::User(user), Answer::Allow { set, remove, .. }) => {
            set.get("x-username") == Some(&format!("user-{user}")) && set.len() == 5 && remove.is_empty()
        }
        (Kind::Public, Answer::Allow { set, remove, .. }) => set.is_empty() && remove.len() == 4,
        (Kind::Forged, answer) => answer.status() == Some(401),
        (Kind::Admin, answer) => answer.status() == Some(403),
        (Kind::Ambiguous, answer) => answer.status() == Some(400),
        (Kind::User(_) | Kind::Public, Answer::Deny { .. }) => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_two_thousand_checks_at_once_gets_its_own_answer() {
    let sidecar = Sidecar::with(PATIENT).await;
    let of_user = |user: u64| {
        let mut claims = claims();
        claims.last_mut().unwrap().1 = Value::from(format!("user-{user}"));
        claims
    };
    let tokens: Vec<String> = (0..USERS).map(|user| KEY.sign(&of_user(user)).unwrap()).collect();
    let forged = STRANGER.sign(&claims()).unwrap();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(sidecar.client().await);
    }
    let mut calls = JoinSet::new();
    for (number, client) in (0..CHECKS).zip(clients.iter().cycle()) {
        let kind = kind(number);
        let (path, token) = match kind {
            Kind::User(user) => ("/crm/", &tokens[usize::try_from(user).unwrap()]),
            Kind::Forged => ("/crm/", &forged),
            Kind::Public => ("/docs/", &forged),
            Kind::Admin => ("/admin/", &tokens[0]),
            Kind::Ambiguous => ("/crm/../admin/", &tokens[0]),
        };
        let encoding = Encoding::ALL[usize::from(number % 2 == 0)];
        let value = format!("JWT {token}");
        let check = check(encoding, "GET", path, &[("authorization", value.as_bytes()), ("x-username", b"root")]);
        let mut client = client.clone();
        calls.spawn(async move { (kind, client.check(check).await) });
    }
    while let Some(call) = calls.join_next().await {
        let (kind, response) = call.unwrap();
        let answer = Answer::read(response.unwrap().into_inner()).unwrap();
        assert!(right(&kind, &answer), "{kind:?}: {answer:?}");
    }
    let counters = Counters::read(&sidecar).await;
    assert_eq!(counters.decided("allowed"), CHECKS / 5 * 2);
    assert_eq!(counters.decided("denied"), CHECKS / 5 * 3);
    assert_eq!(counters.decided("unavailable"), 0);
}

/// One thread for all: while the burst of one connection is answered, no other client waits for all of it. The thread may itself
/// have to wait for a processor now and then, so that one burst of some is enough.
#[tokio::test]
async fn a_burst_on_one_connection_leaves_turns_to_others() {
    const BURST: u32 = 500;
    let sidecar = Sidecar::with(PATIENT).await;
    let mut connection = Connection::open(&sidecar.addresses.grpc).await;
    let message = frame(&good().encode_to_vec());
    let mut seen = Vec::new();
    for first in (1..).step_by(usize::try_from(2 * BURST).unwrap()).take(5) {
        let checks = (first..first + 2 * BURST).step_by(2);
        let burst: Vec<u8> = checks.flat_map(|stream| [begun(stream), last(stream, &message)].concat()).collect();
        let (tell, reported) = oneshot::channel();
        let waited = tokio::spawn(longest_wait(reported));
        let began = Instant::now();
        connection.send(&burst).await;
        connection.end(first + 2 * (BURST - 1)).await;
        let took = began.elapsed();
        tell.send(()).unwrap();
        seen.push((waited.await.unwrap(), took));
    }
    assert!(seen.iter().any(|(waited, took)| *waited < *took / 4), "{seen:?}");
}

/// How long others were busy at most before it was this one's turn.
async fn longest_wait(mut end: oneshot::Receiver<()>) -> Duration {
    let mut longest = Duration::ZERO;
    while end.try_recv().is_err() {
        let before = Instant::now();
        yield_now().await;
        longest = longest.max(before.elapsed());
    }
    longest
}
