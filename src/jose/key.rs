//! A public key that token signatures are checked with. Owns which keys are good enough, their fingerprint, and the
//! signature check itself; does not know where the text came from (`config` does) nor which tokens the key is for.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::ParsedPublicKey;
use pkcs1::RsaPublicKeyRef;
use spki::der::asn1::BitStringRef;
use spki::der::{Decode as _, Encode as _};
use spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use x509_cert::Certificate;

use crate::jose::algorithm::{Algorithm, Family};
use crate::jose::key_fault::{KeyFault, KeyKind};
use crate::jose::pem::{self, Contents};

/// The shortest RSA modulus, in bits (RFC 7518 §3.3).
pub(super) const MIN_RSA_BITS: usize = 2048;
/// The longest RSA modulus, in bits: the cryptographic library's bound, at about 16 times the cost of 2048 bits.
pub(super) const MAX_RSA_BITS: usize = 8192;
/// The longest public exponent, in bits: the cryptographic library's bound.
pub(super) const MAX_EXPONENT_BITS: usize = 33;

/// A public key, parsed once and ready for use.
pub struct VerificationKey {
    family: Family,
    bits: usize,
    fingerprint: Fingerprint,
    /// One checker per algorithm of the family, made here because parsing a key anew adds a sixth to each check.
    checkers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl VerificationKey {
    /// Reads an RSA public key from PEM: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`, in any of the spellings that
    /// environment variables give it. Of a certificate only the public key is used: its dates, its names, its issuer
    /// and its signature say nothing here, because whoever configured it vouches for it.
    ///
    /// # Errors
    /// A [`KeyFault`] that names what was found and what is needed, and shows no content.
    pub fn from_pem(text: &str) -> Result<Self, KeyFault> {
        let (contents, der) = pem::read(text)?;
        match contents {
            Contents::RsaPublicKey => Self::from_rsa(&der),
            Contents::PublicKey => {
                let info = SubjectPublicKeyInfoRef::from_der(&der).map_err(|_| KeyFault::NotDer)?;
                Self::from_info(info.algorithm.oid, info.subject_public_key.as_bytes())
            }
            Contents::Certificate => {
                let certificate = Certificate::from_der(&der).map_err(|_| KeyFault::NotDer)?;
                let info = certificate.tbs_certificate().subject_public_key_info();
                Self::from_info(info.algorithm.oid, info.subject_public_key.as_bytes())
            }
        }
    }

    /// The kind of key.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The size of the modulus, in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// A short name by which people tell keys apart.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The length of every signature that this key's private half can make, in bytes (RFC 8017 §8.2.1).
    pub(super) fn signature_len(&self) -> usize {
        match self.family {
            Family::Rsa => self.bits.div_ceil(8),
        }
    }

    /// Whether `signature` is this key's over `message`. A key of another family verifies nothing.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        self.checkers
            .iter()
            .any(|(candidate, checker)| *candidate == algorithm && checker.verify_sig(message, signature).is_ok())
    }

    /// `key` is the content of a `SubjectPublicKeyInfo`'s bit string; none if it has a broken number of bits.
    fn from_info(kind: ObjectIdentifier, key: Option<&[u8]>) -> Result<Self, KeyFault> {
        // RSASSA-PSS keys have their own identifier and must not serve PKCS#1 v1.5 signatures (RFC 4055 §1.2).
        if kind != pkcs1::ALGORITHM_OID {
            return Err(KeyFault::NotRsa { found: KeyKind(kind) });
        }
        Self::from_rsa(key.ok_or(KeyFault::NotDer)?)
    }

    /// From the DER of an `RSAPublicKey` (RFC 8017 appendix A.1.1).
    fn from_rsa(der: &[u8]) -> Result<Self, KeyFault> {
        let key = RsaPublicKeyRef::from_der(der).map_err(|_| KeyFault::NotDer)?;
        let bits = bit_length(key.modulus.as_bytes());
        if bits < MIN_RSA_BITS {
            return Err(KeyFault::TooShort { bits });
        }
        if bits > MAX_RSA_BITS {
            return Err(KeyFault::TooLong { bits });
        }
        let exponent = key.public_exponent.as_bytes();
        let odd = exponent.last().is_some_and(|byte| byte & 1 == 1);
        match bit_length(exponent) {
            0 | 1 => return Err(KeyFault::ExponentUnsafe),
            _ if !odd => return Err(KeyFault::ExponentUnsafe),
            bits if bits > MAX_EXPONENT_BITS => return Err(KeyFault::ExponentTooLong { bits }),
            _ => {}
        }
        let family = Family::Rsa;
        let checkers = Algorithm::ALL
            .iter()
            .filter(|algorithm| algorithm.family() == family)
            .map(|algorithm| Ok((*algorithm, ParsedPublicKey::new(algorithm.check(), der)?)))
            .collect::<Result<_, aws_lc_rs::error::KeyRejected>>()
            .map_err(|_| KeyFault::Refused)?;
        Ok(Self { family, bits, fingerprint: Fingerprint::of_rsa(der)?, checkers })
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

/// The first eight bytes of the SHA-256 of a key's `SubjectPublicKeyInfo`, shown as 16 lowercase hexadecimal digits.
/// The same key has the same fingerprint however it is wrapped:
/// `openssl pkey -pubin -outform DER | sha256sum` begins with it. For people, not for decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    fn of_rsa(der: &[u8]) -> Result<Self, KeyFault> {
        let info = BitStringRef::from_bytes(der)
            .and_then(|key| {
                SubjectPublicKeyInfoRef { algorithm: pkcs1::ALGORITHM_ID, subject_public_key: key }.to_der()
            })
            .map_err(|_| KeyFault::NotDer)?;
        let hash = digest(&SHA256, &info);
        hash.as_ref().first_chunk().copied().map(Self).ok_or(KeyFault::Refused)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The number of bits of a big-endian unsigned integer without leading zero bytes.
fn bit_length(bytes: &[u8]) -> usize {
    let unused = bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
    bytes.len().saturating_mul(8).saturating_sub(unused)
}

#[cfg(test)]
mod tests;
