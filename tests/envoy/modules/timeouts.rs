//! `timeout` and `idle_timeout`. Every wait here is one of Envoy's, of some 100 ms.

use super::super::ask;
use super::gateway;
use super::service::{Behavior, Service, Transport};
use std::sync::Arc;
use tokio::sync::Semaphore;

#[tokio::test]
async fn a_request_ends_when_the_service_takes_too_long() {
    let permits = Arc::new(Semaphore::new(0));
    let service = Service::start(Transport::Plain, Behavior::Wait(permits.clone())).await;
    let at = service.address;
    let configuration = format!(
        "profile: bifrost
modules:
  - {{ name: short, prefix: /short, upstream: '{at}', timeout: 200ms }}
  - {{ name: default, prefix: /default, upstream: '{at}' }}
  - {{ name: endless, prefix: /endless, upstream: '{at}', timeout: 0s }}
  - {{ name: idle, prefix: /idle, upstream: '{at}', timeout: 0s, idle_timeout: 200ms }}
core: {{ upstream: '{at}', reserved: [user], timeout: 200ms }}
"
    );
    let (testbed, token) = gateway(configuration).await;
    let (gateway, lines) = (testbed.gateway, [token]);
    let ask = |path: &'static str| {
        let lines = lines.clone();
        async move { ask(gateway, "GET", path, &lines).await }
    };
    let waiting = [tokio::spawn(ask("/endless/a")), tokio::spawn(ask("/default/a"))];
    for (path, text) in [
        ("/short/a", "upstream request timeout"),
        ("/user/a", "upstream request timeout"),
        ("/idle/a", "stream timeout"),
    ] {
        let answer = ask(path).await;
        assert_eq!((answer.status, answer.body.as_slice()), (504, text.as_bytes()), "{path}");
    }
    // Those without a limit, or with a longer one, are still waiting.
    permits.add_permits(5);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().status, 200);
    }
    testbed.stop().await;
}
