//! What the tests of this layer and of those above it share: one signer per process, tokens made of any text, and keys
//! in PEM. Compiled for tests only.

use std::collections::HashSet;
use std::fmt::Display;
use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pem::Pem;

use crate::jose::{KeySet, VerificationKey};

/// An RSA key pair that exists as long as the test process.
pub(crate) struct Signer(RsaKeyPair);

/// The issuer of the tests.
pub(crate) static ISSUER: LazyLock<Signer> = LazyLock::new(Signer::generate);

/// Somebody else.
pub(crate) static STRANGER: LazyLock<Signer> = LazyLock::new(Signer::generate);

impl Signer {
    fn generate() -> Self {
        Self(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// The public key as PEM.
    pub(crate) fn public_pem(&self) -> String {
        pem::encode(&Pem::new("RSA PUBLIC KEY", self.public_der()))
    }

    /// The public key as the DER of an `RSAPublicKey`.
    pub(crate) fn public_der(&self) -> &[u8] {
        self.0.public_key().as_ref()
    }

    /// A set of this key only.
    pub(crate) fn key_set(&self) -> KeySet {
        KeySet::new(vec![VerificationKey::from_pem(&self.public_pem()).unwrap()]).unwrap()
    }

    /// A token with a good signature over whatever the parts are, in plain bytes.
    pub(crate) fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.sign_parts(&encode(header), &encode(payload))
    }

    /// A token with a good signature over whatever the parts are, already encoded.
    pub(crate) fn sign_parts(&self, header: &str, payload: &str) -> String {
        let message = format!("{header}.{payload}");
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).unwrap();
        format!("{message}.{}", encode(signature))
    }
}

/// Base64url without padding.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Each message is one lowercase sentence without a full stop, and no two are alike.
pub(crate) fn assert_good_messages(faults: &[impl Display]) {
    let mut seen = HashSet::new();
    for message in faults.iter().map(ToString::to_string) {
        assert!(message.starts_with(|first: char| first.is_ascii_lowercase()), "`{message}` starts in upper case");
        assert!(!message.ends_with('.') && !message.contains('\n'), "`{message}` is not one sentence");
        assert!(seen.insert(message.clone()), "two faults say `{message}`");
    }
}

/// A 2048-bit key as `SubjectPublicKeyInfo`.
pub(crate) const SPKI_PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAq/C4QIu0UVGlEj27HFrS
LTjxIVarSU3gryoPFshCvk7i3+5FAFR6EJrTNx1dulKDNtGMxeA+9M9A1vqR/Rjn
RfIXCIwQt5surRHMYe0EeJSKDA0890SLEObVpDnO8FfgGSsMgZw3MLQHi9DINsfq
6EP/Bm377Te6XWu3LAx7tvhZxtjT2ZV2XZT3iTaOAyP2G2yis9amOPb4ozPBWIWn
38PdvyJe2nQWaa9DGRASEgus9N7bMTlHBi1QXBPNASpQvQf3rjy5vvf7OYPVSjJ4
ae0wtWQx7hVn+xX8bIxKMCSb60gZZ/sJfqb3nA6PInryhjN/flR77YixfnS7wEtU
ZwIDAQAB
-----END PUBLIC KEY-----
";

/// The key of [`SPKI_PEM`] as `RSAPublicKey`.
pub(crate) const PKCS1_PEM: &str = "-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAq/C4QIu0UVGlEj27HFrSLTjxIVarSU3gryoPFshCvk7i3+5FAFR6
EJrTNx1dulKDNtGMxeA+9M9A1vqR/RjnRfIXCIwQt5surRHMYe0EeJSKDA0890SL
EObVpDnO8FfgGSsMgZw3MLQHi9DINsfq6EP/Bm377Te6XWu3LAx7tvhZxtjT2ZV2
XZT3iTaOAyP2G2yis9amOPb4ozPBWIWn38PdvyJe2nQWaa9DGRASEgus9N7bMTlH
Bi1QXBPNASpQvQf3rjy5vvf7OYPVSjJ4ae0wtWQx7hVn+xX8bIxKMCSb60gZZ/sJ
fqb3nA6PInryhjN/flR77YixfnS7wEtUZwIDAQAB
-----END RSA PUBLIC KEY-----
";

/// A self-signed certificate for the key of [`SPKI_PEM`].
pub(crate) const CERTIFICATE_PEM: &str = "-----BEGIN CERTIFICATE-----
MIIC/zCCAeegAwIBAgIUeT0Yit/EgVlC4wnml7DoVA6ofOAwDQYJKoZIhvcNAQEL
BQAwDzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjMwMTE5NThaFw0zNjExMjAwMTE5
NThaMA8xDTALBgNVBAMMBHRlc3QwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEK
AoIBAQCr8LhAi7RRUaUSPbscWtItOPEhVqtJTeCvKg8WyEK+TuLf7kUAVHoQmtM3
HV26UoM20YzF4D70z0DW+pH9GOdF8hcIjBC3my6tEcxh7QR4lIoMDTz3RIsQ5tWk
Oc7wV+AZKwyBnDcwtAeL0Mg2x+roQ/8GbfvtN7pda7csDHu2+FnG2NPZlXZdlPeJ
No4DI/YbbKKz1qY49vijM8FYhaffw92/Il7adBZpr0MZEBISC6z03tsxOUcGLVBc
E80BKlC9B/euPLm+9/s5g9VKMnhp7TC1ZDHuFWf7FfxsjEowJJvrSBln+wl+pvec
Do8ievKGM39+VHvtiLF+dLvAS1RnAgMBAAGjUzBRMB0GA1UdDgQWBBQ228GtmgTy
w50gcbeaX/rFl+NtvDAfBgNVHSMEGDAWgBQ228GtmgTyw50gcbeaX/rFl+NtvDAP
BgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQA6WGy2msf2Qo9Ai/nL
/wRJ+iTg4FuRSTqwOs1Psu2K7cTn4EMj8ZBkReueOO+SklLqghg0L2987N/hcKcc
VEO+0CfdP9t5XZc3hpVulb5jZD8hzyoaGDPo291/Z9jws7bRKVaL97t067eBaQie
8NPMRpSK4zsky7foMWaiIgob5MscxgLIyzBlC0htjvWlT1TailXaUFZWZEjIx+zN
r8R+Fa1jB4B+hbZxsIdADHve45Gp1KXHJsGsU5zFubq1a5tExj342h72wwi6QrI8
TaPZeiwmRTJCtPserDZVa6ZlMfHTobjqp2hw4hSsWroqfaXDDBW2E/5AAXWcbUbS
ksij
-----END CERTIFICATE-----
";

/// A 512-bit key as `SubjectPublicKeyInfo`.
pub(crate) const SPKI_512_PEM: &str = "-----BEGIN PUBLIC KEY-----
MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBALO/IhRIZXOXA5mteaLVPCRN/YN6mlEk
ds0SrOhJq5MowVQhWUpFkRnP/sgyFuKqyHjLj3/Kf1toewxRez5/LLMCAwEAAQ==
-----END PUBLIC KEY-----
";
