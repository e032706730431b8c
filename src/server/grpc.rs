//! The gRPC server: authorization, health and reflection, with bounds on what one peer can hold. How connections come in is told in
//! `connections`.

use super::connections::{Bounds, Listener, hand_over};
use super::guard::Guarded;
use super::live::Live;
use super::readiness::Readiness;
use super::socket::Socket;
use super::streams::{MESSAGE_BYTES, Streams};
use crate::envoy::proto::{FILE_DESCRIPTOR_SET, SERVICE_NAME};
use crate::telemetry::metrics::ListenerName;
use std::future::Future;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::codegen::tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How many checks one connection may have under way. Envoy opens another connection beyond it.
const STREAMS_PER_CONNECTION: u32 = 1_024;
/// How large the headers of one call may be. Envoy hands on what clients say about tracing, up to its limit for all headers of a
/// request (60 KiB); more than this is refused by the transport, which is a gRPC error: no client must be able to cause it.
const HEADER_BYTES: u32 = 128 * 1024;
/// How many calls of one connection may be given up before modgud has looked at them. Envoy sends the checks of all its clients over
/// one connection, and gives one up when its client does: who opens and gives up hundreds of requests in one go must not cause more
/// than those to fail. HTTP/2's own guard (20) would end the connection, and with it everybody's checks. What one turn can
/// read, some megabytes, holds fewer than this many.
const GIVEN_UP_UNSEEN: usize = 65_536;
/// How many calls modgud itself may reset in the life of a connection: as many as it likes. A check that is answered before its
/// message has come, at the deadline or on overload, is one, so that their number is the clients' choice.
const RESETS_OF_OUR_OWN: Option<usize> = None;
/// How often a silent connection is asked whether anybody is there, and how long the answer may take.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(20));
/// The names that health is reported for: the server as a whole, and the one service that it is there for.
const REPORTED: [&str; 2] = ["", SERVICE_NAME];

/// Why the gRPC server stopped, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// The listener or a connection failed.
    #[error("the gRPC server failed: {0}")]
    Transport(#[from] tonic::transport::Error),
    /// The description of our own messages is not one.
    #[error("the gRPC reflection service can't be built: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves until `stop` is done and the calls under way are answered.
///
/// # Errors
/// [`GrpcError`] when the server can't be built or its listener fails.
pub async fn serve(
    socket: Socket,
    live: Live,
    readiness: Readiness,
    max_in_flight: usize,
    stop: impl Future<Output = ()>,
) -> Result<(), GrpcError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let health = health.max_decoding_message_size(MESSAGE_BYTES);
    report(&reporter, ServingStatus::NotServing).await;
    let follower = tokio::spawn(follow(readiness, reporter.clone()));
    let following = follower.abort_handle();
    let stop = async move {
        stop.await;
        following.abort();
        end_watches(reporter).await;
    };

    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let streams = Streams::default();
    let (ready, incoming) = mpsc::channel(1);
    let listener = Listener::new(socket, ListenerName::Grpc, Bounds::CHECKS, &live.checks.metrics);
    let server = Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .http2_max_header_list_size(HEADER_BYTES)
        .http2_max_pending_accept_reset_streams(Some(GIVEN_UP_UNSEEN))
        .http2_max_local_error_reset_streams(RESETS_OF_OUR_OWN)
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .add_service(Guarded::new(&live.checks, max_in_flight))
        .add_service(streams.bound(health))
        .add_service(streams.bound(reflection().build_v1()?.max_decoding_message_size(MESSAGE_BYTES)))
        .add_service(streams.bound(reflection().build_v1alpha()?.max_decoding_message_size(MESSAGE_BYTES)))
        .serve_with_incoming_shutdown(ReceiverStream::new(incoming), stop);
    // Ends, and closes the listener, once the server takes no more connections.
    let (ended, ()) = tokio::join!(server, hand_over(listener, live, ready));
    follower.abort();
    Ok(ended?)
}

/// Keeps `grpc.health.v1` in step with the readiness of the process.
async fn follow(readiness: Readiness, reporter: HealthReporter) {
    let mut subscription = readiness.subscribe();
    loop {
        let status = if subscription.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
        report(&reporter, status).await;
        if subscription.changed().await.is_none() {
            return;
        }
    }
}

/// Tells those who watch that it is over. A watch does not end by itself, and the server waits for every call.
async fn end_watches(mut reporter: HealthReporter) {
    report(&reporter, ServingStatus::NotServing).await;
    for service in REPORTED {
        reporter.clear_service_status(service).await;
    }
}

/// The status of every name that is reported.
async fn report(reporter: &HealthReporter, status: ServingStatus) {
    for service in REPORTED {
        reporter.set_service_status(service, status).await;
    }
}
