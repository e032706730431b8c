use super::{Chain, ClientAuthorities, Clients, PrivateKey, Tls, TlsError};
use modgud_core::time::Timestamp;
use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm, date_time_ymd};

/// 2020-01-01 and 2030-01-01.
const FROM: u64 = 1_577_836_800;
const UNTIL: u64 = 1_893_456_000;

/// Returns a self-signed certificate and its key.
fn pair(algorithm: &'static SignatureAlgorithm) -> (String, String) {
    let key = KeyPair::generate_for(algorithm).unwrap();
    let mut params = CertificateParams::new(["modgud".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2030, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn tls(cert: &str, key: &str) -> Result<Tls, TlsError> {
    Tls::new(Chain::from_pem(cert.as_bytes())?, PrivateKey::from_pem(key.as_bytes())?, None)
}

#[test]
fn every_usual_kind_of_key_will_do() {
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let (cert, key) = pair(algorithm);
        let tls = tls(&cert, &key).unwrap();
        assert_eq!(tls.clients(), Clients::Any, "{algorithm:?}");
        assert_eq!(tls.server().alpn_protocols, [b"h2"], "{algorithm:?}");
    }
}

#[test]
fn a_file_that_will_not_do_is_named_by_what_is_wrong_with_it() {
    let (cert, key) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (other, other_key) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    let (_, rsa_key) = pair(&rcgen::PKCS_RSA_SHA256);
    let half = |text: &str| text.get(..text.len() / 2).unwrap().to_owned();
    let relabelled = |text: &str, label: &str| text.replace("PRIVATE KEY", label);
    let no_certificate = "-----BEGIN CERTIFICATE-----\nbm8gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    for (what, cert, key, error) in [
        ("nothing", "", key.as_str(), TlsError::NoCertificate),
        ("a key for a certificate", &key, &key, TlsError::NoCertificate),
        ("half of it", &half(&cert), &key, TlsError::Certificate),
        ("one and a half", &format!("{cert}{}", half(&cert)), &key, TlsError::Certificate),
        ("other bytes", no_certificate, &key, TlsError::Certificate),
        ("other bytes behind a good one", &format!("{cert}{no_certificate}"), &key, TlsError::Certificate),
        ("no key", &cert, "", TlsError::NoKey),
        ("a certificate for a key", &cert, &cert, TlsError::NoKey),
        ("half of the key", &cert, &half(&key), TlsError::NoKey),
        ("an encrypted key", &cert, &relabelled(&key, "ENCRYPTED PRIVATE KEY"), TlsError::NoKey),
        ("a key under a wrong name", &cert, &relabelled(&key, "RSA PRIVATE KEY"), TlsError::Key),
        ("the key of another", &cert, &other_key, TlsError::OtherKey),
        ("a key of another kind", &cert, &rsa_key, TlsError::OtherKey),
        ("the other first", &format!("{other}{cert}"), &key, TlsError::OtherKey),
    ] {
        assert_eq!(tls(cert, key).unwrap_err(), error, "{what}");
    }
    tls(&format!("{cert}{other}"), &format!("{cert}{key}")).unwrap();
}

#[test]
fn authorities_ask_clients_for_a_certificate() {
    let (cert, key) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    for (text, expected) in [
        (cert.as_str(), Ok(Clients::Certified)),
        (&cert.repeat(2), Ok(Clients::Certified)),
        ("", Err(TlsError::NoCertificate)),
        (&key, Err(TlsError::NoCertificate)),
        (cert.get(..cert.len() / 2).unwrap(), Err(TlsError::Certificate)),
    ] {
        let found = ClientAuthorities::from_pem(text.as_bytes()).and_then(|authorities| {
            let chain = Chain::from_pem(cert.as_bytes())?;
            Tls::new(chain, PrivateKey::from_pem(key.as_bytes())?, Some(authorities)).map(|tls| tls.clients())
        });
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_certificate_that_clients_reject_is_a_warning() {
    let (cert, key) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    let tls = tls(&cert, &key).unwrap();
    assert_eq!(tls.validity().to_string(), "valid from 2020-01-01T00:00:00Z to 2030-01-01T00:00:00Z");
    let warning = |seconds| tls.warning(Timestamp::from_secs(seconds)).map(|warning| warning.to_string());
    let early = "the certificate of server.tls is valid from 2020-01-01T00:00:00Z on; clients that check it will not connect until then";
    let late = "the certificate of server.tls expired at 2030-01-01T00:00:00Z; clients that check it will not connect";
    assert_eq!((warning(FROM - 1).as_deref(), warning(FROM), warning(UNTIL)), (Some(early), None, None));
    assert_eq!(warning(UNTIL + 1).as_deref(), Some(late));
}

/// A chain is valid as long as each of its certificates is.
#[test]
fn the_shortest_of_a_chain_counts() {
    let (cert, key) = pair(&rcgen::PKCS_ECDSA_P256_SHA256);
    let authority = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([]).unwrap();
    params.not_before = date_time_ymd(2021, 1, 1);
    params.not_after = date_time_ymd(2029, 1, 1);
    let authority = params.self_signed(&authority).unwrap().pem();
    let valid = tls(&format!("{cert}{authority}"), &key).unwrap().validity();
    assert_eq!(valid.to_string(), "valid from 2021-01-01T00:00:00Z to 2029-01-01T00:00:00Z");
}
