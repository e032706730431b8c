//! Frames that no gRPC client sends, or few of: beyond a bound the connection is closed.

use super::frames::{Connection, End, check, last, part, trailers, window};
use super::{frame, good};
use crate::decisions::PATIENT;
use crate::decisions::counters::Counters;
use crate::support::Sidecar;
use prost::Message;

const CLOSED: &str = "modgud_connections_closed_total{listener=\"grpc\",reason=\"frames\"}";

#[tokio::test]
async fn a_few_trailers_are_ignored_and_many_end_the_connection() {
    let sidecar = Sidecar::with(PATIENT).await;
    let message = frame(&good().encode_to_vec());
    let mut connection = Connection::open(&sidecar.addresses.grpc).await;
    connection.send(&[check(1), part(1, &message), trailers(1, 3)].concat()).await;
    assert!(matches!(connection.end(1).await, End::Answered(_)));
    connection.send(&[check(3), part(3, &message), trailers(3, 600)].concat()).await;
    assert!(connection.ping().await.is_err());
    assert_eq!(Counters::read(&sidecar).await.get(CLOSED), 1);
}

#[tokio::test]
async fn a_few_settings_are_applied_and_hundreds_end_the_connection() {
    let sidecar = Sidecar::with(PATIENT).await;
    let message = frame(&good().encode_to_vec());
    let mut connection = Connection::open(&sidecar.addresses.grpc).await;
    connection.send(&[window(1 << 20).repeat(100), check(1), last(1, &message)].concat()).await;
    assert!(matches!(connection.end(1).await, End::Answered(_)));
    connection.send(&window(1 << 16).repeat(200)).await;
    assert!(connection.ping().await.is_err());
    assert_eq!(Counters::read(&sidecar).await.get(CLOSED), 1);
}
