use pem::Pem;
use pkcs1::{RsaPublicKey, UintRef};
use spki::der::Encode as _;

use super::{KeyFault, VerificationKey};
use crate::jose::algorithm::Family;
use crate::jose::testing::{CERTIFICATE_PEM, PKCS1_PEM, SPKI_512_PEM, SPKI_PEM};

const EC_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWQ9k5VBbMexnAn0VLt3TI9969F2x
VaOwlwnq17NgsWgkH9Akm7fU90y6P1BsTof4CDkLBDuCRbE/dCgxHN4Y6A==
-----END PUBLIC KEY-----
";

const ED25519_PEM: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAl/40RDHCyLWpYV6s4LthG1cgXOHpMa6dt1V4+Uwsj3s=
-----END PUBLIC KEY-----
";

const ED448_PEM: &str = "-----BEGIN PUBLIC KEY-----
MEMwBQYDK2VxAzoA8gINY75CQuiojMCSEinDpJMKoHC0nUklW3r/q8Z7Y5xD61sZ
JpXzjhFK09AXnF+rOABIT7f1pm8A
-----END PUBLIC KEY-----
";

const RSA_PSS_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAJlFzRSF6Feic7IV1bv/n5Cu
UdwAl/qEPiY7KPC6HtfGv/20BNJDEj2yABIKYwK7qtGbI+EqF0i2ELgY+UG8neNb
kLL+gsu4EiGaQoZqzPqya49naC4QdlkXWI80qgKYXpPF880PjCqHiwN23F5LtxZ3
WI0evF3qT1GTfUY0vCWTcqzh7j/CWbKHP97UI+Hb4oFP1f4f0ChHSeD85IeHdszE
uLm/5+bWBbOHmIXhHEEESwjDABRULHiaUROu+rtf5SyLHUIxX5UbBKOvJ07jswW2
Dtqov1iDMmS0rb4Q1Hgbb1lBsvLSbAlK31/LzUVijX9yzKrbqpu2+cHFUFjJUg0C
AwEAAQ==
-----END PUBLIC KEY-----
";

const EC_CERTIFICATE_PEM: &str = "-----BEGIN CERTIFICATE-----
MIIBcjCCARmgAwIBAgIUeClSYGWc8UlYtJEtS6UM4ertRdMwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjMwMTE5NTlaFw0zNjExMjAwMTE5NTla
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARZD2Tl
UFsx7GcCfRUu3dMj33r0XbFVo7CXCerXs2CxaCQf0CSbt9T3TLo/UGxOh/gIOQsE
O4JFsT90KDEc3hjoo1MwUTAdBgNVHQ4EFgQUcFZNWkD/z8smiuJ20Kd6RP1GWwcw
HwYDVR0jBBgwFoAUcFZNWkD/z8smiuJ20Kd6RP1GWwcwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNHADBEAiABIqqh1N9j9GzP41omUt4I9NosxCVoJBxprAzs
Z0kZ3gIgEDnsHjFNG8kq7AaxsHkrEB/OWuJG73FFxP0Un45/cgA=
-----END CERTIFICATE-----
";

/// What `sha256sum` says of the DER of [`SPKI_PEM`].
const FINGERPRINT: &str = "156f19ccc7f6f9de";

fn message(text: &str) -> String {
    VerificationKey::from_pem(text).unwrap_err().to_string()
}

/// The fault of an RSA key with this modulus and exponent, big-endian.
fn fault(modulus: &[u8], exponent: &[u8]) -> Option<KeyFault> {
    let (modulus, public_exponent) = (UintRef::new(modulus).unwrap(), UintRef::new(exponent).unwrap());
    let der = RsaPublicKey { modulus, public_exponent }.to_der().unwrap();
    VerificationKey::from_pem(&pem::encode(&Pem::new("RSA PUBLIC KEY", der))).err()
}

/// An odd modulus of that many bits: not a product of two primes that anybody knows, but a number of the right form.
fn modulus(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0xff; bits.div_ceil(8)];
    bytes[0] = match bits % 8 {
        0 => 0xff,
        1 => 0x01,
        7 => 0x7f,
        few => panic!("{few} bits in the first byte"),
    };
    bytes
}

#[test]
fn one_key_has_one_fingerprint_however_it_is_wrapped() {
    for text in [SPKI_PEM, PKCS1_PEM, CERTIFICATE_PEM] {
        let key = VerificationKey::from_pem(text).unwrap();
        assert_eq!((key.family(), key.bits(), key.signature_len()), (Family::Rsa, 2048, 256));
        assert_eq!(key.fingerprint().to_string(), FINGERPRINT);
    }
}

#[test]
fn debug_shows_no_content() {
    let key = VerificationKey::from_pem(SPKI_PEM).unwrap();
    assert_eq!(
        format!("{key:?}"),
        format!("VerificationKey {{ family: Rsa, bits: 2048, fingerprint: {FINGERPRINT}, .. }}")
    );
}

#[test]
fn keys_of_other_families_are_named() {
    for (text, name) in [
        (EC_PEM, "EC"),
        (EC_CERTIFICATE_PEM, "EC"),
        (ED25519_PEM, "Ed25519"),
        (ED448_PEM, "Ed448"),
        (RSA_PSS_PEM, "RSASSA-PSS"),
    ] {
        assert_eq!(message(text), format!("the key is of type {name}, and an RSA key is needed"));
    }
}

#[test]
fn a_512_bit_key_as_in_the_samples_of_bifrost_is_refused() {
    assert_eq!(message(SPKI_512_PEM), "the RSA key has 512 bits, and at least 2048 are needed");
}

#[test]
fn the_modulus_has_2048_to_8192_bits() {
    const E: &[u8] = &[1, 0, 1];
    assert_eq!(fault(&modulus(1024), E), Some(KeyFault::TooShort { bits: 1024 }));
    assert_eq!(fault(&modulus(2047), E), Some(KeyFault::TooShort { bits: 2047 }));
    for good in [2048, 2049, 3072, 4095, 4096, 8192] {
        assert_eq!(fault(&modulus(good), E), None, "{good}");
    }
    assert_eq!(fault(&modulus(8193), E), Some(KeyFault::TooLong { bits: 8193 }));
    assert_eq!(fault(&modulus(16384), E), Some(KeyFault::TooLong { bits: 16384 }));
    assert_eq!(fault(&[0], E), Some(KeyFault::TooShort { bits: 0 }));

    let mut even = modulus(2048);
    even[255] = 0xfe;
    assert_eq!(fault(&even, E), Some(KeyFault::Refused));
}

#[test]
fn the_exponent_is_odd_and_from_3_to_33_bits() {
    let exponent = |e: &[u8]| fault(&modulus(2048), e);
    for unsafe_one in [&[0][..], &[1], &[2], &[4], &[1, 0, 0], &[1, 0, 0, 0, 0]] {
        assert_eq!(exponent(unsafe_one), Some(KeyFault::ExponentUnsafe), "{unsafe_one:?}");
    }
    for good in [&[3][..], &[17], &[1, 0, 1], &[0xff; 4], &[1, 0xff, 0xff, 0xff, 0xff]] {
        assert_eq!(exponent(good), None, "{good:?}");
    }
    assert_eq!(exponent(&[2, 0, 0, 0, 1]), Some(KeyFault::ExponentTooLong { bits: 34 }));
    assert_eq!(exponent(&modulus(2048)), Some(KeyFault::ExponentTooLong { bits: 2048 }));
}

#[test]
fn content_that_is_not_what_the_label_says_is_refused() {
    let not_der = "the PEM block's content is not the DER structure that its label names";
    for (from, text) in [("PUBLIC KEY", SPKI_PEM), ("RSA PUBLIC KEY", PKCS1_PEM), ("CERTIFICATE", CERTIFICATE_PEM)] {
        for to in ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"].into_iter().filter(|to| *to != from) {
            assert_eq!(message(&text.replace(from, to)), not_der, "{from} as {to}");
        }
        let mut block = pem::parse(text).unwrap().into_contents();
        block.push(0);
        assert_eq!(message(&pem::encode(&Pem::new(from, block.clone()))), not_der, "{from}, a byte too many");
        block.truncate(block.len() - 2);
        assert_eq!(message(&pem::encode(&Pem::new(from, block))), not_der, "{from}, a byte too few");
        assert_eq!(message(&pem::encode(&Pem::new(from, ""))), not_der, "{from}, empty");
    }
}
