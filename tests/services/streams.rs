//! Open calls are limited over all connections, and delay no other client.

use super::running::{Running, Watched, health};
use crate::guarantee::frames::{Connection, End, call, part};
use crate::support::{Encoding, Sidecar, check};
use modgud::envoy::proto::AuthorizationClient;
use modgud::server::app::Shutdown;
use tonic::Code;
use tonic::codegen::tokio_stream::pending;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus::Serving;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

/// As the documentation says.
const MOST: usize = 256;

#[tokio::test]
async fn one_watch_too_many_is_refused() {
    let running = Running::start("profile: bifrost\nserver: { deadline: 10s }\n").await;
    let channels = [running.channel().await, running.channel().await];
    let mut held = Vec::new();
    for channel in channels.iter().cycle().take(MOST) {
        let mut watched = Watched::new(channel, "").await;
        assert_eq!(watched.next().await, Some(Serving));
        held.push(watched);
    }
    let fresh = running.channel().await;
    for channel in channels.iter().chain([&fresh]) {
        let request = HealthCheckRequest { service: String::new() };
        let refused = HealthClient::new(channel.clone()).watch(request).await.map(|_| ()).unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        let reflection = pending::<ServerReflectionRequest>();
        let refused = ServerReflectionClient::new(channel.clone()).server_reflection_info(reflection).await;
        assert_eq!(refused.map(|_| ()).unwrap_err().code(), Code::ResourceExhausted);
        // What Envoy asks is answered all the same.
        assert_eq!(health(channel, "").await, Ok(Serving));
        let check = check(Encoding::Raw, "GET", "/docs/", &[]);
        AuthorizationClient::new(channel.clone()).check(check).await.unwrap();
    }
    // One that ends makes room; the server hears of it a little later.
    held.pop();
    let mut tries = 0;
    let request = || HealthCheckRequest { service: String::new() };
    while HealthClient::new(fresh.clone()).watch(request()).await.is_err() {
        tries += 1;
        assert!(tries < 10_000, "there is no room again");
    }
    drop(held);
    running.stop.send(Shutdown::Immediate).await.unwrap();
    running.left().await;
}

/// Nobody has a service with so long a name: it is refused as soon as its length is known, and not held until it has come.
#[tokio::test]
async fn a_large_message_is_refused_before_it_has_come() {
    let sidecar = Sidecar::bifrost().await;
    let mut connection = Connection::open(&sidecar.addresses.grpc).await;
    let paths = [
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ];
    for (path, stream) in paths.into_iter().zip((1..).step_by(2)) {
        connection.send(&call(stream, path)).await;
        connection.send(&part(stream, &[&[0], 4_097_u32.to_be_bytes().as_slice(), b"a"].concat())).await;
        assert_eq!(connection.end(stream).await, End::Answered(Vec::new()), "{path}");
    }
}
