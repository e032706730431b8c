//! The signature algorithms, the kind of key for each, and the required strength. Every check passes its own list of allowed ones.

use aws_lc_rs::hmac::{self, HMAC_SHA256, HMAC_SHA384, HMAC_SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};

/// The shortest RSA modulus, in bits (RFC 7518 §3.3); shorter ones can be factored and are rejected.
pub(super) const MIN_RSA_BITS: usize = 2048;
/// The longest RSA modulus, in bits: the cryptographic library's limit, at about 16 times the cost of 2048 bits. Longer ones are rejected.
pub(super) const MAX_RSA_BITS: usize = 8192;
/// The longest public exponent, in bits: the cryptographic library's limit. Longer ones are rejected.
pub(super) const MAX_EXPONENT_BITS: usize = 33;
/// The shortest secret, in bytes: that of HS256 (RFC 7518 §3.2).
pub(super) const MIN_SECRET_BYTES: usize = 32;
/// The newer name of `EdDSA` with Ed25519 (RFC 9864 §2.2).
const ED25519_NAME: &str = "Ed25519";

/// A JWS signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2). There is no variant for `none`, so no code path can choose
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384 (RFC 7518 §3.3).
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 7518 §3.3).
    Rs512,
    /// RSASSA-PSS with SHA-256 (RFC 7518 §3.5).
    Ps256,
    /// RSASSA-PSS with SHA-384 (RFC 7518 §3.5).
    Ps384,
    /// RSASSA-PSS with SHA-512 (RFC 7518 §3.5).
    Ps512,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// ECDSA on P-384 with SHA-384 (RFC 7518 §3.4).
    Es384,
    /// ECDSA on P-521 with SHA-512 (RFC 7518 §3.4).
    Es512,
    /// Ed25519, under the names `EdDSA` (RFC 8037 §3.1) and `Ed25519` (RFC 9864 §2.2). Ed448, which shares the first one, is unsupported.
    EdDsa,
    /// HMAC with SHA-256 (RFC 7518 §3.2).
    Hs256,
    /// HMAC with SHA-384 (RFC 7518 §3.2).
    Hs384,
    /// HMAC with SHA-512 (RFC 7518 §3.2).
    Hs512,
}

/// A kind of key. One key has one key type, and an algorithm is only ever tried with keys of its own. This prevents the use of a
/// public key as an HMAC secret (RFC 8725 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    /// RSA (RFC 8017).
    Rsa,
    /// Elliptic curve P-256 (FIPS 186-4).
    P256,
    /// Elliptic curve P-384 (FIPS 186-4).
    P384,
    /// Elliptic curve P-521 (FIPS 186-4).
    P521,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// A secret that signer and verifier share (RFC 2104).
    Hmac,
}

/// The implementation of a signature check.
pub(super) enum SignatureCheck {
    /// A check with a public key.
    Public(&'static dyn VerificationAlgorithm),
    /// A check with a shared secret.
    Secret(hmac::Algorithm),
}

impl Algorithm {
    /// Every algorithm, in the order of documents.
    pub const ALL: &[Self] = &[
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
    ];

    /// Parses an exact name; names are case-sensitive (RFC 7515 §4.1.1). `EdDSA` and `Ed25519` are one algorithm, because Ed25519 is the
    /// only supported curve of `EdDSA`. `None` if it is unknown.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name == ED25519_NAME {
            return Some(Self::EdDsa);
        }
        Self::ALL.iter().copied().find(|algorithm| algorithm.name() == name)
    }

    /// Returns its name in `alg`; of two names the one that all libraries know.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// Returns the kind of key that the algorithm takes.
    #[must_use]
    pub const fn key_type(self) -> KeyType {
        match self {
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyType::Rsa,
            Self::Es256 => KeyType::P256,
            Self::Es384 => KeyType::P384,
            Self::Es512 => KeyType::P521,
            Self::EdDsa => KeyType::Ed25519,
            Self::Hs256 | Self::Hs384 | Self::Hs512 => KeyType::Hmac,
        }
    }

    /// Returns the least length of a secret, in bytes: that of the algorithm's hash (RFC 7518 §3.2). Zero for an algorithm with public keys.
    pub(super) fn min_secret_bytes(self) -> usize {
        match self.verification_algorithm() {
            SignatureCheck::Secret(hash) => hash.tag_len(),
            SignatureCheck::Public(_) => 0,
        }
    }

    /// Returns the signature check. ECDSA signatures are `r` and `s` concatenated, each as long as the curve's order (RFC 7518 §3.4). The
    /// DER form of other protocols is rejected.
    pub(super) fn verification_algorithm(self) -> SignatureCheck {
        match self {
            Self::Rs256 => SignatureCheck::Public(&RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => SignatureCheck::Public(&RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => SignatureCheck::Public(&RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => SignatureCheck::Public(&RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => SignatureCheck::Public(&RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => SignatureCheck::Public(&RSA_PSS_2048_8192_SHA512),
            Self::Es256 => SignatureCheck::Public(&ECDSA_P256_SHA256_FIXED),
            Self::Es384 => SignatureCheck::Public(&ECDSA_P384_SHA384_FIXED),
            Self::Es512 => SignatureCheck::Public(&ECDSA_P521_SHA512_FIXED),
            Self::EdDsa => SignatureCheck::Public(&ED25519),
            Self::Hs256 => SignatureCheck::Secret(HMAC_SHA256),
            Self::Hs384 => SignatureCheck::Secret(HMAC_SHA384),
            Self::Hs512 => SignatureCheck::Secret(HMAC_SHA512),
        }
    }
}

/// Returns the algorithm of `jsonwebtoken`. Fails for ES512, which that library lacks.
impl TryFrom<Algorithm> for jsonwebtoken::Algorithm {
    type Error = jsonwebtoken::errors::Error;

    fn try_from(algorithm: Algorithm) -> Result<Self, Self::Error> {
        algorithm.name().parse()
    }
}

impl KeyType {
    /// Returns the name of the key type for operators.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Ed25519 => "Ed25519",
            Self::Hmac => "HMAC",
        }
    }

    /// Returns the algorithms for keys of this type, in the order of documents; the first one is the default.
    pub fn algorithms(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.iter().copied().filter(move |algorithm| algorithm.key_type() == self)
    }
}

#[cfg(test)]
mod tests {
    use super::Algorithm;

    #[test]
    fn jsonwebtoken_lacks_one_algorithm() {
        let lacking = |algorithm: &&Algorithm| jsonwebtoken::Algorithm::try_from(**algorithm).is_err();
        assert_eq!(Algorithm::ALL.iter().filter(lacking).collect::<Vec<_>>(), [&Algorithm::Es512]);
    }

    #[test]
    fn ed25519_has_two_names() {
        assert_eq!(Algorithm::parse("Ed25519"), Some(Algorithm::EdDsa));
        assert_eq!(Algorithm::parse("EdDSA"), Some(Algorithm::EdDsa));
    }

    #[test]
    fn names_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(*algorithm));
        }
        for name in [
            "",
            "none",
            "None",
            "NONE",
            "nOnE",
            "rs256",
            "Rs256",
            "RS256 ",
            " RS256",
            "RS256\0",
            "R\u{ff33}256",
            "es512",
            "ES521",
            "ES256K",
            "EDDSA",
            "ed25519",
            "ED25519",
            "Ed25519ph",
            "Ed448",
            "HS1",
            "A256GCM",
        ] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }
}
