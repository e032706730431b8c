//! SIGTERM. modgud answers checks as before until every connection that carried calls is closed, for up to `server.drain`. Then its
//! exit code is 0, and Envoy answers 503.

use super::tokens::{claims, jwt, sign};
use super::{PATIENCE, ask, replaced, testbed};
use modgud_testbed::http::Exchange;
use modgud_testbed::{Setup, Testbed};
use rustix::process::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How many clients send without a pause.
const CLIENTS: usize = 4;
/// How many answers are looked at in each phase.
const ANSWERS: usize = 40;

/// Envoy looks at modgud's health ten times a second, so that it knows of the drain soon.
fn attentive(yaml: &str) -> String {
    replaced(yaml, "\n          interval: 5s", "\n          interval: 0.1s")
}

#[tokio::test]
async fn while_it_drains_every_request_is_answered_as_before() {
    let mut testbed = testbed(Setup { edit: Some(attentive), ..Setup::default() }).await;
    let mut load = Load::start(&testbed);
    load.expect_good(ANSWERS).await;

    testbed.modgud.signal(Signal::TERM);
    testbed.modgud.wait_for(PATIENCE, |line| line.contains("shutting down").then_some(())).await.unwrap();
    until_unhealthy(&testbed).await;
    load.forget(); // those may be from before
    load.expect_good(ANSWERS).await;
    let last = load.stop().await;
    assert!(last.iter().all(|(status, _)| *status == 200), "{last:?}");
    testbed.stop().await;
}

/// The rollout of a pod with little traffic: Envoy drains for many seconds, in which a request may come at any time.
#[tokio::test]
async fn the_first_request_after_a_silence_is_answered_while_envoy_drains() {
    const SILENCE: Duration = Duration::from_millis(2_500);
    let mut testbed = testbed(Setup { edit: Some(attentive), ..Setup::default() }).await;
    let token = jwt(&sign(&testbed.key, &claims()));
    assert_eq!(ask(testbed.gateway, "GET", "/crm/", std::slice::from_ref(&token)).await.status, 200);
    testbed.modgud.signal(Signal::TERM);
    until_unhealthy(&testbed).await;
    // The silence itself is what is tested.
    let early = timeout(SILENCE, testbed.modgud.ended()).await;
    assert!(early.is_err(), "modgud ended while Envoy was connected: {early:?}");
    assert_eq!(ask(testbed.gateway, "GET", "/crm/", &[token]).await.status, 200);

    // Envoy ends its drain and closes its connections: modgud has no reason to wait for `server.drain`.
    let asked = Instant::now();
    testbed.envoy.signal(Signal::TERM);
    let code = timeout(PATIENCE, testbed.modgud.ended()).await.expect("modgud ends after Envoy");
    assert_eq!(code, Some(0));
    assert!(asked.elapsed() < Duration::from_secs(15), "it waited for the whole drain: {:?}", asked.elapsed());
    testbed.stop().await;
}

#[tokio::test]
async fn a_drain_ends_also_if_the_requests_do_not() {
    let config = Some("profile: bifrost\nserver: { drain: 1s }");
    let mut testbed = testbed(Setup { edit: Some(attentive), config, ..Setup::default() }).await;
    let mut load = Load::start(&testbed);
    load.expect_good(ANSWERS).await;

    let asked = Instant::now();
    testbed.modgud.signal(Signal::TERM);
    let code = timeout(PATIENCE, testbed.modgud.ended()).await.expect("modgud leaves all the same");
    let left = Instant::now();
    assert_eq!(code, Some(0));
    super::until(testbed.gateway, "/oauth/", &[], 503).await;

    let answers = load.stop().await;
    let refused: Vec<_> = answers.iter().filter(|(status, _)| *status != 200).collect();
    assert!(refused.iter().all(|(status, _)| *status == 503), "{refused:?}");
    let early = refused.iter().find(|(_, sent)| sent.duration_since(asked) < Duration::from_millis(900));
    assert!(early.is_none(), "turned away while it drained: {early:?}");
    let late = answers.iter().find(|(status, sent)| *status == 200 && *sent > left);
    assert!(late.is_none(), "let through when nobody decided any more");
    testbed.stop().await;
}

/// Waits until Envoy knows that modgud is not healthy any more.
async fn until_unhealthy(testbed: &Testbed) {
    let asking = async {
        loop {
            let clusters = Exchange::get(testbed.envoy_admin, "/clusters").await.unwrap();
            let text = String::from_utf8_lossy(&clusters.body).into_owned();
            let mut flags =
                text.lines().filter(|line| line.starts_with("modgud::") && line.contains("::health_flags::"));
            if flags.any(|line| line.contains("failed_active_hc")) {
                return;
            }
        }
    };
    timeout(PATIENCE, asking).await.expect("Envoy sees that modgud is not serving");
}

/// Clients that send good requests without a pause.
struct Load {
    /// The status of each answer, and when the request was sent.
    answers: mpsc::UnboundedReceiver<(u16, Instant)>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(testbed: &Testbed) -> Self {
        let (sender, answers) = mpsc::unbounded_channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        let gateway = testbed.gateway;
        let line = jwt(&sign(&testbed.key, &claims()));
        for _ in 0..CLIENTS {
            let (sender, stop, lines) = (sender.clone(), Arc::clone(&stop), [line.clone()]);
            clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let sent = Instant::now();
                    let answer = ask(gateway, "GET", "/crm/", &lines).await;
                    // Nobody listens any more only when the test has failed already.
                    let _ = sender.send((answer.status, sent));
                }
            });
        }
        Self { answers, stop, clients }
    }

    async fn expect_good(&mut self, number: usize) {
        for _ in 0..number {
            let answer = timeout(PATIENCE, self.answers.recv()).await.expect("traffic flows");
            assert_eq!(answer.map(|(status, _)| status), Some(200));
        }
    }

    /// Drops the answers that are there; none of them may be an error.
    fn forget(&mut self) {
        while let Ok((status, _)) = self.answers.try_recv() {
            assert_eq!(status, 200);
        }
    }

    /// Stops the clients; returns the responses that were not examined.
    async fn stop(mut self) -> Vec<(u16, Instant)> {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
        let mut rest = Vec::new();
        while let Some(answer) = self.answers.recv().await {
            rest.push(answer);
        }
        rest
    }
}
