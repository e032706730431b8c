//! A key that token signatures are verified with: its name, its algorithms, and a parsed form for each of them.

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

/// What every PEM block has, and no secret.
const PEM_BEGIN: &[u8] = b"-----BEGIN";

/// A public key or a shared secret, parsed once and ready for use.
pub struct VerificationKey {
    id: Option<KeyId>,
    family: KeyType,
    bits: usize,
    fingerprint: Fingerprint,
    thumbprint: Option<Thumbprint>,
    /// Hash of the key itself, without its name and use.
    material: [u8; 32],
    identity: KeyIdentity,
    /// One verifier per algorithm that the key may serve, made here so that no key is parsed for a token.
    verifiers: Vec<Verifier>,
}

impl VerificationKey {
    /// Reads a public key of RSA, P-256, P-384 or Ed25519 from PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`, in any
    /// of the spellings that environment variables give it. Of a certificate only the public key is used: its dates, its
    /// names, its issuer and its signature say nothing here, because whoever configured it vouches for it.
    ///
    /// # Errors
    /// A [`KeyError`] that names what was found and what is needed, and shows no content.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_public(&PublicKey::from_pem(text)?)
    }

    /// A secret that signer and verifier share. It serves the algorithms whose hash is not longer than the secret (RFC 7518
    /// §3.2): one of 32 bytes HS256 only, one of 64 bytes HS256, HS384 and HS512.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`], or [`KeyError::SecretIsPem`]: what everybody may read is no secret (RFC 8725 §2.1).
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

    /// A public key that was found good.
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

    /// The identity follows from what the key is by now.
    fn with_identity(mut self) -> Self {
        let algorithms: Vec<Algorithm> = self.verifiers.iter().map(Verifier::algorithm).collect();
        self.identity = KeyIdentity::new(&self.material, self.id.as_ref(), &algorithms);
        self
    }

    /// The same key with a name, by which tokens can ask for it.
    #[must_use]
    pub fn with_id(self, id: KeyId) -> Self {
        Self { id: Some(id), ..self }.with_identity()
    }

    /// The same key, for these algorithms and no others.
    ///
    /// # Errors
    /// [`KeyError::NotServing`] if it could serve none of them.
    pub fn restricted_to(mut self, algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        self.verifiers.retain(|verifier| algorithms.contains(&verifier.algorithm()));
        if self.verifiers.is_empty() {
            return Err(KeyError::NotServing { family: self.family });
        }
        Ok(self.with_identity())
    }

    /// The name by which tokens ask for the key; a key from PEM has none unless it was given one.
    #[must_use]
    pub fn id(&self) -> Option<&KeyId> {
        self.id.as_ref()
    }

    /// The kind of key.
    #[must_use]
    pub fn family(&self) -> KeyType {
        self.family
    }

    /// The size, in bits: of an RSA modulus, of a curve's field, or of a secret.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// A short name by which people tell keys apart.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The thumbprint of a public key (RFC 7638); a secret shows none.
    #[must_use]
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        self.thumbprint
    }

    /// What tells this key, with its name and its algorithms, from every other.
    #[must_use]
    pub fn identity(&self) -> KeyIdentity {
        self.identity
    }

    /// Whether both are one key, whatever their names and whatever they are for.
    #[must_use]
    pub fn same_key_material(&self, other: &Self) -> bool {
        self.material == other.material
    }

    /// Returns true if the key serves the algorithm.
    #[must_use]
    pub fn can(&self, algorithm: Algorithm) -> bool {
        self.verifier(algorithm).is_some()
    }

    /// The key, parsed for the algorithm; `None` if it does not serve it.
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
