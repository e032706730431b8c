//! Tokens that need a DPoP proof (RFC 9449): a proof names method, scheme, host, port and path, all of which a proxy describes.

use super::client::{Client, PROXIES, Told};
use crate::decisions::DEADLINE;
use crate::sender::CONFIGURATION;
use crate::sender::holder::Holder;
use crate::support::{KEY, NOW, Sidecar};
use modgud_core::time::Timestamp;
use serde_json::Map;
use std::collections::BTreeMap;

/// After the second in which the sidecar starts.
const MADE: u64 = NOW + 1;

#[tokio::test]
async fn a_proof_is_for_the_request_that_the_proxy_describes() {
    let yaml = format!("{DEADLINE}{CONFIGURATION}");
    let holder = Holder::new(&KEY);
    let authorization = format!("DPoP {}", holder.token);
    for proxy in PROXIES {
        let sidecar = Sidecar::for_proxy(&yaml, &BTreeMap::new(), proxy).await;
        sidecar.clock.set(Timestamp::from_secs(MADE));
        let mut client = Client::connect(sidecar.http()).await;
        for (method, host, target, proto, htu, is_good) in [
            ("GET", "api.example.com", "/a?b=c", "https", "https://api.example.com/a", true),
            ("GET", "api.example.com:443", "/a", "https", "https://api.example.com/a", true),
            ("GET", "api.example.com:8443", "/a", "https", "https://api.example.com:8443/a", true),
            ("GET", "api.example.com", "/a", "http", "http://api.example.com/a", true),
            ("GET", "api.example.com", "/a", "http", "https://api.example.com/a", false),
            ("GET", "api.example.com", "/a", "https", "https://api.example.com/b", false),
            ("GET", "api.example.com", "/a", "https", "https://other.example.com/a", false),
            ("GET", "api.example.com:8443", "/a", "https", "https://api.example.com/a", false),
            ("POST", "api.example.com", "/a", "https", "https://api.example.com/a", false),
            ("GET", "api.example.com", "/a", "wss", "https://api.example.com/a", false),
        ] {
            let proof = holder.proof(htu, MADE, &Map::new(), &Map::new());
            let headers = [("Authorization", authorization.as_str()), ("DPoP", &proof), ("X-Forwarded-Proto", proto)];
            let told = Told { host: host.as_bytes(), ..Told::new(method, target, &headers) };
            let reply = client.ask(&told.bytes(proxy)).await;
            let expected = if is_good { 200 } else { 401 };
            assert_eq!(reply.status, expected, "{}: {method} {host} {target} {proto} {htu}", proxy.name());
            if is_good {
                let found = ["dpop", "authorization"].map(|name| reply.header(name));
                assert_eq!(found, [Some(""), Some("")], "{}", proxy.name());
                assert_eq!(client.ask(&told.bytes(proxy)).await.status, 401, "{}: again", proxy.name());
            }
        }
    }
}
