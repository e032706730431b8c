//! Thousands of checks, hundreds of them in flight at any time, while a hundred configurations come, good and bad.

use super::changing::{PATIENCE, Reported};
use super::generation::{Generation, Kind};
use crate::cli::process::Serving;
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::{KEY, Sidecar};
use modgud::app::Addresses;
use modgud::envoy::proto::AuthorizationClient;
use rustix::process::Signal;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tokio::task::JoinSet;
use tonic::transport::Channel;

const CONNECTIONS: u64 = 4;
const IN_FLIGHT: u64 = 240;
const AT_LEAST: u64 = 5_000;
const CHANGES: u64 = 100;

/// What is known about the generation that serves.
#[derive(Debug, Default)]
struct Known {
    /// The newest that was reported: older ones answer nothing that is asked from now on.
    oldest: AtomicU64,
    /// The newest that was written.
    newest: AtomicU64,
    /// Whether that was all.
    over: AtomicBool,
}

/// Asks one thing again and again until it is over; how many answers came.
async fn ask(known: Arc<Known>, kind: Kind, mut client: AuthorizationClient<Channel>) -> u64 {
    let check = kind.check();
    let mut answers = 0;
    while !known.over.load(SeqCst) {
        let oldest = known.oldest.load(SeqCst);
        let answer = Answer::read(client.check(check.clone()).await.unwrap().into_inner()).unwrap();
        let newest = known.newest.load(SeqCst);
        let fits = (oldest..=newest).any(|number| Generation(number).gives(kind, &answer));
        assert!(fits, "{kind:?} is of no generation from {oldest} to {newest}: {answer:?}");
        answers += 1;
    }
    answers
}

/// Makes a file wrong, each time in another way.
fn spoil(file: &Path, number: u64) {
    let good = Generation(number).yaml();
    let half = good.get(..good.len() - 12).unwrap();
    match number % 5 {
        0 => fs::write(file, half).unwrap(),
        1 => fs::write(file, "").unwrap(),
        2 => fs::write(file, format!("{good}fallbak: denied\n")).unwrap(),
        3 => fs::remove_file(file).unwrap(),
        _ => fs::write(file, format!("{good}authenticators: [{{ name: late, jwt: {{ keys: [] }} }}]\n")).unwrap(),
    }
}

/// Changes the file, every other time for the worse, and `reload`s, while checks are asked.
async fn change_under_load(file: &Path, Addresses { grpc, admin }: Addresses, reload: impl Fn()) {
    let known = Arc::new(Known::default());
    let mut asking = JoinSet::new();
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        clients.push(AuthorizationClient::connect(format!("http://{grpc}")).await.unwrap());
    }
    for (number, client) in (0..IN_FLIGHT).zip(clients.iter().cycle()) {
        let kind = Kind::ALL[usize::try_from(number).unwrap() % Kind::ALL.len()];
        asking.spawn(ask(Arc::clone(&known), kind, client.clone()));
    }
    let mut generation = 0;
    for number in 0..CHANGES {
        let good = !number.is_multiple_of(2);
        if good {
            generation += 1;
            known.newest.store(generation, SeqCst);
            let beside = file.with_extension("new");
            fs::write(&beside, Generation(generation).yaml()).unwrap();
            fs::rename(beside, file).unwrap();
        } else {
            spoil(file, number / 2);
        }
        let mut reported = Reported::at(admin).await;
        let before = reported;
        reload();
        // The same file may be reported twice: because it was asked for, and because it has changed.
        while if good { reported.accepted == before.accepted } else { reported.refused == before.refused } {
            reported = reported.more(admin).await;
        }
        known.oldest.store(generation, SeqCst);
    }
    known.over.store(true, SeqCst);
    let mut answers = 0;
    while let Some(asked) = tokio::time::timeout(PATIENCE, asking.join_next()).await.unwrap() {
        answers += asked.unwrap();
    }
    assert!(answers >= AT_LEAST, "only {answers} answers");
    let counters = Counters::at(admin).await;
    assert_eq!(counters.decided("unavailable"), 0);
    assert_eq!(counters.decided("allowed") + counters.decided("denied"), answers);
    let Reported { accepted, refused } = Reported::at(admin).await;
    assert!(accepted >= CHANGES / 2 && refused >= CHANGES / 2, "{accepted} accepted, {refused} refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_of_one_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    fs::write(&file, Generation(0).yaml()).unwrap();
    let sidecar = Sidecar::of(Some(file.clone()), folder).await;
    change_under_load(&file, sidecar.addresses.clone(), || sidecar.reload()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_the_real_binary_is_of_one_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    fs::write(&file, Generation(0).yaml()).unwrap();
    let serving = Serving::start(folder.path(), &KEY.public_pem().unwrap(), &["--config", "modgud.yaml"]).await;
    let addresses = Addresses { grpc: serving.grpc.clone(), admin: serving.admin };
    change_under_load(&file, addresses, || serving.signal(Signal::HUP)).await;
    let said = serving.end(Signal::TERM).await;
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}
