//! The signature check: a parsed key with one of its algorithms, behind the traits of `signature` and `jsonwebtoken`.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::ParsedPublicKey;
use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::signature;

use crate::jose::algorithm::Algorithm;

/// A key, parsed once, with one of its algorithms.
pub struct Verifier {
    algorithm: Algorithm,
    signature_len: usize,
    key: ParsedKey,
}

/// A key in the form that the cryptographic library verifies with.
pub(super) enum ParsedKey {
    Public(ParsedPublicKey),
    /// Boxed, because it is twenty times as large as the other.
    Secret(Box<hmac::Key>),
}

impl Verifier {
    /// Builds a verifier with a key of the algorithm's family that has that many bits.
    pub(super) fn new(algorithm: Algorithm, bits: usize, key: ParsedKey) -> Self {
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
    pub(in crate::jose) const fn signature_len(&self) -> usize {
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

impl JwtVerifier for Verifier {
    fn algorithm(&self) -> jsonwebtoken::Algorithm {
        self.algorithm.into()
    }
}
