//! Shared calls, the limit of calls in progress, and calls that end in no answer.

use super::{CustomCalls, Outcome};
use modgud_core::authn::{
    AsyncCustomAuthenticator, CustomAuthenticators, CustomCallError, CustomClaims, CustomDenial, CustomError,
    CustomInput, CustomKind, WaitingAuthenticator,
};
use modgud_core::http::request::Request;
use modgud_core::time::Timestamp;
use serde_json::Map;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, yield_now};

const NOW: Timestamp = Timestamp::from_secs(1_000_000);
const LIMIT: Duration = Duration::from_secs(3);

/// An authenticator that answers a credential once for each permit of its semaphore.
struct Held {
    calls: Arc<AtomicU64>,
    answers: Arc<Semaphore>,
    reuse: Duration,
}

impl AsyncCustomAuthenticator for Held {
    fn input(&self) -> CustomInput {
        CustomInput::Credential
    }

    fn max_concurrent(&self) -> usize {
        2
    }

    async fn authenticate(
        &self,
        credential: &str,
        request: Option<&Request<'_>>,
        _: Timestamp,
    ) -> Result<CustomClaims, CustomDenial> {
        assert!(request.is_none(), "its answers depend on the credential alone");
        self.calls.fetch_add(1, Ordering::Relaxed);
        match credential {
            "never" => pending().await,
            "panic" => panic!("a fault of one's own"),
            _ => {}
        }
        self.answers.acquire().await.unwrap().forget();
        if credential == "bad" {
            return Err(CustomError::Rejected.reusable_for(self.reuse));
        }
        Ok(CustomClaims::new(Map::new()).reusable_for(self.reuse))
    }
}

struct Bench {
    authenticator: Arc<WaitingAuthenticator>,
    calls: CustomCalls,
    count: Arc<AtomicU64>,
    answers: Arc<Semaphore>,
}

impl Bench {
    fn new(reuse: u64) -> Self {
        let (count, answers) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
        let held = Held { calls: Arc::clone(&count), answers: Arc::clone(&answers), reuse: Duration::from_secs(reuse) };
        let Some(CustomKind::Waiting(authenticator)) =
            CustomAuthenticators::default().with_async("held", held).get("held")
        else {
            panic!("it waits");
        };
        Self { authenticator, calls: CustomCalls::default(), count, answers }
    }

    /// Starts a check with this credential. All tasks that are started before the next `yield_now` are polled before it returns.
    fn start(&self, running: &mut JoinSet<Outcome>, credential: &'static str, now: Timestamp) {
        let (calls, authenticator) = (self.calls.clone(), Arc::clone(&self.authenticator));
        running.spawn(async move { calls.shared(&authenticator, credential, now, LIMIT).await });
    }

    async fn ask(&self, credential: &'static str, now: Timestamp) -> Outcome {
        self.calls.shared(&self.authenticator, credential, now, LIMIT).await
    }

    fn is_idle(&self) -> bool {
        self.calls.lock().is_empty()
    }

    fn made(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn checks_with_one_credential_share_a_call() {
    let bench = Bench::new(0);
    let mut running = JoinSet::new();
    (0..50).for_each(|_| bench.start(&mut running, "one", NOW));
    yield_now().await;
    yield_now().await;
    assert_eq!(bench.made(), 1);
    bench.answers.add_permits(1);
    let outcomes = running.join_all().await;
    assert!(outcomes.len() == 50 && outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert!(bench.is_idle() && bench.made() == 1);
    // It may not be reused.
    bench.answers.add_permits(1);
    assert!(bench.ask("one", NOW).await.is_ok());
    assert_eq!(bench.made(), 2);
}

#[tokio::test]
async fn answers_are_reused_as_long_as_they_say() {
    let bench = Bench::new(30);
    for credential in ["good", "bad"] {
        let before = bench.made();
        bench.answers.add_permits(3);
        for (seconds, calls) in [(0, 1), (0, 1), (29, 1), (30, 2), (31, 2), (29, 3)] {
            let now = NOW.plus(Duration::from_secs(seconds));
            // As a decision does: the cache is read before a call is made.
            if bench.authenticator.cached(credential, now).is_none() {
                let answer = bench.ask(credential, now).await;
                assert!(answer.is_ok(), "{answer:?}");
            }
            assert_eq!(bench.made() - before, calls, "{credential} after {seconds} s");
        }
    }
}

#[tokio::test]
async fn beyond_the_limit_checks_are_denied_at_once() {
    let bench = Bench::new(0);
    let mut running = JoinSet::new();
    bench.start(&mut running, "one", NOW);
    bench.start(&mut running, "two", NOW);
    yield_now().await;
    yield_now().await;
    assert!(matches!(bench.ask("three", NOW).await, Err(CustomCallError::Busy)));
    // Those that wait for a call in progress need no other one.
    bench.start(&mut running, "two", NOW);
    yield_now().await;
    bench.answers.add_permits(2);
    assert!(running.join_all().await.iter().all(Result::is_ok));
    bench.answers.add_permits(1);
    assert!(bench.ask("three", NOW).await.is_ok() && bench.is_idle());
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends() {
    let bench = Bench::new(30);
    let (never, panicked) = (bench.ask("never", NOW).await, bench.ask("panic", NOW).await);
    assert!(matches!(never, Err(CustomCallError::Late)), "{never:?}");
    assert!(matches!(panicked, Err(CustomCallError::Panicked)), "{panicked:?}");
    assert!(bench.is_idle());
    assert!(bench.authenticator.cached("never", NOW).is_none() && bench.authenticator.cached("panic", NOW).is_none());
}

#[tokio::test]
async fn a_call_goes_on_without_the_check_that_began_it() {
    let bench = Bench::new(30);
    let mut running = JoinSet::new();
    bench.start(&mut running, "one", NOW);
    yield_now().await;
    yield_now().await;
    running.shutdown().await;
    assert!(!bench.is_idle());
    bench.answers.add_permits(1);
    assert!(bench.ask("one", NOW).await.is_ok());
    assert!(bench.made() == 1 && bench.authenticator.cached("one", NOW).is_some());
}
