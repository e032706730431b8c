//! `server.http`: checks over HTTP/1.1 for nginx, Traefik, Caddy, HAProxy and Envoy's `http_service`, by a running modgud.
//!
//! - `client`: a proxy that sends any bytes.
//! - `believed`: the headers that are believed of each proxy, and those that make a request 400.
//! - `governed`: the headers of an allowed response, and what no proxy can carry out.
//! - `denied`: the statuses of denials, for each proxy.
//! - `messages`: heads, bodies and connections: limits, keep-alive, pipelining, slow clients.
//! - `sender`: tokens that need a DPoP proof.
//! - `process`: the real binary: sockets, activation, drain, reload.
//! - `http_service`: a real Envoy that asks over HTTP.
//!
//! `decisions/over_http.rs` compares every decision table with gRPC.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod believed;
pub(crate) mod client;
mod denied;
mod governed;
mod http_service;
mod messages;
mod process;
mod sender;

use crate::support::{Sidecar, token};
use modgud::forward_auth::Proxy;
use std::collections::BTreeMap;

/// A configuration with a public path; a check is answered in its own time, also on a busy machine.
const CONFIG: &str = "
profile: bifrost
server: { deadline: 10s }
rules:
  - { name: site, match: { paths: ['/site/{*rest}'] }, access: public }
  - { name: closed, match: { paths: ['/closed'] }, access: denied }
  - { name: hidden, match: { paths: ['/hidden'] }, access: denied, deny: { status: 404 } }
";

async fn sidecar(proxy: Proxy) -> Sidecar {
    Sidecar::for_proxy(CONFIG, &BTreeMap::new(), proxy).await
}

fn credential() -> String {
    format!("JWT {}", token())
}
