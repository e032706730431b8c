//! Shared test helpers of this layer and of those above it: one signer per process, tokens of any text, and keys in PEM. Compiled for tests
//! only.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::Path;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::signature::Signer as _;
use serde::de::DeserializeOwned;

use crate::jose::{Algorithm, KeySet, SigningKey};

/// A key for one algorithm that exists as long as the test process.
pub(crate) struct Signer(SigningKey);

/// The issuer of the tests.
pub(crate) static ISSUER: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::Rs256));

/// Another issuer.
pub(crate) static STRANGER: LazyLock<Signer> = LazyLock::new(|| Signer::new(Algorithm::Rs256));

impl Signer {
    /// Generates a key.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self(SigningKey::generate(algorithm).unwrap())
    }

    /// Returns the same key with another algorithm of its key type.
    pub(crate) fn with(&self, algorithm: Algorithm) -> Self {
        let text = self.0.private_text().unwrap();
        let key = SigningKey::from_pem(text.expose_secret()).or_else(|_| SigningKey::from_secret(text.expose_secret()));
        Self(key.unwrap().with_algorithm(algorithm).unwrap())
    }

    /// Returns the key itself.
    pub(crate) fn key(&self) -> &SigningKey {
        &self.0
    }

    /// Returns the public key as PEM.
    pub(crate) fn public_pem(&self) -> String {
        self.0.public_pem().unwrap()
    }

    /// Returns the public key as the library holds it: the content of a `SubjectPublicKeyInfo`.
    pub(crate) fn public_bytes(&self) -> Vec<u8> {
        let pem = pem::parse(self.public_pem()).unwrap();
        let info = spki::SubjectPublicKeyInfoRef::try_from(pem.contents()).unwrap();
        info.subject_public_key.as_bytes().unwrap().to_vec()
    }

    /// Returns a set of this key only, for its algorithm only.
    pub(crate) fn key_set(&self) -> KeySet {
        KeySet::new(vec![self.0.verification_key().unwrap()]).unwrap()
    }

    /// Returns the header for this key's algorithm.
    pub(crate) fn header(&self) -> String {
        format!(r#"{{"alg":"{}"}}"#, self.0.algorithm().name())
    }

    /// Signs a token with a valid signature over any parts, given in plain bytes.
    pub(crate) fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.sign_parts(&encode(header), &encode(payload))
    }

    /// Signs a token with a valid signature over any parts, given encoded.
    pub(crate) fn sign_parts(&self, header: &str, payload: &str) -> String {
        let message = format!("{header}.{payload}");
        let signature = self.0.try_sign(message.as_bytes()).unwrap();
        format!("{message}.{}", encode(signature))
    }
}

/// Loads a table of `tests/data/jose`: a list of rows, which is never empty.
#[expect(clippy::disallowed_methods, reason = "tests read their tables")]
pub(crate) fn table<Row: DeserializeOwned>(name: &str) -> Vec<Row> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/jose").join(name);
    let rows: Vec<Row> = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(!rows.is_empty(), "{name} has no row");
    rows
}

/// Encodes base64url without padding.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Asserts that each message is one lowercase sentence without a full stop, and that all differ.
pub(crate) fn assert_good_messages(errors: &[impl Display]) {
    let mut seen = HashSet::new();
    for message in errors.iter().map(ToString::to_string) {
        assert!(message.starts_with(|first: char| first.is_ascii_lowercase()), "`{message}` starts in upper case");
        assert!(!message.ends_with('.') && !message.contains('\n'), "`{message}` is not one sentence");
        assert!(seen.insert(message.clone()), "two errors have the message `{message}`");
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
