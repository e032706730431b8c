//! A key that verifies token signatures: its name, its algorithms, and a parsed form for each of them, behind the trait of `signature`.

mod public;
mod secret;

use std::fmt;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;
use jsonwebtoken::signature;

pub(super) use public::{Curve, PublicKey};
pub(crate) use secret::holds_pem;

use crate::cache::{Digest, sha256_of_list};
use crate::jose::algorithm::{Algorithm, KeyType, MIN_SECRET_BYTES, SignatureCheck};
use crate::jose::error::KeyError;
use crate::jose::identity::{Fingerprint, KeyId, KeyIdentity, Thumbprint};

/// A public key or a shared secret, parsed once and ready for use.
pub struct VerificationKey {
    id: Option<KeyId>,
    key_type: KeyType,
    bits: usize,
    fingerprint: Fingerprint,
    thumbprint: Option<Thumbprint>,
    /// The hash of the key itself, without its name and use.
    material: Digest,
    identity: KeyIdentity,
    /// One verifier for each algorithm of the key, built here so that no key is parsed for a token.
    verifiers: Vec<Verifier>,
}

impl VerificationKey {
    /// Parses a public key of RSA, P-256, P-384, P-521 or Ed25519 from PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`. It accepts any
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
    /// [`KeyError::SecretTooShort`], or [`KeyError::SecretIsPem`], [`KeyError::SecretIsPublic`] or [`KeyError::SecretIsJwk`]: a key of
    /// another kind may be public, and is no secret (RFC 8725 §2.1).
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        secret::check_kind(secret)?;
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::SecretTooShort { bytes: secret.len() });
        }
        let bits = secret.len().saturating_mul(8);
        let verifiers = KeyType::Hmac.algorithms().filter_map(|algorithm| match algorithm.verification_algorithm() {
            SignatureCheck::Secret(hash) if hash.tag_len() <= secret.len() => {
                let key = ParsedKey::Secret(Box::new(hmac::Key::new(hash, secret)));
                Some(Verifier::new(algorithm, bits, key))
            }
            SignatureCheck::Secret(_) | SignatureCheck::Public(_) => None,
        });
        Ok(Self::new(KeyType::Hmac, bits, Fingerprint::Secret { bits }, secret, verifiers.collect()))
    }

    /// Builds a key from a public key that passed the checks.
    pub(super) fn from_public(key: &PublicKey) -> Result<Self, KeyError> {
        let bits = key.bits();
        let verifiers = key.key_type().algorithms().filter_map(|algorithm| match algorithm.verification_algorithm() {
            SignatureCheck::Public(check) => {
                Some(key.parse(check).map(|key| Verifier::new(algorithm, bits, ParsedKey::Public(key))))
            }
            SignatureCheck::Secret(_) => None,
        });
        let verifiers = verifiers.collect::<Result<_, _>>()?;
        let info = key.info()?;
        let mut made = Self::new(key.key_type(), bits, Fingerprint::of_info(&info), &info, verifiers);
        made.thumbprint = Some(key.thumbprint());
        Ok(made)
    }

    fn new(
        key_type: KeyType,
        bits: usize,
        fingerprint: Fingerprint,
        material: &[u8],
        verifiers: Vec<Verifier>,
    ) -> Self {
        let material = sha256_of_list(&[key_type.name().as_bytes(), material]);
        let identity = KeyIdentity::new(&material, None, &[]);
        Self { id: None, key_type, bits, fingerprint, thumbprint: None, material, identity, verifiers }.with_identity()
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
    /// [`KeyError::NotServing`] if it fits none of them, [`KeyError::SecretTooShortFor`] if it only is too short.
    pub fn restricted_to(mut self, algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        self.verifiers.retain(|verifier| algorithms.contains(&verifier.algorithm()));
        if self.verifiers.is_empty() {
            let of_its_type = algorithms.iter().find(|algorithm| algorithm.key_type() == self.key_type);
            return Err(match (self.key_type, of_its_type) {
                (KeyType::Hmac, Some(algorithm)) => {
                    KeyError::SecretTooShortFor { bytes: self.bits.div_euclid(8), algorithm: *algorithm }
                }
                (key_type, _) => KeyError::NotServing { key_type },
            });
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
    pub fn key_type(&self) -> KeyType {
        self.key_type
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
    pub fn supports(&self, algorithm: Algorithm) -> bool {
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
            .field("key_type", &self.key_type)
            .field("bits", &self.bits)
            .field("fingerprint", &format_args!("{}", self.fingerprint))
            .finish_non_exhaustive()
    }
}

/// A key, parsed once, with one of its algorithms.
pub struct Verifier {
    algorithm: Algorithm,
    signature_len: usize,
    key: ParsedKey,
}

/// A key in the form that the cryptographic library verifies with.
enum ParsedKey {
    Public(ParsedPublicKey),
    /// Boxed, because it is twenty times as large as the other.
    Secret(Box<hmac::Key>),
}

impl Verifier {
    /// Builds a verifier with a key of the algorithm's key type that has that many bits.
    fn new(algorithm: Algorithm, bits: usize, key: ParsedKey) -> Self {
        let signature_len = match algorithm {
            // RFC 8017 §8.1.1 and §8.2.1.
            Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => bits.div_ceil(8),
            // RFC 7518 §3.4, RFC 8032 §5.1.6.
            Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Hs512 => 64,
            Algorithm::Es384 => 96,
            Algorithm::Es512 => 132,
            Algorithm::Hs256 => 32,
            Algorithm::Hs384 => 48,
        };
        Self { algorithm, signature_len, key }
    }

    /// Returns the algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the length of every signature of this key and algorithm, in bytes.
    pub(super) const fn signature_len(&self) -> usize {
        self.signature_len
    }
}

/// Parses nothing and allocates nothing. For a secret, the duration of the check does not depend on how much of the signature is right.
impl signature::Verifier<Vec<u8>> for Verifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        match &self.key {
            ParsedKey::Public(key) => key.verify_sig(message, signature),
            ParsedKey::Secret(key) => hmac::verify(key, message, signature),
        }
        // Without a source: one would be an allocation, and a signature that does not verify has no details.
        .map_err(|_| signature::Error::new())
    }
}

#[cfg(test)]
mod tests;
