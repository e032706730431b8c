//! Maps of key ids to certificates, which Google publishes: a JSON object of PEM texts, each named by the `kid` of its tokens.
//!
//! Only the key of a certificate is used. Its dates, names and signatures are ignored: it is trusted because the configured URL publishes it
//! now. The provider removes a key by leaving it out, as in a JWKS.

use serde_json::Value;

use super::{Jwks, Skipped, SkippedKey};
use crate::jose::error::KeyError;
use crate::jose::identity::KeyId;
use crate::jose::json::{JsonError, read_object};
use crate::jose::jwk::JwkError;
use crate::jose::key::VerificationKey;
use crate::jose::pem::{self, Contents};

/// The reason why a map of certificates is unusable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificatesError {
    /// The map is larger than the limit.
    #[error("the map of certificates is longer than {} bytes", Jwks::MAX_BYTES)]
    TooLarge,
    /// The map is not strict JSON.
    #[error("the map of certificates {0}")]
    Json(JsonError),
    /// The document is a JWKS.
    #[error("the document is a JWKS and no map of certificates; use `jwks` instead of `certificates`")]
    IsJwks,
    /// The map has no member.
    #[error("the map of certificates is empty")]
    Empty,
    /// The map has too many certificates.
    #[error("the map has {found} certificates, more than {}", Jwks::MAX_KEYS)]
    TooMany {
        /// The number of certificates.
        found: usize,
    },
    /// No certificate has a usable key.
    #[error("the map has no usable certificate{}", Skipped(_0))]
    NoneUsable(Vec<SkippedKey>),
}

impl Jwks {
    /// Parses a map of certificates, within the limits of a JWKS.
    ///
    /// # Errors
    /// A [`CertificatesError`]; also if no certificate is usable, so that good keys are never replaced by none.
    pub fn from_certificates(bytes: &[u8]) -> Result<Self, CertificatesError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(CertificatesError::TooLarge);
        }
        let map = read_object(bytes).map_err(CertificatesError::Json)?;
        if map.get("keys").is_some_and(Value::is_array) {
            return Err(CertificatesError::IsJwks);
        }
        if map.is_empty() {
            return Err(CertificatesError::Empty);
        }
        if map.len() > Self::MAX_KEYS {
            return Err(CertificatesError::TooMany { found: map.len() });
        }
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (name, value) in &map {
            let id = KeyId::new(name);
            match id.clone().ok_or(JwkError::KeyIdTooLong).and_then(|id| Ok(certified(value)?.with_id(id))) {
                Ok(key) => keys.push(key),
                Err(error) => skipped.push(SkippedKey { position: None, id, error }),
            }
        }
        if keys.is_empty() { Err(CertificatesError::NoneUsable(skipped)) } else { Ok(Self { keys, skipped }) }
    }
}

/// Returns the key of a certificate.
fn certified(value: &Value) -> Result<VerificationKey, JwkError> {
    let text = value.as_str().ok_or(JwkError::NotACertificate)?;
    match pem::read(text) {
        Ok((Contents::Certificate, _)) => Ok(VerificationKey::from_pem(text)?),
        Err(KeyError::PrivateKey) => Err(KeyError::PrivateKey.into()),
        Ok((Contents::PublicKey | Contents::RsaPublicKey, _)) | Err(_) => Err(JwkError::NotACertificate),
    }
}

#[cfg(test)]
mod tests;
