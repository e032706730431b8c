//! A key that token signatures are checked with. Owns what a key may do and the check itself; does not know where the text
//! came from (`config` does) nor which tokens the key is for.

mod identity;
mod public;
mod small_order;

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;

pub use identity::{Fingerprint, KeyIdentity, Thumbprint};
pub(super) use public::{Curve, MAX_EXPONENT_BITS, MAX_RSA_BITS, MIN_RSA_BITS, PublicKey};

use crate::jose::algorithm::{Algorithm, Check, Family};
use crate::jose::key_fault::KeyFault;
use crate::jose::key_id::KeyId;

/// The shortest secret, in bytes: that of HS256 (RFC 7518 §3.2).
pub(super) const MIN_SECRET_BYTES: usize = 32;

/// What every PEM block has, and no secret.
const PEM_BEGIN: &[u8] = b"-----BEGIN";

/// A public key or a shared secret, parsed once and ready for use.
pub struct VerificationKey {
    id: Option<KeyId>,
    family: Family,
    bits: usize,
    fingerprint: Fingerprint,
    thumbprint: Option<Thumbprint>,
    /// Hash of the key itself, without its name and use.
    material: [u8; 32],
    identity: KeyIdentity,
    /// One checker per algorithm that the key may serve, made here because parsing a key anew adds a sixth to each check.
    checkers: Vec<(Algorithm, Checker)>,
}

/// A key in the form in which the library checks with it.
enum Checker {
    Public(ParsedPublicKey),
    /// Boxed, because it is twenty times as large as the other.
    Secret(Box<hmac::Key>),
}

impl VerificationKey {
    /// Reads a public key of RSA, P-256, P-384 or Ed25519 from PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`, in any
    /// of the spellings that environment variables give it. Of a certificate only the public key is used: its dates, its
    /// names, its issuer and its signature say nothing here, because whoever configured it vouches for it.
    ///
    /// # Errors
    /// A [`KeyFault`] that names what was found and what is needed, and shows no content.
    pub fn from_pem(text: &str) -> Result<Self, KeyFault> {
        Self::from_public(&PublicKey::from_pem(text)?)
    }

    /// A secret that signer and verifier share. It serves the algorithms whose hash is not longer than the secret (RFC 7518
    /// §3.2): one of 32 bytes HS256 only, one of 64 bytes HS256, HS384 and HS512.
    ///
    /// # Errors
    /// [`KeyFault::SecretTooShort`], or [`KeyFault::SecretIsPem`]: what everybody may read is no secret (RFC 8725 §2.1).
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyFault> {
        if secret.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
            return Err(KeyFault::SecretIsPem);
        }
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyFault::SecretTooShort { bytes: secret.len() });
        }
        let checkers = Family::Hmac.algorithms().filter_map(|algorithm| match algorithm.check() {
            Check::Secret(hash) if hash.tag_len() <= secret.len() => {
                Some((algorithm, Checker::Secret(Box::new(hmac::Key::new(hash, secret)))))
            }
            Check::Secret(_) | Check::Public(_) => None,
        });
        let bits = secret.len().saturating_mul(8);
        let key = Self::new(Family::Hmac, bits, Fingerprint::Secret { bits }, secret, checkers.collect());
        Ok(key)
    }

    /// A public key that was found good.
    pub(super) fn from_public(key: &PublicKey) -> Result<Self, KeyFault> {
        let checkers = key.family().algorithms().filter_map(|algorithm| match algorithm.check() {
            Check::Public(check) => Some(key.parse(check).map(|key| (algorithm, Checker::Public(key)))),
            Check::Secret(_) => None,
        });
        let checkers = checkers.collect::<Result<_, _>>()?;
        let info = key.info()?;
        let mut made = Self::new(key.family(), key.bits(), Fingerprint::of_info(&info), &info, checkers);
        made.thumbprint = Some(key.thumbprint());
        Ok(made)
    }

    fn new(
        family: Family,
        bits: usize,
        fingerprint: Fingerprint,
        material: &[u8],
        checkers: Vec<(Algorithm, Checker)>,
    ) -> Self {
        let material = identity::hash(&[family.name().as_bytes(), material]);
        let identity = KeyIdentity::new(&material, None, &[]);
        Self { id: None, family, bits, fingerprint, thumbprint: None, material, identity, checkers }.identified()
    }

    /// The identity follows from what the key is by now.
    fn identified(mut self) -> Self {
        let algorithms: Vec<Algorithm> = self.checkers.iter().map(|(algorithm, _)| *algorithm).collect();
        self.identity = KeyIdentity::new(&self.material, self.id.as_ref(), &algorithms);
        self
    }

    /// The same key with a name, by which tokens can ask for it.
    #[must_use]
    pub fn with_id(self, id: KeyId) -> Self {
        Self { id: Some(id), ..self }.identified()
    }

    /// The same key, for these algorithms and no others.
    ///
    /// # Errors
    /// [`KeyFault::NotServing`] if it could serve none of them.
    pub fn restricted_to(mut self, algorithms: &[Algorithm]) -> Result<Self, KeyFault> {
        self.checkers.retain(|(algorithm, _)| algorithms.contains(algorithm));
        if self.checkers.is_empty() {
            return Err(KeyFault::NotServing { family: self.family });
        }
        Ok(self.identified())
    }

    /// The name by which tokens ask for the key; a key from PEM has none unless it was given one.
    #[must_use]
    pub fn id(&self) -> Option<&KeyId> {
        self.id.as_ref()
    }

    /// The kind of key.
    #[must_use]
    pub fn family(&self) -> Family {
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
    pub fn is_the_same_as(&self, other: &Self) -> bool {
        self.material == other.material
    }

    /// Whether signatures of this algorithm can be checked with the key.
    #[must_use]
    pub fn can(&self, algorithm: Algorithm) -> bool {
        self.checkers.iter().any(|(candidate, _)| *candidate == algorithm)
    }

    /// The length of every signature of the algorithm that this key's other half can make, in bytes.
    pub(super) fn signature_len(&self, algorithm: Algorithm) -> usize {
        match algorithm {
            // RFC 8017 §8.1.1 and §8.2.1.
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => self.bits.div_ceil(8),
            // RFC 7518 §3.4, RFC 8032 §5.1.6.
            Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Hs512 => 64,
            Algorithm::Es384 => 96,
            Algorithm::Hs256 => 32,
            Algorithm::Hs384 => 48,
        }
    }

    /// Whether `signature` is this key's over `message`. A key that can't serve the algorithm verifies nothing. How long the
    /// check of a secret's signature takes does not depend on how much of it is right.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.checkers.iter().find(|(candidate, _)| *candidate == algorithm).is_some_and(|(_, checker)| match checker {
            Checker::Public(key) => key.verify_sig(message, signature).is_ok(),
            Checker::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        })
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
