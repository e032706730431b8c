//! The admin routes: `/livez`, `/readyz`, `/version`, and nothing else.

use super::running::{Running, Watched};
use modgud::server::app::Shutdown;
use modgud_testbed::http::Exchange;
use std::net::SocketAddr;
use tonic_health::pb::health_check_response::ServingStatus::NotServing;

async fn get(admin: SocketAddr, path: &str) -> (u16, String) {
    let answer = Exchange::get(admin, path).await.unwrap();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

#[tokio::test]
async fn readyz_names_what_is_not_ready() {
    let mut running = Running::held("profile: bifrost\n").await;
    let admin = running.addresses.admin;
    let mut watched = Watched::new(&running.channel().await, "").await;
    watched.until(NotServing).await;
    assert_eq!(get(admin, "/readyz").await, (503, "not ready: test\n".to_owned()));
    assert_eq!(get(admin, "/livez").await, (200, "live\n".to_owned()), "not ready, but alive");
    running.ready();
    assert_eq!(get(admin, "/readyz").await, (200, "ready\n".to_owned()));
    running.stop.send(Shutdown::Graceful).await.unwrap();
    watched.until(NotServing).await;
    assert_eq!(get(admin, "/readyz").await, (503, "not ready: draining\n".to_owned()));
    assert_eq!(get(admin, "/livez").await, (200, "live\n".to_owned()), "draining, but alive");
    running.left().await;
}

#[tokio::test]
async fn version_is_that_of_the_package() {
    let running = Running::start("profile: bifrost\n").await;
    let expected = format!("modgud {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(get(running.addresses.admin, "/version").await, (200, expected));
    running.stop.send(Shutdown::Immediate).await.unwrap();
    running.left().await;
}

#[tokio::test]
async fn other_paths_are_not_there() {
    let running = Running::start("profile: bifrost\n").await;
    for path in ["/", "/ready", "/readyz/", "/metrics/x", "/config", "/debug", "/../livez", "/quit"] {
        let (status, body) = get(running.addresses.admin, path).await;
        assert_eq!((status, body.as_str()), (404, ""), "{path}");
    }
    for path in ["/livez", "/readyz", "/metrics", "/version"] {
        let answer = Exchange::send(running.addresses.admin, "POST", path, &[("content-length", "0")]).await.unwrap();
        assert_eq!(answer.status, 405, "POST {path}");
    }
    running.stop.send(Shutdown::Immediate).await.unwrap();
    running.left().await;
}
