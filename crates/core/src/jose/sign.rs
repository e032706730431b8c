//! Signing of tokens: those minted for modules, and those for development, the demo and tests.

mod private;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::signature::{self, Signer};
use serde_json::Value;

use crate::jose::algorithm::{Algorithm, KeyType, MAX_RSA_BITS, MIN_RSA_BITS};
use crate::jose::identity::KeyId;
use crate::jose::key::VerificationKey;
use private::PrivateKey;

/// A private key or a shared secret, and its signature algorithm. Its `Debug` output contains no secret.
pub struct SigningKey {
    algorithm: Algorithm,
    id: Option<KeyId>,
    key: PrivateKey,
}

/// The reason why a key or a signature can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The text is not a PEM of a private key.
    #[error(
        "the text is not the PEM of a private key; use RSA, EC (P-256, P-384 or P-521) or Ed25519 in PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`)"
    )]
    NotAPrivateKey,
    /// The text is a public key, which can't sign.
    #[error("the PEM block is a public key; use the private key")]
    PublicHalf,
    /// The private key is encrypted, and modgud has no passphrase.
    #[error("the private key is encrypted; use it without a passphrase (`openssl pkey` writes it)")]
    Encrypted,
    /// The RSA key is short enough to factor, or of a length that the library rejects (RFC 7518 §3.3).
    #[error("the RSA key has fewer bits than {MIN_RSA_BITS}, or more than {MAX_RSA_BITS}")]
    RsaLength,
    /// The secret is short enough to guess (RFC 7518 §3.2).
    #[error("the secret has {bytes} bytes; use at least {needed}")]
    SecretTooShort {
        /// The number of bytes.
        bytes: usize,
        /// The required number of bytes.
        needed: usize,
    },
    /// The key does not fit the algorithm.
    #[error("a key of type {} can't sign with {}", key_type.name(), algorithm.name())]
    OtherKeyType {
        /// The kind of the key.
        key_type: KeyType,
        /// The requested algorithm.
        algorithm: Algorithm,
    },
    /// The key is a shared secret, which has no public half.
    #[error("a shared secret has no public half")]
    NoPublicHalf,
    /// The library returned no key or no signature.
    #[error("the cryptographic library failed")]
    Library,
}

/// A private key as PEM, or a secret as it is. Only an explicit call reveals it.
pub struct SecretString(String);

impl SecretString {
    /// Returns the text, to be written where only its owner reads it.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretString(…)")
    }
}

impl SigningKey {
    /// Generates a key: RSA of 2048 bits, or a random secret as long as the algorithm's hash, in base64url.
    ///
    /// # Errors
    /// [`SigningError::Library`] if the system returns no random numbers.
    pub fn generate(algorithm: Algorithm) -> Result<Self, SigningError> {
        Ok(Self { algorithm, id: None, key: PrivateKey::generate(algorithm)? })
    }

    /// Parses a private key. It signs with its key type's first algorithm until another is set: an RSA key with RS256.
    ///
    /// # Errors
    /// A [`SigningError`] that names what was found instead.
    pub fn from_pem(text: &str) -> Result<Self, SigningError> {
        let key = PrivateKey::from_pem(text)?;
        let algorithm = key.key_type().algorithms().next().ok_or(SigningError::NotAPrivateKey)?;
        Ok(Self { algorithm, id: None, key })
    }

    /// Builds a key from a secret, of which every byte counts. It signs with HS256 until another algorithm is set.
    ///
    /// # Errors
    /// [`SigningError::SecretTooShort`].
    pub fn from_secret(secret: &str) -> Result<Self, SigningError> {
        let algorithm = Algorithm::Hs256;
        Ok(Self { algorithm, id: None, key: PrivateKey::from_secret(secret.as_bytes(), algorithm)? })
    }

    /// Sets another algorithm of the key type.
    ///
    /// # Errors
    /// [`SigningError::OtherKeyType`], or [`SigningError::SecretTooShort`] for a longer hash.
    pub fn with_algorithm(self, algorithm: Algorithm) -> Result<Self, SigningError> {
        Ok(Self { algorithm, key: self.key.for_algorithm(algorithm)?, ..self })
    }

    /// Sets the `kid` in the header of its tokens.
    #[must_use]
    pub fn with_id(self, id: KeyId) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Returns the signature algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Returns the private key as PKCS#8 PEM, or the secret.
    ///
    /// # Errors
    /// [`SigningError::Library`] if the library can't encode it.
    pub fn private_text(&self) -> Result<SecretString, SigningError> {
        self.key.text().map(SecretString)
    }

    /// Returns the public key as SPKI PEM, as `JWT_PUBLIC_KEY_RSA_BIFROST` carries it.
    ///
    /// # Errors
    /// [`SigningError::NoPublicHalf`] for a secret, [`SigningError::Library`] if the library can't encode it.
    pub fn public_pem(&self) -> Result<String, SigningError> {
        self.key.public_pem()
    }

    /// Returns the key that verifies its tokens, under its name and for its algorithm only.
    ///
    /// # Errors
    /// [`SigningError::Library`] if the library can't encode the key, or makes one that is rejected.
    pub fn verification_key(&self) -> Result<VerificationKey, SigningError> {
        let key = match &self.key {
            PrivateKey::Secret(secret, _) => VerificationKey::from_secret(secret.as_bytes()),
            PrivateKey::Rsa(_) | PrivateKey::Ec(_) | PrivateKey::Ed25519(_) => {
                VerificationKey::from_pem(&self.public_pem()?)
            }
        };
        let key = key.and_then(|key| key.restricted_to(&[self.algorithm])).map_err(|_| SigningError::Library)?;
        Ok(match &self.id {
            Some(id) => key.with_id(id.clone()),
            None => key,
        })
    }

    /// Signs a token with these claims, in this order. Its header is that of `BiFrost`, `{"typ":"JWT","alg":"RS256"}`, with this key's
    /// algorithm and, if it has one, its `kid`.
    ///
    /// # Errors
    /// [`SigningError::Library`] if the library returns no signature.
    pub fn sign(&self, claims: &[(String, Value)]) -> Result<String, SigningError> {
        let members: Vec<String> =
            claims.iter().map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
        self.sign_claims(&format!("{{{}}}", members.join(",")))
    }

    /// Signs a token with claims that are JSON text already, under the same header as `sign`.
    ///
    /// # Errors
    /// [`SigningError::Library`] if the library returns no signature.
    pub fn sign_claims(&self, claims: &str) -> Result<String, SigningError> {
        let kid = self.id.as_ref().map(|id| format!(r#","kid":{}"#, Value::from(id.as_str())));
        let header = format!(r#"{{"typ":"JWT","alg":"{}"{}}}"#, self.algorithm.name(), kid.unwrap_or_default());
        self.sign_raw(&header, claims)
    }

    /// Signs a token of this header and these claims, even invalid ones: for tests of rejection.
    ///
    /// # Errors
    /// [`SigningError::Library`] if the library returns no signature.
    pub fn sign_raw(&self, header: &str, claims: &str) -> Result<String, SigningError> {
        let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = self.try_sign(input.as_bytes()).map_err(|_| SigningError::Library)?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Signer<Vec<u8>> for SigningKey {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        self.key.sign(self.algorithm, message).map_err(|_| signature::Error::new())
    }
}

#[cfg(test)]
mod tests;
