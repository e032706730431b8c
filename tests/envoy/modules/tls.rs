//! `tls`: Envoy sends requests only to a service that proves its name by a certificate of the configured authority, and never in plaintext.

use super::super::ask;
use super::gateway;
use super::service::{Behavior, Handshake, OK, Service, Transport, server_config};
use crate::services::authority::{Authority, SERVER};
use rustls::version::{TLS12, TLS13};
use rustls::{DEFAULT_VERSIONS, ProtocolVersion};
use std::fmt::Write as _;
use std::fs;
use tempfile::TempDir;

#[tokio::test]
async fn only_the_named_service_with_a_certificate_of_the_authority_gets_requests() {
    let folder = TempDir::new().unwrap();
    let (services, clients, strangers) =
        (Authority::new("services"), Authority::new("clients"), Authority::new("strangers"));
    let file = |name: &str| folder.path().join(name).display().to_string();
    fs::write(file("ca.pem"), services.pem()).unwrap();
    fs::write(file("strangers.pem"), strangers.pem()).unwrap();
    clients.client().write(folder.path(), "envoy");
    strangers.client().write(folder.path(), "stranger");
    let pair = services.server();
    let tls = |versions| Transport::Tls(server_config(&pair, None, versions));
    let mutual = || Transport::Tls(server_config(&pair, Some(&clients), DEFAULT_VERSIONS));
    let old = Transport::Tls(server_config(&services.expired(), None, DEFAULT_VERSIONS));
    let good = format!("ca: '{}', name: {SERVER}", file("ca.pem"));
    let client = |name: &str| {
        format!("{good}, cert: '{}', key: '{}'", file(&format!("{name}.pem")), file(&format!("{name}.key")))
    };
    let (new_version, old_version) = (Some(ProtocolVersion::TLSv1_3), Some(ProtocolVersion::TLSv1_2));
    // The settings for Envoy, the service, and the version that they agree on, if the service gets the request.
    let cases = [
        ("good", good.clone(), tls(DEFAULT_VERSIONS), new_version),
        ("old", good.clone(), tls(&[&TLS12]), old_version),
        ("new", good.clone(), tls(&[&TLS13]), new_version),
        ("mutual", client("envoy"), mutual(), new_version),
        ("upper", format!("ca: '{}', name: MODGUD.test", file("ca.pem")), tls(DEFAULT_VERSIONS), new_version),
        ("other-authority", format!("ca: '{}', name: {SERVER}", file("strangers.pem")), tls(DEFAULT_VERSIONS), None),
        ("other-name", format!("ca: '{}', name: other.test", file("ca.pem")), tls(DEFAULT_VERSIONS), None),
        ("part-of-the-name", format!("ca: '{}', name: test", file("ca.pem")), tls(DEFAULT_VERSIONS), None),
        ("expired", good.clone(), old, None),
        ("no-client", good.clone(), mutual(), None),
        ("other-client", client("stranger"), mutual(), None),
        ("plain", good.clone(), Transport::Plain, None),
    ];
    let mut configuration = "profile: bifrost\nmodules:\n".to_owned();
    let mut started = Vec::new();
    for (name, keys, transport, version) in cases {
        let service = Service::start(transport, Behavior::Answer(OK)).await;
        let at = service.address;
        writeln!(configuration, "  - {{ name: {name}, prefix: /{name}, upstream: '{at}', tls: {{ {keys} }} }}")
            .unwrap();
        started.push((name, service, version));
    }
    let core = Service::start(mutual(), Behavior::Answer(OK)).await;
    let at = core.address;
    writeln!(configuration, "core: {{ upstream: '{at}', reserved: [user], tls: {{ {} }} }}", client("envoy")).unwrap();
    started.push(("user", core, new_version));

    let (testbed, token) = gateway(configuration).await;
    for (name, service, version) in &started {
        let answer = ask(testbed.gateway, "GET", &format!("/{name}/a"), std::slice::from_ref(&token)).await;
        let connections = service.connections();
        assert!(!connections.is_empty(), "{name}: Envoy did not try");
        if version.is_some() {
            assert_eq!((answer.status, service.requests()), (200, 1), "{name}");
            let expected = Handshake {
                server_name: Some(SERVER.to_owned()),
                protocol: Some("http/1.1".to_owned()),
                version: *version,
                has_client_certificate: ["mutual", "user"].contains(name),
            };
            assert_eq!(connections[0].handshake, Some(expected), "{name}");
        } else {
            assert_eq!((answer.status, service.requests()), (503, 0), "{name}");
            assert!(!service.text().contains("/a") && !service.text().contains("authorization"), "{name}");
        }
        if *name == "plain" {
            // Of a connection that has just come in, nothing may have been read yet.
            let is_hello = |bytes: &[u8]| bytes.is_empty() || bytes.starts_with(&[22, 3]);
            assert!(connections.iter().all(|connection| is_hello(&connection.bytes)), "a ClientHello only");
        }
    }
    testbed.stop().await;
}
