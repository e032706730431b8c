//! The keys of `modules` and `core` for real services: WebSocket, HTTP/2 and gRPC, TLS to the service, timeouts, retries and cookies. Each is
//! proven through Envoy with the routes and clusters of `modgud envoy`, and with a service of that kind.

mod cookies;
mod http2;
mod retries;
mod service;
mod timeouts;
mod tls;
mod upgrades;
mod websocket;

use super::testbed;
use super::tokens::{claims, jwt, sign};
use modgud_testbed::{EnvoyYaml, Setup, Testbed};

/// A gateway with this configuration, and with Envoy's as `modgud envoy` writes it. Returns it with the header line of a good token.
async fn gateway(config: String) -> (Testbed, String) {
    gateway_of(config, Setup::default()).await
}

/// The same with arguments of `modgud envoy`, or with a change to what it writes.
async fn gateway_of(config: String, setup: Setup) -> (Testbed, String) {
    // A setup holds what lives as long as the program.
    let config = Some(&*config.leak());
    let testbed = testbed(Setup { config, envoy: EnvoyYaml::Written, ..setup }).await;
    let token = jwt(&sign(&testbed.key, &claims()));
    (testbed, token)
}
