//! Denials: never a 2xx, and in the form that each proxy understands.

use super::client::{Client, PROXIES, Told};
use super::{credential, sidecar};
use crate::support::Sidecar;
use modgud::forward_auth::Proxy;
use std::collections::BTreeMap;

#[tokio::test]
async fn a_status_is_the_real_one_or_the_one_that_the_proxy_understands() {
    let credential = credential();
    let good = [("Authorization", credential.as_str())];
    for proxy in PROXIES {
        let sidecar = sidecar(proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        for (target, headers, real, nginx) in [
            ("/crm/", &[][..], 401, 401),
            ("/crm/", &[("Authorization", "JWT a.b.c")], 401, 401),
            ("/closed", &good, 403, 403),
            ("/hidden", &good, 404, 403),
            ("/site/../a", &[], 400, 403),
        ] {
            let reply = client.ask(&Told::new("GET", target, headers).bytes(proxy)).await;
            let expected = if proxy == Proxy::Nginx { nginx } else { real };
            assert_eq!(reply.status, expected, "{}: {target}", proxy.name());
            let told = (proxy == Proxy::Nginx).then(|| real.to_string());
            assert_eq!(reply.header("x-modgud-status"), told.as_deref(), "{}: {target}", proxy.name());
            assert_eq!(reply.header("www-authenticate").is_some(), real == 401, "{}: {target}", proxy.name());
            assert!(!reply.body.is_empty(), "{}: {target}", proxy.name());
            assert_eq!(reply.header("cache-control"), Some("no-store"));
        }
    }
}

/// A provider that is away, over each proxy; with `unavailable: error` only Envoy may decide on its own.
#[tokio::test]
async fn what_can_not_be_decided_is_denied() {
    const AWAY: &str = "
profile: none
server: { deadline: 10s }
fallback: authenticated
authenticators:
  - name: away
    from: [{ header: authorization, schemes: [JWT] }]
    jwt: { issuer: bifrost, algorithms: [RS256], keys: [{ jwks: { url: 'http://127.0.0.1:1/jwks' } }], require: [] }
";
    let credential = credential();
    for (unavailable, envoy) in [("deny", 403), ("error", 503)] {
        let yaml = format!("{AWAY}denials: {{ unavailable: {unavailable} }}\n");
        for proxy in PROXIES {
            let sidecar = Sidecar::for_proxy(&yaml, &BTreeMap::new(), proxy).await;
            let mut client = Client::connect(sidecar.http()).await;
            let reply = client.ask(&Told::new("GET", "/", &[("Authorization", &credential)]).bytes(proxy)).await;
            let expected = if proxy == Proxy::Envoy { envoy } else { 503 };
            assert_eq!(reply.status, expected, "{}: {unavailable}", proxy.name());
            assert_eq!(reply.header("retry-after"), Some("10"), "{}", proxy.name());
        }
    }
}

#[tokio::test]
async fn a_browser_is_sent_to_log_in() {
    const LOGIN: &str = "
profile: bifrost
server: { deadline: 10s }
denials: { redirect: { to: 'https://login.example.com/', hosts: [api.example.com] } }
";
    let browser = [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    for proxy in PROXIES {
        let sidecar = Sidecar::for_proxy(LOGIN, &BTreeMap::new(), proxy).await;
        let mut client = Client::connect(sidecar.http()).await;
        let reply = client.ask(&Told::new("GET", "/crm/?a=b", &browser).bytes(proxy)).await;
        let (status, told) = if proxy == Proxy::Nginx { (401, Some("302")) } else { (302, None) };
        assert_eq!((reply.status, reply.header("x-modgud-status")), (status, told), "{}", proxy.name());
        let location = reply.header("location").unwrap();
        assert!(location.starts_with("https://login.example.com/"), "{location}");
    }
}
