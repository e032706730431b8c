//! Many checks at once, over few connections: each gets its own answer, and the right one.

use crate::decisions::PATIENT;
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, KEY, STRANGER, Sidecar, check, claims};
use serde_json::Value;
use tokio::task::JoinSet;

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
