//! The deadline of a check takes effect at once, as rules, keys and headers do.

use super::changing::Changing;
use crate::decisions::answer::Answer;
use crate::guarantee::raw::{CHECK, Raw};
use axum::body::Body as AnyBody;
use bytes::Bytes;
use std::convert::Infallible;
use tonic::body::Body;
use tonic::codegen::tokio_stream;

#[tokio::test]
async fn the_deadline_changes_and_leaves_alone_what_is_under_way() {
    let mut changing = Changing::start("profile: bifrost\nserver: { deadline: 10s }\n").await;
    let raw = Raw::connect(&changing.sidecar).await;
    let silent = |mut raw: Raw| async move {
        let body = Body::new(AnyBody::from_stream(tokio_stream::pending::<Result<Bytes, Infallible>>()));
        raw.call(CHECK, &[], body).await.answer()
    };
    let before = tokio::spawn(silent(raw.clone()));
    // Asked after it on the same connection: what waits has begun to wait.
    let mut client = modgud::envoy::proto::AuthorizationClient::new(raw.channel());
    client.check(modgud::envoy::proto::CheckRequest::default()).await.unwrap();

    changing.write("modgud.yaml", "profile: bifrost\nserver: { deadline: 1ms }\n");
    changing.accepted().await;
    let answer = silent(raw).await.unwrap();
    assert!(matches!(answer, Answer::Deny { status: 503, .. }), "{answer:?}");
    assert!(!before.is_finished(), "a check that began under the old deadline keeps it");
    before.abort();
}
