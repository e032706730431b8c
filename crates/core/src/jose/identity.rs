//! Identities of keys: the `kid` of tokens, and hashes for people, for other systems, and for modgud itself. No hash here reveals a
//! secret.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::AlgorithmParameters;
use serde_json::{Value, json};

use crate::cache::{Digest, sha256, sha256_of_list};
use crate::jose::algorithm::Algorithm;

/// The longest `kid` that is read, in bytes; a longer one is rejected.
pub(super) const MAX_KEY_ID_BYTES: usize = 256;

/// A `kid` (RFC 7515 §4.1.4, RFC 7517 §4.5): an opaque name of at most 256 bytes. It is only compared, and never a path, a URL or part of a
/// query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// Builds a key id; `None` if the text is longer than 256 bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (text.len() <= MAX_KEY_ID_BYTES).then(|| Self(text.to_owned()))
    }

    /// Returns the name as it is spelled. It may contain any character.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The default name of a key. Other systems compute the same one (RFC 7638).
impl From<Thumbprint> for KeyId {
    fn from(thumbprint: Thumbprint) -> Self {
        Self(thumbprint.to_string())
    }
}

/// The text for people: the name between backticks, or only its length if showing it could mislead them.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = !self.0.is_empty() && self.0.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if printable && !self.0.contains('`') {
            write!(f, "`{}`", self.0)
        } else {
            write!(f, "of {} bytes that can't be shown", self.0.len())
        }
    }
}

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
        first.iter_mut().zip(sha256(&[der])).for_each(|(to, from)| *to = from);
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
pub struct Thumbprint(Digest);

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
        Self(sha256(&[json!(members).to_string().as_bytes()]))
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
pub struct KeyIdentity(Digest);

impl KeyIdentity {
    pub(super) fn new(material: &Digest, id: Option<&KeyId>, algorithms: &[Algorithm]) -> Self {
        let mut parts = vec![material.as_slice()];
        parts.extend(algorithms.iter().map(|algorithm| algorithm.name().as_bytes()));
        // After the algorithms, and after an empty part, so that no name can be mistaken for an algorithm.
        parts.extend(id.into_iter().flat_map(|id| [b"".as_slice(), id.as_str().as_bytes()]));
        Self(sha256_of_list(&parts))
    }
}

impl fmt::Debug for KeyIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyIdentity(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::{KeyId, MAX_KEY_ID_BYTES};

    #[test]
    fn only_what_can_be_shown_is_shown() {
        let shown = |text: &str| KeyId::new(text).map(|id| id.to_string());
        assert_eq!(shown("2024-01 a/b").as_deref(), Some("`2024-01 a/b`"));
        for hidden in ["", "a\nb", "\u{1b}[2J", "é", "a`b"] {
            assert_eq!(shown(hidden), Some(format!("of {} bytes that can't be shown", hidden.len())));
        }
        assert!(KeyId::new(&"k".repeat(MAX_KEY_ID_BYTES)).is_some());
        assert_eq!(KeyId::new(&"k".repeat(MAX_KEY_ID_BYTES + 1)), None);
    }
}
