//! Envoy multiplexes the checks of all its clients on one connection: nothing that one of them does may end it, since every check
//! under way there would become a gRPC error.

use super::frames::{Connection, End, check, give_up, last};
use super::{frame, good};
use crate::decisions::PATIENT;
use crate::decisions::answer::Answer;
use crate::decisions::counters::Counters;
use crate::support::Sidecar;
use modgud::envoy::proto::CheckResponse;
use prost::Message;

/// The status that a check was answered with; `None` when it was let through.
fn status(end: End) -> Option<u16> {
    let End::Answered(body) = end else { panic!("not answered: {end:?}") };
    let message = CheckResponse::decode(body.get(5..).unwrap()).unwrap();
    Answer::read(message).unwrap().status()
}

/// Streams of a client: odd numbers (RFC 9113 §5.1.1).
fn streams(from: u32, count: u32) -> impl Iterator<Item = u32> {
    (from..from + 2 * count).step_by(2)
}

/// A client that opens requests and gives them up at once (CVE-2023-44487 is named "Rapid Reset"). After more than 10,000 in 10 s the
/// server asks for another connection, and answers all the same what is under way on this one.
#[tokio::test]
async fn thousands_of_checks_that_are_given_up_end_no_other() {
    let sidecar = Sidecar::with("profile: bifrost\nserver: { deadline: 10s }").await;
    let mut connection = Connection::open(&sidecar.addresses.grpc).await;
    let message = frame(&good().encode_to_vec());
    let mut live = 1;
    for count in [30, 500, 20_000] {
        // Its message comes when all the others are gone.
        let mut burst = check(live);
        for stream in streams(live + 2, count) {
            burst.extend([check(stream), last(stream, &[0; 5]), give_up(stream)].concat());
        }
        connection.send(&burst).await;
        connection.send(&last(live, &message)).await;
        assert_eq!(status(connection.end(live).await), None, "beside {count}");
        assert_eq!(connection.is_leaving(), count > 10_000, "after {count}");
        live += 2 * (count + 1);
    }
    let counters = Counters::read(&sidecar).await;
    assert_eq!(counters.get("modgud_connections_closed_total{listener=\"grpc\",reason=\"resets\"}"), 1);
    assert_eq!(counters.get("modgud_stream_resets_total{listener=\"grpc\"}"), 20_530);
    assert_eq!(counters.get("modgud_streams_total{listener=\"grpc\"}"), 20_530 + 3);
    assert_eq!(counters.get("modgud_connections_accepted_total{listener=\"grpc\"}"), 1);
    // Nothing is under way any more: the connection ends, and without an error.
    assert_eq!(connection.ping().await, Err("closed".to_owned()));
}

/// Nobody reads the answers: they are not made.
#[tokio::test]
async fn calls_that_are_reset_before_their_turn_are_not_processed() {
    let sidecar = Sidecar::with(PATIENT).await;
    let mut connection = Connection::open(&sidecar.addresses.grpc).await;
    let message = frame(&good().encode_to_vec());
    let mut burst = Vec::new();
    for stream in streams(1, 2_000) {
        burst.extend([check(stream), last(stream, &message), give_up(stream)].concat());
    }
    burst.extend([check(4_001), last(4_001, &message)].concat());
    connection.send(&burst).await;
    assert_eq!(status(connection.end(4_001).await), None);
    let processed = Counters::read(&sidecar).await.decided("allowed");
    // A reset may be cut off from its call by the end of what is read at once.
    assert!(processed < 100, "{processed} of 2,001 were processed");
}

/// A check whose message does not come is answered at its deadline, and the message then comes all the same: each is a stream that
/// modgud resets, and no number of them is one too many.
#[tokio::test]
async fn thousands_of_checks_that_are_answered_early_end_no_other() {
    let sidecar = Sidecar::with("profile: bifrost\nserver: { deadline: 50ms }").await;
    let mut connection = Connection::open(&sidecar.addresses.grpc).await;
    let message = frame(&good().encode_to_vec());
    let mut next = 1;
    for _ in 0..12 {
        let late: Vec<u32> = streams(next, 100).collect();
        connection.send(&late.iter().copied().flat_map(check).collect::<Vec<u8>>()).await;
        for stream in &late {
            assert_eq!(status(connection.end(*stream).await), Some(503));
        }
        connection.send(&late.iter().flat_map(|stream| last(*stream, &message)).collect::<Vec<u8>>()).await;
        connection.ping().await.unwrap();
        next += 200;
    }
    connection.send(&[check(next), last(next, &message)].concat()).await;
    assert_eq!(status(connection.end(next).await), None);
}

/// More checks at once than a connection may have: those are refused, and the others go on.
#[tokio::test]
async fn more_checks_than_a_connection_may_have_end_no_other() {
    let sidecar = Sidecar::with(PATIENT).await;
    let mut connection = Connection::open(&sidecar.addresses.grpc).await;
    let message = frame(&good().encode_to_vec());
    let all: Vec<u32> = streams(1, 4_000).collect();
    connection.send(&all.iter().copied().flat_map(check).collect::<Vec<u8>>()).await;
    connection.ping().await.unwrap();
    connection.send(&last(1, &message)).await;
    assert_eq!(status(connection.end(1).await), None);
}
