//! The gRPC server: authorization, health and reflection, with limits on what one peer can hold. `accept` takes the connections in.

use super::accept::{Listener, accept_loop};
use super::connection::Connection;
use super::h2::{self, Services};
use super::limits::Limits;
use super::readiness::Readiness;
use super::reload::SharedState;
use super::stream_limit::{MAX_MESSAGE_BYTES, StreamLimit};
use crate::envoy::proto::{FILE_DESCRIPTOR_SET, SERVICE_NAME};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// The names in health reports: the server as a whole, and the authorization service.
const REPORTED: [&str; 2] = ["", SERVICE_NAME];

/// An error that ends the gRPC server, or prevents its start.
#[derive(Debug, thiserror::Error)]
pub enum GrpcError {
    /// The embedded description of the messages is invalid.
    #[error("the gRPC reflection service can't be built: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves until `stop` completes and the calls under way are answered.
///
/// # Errors
/// [`GrpcError`] if the server can't be built.
pub(super) async fn serve(
    listener: Listener,
    live: SharedState,
    readiness: Readiness,
    limits: Arc<Limits>,
    stop: impl Future<Output = ()>,
) -> Result<(), GrpcError> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let health = health.max_decoding_message_size(MAX_MESSAGE_BYTES);
    report(&reporter, ServingStatus::NotServing).await;
    let reporting = tokio::spawn(report_readiness(readiness, reporter.clone()));
    let abort_reporting = reporting.abort_handle();
    let stop = async move {
        stop.await;
        abort_reporting.abort();
        end_watches(reporter).await;
    };

    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let streams = StreamLimit::default();
    let (ready, incoming) = mpsc::channel(1);
    let others = Routes::new(streams.bound(health))
        .add_service(streams.bound(reflection().build_v1()?.max_decoding_message_size(MAX_MESSAGE_BYTES)))
        .add_service(streams.bound(reflection().build_v1alpha()?.max_decoding_message_size(MAX_MESSAGE_BYTES)))
        .prepare();
    let services = Services { checks: Arc::clone(&live.checks), limits, others };
    // `accept_loop` ends, and closes the listener, once no more connections are taken.
    tokio::join!(serve_each(incoming, services, stop), accept_loop(listener, live, ready));
    reporting.abort();
    Ok(())
}

/// Serves connections, each in a task of its own, until `stop` completes and all of them have ended.
async fn serve_each(mut incoming: mpsc::Receiver<Connection>, services: Services, stop: impl Future<Output = ()>) {
    let closing = CancellationToken::new();
    // Not a `TaskTracker`: a `JoinSet` also aborts its tasks when it is dropped.
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(connection) = incoming.recv() => {
                connections.spawn(h2::serve(connection, services.clone(), closing.clone()));
            }
            // Removes connections that have ended.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(incoming);
    closing.cancel();
    while connections.join_next().await.is_some() {}
}

/// Keeps `grpc.health.v1` in step with the readiness of the process.
async fn report_readiness(readiness: Readiness, reporter: HealthReporter) {
    let mut subscription = readiness.subscribe();
    loop {
        let status = if subscription.is_ready() { ServingStatus::Serving } else { ServingStatus::NotServing };
        report(&reporter, status).await;
        if subscription.changed().await.is_none() {
            return;
        }
    }
}

/// Ends the health watches. They do not end on their own, and the server waits for every call.
async fn end_watches(mut reporter: HealthReporter) {
    report(&reporter, ServingStatus::NotServing).await;
    for service in REPORTED {
        reporter.clear_service_status(service).await;
    }
}

/// Sets the status of every reported name.
async fn report(reporter: &HealthReporter, status: ServingStatus) {
    for service in REPORTED {
        reporter.set_service_status(service, status).await;
    }
}
