//! Signing tokens of our own: for development, the demo and tests. Nothing that the server runs signs with this.

use super::Algorithm;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::fmt;

/// A private RSA key that signs RS256. Its `Debug` shows nothing of it.
pub struct SigningKey(RsaKeyPair);

/// Why there is no key, or no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningFault {
    /// The text is not a PEM of a private key.
    #[error("not the PEM of a private RSA key in PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`)")]
    NotAPrivateKey,
    /// The system gave no key or no signature.
    #[error("the cryptographic library failed")]
    Library,
}

/// A secret as PEM text: shown only on purpose.
pub struct PrivatePem(String);

impl PrivatePem {
    /// The text, to be written where only its owner reads it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl fmt::Debug for PrivatePem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivatePem(…)")
    }
}

impl SigningKey {
    /// A new key of 2048 bits.
    ///
    /// # Errors
    /// [`SigningFault::Library`] when the system gives no random numbers.
    pub fn generate() -> Result<Self, SigningFault> {
        RsaKeyPair::generate(KeySize::Rsa2048).map(Self).map_err(|_| SigningFault::Library)
    }

    /// Reads a private key.
    ///
    /// # Errors
    /// [`SigningFault::NotAPrivateKey`] when it is none.
    pub fn from_pem(text: &str) -> Result<Self, SigningFault> {
        let pem = pem::parse(text).map_err(|_| SigningFault::NotAPrivateKey)?;
        match pem.tag() {
            "PRIVATE KEY" => RsaKeyPair::from_pkcs8(pem.contents()),
            "RSA PRIVATE KEY" => RsaKeyPair::from_der(pem.contents()),
            _ => return Err(SigningFault::NotAPrivateKey),
        }
        .map(Self)
        .map_err(|_| SigningFault::NotAPrivateKey)
    }

    /// The private key as PKCS#8 PEM.
    ///
    /// # Errors
    /// [`SigningFault::Library`] when the library can't encode it.
    pub fn private_pem(&self) -> Result<PrivatePem, SigningFault> {
        let der: Pkcs8V1Der<'static> = self.0.as_der().map_err(|_| SigningFault::Library)?;
        Ok(PrivatePem(encode("PRIVATE KEY", der.as_ref())))
    }

    /// The public key as SPKI PEM, as `JWT_PUBLIC_KEY_RSA_BIFROST` carries it.
    ///
    /// # Errors
    /// [`SigningFault::Library`] when the library can't encode it.
    pub fn public_pem(&self) -> Result<String, SigningFault> {
        let der: PublicKeyX509Der<'static> = self.0.public_key().as_der().map_err(|_| SigningFault::Library)?;
        Ok(encode("PUBLIC KEY", der.as_ref()))
    }

    /// A token with these claims, in this order, under the header that `BiFrost` writes: `{"typ":"JWT","alg":"RS256"}`.
    ///
    /// # Errors
    /// [`SigningFault::Library`] when the library gives no signature.
    pub fn sign(&self, claims: &[(String, Value)]) -> Result<String, SigningFault> {
        let header = format!(r#"{{"typ":"JWT","alg":"{}"}}"#, Algorithm::Rs256.name());
        let members: Vec<String> =
            claims.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
        self.sign_raw(&header, &format!("{{{}}}", members.join(",")))
    }

    /// A token of this header and these claims, whatever they are: for tests of what is refused.
    ///
    /// # Errors
    /// [`SigningFault::Library`] when the library gives no signature.
    pub fn sign_raw(&self, header: &str, claims: &str) -> Result<String, SigningFault> {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature)
            .map_err(|_| SigningFault::Library)?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn encode(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}
