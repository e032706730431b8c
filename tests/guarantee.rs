//! Every check is answered with a `CheckResponse`: whatever is sent, and if nothing is. A gRPC error would hand the decision
//! to Envoy's `failure_mode_allow`.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says what went wrong by failing"
)]

mod attacks;
mod decision_file;
mod decision_log;
mod excess;
pub(crate) mod frames;
mod load;
mod log;
mod messages;
pub(crate) mod raw;
mod resets;

use crate::decisions::counters::Counters;
use crate::decisions::{PATIENT, answer::Answer};
use crate::support::{Encoding, Sidecar, check, token};
use axum::body::Body as AnyBody;
use bytes::Bytes;
use modgud::envoy::proto::CheckRequest;
use prost::Message;
use raw::{CHECK, Raw, frame};
use std::collections::BTreeMap;
use std::convert::Infallible;
use tonic::body::Body;
use tonic::codegen::tokio_stream::{self, StreamExt};

/// A check that is let through.
fn good() -> CheckRequest {
    let value = format!("JWT {}", token());
    check(Encoding::Raw, "GET", "/crm/", &[("authorization", value.as_bytes())])
}

#[tokio::test]
async fn a_message_that_never_comes_is_answered_at_the_deadline() {
    let sidecar = Sidecar::with("profile: bifrost\nserver: { deadline: 50ms }").await;
    let mut raw = Raw::connect(&sidecar).await;
    let whole = frame(&good().encode_to_vec());
    for sent in [0, 1, 5, whole.len() / 2, whole.len() - 1] {
        let before = Counters::read(&sidecar).await;
        let first = tokio_stream::iter([Ok::<_, Infallible>(Bytes::copy_from_slice(&whole[..sent]))]);
        let body = Body::new(AnyBody::from_stream(first.chain(tokio_stream::pending())));
        let found = raw.call(CHECK, &[], body).await.answer().unwrap();
        let body = r#"{"detail":"The request could not be checked. Try again later."}"#.to_owned();
        assert_eq!(
            found,
            Answer::Deny { status: 503, body, challenge: None, headers: BTreeMap::new() },
            "after {sent} bytes"
        );
        assert_eq!(Counters::read(&sidecar).await.reasons_since(&before), ["deadline_exceeded"], "after {sent} bytes");
    }
}

/// A waiting call delays no other call of its connection.
#[tokio::test]
async fn a_message_that_never_arrives_delays_no_other_client() {
    let sidecar = Sidecar::with("profile: bifrost\nserver: { deadline: 10s }").await;
    let mut raw = Raw::connect(&sidecar).await;
    let silent = || Body::new(AnyBody::from_stream(tokio_stream::pending::<Result<Bytes, Infallible>>()));
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut raw = raw.clone();
            let body = silent();
            tokio::spawn(async move { raw.call(CHECK, &[], body).await })
        })
        .collect();
    for _ in 0..20 {
        let found = raw.send(&frame(&good().encode_to_vec())).await.answer().unwrap();
        assert_eq!(found.status(), None, "{found:?}");
    }
    for call in waiting {
        assert!(!call.is_finished(), "was answered before its message and before its deadline");
        call.abort();
    }
}

/// A check counts once its message has arrived: those that wait for theirs take no slot.
#[tokio::test]
async fn checks_without_a_message_take_no_place() {
    let sidecar = Sidecar::with("profile: bifrost\nserver: { deadline: 10s, max_in_flight: 1 }").await;
    let mut raw = Raw::connect(&sidecar).await;
    let mut silent = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut raw = raw.clone();
        let body = Body::new(AnyBody::from_stream(tokio_stream::pending::<Result<Bytes, Infallible>>()));
        silent.spawn(async move { raw.call(CHECK, &[], body).await });
    }
    for _ in 0..20 {
        let found = raw.send(&frame(&good().encode_to_vec())).await.answer().unwrap();
        assert_eq!(found.status(), None, "{found:?}");
    }
    assert!(silent.try_join_next().is_none(), "was answered before its message and before its deadline");
    silent.shutdown().await;
}

/// Envoy hands on what a client says about tracing (`tracestate`, `baggage`) as headers of the call: up to its own limit for
/// all headers of a request, 60 KiB. Refused by the transport, it would be a gRPC error, and its cause the client's choice.
#[tokio::test]
async fn a_call_with_large_headers_is_answered() {
    let sidecar = Sidecar::with(PATIENT).await;
    let mut raw = Raw::connect(&sidecar).await;
    for kib in [1, 15, 16, 17, 32, 60] {
        let large = "a".repeat(kib * 1024);
        let body = Body::new(AnyBody::from(frame(&good().encode_to_vec())));
        let reply = raw.call(CHECK, &[("tracestate", &large)], body).await;
        let found = reply.answer().unwrap_or_else(|error| panic!("{kib} KiB: {error}"));
        assert_eq!(found.status(), None, "{kib} KiB: {found:?}");
    }
}

#[tokio::test]
async fn what_is_no_check_stays_a_grpc_error() {
    let sidecar = Sidecar::with(PATIENT).await;
    let mut raw = Raw::connect(&sidecar).await;
    let before = Counters::read(&sidecar).await;
    for path in [
        "/envoy.service.auth.v3.Authorization/Nope",
        "/envoy.service.auth.v3.Authorization/check",
        "/envoy.service.auth.v3.Authorization/Check/",
        "/envoy.service.auth.v2.Authorization/Check",
        "/nobody.Knows/This",
    ] {
        let body = Body::new(AnyBody::from(frame(&good().encode_to_vec())));
        let found = raw.call(path, &[], body).await;
        assert_eq!(found.grpc_status(), Some(tonic::Code::Unimplemented), "{path}");
    }
    assert_eq!(Counters::read(&sidecar).await.reasons_since(&before), Vec::<String>::new());
}
