//! A modgud that is away, or hangs: no request passes, and none waits for long.

use super::{Gateway, Kind};
use crate::envoy::PATIENCE;
use rustix::process::Signal;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// Above modgud's deadline, the proxy's margin, and what a busy machine needs.
const IN_TIME: Duration = Duration::from_secs(5);

pub(super) async fn nothing_passes(kind: Kind) {
    let mut gateway = Gateway::start(kind).await;
    let good = [gateway.good()];
    assert_eq!(gateway.ask("GET", "/crm/a", &good).await.status, 200);

    gateway.signal_modgud(Signal::STOP);
    while !gateway.is_stopped() {
        sleep(Duration::from_millis(1)).await;
    }
    denied(&gateway, &good).await;
    gateway.signal_modgud(Signal::CONT);
    recovers(&gateway, &good).await;

    gateway.kill_modgud().await;
    denied(&gateway, &good).await;
    gateway.start_modgud().await;
    recovers(&gateway, &good).await;
    gateway.stop().await;
}

/// Requests with a good token and for a public path are denied in time, and reach no service.
async fn denied(gateway: &Gateway, good: &[String]) {
    let before = gateway.upstream.requests();
    for (target, lines) in [("/crm/a", good), ("/crm/public", &[])] {
        let since = Instant::now();
        let answer = gateway.ask("GET", target, lines).await;
        assert!((500..=504).contains(&answer.status), "{}: {target}: {answer:?}", gateway.kind.name());
        assert!(since.elapsed() < IN_TIME, "{}: {target}: {:?}", gateway.kind.name(), since.elapsed());
    }
    assert_eq!(gateway.upstream.requests(), before, "{}", gateway.kind.name());
}

async fn recovers(gateway: &Gateway, good: &[String]) {
    let allowed = async { while gateway.ask("GET", "/crm/a", good).await.status != 200 {} };
    assert!(timeout(PATIENCE, allowed).await.is_ok(), "{} does not recover", gateway.kind.name());
}
