//! Shutdown: no check is lost, and no client waits forever.

use super::running::{Running, Watched, health};
use crate::support::{Encoding, check, token};
use modgud::envoy::proto::{AuthorizationClient, CheckRequest, CheckResponse, HttpResponse};
use modgud::server::CHECK_PATH;
use modgud::server::app::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;
use tonic::codegen::tokio_stream::{self, Stream};
use tonic::transport::Channel;
use tonic_health::pb::health_check_response::ServingStatus::{NotServing, Serving};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

/// Longer than any test may take: what leaves earlier does not leave because its time was over.
const LONG: &str = "profile: bifrost\nserver: { drain: 10m, deadline: 10s }\n";

fn good_check() -> CheckRequest {
    check(Encoding::Joined, "GET", "/crm/", &[("authorization", format!("JWT {}", token()).as_bytes())])
}

fn is_allowed(response: &CheckResponse) -> bool {
    let code = response.status.as_ref().map(|status| status.code);
    code == Some(0) && matches!(response.http_response, Some(HttpResponse::OkResponse(_)))
}

async fn is_answered(channel: &Channel) -> bool {
    let answer = AuthorizationClient::new(channel.clone()).check(good_check()).await;
    answer.is_ok_and(|answer| is_allowed(answer.get_ref()))
}

#[tokio::test]
async fn without_traffic_a_drain_ends_before_its_time() {
    let running = Running::start(LONG).await;
    running.stop.send(Shutdown::Graceful).await.unwrap();
    running.left().await;
}

#[tokio::test]
async fn a_connection_without_calls_does_not_hold_up_a_drain() {
    let running = Running::start(LONG).await;
    let _idle = running.channel().await;
    running.stop.send(Shutdown::Graceful).await.unwrap();
    running.left().await;
}

#[tokio::test]
async fn a_watch_ends_with_the_server() {
    let running = Running::start(LONG).await;
    let idle = running.channel().await;
    let mut watched = Watched::new(&idle, "").await;
    assert_eq!(watched.next().await, Some(Serving));
    running.stop.send(Shutdown::Immediate).await.unwrap();
    running.left().await;
    assert_eq!(watched.next().await, Some(NotServing));
}

#[tokio::test]
async fn a_drain_ends_when_the_connections_that_carried_checks_are_closed() {
    let running = Running::start(LONG).await;
    let channel = running.channel().await;
    assert!(is_answered(&channel).await);
    running.stop.send(Shutdown::Graceful).await.unwrap();
    drop(channel);
    running.left().await;

    let running = Running::start(LONG).await;
    let channel = running.channel().await;
    assert!(is_answered(&channel).await);
    running.stop.send(Shutdown::Immediate).await.unwrap();
    running.left().await;
}

#[tokio::test]
async fn a_closed_shutdown_channel_stops_the_server() {
    let running = Running::start(LONG).await;
    running.abandoned().await;
}

#[tokio::test]
async fn checks_are_answered_while_draining_and_a_second_word_ends_it() {
    let running = Running::start(LONG).await;
    let channel = running.channel().await;
    let mut watched = Watched::new(&channel, "").await;
    running.stop.send(Shutdown::Graceful).await.unwrap();
    watched.until(NotServing).await;
    // More often than a drain looks for quiet, so that only the second word can end it.
    for _ in 0..200 {
        assert!(is_answered(&channel).await, "a check while draining");
    }
    assert_eq!(health(&channel, "").await, Ok(NotServing), "it drains still");
    let fresh = running.channel().await;
    assert!(is_answered(&fresh).await, "a check on a new connection while draining");
    let traffic = tokio::spawn(async move { while is_answered(&channel).await {} });
    running.stop.send(Shutdown::Graceful).await.unwrap();
    running.left().await;
    traffic.await.unwrap();
}

#[tokio::test]
async fn a_check_under_way_is_answered_before_the_end() {
    let running = Running::start(LONG).await;
    let channel = running.channel().await;
    let mut watched = Watched::new(&channel, "").await;
    let (send_message, message) = oneshot::channel();
    // Its call is there, its message is not: the check is under way for as long as the test wants it to be.
    let body = Waiting(message);
    let call = async {
        let mut client = tonic::client::Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let codec = ProstCodec::<CheckRequest, CheckResponse>::default();
        client.client_streaming(tonic::Request::new(body), CHECK_PATH.parse().unwrap(), codec).await
    };
    let stop = async {
        // Sent after the call on the same connection, and answered: the call has arrived too.
        assert_eq!(health(&channel, "").await, Ok(Serving));
        running.stop.send(Shutdown::Immediate).await.unwrap();
        while watched.next().await.is_some() {}
        assert_eq!(running.readiness.pending(), ["draining"], "not ready again on the way out");
        send_message.send(good_check()).unwrap_or_else(|_| panic!("the call has ended"));
    };
    let (answer, ()) = tokio::join!(call, stop);
    assert!(is_allowed(answer.unwrap().get_ref()));
    running.left().await;
}

/// Not a check, and kept open by the other side for as long as it likes: it was given the time that a check has.
#[tokio::test]
async fn a_call_that_never_ends_does_not_hold_up_the_end() {
    let running = Running::start("profile: bifrost\nserver: { drain: 10m, deadline: 50ms }\n").await;
    let channel = running.channel().await;
    let silent = tokio_stream::pending::<ServerReflectionRequest>();
    let _answers = ServerReflectionClient::new(channel.clone()).server_reflection_info(silent).await.unwrap();
    running.stop.send(Shutdown::Immediate).await.unwrap();
    running.left().await;
}

/// A stream of one message, which comes when it comes.
struct Waiting(oneshot::Receiver<CheckRequest>);

impl Stream for Waiting {
    type Item = CheckRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<CheckRequest>> {
        if self.0.is_terminated() {
            return Poll::Ready(None);
        }
        Future::poll(Pin::new(&mut self.0), context).map(Result::ok)
    }
}
