//! Identities of keys: for people, for other systems, and for modgud itself. No hash here reveals a secret.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::AlgorithmParameters;
use serde_json::{Value, json};

use crate::jose::algorithm::Algorithm;
use crate::jose::key_id::KeyId;

/// A short name for people, not for decisions.
///
/// For a public key: the first eight bytes of the SHA-256 of its `SubjectPublicKeyInfo`, shown as 16 lowercase hexadecimal digits. It does
/// not depend on the format: `openssl pkey -pubin -outform DER | sha256sum` begins with it. For a secret: its size only, since a hash of a
/// weak secret helps to guess it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fingerprint {
    /// The fingerprint of a public key.
    Public([u8; 8]),
    /// The fingerprint of a secret.
    Secret {
        /// Its size, in bits.
        bits: usize,
    },
}

impl Fingerprint {
    /// Computes that of a public key, from the DER of its `SubjectPublicKeyInfo`.
    pub(super) fn of_info(der: &[u8]) -> Self {
        let mut first = [0; 8];
        first.iter_mut().zip(digest(&SHA256, der).as_ref()).for_each(|(to, from)| *to = *from);
        Self::Public(first)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Secret { bits } => write!(f, "secret of {bits} bits"),
        }
    }
}

/// The RFC 7638 thumbprint of a public key: the SHA-256 of its required JWK members, shown in base64url. Independent systems compute the
/// same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Computes the thumbprint of a key with these parameters, which are exactly its required members. `Jwk::thumbprint` returns the same
    /// one, but depends on the provider of the whole process.
    pub(super) fn of_parameters(parameters: &AlgorithmParameters) -> Self {
        // In the order of their names (RFC 7638 §3), whatever the order of a `serde_json` map.
        let members: BTreeMap<String, Value> = json!(parameters)
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, json!(members).to_string().as_bytes()).as_ref());
        Self(hash)
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

/// The identity of a key in modgud. Two are equal exactly when key, name and algorithms are the same. It is compared and never shown,
/// because it is derived from secrets too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyIdentity([u8; 32]);

impl KeyIdentity {
    pub(super) fn new(material: &[u8; 32], id: Option<&KeyId>, algorithms: &[Algorithm]) -> Self {
        let mut parts = vec![material.as_slice()];
        parts.extend(algorithms.iter().map(|algorithm| algorithm.name().as_bytes()));
        // After the algorithms, and after an empty part, so that no name can be mistaken for an algorithm.
        parts.extend(id.into_iter().flat_map(|id| [b"".as_slice(), id.as_str().as_bytes()]));
        Self(hash(&parts))
    }
}

impl fmt::Debug for KeyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyIdentity(…)")
    }
}

/// Computes the SHA-256 of the parts, each with its length before it, so that no two lists of parts have the same input.
pub(super) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(&part.len().to_be_bytes());
        text.extend_from_slice(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, &text).as_ref());
    hash
}
