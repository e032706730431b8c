//! `grpc.health.v1`: what Envoy's and Kubernetes' health checks read.

use super::running::{HEALTH_NAMES, Running, Watched, health};
use modgud::server::app::Shutdown;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus::{NotServing, Serving};

#[tokio::test]
async fn not_serving_until_ready_then_serving_then_not() {
    let mut running = Running::held("profile: bifrost\n").await;
    let channel = running.channel().await;
    for name in HEALTH_NAMES {
        assert_eq!(health(&channel, name).await, Ok(NotServing), "`{name}` before it is ready");
    }
    let mut watched = Vec::new();
    for name in HEALTH_NAMES {
        let mut one = Watched::new(&channel, name).await;
        assert_eq!(one.next().await, Some(NotServing), "`{name}` before it is ready");
        watched.push(one);
    }
    running.ready();
    for one in &mut watched {
        assert_eq!(one.next().await, Some(Serving));
    }
    for name in HEALTH_NAMES {
        assert_eq!(health(&channel, name).await, Ok(Serving), "`{name}` when it is ready");
    }
    running.stop.send(Shutdown::Graceful).await.unwrap();
    for one in &mut watched {
        assert_eq!(one.next().await, Some(NotServing), "told to drain");
        assert_eq!(one.next().await, None, "a watch does not hold up the end");
    }
    running.left().await;
}

#[tokio::test]
async fn other_names_are_not_known() {
    let running = Running::held("profile: bifrost\n").await;
    let channel = running.channel().await;
    for name in ["envoy.service.auth.v3", "grpc.health.v1.Health", "authorization"] {
        assert_eq!(health(&channel, name).await, Err(Code::NotFound), "{name}");
    }
    running.stop.send(Shutdown::Immediate).await.unwrap();
    running.left().await;
}
