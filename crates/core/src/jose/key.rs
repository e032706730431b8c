//! A key that verifies token signatures: its name, its algorithms, and a parsed form for each of them.

mod identity;
mod public;
mod small_order;
mod verifier;

use std::fmt;

use aws_lc_rs::hmac;

pub use identity::{Fingerprint, KeyIdentity, Thumbprint};
pub(super) use public::{Curve, MAX_EXPONENT_BITS, MAX_RSA_BITS, MIN_RSA_BITS, PublicKey};
pub use verifier::Verifier;

use crate::jose::algorithm::{Algorithm, Check, KeyType};
use crate::jose::key_error::KeyError;
use crate::jose::key_id::KeyId;
use verifier::ParsedKey;

/// The shortest secret, in bytes: that of HS256 (RFC 7518 §3.2).
pub(super) const MIN_SECRET_BYTES: usize = 32;

/// The start of every PEM block, and of no secret.
const PEM_BEGIN: &[u8] = b"-----BEGIN";

/// A public key or a shared secret, parsed once and ready for use.
pub struct VerificationKey {
    id: Option<KeyId>,
    family: KeyType,
    bits: usize,
    fingerprint: Fingerprint,
    thumbprint: Option<Thumbprint>,
    /// The hash of the key itself, without its name and use.
    material: [u8; 32],
    identity: KeyIdentity,
    /// One verifier for each algorithm of the key, built here so that no key is parsed for a token.
    verifiers: Vec<Verifier>,
}

impl VerificationKey {
    /// Parses a public key of RSA, P-256, P-384 or Ed25519 from PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`. It accepts any
    /// spelling that environment variables give it. Of a certificate only the public key is used. Its dates, names, issuer and signature
    /// are ignored, because the operator who configured it trusts it.
    ///
    /// # Errors
    /// A [`KeyError`] that names what was found and what is needed, and shows no content.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_public(&PublicKey::from_pem(text)?)
    }

    /// Builds a key from a secret that signer and verifier share. It fits the algorithms whose hash is not longer than the secret (RFC 7518
    /// §3.2). 32 bytes fit HS256 only, 64 bytes fit HS256, HS384 and HS512.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or [`KeyError::SecretIsPem`]: a public text is no secret (RFC 8725 §2.1).
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
            return Err(KeyError::SecretIsPem);
        }
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::SecretTooShort { bytes: secret.len() });
        }
        let bits = secret.len().saturating_mul(8);
        let verifiers = KeyType::Hmac.algorithms().filter_map(|algorithm| match algorithm.check() {
            Check::Secret(hash) if hash.tag_len() <= secret.len() => {
                let key = ParsedKey::Secret(Box::new(hmac::Key::new(hash, secret)));
                Some(Verifier::new(algorithm, bits, key))
            }
            Check::Secret(_) | Check::Public(_) => None,
        });
        Ok(Self::new(KeyType::Hmac, bits, Fingerprint::Secret { bits }, secret, verifiers.collect()))
    }

    /// Builds a key from a public key that passed the checks.
    pub(super) fn from_public(key: &PublicKey) -> Result<Self, KeyError> {
        let bits = key.bits();
        let verifiers = key.family().algorithms().filter_map(|algorithm| match algorithm.check() {
            Check::Public(check) => {
                Some(key.parse(check).map(|key| Verifier::new(algorithm, bits, ParsedKey::Public(key))))
            }
            Check::Secret(_) => None,
        });
        let verifiers = verifiers.collect::<Result<_, _>>()?;
        let info = key.info()?;
        let mut made = Self::new(key.family(), bits, Fingerprint::of_info(&info), &info, verifiers);
        made.thumbprint = Some(key.thumbprint());
        Ok(made)
    }

    fn new(family: KeyType, bits: usize, fingerprint: Fingerprint, material: &[u8], verifiers: Vec<Verifier>) -> Self {
        let material = identity::hash(&[family.name().as_bytes(), material]);
        let identity = KeyIdentity::new(&material, None, &[]);
        Self { id: None, family, bits, fingerprint, thumbprint: None, material, identity, verifiers }.with_identity()
    }

    /// Sets the identity according to the present state of the key.
    fn with_identity(mut self) -> Self {
        let algorithms: Vec<Algorithm> = self.verifiers.iter().map(Verifier::algorithm).collect();
        self.identity = KeyIdentity::new(&self.material, self.id.as_ref(), &algorithms);
        self
    }

    /// Sets the name by which tokens refer to the key.
    #[must_use]
    pub fn with_id(self, id: KeyId) -> Self {
        Self { id: Some(id), ..self }.with_identity()
    }

    /// Restricts the key to these algorithms.
    ///
    /// # Errors
    /// [`KeyError::NotServing`] if it fits none of them.
    pub fn restricted_to(mut self, algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        self.verifiers.retain(|verifier| algorithms.contains(&verifier.algorithm()));
        if self.verifiers.is_empty() {
            return Err(KeyError::NotServing { family: self.family });
        }
        Ok(self.with_identity())
    }

    /// Returns the name by which tokens refer to the key. `None` for a key from PEM unless one was set.
    #[must_use]
    pub fn id(&self) -> Option<&KeyId> {
        self.id.as_ref()
    }

    /// Returns the kind of key.
    #[must_use]
    pub fn family(&self) -> KeyType {
        self.family
    }

    /// Returns the size, in bits: of an RSA modulus, of a curve's field, or of a secret.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// Returns a short name by which people distinguish keys.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns the thumbprint of a public key (RFC 7638); `None` for a secret.
    #[must_use]
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        self.thumbprint
    }

    /// Returns the identity of this key with its name and its algorithms.
    #[must_use]
    pub fn identity(&self) -> KeyIdentity {
        self.identity
    }

    /// Returns true if both are the same key, whatever their names and uses.
    #[must_use]
    pub fn same_key_material(&self, other: &Self) -> bool {
        self.material == other.material
    }

    /// Returns true if the key fits the algorithm.
    #[must_use]
    pub fn can(&self, algorithm: Algorithm) -> bool {
        self.verifier(algorithm).is_some()
    }

    /// Returns the key, parsed for the algorithm; `None` if it does not fit.
    #[must_use]
    pub fn verifier(&self, algorithm: Algorithm) -> Option<&Verifier> {
        self.verifiers.iter().find(|verifier| verifier.algorithm() == algorithm)
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey")
            .field("family", &self.family)
            .field("bits", &self.bits)
            .field("fingerprint", &format_args!("{}", self.fingerprint))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
