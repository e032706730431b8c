//! Collectors that are absent, slow, lying or untrusted. No check and no stop ever waits for them.

use super::asked::{Asked, EXPORTED, dropped, otlp, sampled};
use super::receiver::{Protocol, Receiver, Reply};
use futures_util::future::join_all;
use modgud::server::app::Shutdown;
use modgud_testbed::idp::server_tls;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// Longer than a check takes on a busy machine, and shorter than any limit of the exporter.
const SOON: Duration = Duration::from_secs(8);
/// Longer than an exporter may take at its end (2 s) on a busy machine, and shorter than a request to a collector may (10 s).
const LEAVES: Duration = Duration::from_secs(8);

/// Stops a sidecar, which must not wait for its collector.
async fn stops(asked: Asked, how: Shutdown) {
    let began = Instant::now();
    asked.sidecar.stop(how).await;
    assert!(began.elapsed() < LEAVES, "it took {:?}", began.elapsed());
}

/// Asks a check, which must not wait for a collector.
async fn answers(asked: &mut Asked, path: &str) {
    let answer = timeout(SOON, asked.ask(sampled(path))).await;
    assert_eq!(answer.unwrap_or_else(|_| panic!("{path} waits")), Some(401));
}

#[tokio::test]
async fn an_absent_collector_delays_nothing() {
    for protocol in Protocol::ALL {
        for how in [Shutdown::Graceful, Shutdown::Immediate] {
            let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
            let yaml = format!("profile: bifrost\nserver: {{ drain: 0s }}\n{}", otlp(gone, protocol, ""));
            let mut asked = Asked::start(&yaml).await;
            for number in 0..20 {
                answers(&mut asked, &format!("/{number}")).await;
            }
            stops(asked, how).await;
        }
    }
}

#[tokio::test]
async fn a_failure_that_passes_loses_no_span() {
    // What a collector says that is about to stop, and what a proxy says that can't reach it.
    for (protocol, status) in [(Protocol::Grpc, 14), (Protocol::Http, 503)] {
        let receiver = Receiver::start(protocol).await;
        receiver.replies(Reply::Status(status));
        let mut asked = Asked::to(&receiver, protocol, "").await;
        answers(&mut asked, "/").await;
        receiver.requests(1).await;
        receiver.replies(Reply::Accept);
        assert_eq!(receiver.spans(1).await.len(), 1);
        asked.until(EXPORTED, 1).await;
        assert_eq!(asked.counter(&dropped("export_failed")).await, 0);
        let sent = receiver.received();
        assert_eq!(sent.len(), 2, "{protocol:?}");
        assert_eq!(sent[0].raw, sent[1].raw, "the same spans, with the same ids");
    }
}

/// A collector that comes up late gets what waits for it.
#[tokio::test]
async fn a_late_collector_gets_the_spans() {
    for protocol in Protocol::ALL {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let yaml = format!("profile: bifrost\n{}", otlp(address, protocol, ""));
        let mut asked = Asked::start(&yaml).await;
        answers(&mut asked, "/").await;
        let receiver = Receiver::at(address, protocol).await;
        assert_eq!(receiver.spans(1).await.len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_and_an_answer_of_no_collector_are_counted() {
    let cases = [
        // UNAUTHENTICATED and RESOURCE_EXHAUSTED.
        (Protocol::Grpc, Reply::Status(16)),
        (Protocol::Grpc, Reply::Status(8)),
        (Protocol::Grpc, Reply::Page),
        (Protocol::Grpc, Reply::Huge(100_000)),
        (Protocol::Grpc, Reply::Many(100_000)),
        (Protocol::Http, Reply::Status(401)),
        (Protocol::Http, Reply::Status(500)),
        (Protocol::Http, Reply::Status(302)),
        (Protocol::Http, Reply::Page),
        (Protocol::Http, Reply::Huge(100_000)),
    ];
    join_all(cases.map(|(protocol, reply)| is_counted(protocol, reply))).await;
}

async fn is_counted(protocol: Protocol, reply: Reply) {
    let receiver = Receiver::start(protocol).await;
    receiver.replies(reply.clone());
    let mut asked = Asked::to(&receiver, protocol, "").await;
    answers(&mut asked, "/").await;
    asked.until(&dropped("export_failed"), 1).await;
    assert_eq!(asked.counter(EXPORTED).await, 0, "{protocol:?} {reply:?}");
    assert_eq!(receiver.received().len(), 1, "{protocol:?} {reply:?} is asked once");
    // The next one is tried.
    receiver.replies(Reply::Accept);
    answers(&mut asked, "/").await;
    assert_eq!(receiver.spans(1).await.len(), 1, "{protocol:?} {reply:?}");
}

#[tokio::test]
async fn rejected_spans_are_counted_and_not_sent_again() {
    let claims = [(1, 1), (99, 3), (i64::MAX, 3), (0, 0), (-5, 0)];
    let cases = Protocol::ALL.into_iter().flat_map(|protocol| claims.map(|claim| (protocol, claim)));
    join_all(cases.map(|(protocol, (claimed, rejected))| are_rejected(protocol, claimed, rejected))).await;
}

async fn are_rejected(protocol: Protocol, claimed: i64, rejected: u64) {
    let receiver = Receiver::start(protocol).await;
    receiver.replies(Reply::Reject(claimed));
    let mut asked = Asked::to(&receiver, protocol, "").await;
    for path in ["/a", "/b", "/c"] {
        answers(&mut asked, path).await;
    }
    asked.until(&dropped("rejected"), rejected).await;
    asked.until(EXPORTED, 3 - rejected).await;
}

#[tokio::test]
async fn a_hanging_collector_fills_the_queue_and_no_more() {
    for protocol in Protocol::ALL {
        let receiver = Receiver::start(protocol).await;
        receiver.replies(Reply::Hang);
        let mut asked = Asked::to(&receiver, protocol, "queue: 64").await;
        answers(&mut asked, "/first").await;
        // From here on the exporter waits for an answer.
        receiver.requests(1).await;
        for number in 0..100 {
            answers(&mut asked, &format!("/{number}")).await;
        }
        assert_eq!(asked.counter(&dropped("queue_full")).await, 36, "{protocol:?}");
        stops(asked, Shutdown::Immediate).await;
        assert_eq!(receiver.received().len(), 1, "{protocol:?}");
    }
}

#[tokio::test]
async fn only_a_collector_with_a_trusted_certificate_gets_spans() {
    for protocol in Protocol::ALL {
        let (tls, ca) = server_tls();
        let (_, other) = server_tls();
        let receiver = Receiver::start_tls(protocol, TlsAcceptor::from(tls)).await;
        let yaml = |ca: &str| {
            format!(
                "profile: bifrost\ntelemetry: {{ otlp: {{ endpoint: \"https://localhost:{}\", protocol: {}, {ca} }} }}\n",
                receiver.address.port(),
                protocol.key()
            )
        };
        // Another authority, and the public ones.
        for (number, wrong) in ["ca: ca.pem", ""].into_iter().enumerate() {
            let files = BTreeMap::from([("ca.pem".to_owned(), other.clone())]);
            let mut asked = Asked::start_with(&yaml(wrong), &files).await;
            answers(&mut asked, "/").await;
            receiver.untrusted(number + 1).await;
            assert_eq!(receiver.received().len(), 0);
        }
        let files = BTreeMap::from([("ca.pem".to_owned(), ca)]);
        let mut asked = Asked::start_with(&yaml("ca: ca.pem"), &files).await;
        answers(&mut asked, "/").await;
        assert_eq!(receiver.spans(1).await.len(), 1, "{protocol:?}");
    }
}
