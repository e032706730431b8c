//! The list of revocations changes while modgud serves: tokens that are known are refused within a second, and a bad list changes
//! nothing.

use super::changing::Changing;
use super::races::{LetGo, pipe};
use crate::decisions::PATIENT;
use crate::decisions::counters::Counters;
use crate::support::{Encoding, check, token};
use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};
use tokio::time::{interval, timeout};

const LISTED: &str = "revocations: { file: revoked.yaml }\n";
const SUBJECT: &str = "fd76ce0c-d8be-4aa6-91ed-59e698f6af60";
/// Nothing that changes, changes later than this on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn with(list: &str) -> Changing {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("modgud.yaml"), format!("{PATIENT}{LISTED}")).unwrap();
    fs::write(folder.path().join("revoked.yaml"), list).unwrap();
    Changing::of(folder).await
}

/// Whether the standard token is accepted.
async fn accepted(changing: &mut Changing, token: &str) -> bool {
    let value = format!("JWT {token}");
    let answer = changing.ask(check(Encoding::Raw, "GET", "/crm/", &[("authorization", value.as_bytes())])).await;
    assert!(matches!(answer.status(), None | Some(401)));
    answer.status().is_none()
}

/// Asks until the standard token is accepted, or not; says how long that took.
async fn until(expected: bool, changing: &mut Changing, token: &str) -> Duration {
    let started = Instant::now();
    let mut asks = interval(Duration::from_millis(5));
    let asked = async {
        while accepted(changing, token).await != expected {
            asks.tick().await;
        }
    };
    timeout(PATIENCE, asked).await.unwrap();
    started.elapsed()
}

/// Waits until this many lists have been refused.
async fn refused(changing: &Changing, times: u64) {
    let mut asks = interval(Duration::from_millis(10));
    let reported = async {
        while Counters::read(&changing.sidecar).await.get("modgud_revocations_reload_failures_total") < times {
            asks.tick().await;
        }
    };
    timeout(PATIENCE, reported).await.unwrap();
}

/// The best of three, since other tests run at the same time: the time between a change and its effect is ours, and the rest is
/// waiting for a turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_token_is_refused_within_a_second() {
    let mut changing = with("{}").await;
    let token = token();
    assert!(accepted(&mut changing, &token).await && accepted(&mut changing, &token).await);
    assert_eq!(Counters::read(&changing.sidecar).await.get("modgud_token_cache_hits_total"), 1, "it is known");
    let reloads = Counters::read(&changing.sidecar).await.get("modgud_config_reloads_total");
    let mut took = Vec::new();
    for _ in 0..3 {
        fs::write(changing.path("new.yaml"), format!("subjects: [{SUBJECT}]")).unwrap();
        fs::rename(changing.path("new.yaml"), changing.path("revoked.yaml")).unwrap();
        took.push(until(false, &mut changing, &token).await);
        changing.write("revoked.yaml", "subjects: []");
        took.push(until(true, &mut changing, &token).await);
    }
    let best = took.iter().min().unwrap();
    assert!(*best < Duration::from_secs(1), "{took:?}");
    let counters = Counters::read(&changing.sidecar).await;
    assert_eq!(counters.get("modgud_config_reloads_total"), reloads, "no new configuration was needed");
}

#[tokio::test]
async fn a_bad_list_changes_nothing() {
    let mut changing = with(&format!("subjects: [{SUBJECT}]")).await;
    let token = token();
    assert!(!accepted(&mut changing, &token).await);
    let bad = [
        "",
        "subjects: [",
        "subjects: {}",
        "people: []",
        "subjects: [{ id: a, issued_before: soon }]",
        "{\"subjects\": [",
    ];
    for (number, bad) in bad.into_iter().enumerate() {
        changing.write("revoked.yaml", bad);
        refused(&changing, u64::try_from(number).unwrap() + 1).await;
        assert!(!accepted(&mut changing, &token).await, "with {bad:?}");
    }
    fs::remove_file(changing.path("revoked.yaml")).unwrap();
    refused(&changing, 7).await;
    assert!(!accepted(&mut changing, &token).await, "without a file");
    changing.write("revoked.yaml", "{}");
    until(true, &mut changing, &token).await;
    let counters = Counters::read(&changing.sidecar).await;
    assert_eq!(counters.get("modgud_config_reload_failures_total"), 0, "the configuration has nothing to do with it");
}

/// A pipe would be waited for without end.
#[tokio::test]
async fn a_pipe_in_place_of_the_list_is_refused_and_the_next_list_counts() {
    let mut changing = with(&format!("subjects: [{SUBJECT}]")).await;
    let token = token();
    assert!(!accepted(&mut changing, &token).await);
    pipe(&changing.path("pipe")).await;
    fs::hard_link(changing.path("pipe"), changing.path("the same pipe")).unwrap();
    let _let_go = LetGo(changing.path("the same pipe"));
    fs::rename(changing.path("pipe"), changing.path("revoked.yaml")).unwrap();
    refused(&changing, 1).await;
    assert!(!accepted(&mut changing, &token).await);
    fs::write(changing.path("new.yaml"), "{}").unwrap();
    fs::rename(changing.path("new.yaml"), changing.path("revoked.yaml")).unwrap();
    until(true, &mut changing, &token).await;
}

#[tokio::test]
async fn another_configuration_has_its_own_list() {
    let mut changing = with("{}").await;
    let token = token();
    assert!(accepted(&mut changing, &token).await);
    fs::write(changing.path("other.yaml"), format!("subjects: [{SUBJECT}]")).unwrap();
    changing.write("modgud.yaml", &format!("{PATIENT}revocations: {{ file: other.yaml }}\n"));
    changing.accepted().await;
    assert!(!accepted(&mut changing, &token).await);
    changing.write("other.yaml", "{}");
    until(true, &mut changing, &token).await;
    changing.write("revoked.yaml", &format!("subjects: [{SUBJECT}]"));
    changing.write("modgud.yaml", PATIENT);
    changing.accepted().await;
    assert!(accepted(&mut changing, &token).await, "no list is followed any more");
}

#[tokio::test]
async fn a_long_list_is_read() {
    let mut json = "{\"subjects\":[\"first\"".to_owned();
    for number in 0..100_000 {
        write!(
            json,
            ",{{\"id\":\"{number:08x}-d8be-4aa6-91ed-59e698f6af60\",\"issued_before\":\"2023-11-14T22:13:21Z\"}}"
        )
        .unwrap();
    }
    json.push_str("]}");
    let mut changing = with(&json).await;
    let token = token();
    assert!(accepted(&mut changing, &token).await);
    let counters = Counters::read(&changing.sidecar).await;
    assert_eq!(counters.get("modgud_revocations_entries"), 100_001);
}
