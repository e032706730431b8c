//! Envoy's connection to modgud: its address and its TLS.

use super::{bootstrap, gateway};
use crate::envoy::bootstrap::{
    Bootstrap, BootstrapError, CertificateFiles, CheckCluster, GatewayConfig, Transport, UpstreamTls,
};
use crate::net::listen_addr::ListenAddr;

#[test]
fn modgud_is_reached_where_it_listens() {
    for (listener, reached) in [
        ("0.0.0.0:9191", Some("127.0.0.1:9191")),
        ("[::]:9191", Some("[::1]:9191")),
        ("10.0.0.1:7", Some("10.0.0.1:7")),
        ("unix:/run/check.sock", Some("unix:/run/check.sock")),
        ("unix:@modgud", Some("unix:@modgud")),
        ("127.0.0.1:0", None),
    ] {
        let listener: ListenAddr = listener.parse().unwrap();
        assert_eq!(CheckCluster::of(&listener), reached.map(|text| text.parse().unwrap()), "{listener}");
    }
    let gateway = gateway();
    let at = |text: &str| Bootstrap { modgud: text.parse().unwrap(), ..bootstrap(&gateway) }.yaml().unwrap();
    let socket = at("unix:/run/a b/check.sock");
    assert!(socket.contains("                    pipe: { path: \"/run/a b/check.sock\" }\n"), "{socket}");
    assert!(socket.contains("    - name: modgud\n      type: STATIC\n"));
    let named = at("unix:@modgud");
    assert!(named.contains("                    pipe: { path: \"@modgud\" }\n"), "{named}");
    assert!(named.contains("    - name: modgud\n      type: STATIC\n"));
    assert!(at("[::1]:5").contains("                      address: \"::1\"\n                      port_value: 5\n"));
}

#[test]
fn tls_is_spoken_as_modgud_speaks_it() {
    let client = Some(CertificateFiles { cert: "/etc/envoy.pem".to_owned(), key: "/etc/envoy.key".to_owned() });
    let tls = |name: Option<&str>, client: &Option<CertificateFiles>| {
        Some(UpstreamTls { ca: "/etc/ca.pem".to_owned(), name: name.map(str::to_owned), client: client.clone() })
    };
    let written = |transport, tls: Option<UpstreamTls>, modgud: &str| {
        let gateway = GatewayConfig { transport, ..gateway() };
        Bootstrap { tls, modgud: modgud.parse().unwrap(), ..bootstrap(&gateway) }.yaml()
    };
    for (transport, tls, modgud, fault) in [
        (Transport::Plain, tls(None, &None), "modgud:1", BootstrapError::Plain),
        (Transport::Tls, None, "modgud:1", BootstrapError::NoAuthorities),
        (Transport::MutualTls, None, "modgud:1", BootstrapError::NoAuthorities),
        (Transport::MutualTls, tls(None, &None), "modgud:1", BootstrapError::NoClient),
        (Transport::Tls, tls(None, &None), "127.0.0.1:1", BootstrapError::NoName),
        (Transport::Tls, tls(None, &None), "unix:/run/check.sock", BootstrapError::NoName),
        (Transport::Tls, tls(None, &None), "unix:@modgud", BootstrapError::NoName),
    ] {
        assert_eq!(written(transport, tls, modgud), Err(fault));
    }
    let plain = written(Transport::Tls, tls(None, &None), "modgud:1").unwrap();
    assert!(plain.contains("sni: modgud\n") && plain.contains("trusted_ca: { filename: /etc/ca.pem }"), "{plain}");
    assert!(!plain.contains("tls_certificates"));
    let mutual = written(Transport::MutualTls, tls(Some("other"), &client), "modgud:1").unwrap();
    assert!(
        mutual.contains("matcher: { exact: other }") && mutual.contains("private_key: { filename: /etc/envoy.key }")
    );
}
