//! Two thousand checks in flight while a hundred configurations come, good and bad.
//!
//! A check in flight is one whose message has arrived by half: it waits in the server for the rest, as one from a slow client does.
//! Some are let go with each change, all that are left at the end of a wave. A few clients send checks without a pause meanwhile, so that
//! some check is being decided at every moment; more of those would keep the processors from loading anything.

use super::changing::{PATIENCE, Reported};
use super::generation::{Generation, Kind};
use crate::cli::process::Serving;
use crate::decisions::counters::Counters;
use crate::guarantee::raw::{CHECK, Raw, Reply, frame};
use crate::support::{Encoding, KEY, Sidecar, check};
use axum::body::Body as AnyBody;
use bytes::Bytes;
use modgud::server::app::Addresses;
use prost::Message;
use rustix::process::Signal;
use std::convert::Infallible;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;

const CONNECTIONS: usize = 4;
/// How many checks are in flight when a wave begins.
const IN_FLIGHT: usize = 2_016;
const CHANGES: u64 = 100;
/// How many are let go with a change; what is left goes with the last change of a wave.
const SHARE: usize = 30;
const CHANGES_OF_A_WAVE: u64 = 34;
/// How many clients ask without a pause.
const RESTLESS: usize = 3;
/// When a wave ends at the latest: well before the deadline of its checks, which is ten seconds.
const LONG: Duration = Duration::from_secs(3);

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

impl Known {
    /// Asserts that an answer is of one generation, which served at some time since `oldest` was the newest that was known to.
    fn fits(&self, kind: Kind, oldest: u64, reply: &Reply) {
        let answer = reply.answer().unwrap();
        let newest = self.newest.load(SeqCst);
        let fits = (oldest..=newest).any(|number| Generation(number).gives(kind, &answer));
        assert!(fits, "{kind:?} is of no generation from {oldest} to {newest}: {answer:?}");
    }
}

/// Sends one check in two halves: the second on a signal, or when its sender is gone.
async fn ask(known: Arc<Known>, kind: Kind, mut raw: Raw, waiting: Arc<Semaphore>, go: oneshot::Receiver<()>) {
    let whole = Bytes::from(frame(&kind.check().encode_to_vec()));
    let (first, second) = (whole.slice(..whole.len() / 2), whole.slice(whole.len() / 2..));
    let (parts, body) = mpsc::channel::<Result<Bytes, Infallible>>(1);
    parts.send(Ok(first)).await.unwrap();
    let call = raw.call(CHECK, &[], Body::new(AnyBody::from_stream(ReceiverStream::new(body))));
    let rest = async {
        // There is room for the second half when the first is on its way.
        let place = parts.reserve().await.unwrap();
        waiting.add_permits(1);
        let _ = go.await;
        let oldest = known.oldest.load(SeqCst);
        place.send(Ok(second));
        drop(parts);
        oldest
    };
    let (reply, oldest) = tokio::join!(call, rest);
    known.fits(kind, oldest, &reply);
}

/// Asks again and again until it is over; how many answers came. What is asked takes long to be read, so that the configuration is
/// likely to change in the middle, and is decided by its rule, so that one that is decided by one configuration and answered by another
/// is seen.
async fn ask_on(known: Arc<Known>, mut raw: Raw) -> usize {
    let names: Vec<String> = (0..400).map(|number| format!("x-filler-{number}")).collect();
    let headers: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"1".as_slice())).collect();
    let whole = frame(&check(Encoding::Raw, "GET", "/mode/", &headers).encode_to_vec());
    let mut answers = 0;
    while !known.over.load(SeqCst) {
        let oldest = known.oldest.load(SeqCst);
        let reply = raw.send(&whole).await;
        known.fits(Kind::Mode, oldest, &reply);
        answers += 1;
    }
    answers
}

/// Checks in flight.
struct Wave {
    since: Instant,
    go: Vec<oneshot::Sender<()>>,
    asking: JoinSet<()>,
}

impl Wave {
    /// Begins [`IN_FLIGHT`] checks, and waits until each of them is under way in the server.
    async fn begin(known: &Arc<Known>, connections: &[Raw]) -> Self {
        let mut wave = Self { since: Instant::now(), go: Vec::new(), asking: JoinSet::new() };
        let waiting = Arc::new(Semaphore::new(0));
        for (number, raw) in connections.iter().cycle().take(IN_FLIGHT).enumerate() {
            let (go, actual) = oneshot::channel();
            let kind = Kind::ALL[number % Kind::ALL.len()];
            wave.asking.spawn(ask(Arc::clone(known), kind, raw.clone(), Arc::clone(&waiting), actual));
            wave.go.push(go);
        }
        let all = waiting.acquire_many(u32::try_from(IN_FLIGHT).unwrap());
        drop(timeout(PATIENCE, all).await.unwrap().unwrap());
        // Asked behind them on the same connections: when these are answered, the server knows of all.
        for raw in connections {
            raw.clone().send(&frame(&Kind::Anonymous.check().encode_to_vec())).await.answer().unwrap();
        }
        assert_eq!(wave.asking.try_join_next().map(|_| ()), None, "one was answered before its message was there");
        wave
    }

    /// Lets so many go.
    fn release(&mut self, number: usize) {
        drop(self.go.split_off(self.go.len().saturating_sub(number)));
    }

    /// Waits until all are answered that were let go.
    async fn end(mut self) {
        assert!(self.go.is_empty());
        while let Some(asked) = timeout(PATIENCE, self.asking.join_next()).await.unwrap() {
            asked.unwrap();
        }
    }
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

/// Changes the file, every other time for the worse, and `reload`s, while checks are in flight.
async fn change_under_load(file: &Path, addresses: &Addresses, reload: impl Fn()) {
    let Addresses { grpc, http: _, admin, ui: _ } = addresses;
    let admin = *admin;
    let known = Arc::new(Known::default());
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Raw::at(grpc).await);
    }
    let mut restless = JoinSet::new();
    for raw in connections.iter().cycle().take(RESTLESS) {
        restless.spawn(ask_on(Arc::clone(&known), raw.clone()));
    }
    let (mut wave, mut waves, mut left) = (Wave::begin(&known, &connections).await, 1, CHANGES_OF_A_WAVE);
    let mut generation = 0;
    for number in 0..CHANGES {
        if left == 0 {
            wave.end().await;
            (wave, waves, left) = (Wave::begin(&known, &connections).await, waves + 1, CHANGES_OF_A_WAVE);
        }
        left = if wave.since.elapsed() > LONG || number == CHANGES - 1 { 0 } else { left - 1 };
        let good = !number.is_multiple_of(2);
        if good {
            generation += 1;
            known.newest.store(generation, SeqCst);
            let adjacent = file.with_extension("new");
            fs::write(&adjacent, Generation(generation).yaml()).unwrap();
            fs::rename(adjacent, file).unwrap();
        } else {
            spoil(file, number / 2);
        }
        let mut reported = Reported::at(admin).await;
        let before = reported;
        reload();
        wave.release(if left == 0 { IN_FLIGHT } else { SHARE });
        // The same file may be reported twice: because it was asked for, and because it has changed.
        while if good { reported.accepted == before.accepted } else { reported.refused == before.refused } {
            reported = reported.more(admin).await;
        }
        known.oldest.store(generation, SeqCst);
    }
    wave.end().await;
    known.over.store(true, SeqCst);
    let asked: usize = timeout(PATIENCE, restless.join_all()).await.unwrap().iter().sum();
    let counters = Counters::at(admin).await;
    assert_eq!(counters.decided("unavailable"), 0);
    let answers = u64::try_from(asked + waves * (IN_FLIGHT + CONNECTIONS)).unwrap();
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
    change_under_load(&file, &sidecar.addresses, || sidecar.reload()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_of_the_real_binary_is_of_one_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("modgud.yaml");
    fs::write(&file, Generation(0).yaml()).unwrap();
    let serving = Serving::start(folder.path(), &KEY.public_pem().unwrap(), &["--config", "modgud.yaml"]).await;
    let addresses = Addresses { grpc: serving.grpc.clone(), http: None, admin: serving.admin, ui: None };
    change_under_load(&file, &addresses, || serving.signal(Signal::HUP)).await;
    let output = serving.end(Signal::TERM).await;
    assert_eq!((output.code, output.err.as_str()), (Some(0), ""));
}
