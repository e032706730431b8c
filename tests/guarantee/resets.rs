//! Envoy multiplexes the checks of all its clients on one connection: nothing that one of them does may end it, since every check
//! under way there would become a gRPC error.

use super::frames::{Connection, End, check, give_up, last};
use super::{frame, good};
use crate::decisions::PATIENT;
use crate::decisions::answer::Answer;
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

/// A client that opens requests and gives them up at once (CVE-2023-44487 is named "Rapid Reset").
#[tokio::test]
async fn thousands_of_checks_that_are_given_up_end_no_other() {
    let sidecar = Sidecar::with("profile: bifrost\nserver: { deadline: 10s, max_in_flight: 30000 }").await;
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
        live += 2 * (count + 1);
    }
    connection.ping().await.unwrap();
}

/// A check that finds no place is answered before its message has come, and the message then comes all the same: each is a stream
/// that modgud resets, and no number of them is one too many.
#[tokio::test]
async fn thousands_of_checks_that_find_no_place_end_no_other() {
    let sidecar = Sidecar::with("profile: bifrost\nserver: { deadline: 10s, max_in_flight: 1 }").await;
    let mut connection = Connection::open(&sidecar.addresses.grpc).await;
    let message = frame(&good().encode_to_vec());
    connection.send(&check(1)).await;
    connection.ping().await.unwrap();
    let mut next = 3;
    for _ in 0..12 {
        let refused: Vec<u32> = streams(next, 100).collect();
        connection.send(&refused.iter().copied().flat_map(check).collect::<Vec<u8>>()).await;
        for stream in &refused {
            assert_eq!(status(connection.end(*stream).await), Some(503));
        }
        connection.send(&refused.iter().flat_map(|stream| last(*stream, &message)).collect::<Vec<u8>>()).await;
        connection.ping().await.unwrap();
        next += 200;
    }
    connection.send(&last(1, &message)).await;
    assert_eq!(status(connection.end(1).await), None);
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
