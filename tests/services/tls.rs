//! TLS on the listener for checks: who gets through, and what a change of its files does.

use super::authority::{Authority, Pair, SERVER};
use crate::decisions::counters::Counters;
use crate::reload::changing::Reported;
use crate::support::{Encoding, Sidecar, check};
use modgud::envoy::proto::AuthorizationClient;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

const PLAIN: &str = "profile: bifrost\nserver: { deadline: 10s }\n";
const TLS: &str = "profile: bifrost\nserver: { deadline: 10s, tls: { cert: server.pem, key: server.key } }\n";
const MUTUAL: &str =
    "profile: bifrost\nserver: { deadline: 10s, tls: { cert: server.pem, key: server.key, client_ca: clients.pem } }\n";

/// A sidecar of this configuration, with this pair for a certificate and this authority for clients.
async fn sidecar(yaml: &str, pair: &Pair, clients: &Authority) -> Sidecar {
    let folder = TempDir::new().unwrap();
    pair.write(folder.path(), "server");
    fs::write(folder.path().join("clients.pem"), clients.pem()).unwrap();
    fs::write(folder.path().join("modgud.yaml"), yaml).unwrap();
    Sidecar::of(Some(folder.path().join("modgud.yaml")), folder).await
}

fn endpoint(sidecar: &Sidecar, scheme: &str) -> Endpoint {
    Endpoint::from_shared(format!("{scheme}://{}", sidecar.addresses.grpc)).unwrap()
}

/// Whether a check on this channel is decided.
async fn decides(channel: &Channel) -> bool {
    let check = check(Encoding::Raw, "GET", "/docs/", &[]);
    AuthorizationClient::new(channel.clone()).check(check).await.is_ok()
}

/// A fresh connection, on which a check was decided.
async fn connected(sidecar: &Sidecar, tls: ClientTlsConfig) -> Option<Channel> {
    let channel = endpoint(sidecar, "https").tls_config(tls).unwrap().connect().await.ok()?;
    // A client of TLS 1.3 hears only then that its certificate will not do.
    decides(&channel).await.then_some(channel)
}

#[tokio::test]
async fn clients_get_through_that_trust_the_certificate() {
    let (ours, strangers) = (Authority::new("ours"), Authority::new("strangers"));
    let sidecar = sidecar(TLS, &ours.server(), &ours).await;
    assert!(connected(&sidecar, ours.trust(None)).await.is_some());
    assert!(connected(&sidecar, ours.trust(Some(&strangers.client()))).await.is_some(), "nobody asks for it");
    assert!(connected(&sidecar, strangers.trust(None)).await.is_none());
    assert!(connected(&sidecar, ours.trust(None).domain_name("other.test")).await.is_none());
    let counters = async || {
        let counters = Counters::read(&sidecar).await;
        counters.get("modgud_connections_closed_total{listener=\"grpc\",reason=\"plaintext\"}")
    };
    assert_eq!(counters().await, 0, "a client that does not trust the certificate speaks TLS");
    let plain = endpoint(&sidecar, "http").connect().await;
    assert!(match plain {
        Ok(channel) => !decides(&channel).await,
        Err(_) => true,
    });
    assert!(counters().await > 0, "plaintext on a listener with TLS");
}

#[tokio::test]
async fn where_clients_need_a_certificate_it_must_be_of_the_right_authority() {
    let (ours, clients, strangers) = (Authority::new("ours"), Authority::new("clients"), Authority::new("strangers"));
    let sidecar = sidecar(MUTUAL, &ours.server(), &clients).await;
    assert!(connected(&sidecar, ours.trust(Some(&clients.client()))).await.is_some());
    assert!(connected(&sidecar, ours.trust(None)).await.is_none(), "no certificate");
    assert!(connected(&sidecar, ours.trust(Some(&strangers.client()))).await.is_none(), "a stranger's");
    assert!(connected(&sidecar, ours.trust(Some(&ours.client()))).await.is_none(), "of the server's own authority");
    assert!(connected(&sidecar, ours.trust(Some(&clients.server()))).await.is_none(), "one for servers");
}

/// Also by clients that speak nothing newer than 1.2, and never without HTTP/2.
#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_with_http_2_on_top() {
    let ours = Authority::new("ours");
    let sidecar = sidecar(TLS, &ours.server(), &ours).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ours.pem().as_bytes()).unwrap()).unwrap();
    let handshake = async |version: &'static SupportedProtocolVersion, alpn: &[&[u8]]| {
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let mut config = builder.with_root_certificates(roots.clone()).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|one| one.to_vec()).collect();
        let stream = TcpStream::connect(sidecar.addresses.grpc.to_string()).await.unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(SERVER.try_into().unwrap(), stream).await?;
        let (_, session) = stream.get_ref();
        std::io::Result::Ok((session.protocol_version(), session.alpn_protocol().map(<[u8]>::to_vec)))
    };
    for (version, name) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let agreed = handshake(version, &[b"http/1.1", b"h2"]).await.unwrap();
        assert_eq!(agreed, (Some(name), Some(b"h2".to_vec())));
        assert!(handshake(version, &[b"http/1.1"]).await.is_err(), "{name:?} without HTTP/2");
    }
}

#[tokio::test]
async fn a_changed_certificate_is_there_for_new_connections_and_a_bad_one_is_not() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let sidecar = sidecar(TLS, &old.server(), &old).await;
    let (admin, folder) = (sidecar.addresses.admin, sidecar.folder().to_path_buf());
    let before = connected(&sidecar, old.trust(None)).await.unwrap();
    let mut reported = Reported::at(admin).await;

    // The certificate comes first, and its key later.
    let pair = new.server();
    fs::write(folder.join("server.pem"), &pair.cert).unwrap();
    reported = reported.more(admin).await;
    assert_eq!((reported.accepted, reported.refused), (0, 1), "half of a pair");
    assert!(connected(&sidecar, old.trust(None)).await.is_some(), "the old one goes on");
    assert!(connected(&sidecar, new.trust(None)).await.is_none());
    fs::write(folder.join("server.key"), &pair.key).unwrap();
    reported = reported.more(admin).await;
    assert_eq!((reported.accepted, reported.refused), (1, 1));
    assert!(connected(&sidecar, new.trust(None)).await.is_some());
    assert!(connected(&sidecar, old.trust(None)).await.is_none());
    assert!(decides(&before).await, "a connection that was there is left alone");

    // One that is cut off.
    fs::write(folder.join("server.pem"), pair.cert.get(..pair.cert.len() / 2).unwrap()).unwrap();
    reported = reported.more(admin).await;
    assert_eq!((reported.accepted, reported.refused), (1, 2));
    assert!(connected(&sidecar, new.trust(None)).await.is_some());
}

/// Envoy would reject it, and every request with it.
#[tokio::test]
async fn an_expired_certificate_never_replaces_a_valid_one() {
    let ours = Authority::new("ours");
    let sidecar = sidecar(TLS, &ours.server(), &ours).await;
    let (admin, folder) = (sidecar.addresses.admin, sidecar.folder().to_path_buf());
    let before = Reported::at(admin).await;
    ours.expired().write(&folder, "server");
    let refused = before.more(admin).await;
    assert!(refused.refused > before.refused && refused.accepted == before.accepted, "{refused:?}");
    assert!(connected(&sidecar, ours.trust(None)).await.is_some(), "the valid one stays");
    ours.server().write(&folder, "server");
    let mut reported = refused;
    while reported.accepted == before.accepted {
        reported = reported.more(admin).await;
    }
    assert!(connected(&sidecar, ours.trust(None)).await.is_some());
}

#[tokio::test]
async fn changed_authorities_and_tls_as_such_are_there_for_new_connections() {
    let (ours, old, new) = (Authority::new("ours"), Authority::new("old"), Authority::new("new"));
    let sidecar = sidecar(MUTUAL, &ours.server(), &old).await;
    let (admin, folder) = (sidecar.addresses.admin, sidecar.folder().to_path_buf());
    let (old_client, new_client) = (ours.trust(Some(&old.client())), ours.trust(Some(&new.client())));
    assert!(connected(&sidecar, old_client.clone()).await.is_some());
    let mut reported = Reported::at(admin).await;
    let mut changed = async |name: &str, text: &str| {
        fs::write(folder.join(name), text).unwrap();
        let before = reported;
        reported = before.more(admin).await;
        assert_eq!((reported.accepted, reported.refused), (before.accepted + 1, before.refused), "{name}");
    };
    changed("clients.pem", &new.pem()).await;
    assert!(connected(&sidecar, new_client.clone()).await.is_some());
    // Also not by a session from before.
    assert!(connected(&sidecar, old_client.clone()).await.is_none());

    changed("clients.pem", &format!("{}{}", old.pem(), new.pem())).await;
    assert!(connected(&sidecar, new_client).await.is_some());
    assert!(connected(&sidecar, old_client.clone()).await.is_some());

    changed("modgud.yaml", PLAIN).await;
    assert!(connected(&sidecar, old_client).await.is_none());
    assert!(decides(&endpoint(&sidecar, "http").connect().await.unwrap()).await);
}

/// As many as may be connected shake hands and don't go on: the oldest is closed for one that does.
#[tokio::test]
async fn incomplete_handshakes_delay_no_other_client() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let sidecar = sidecar(MUTUAL, &ours.server(), &clients).await;
    let mut silent = Vec::new();
    for _ in 0..600 {
        silent.push(TcpStream::connect(sidecar.addresses.grpc.to_string()).await.unwrap());
    }
    let began = Instant::now();
    assert!(connected(&sidecar, ours.trust(Some(&clients.client()))).await.is_some());
    assert!(began.elapsed() < Duration::from_secs(8), "waited for others to leave by themselves");
}
