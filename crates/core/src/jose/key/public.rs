//! Public keys: the formats PEM, DER and the numbers of a JWK, and the required strength.

use aws_lc_rs::signature::{ParsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, EllipticCurveKeyParameters, OctetKeyPairParameters, RSAKeyParameters,
};
use pkcs1::{RsaPublicKey, RsaPublicKeyRef, UintRef};
use spki::der::asn1::{AnyRef, BitStringRef};
use spki::der::{Decode as _, Encode as _};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfoRef};
use x509_cert::Certificate;

use crate::jose::algorithm::{KeyType, MAX_EXPONENT_BITS, MAX_RSA_BITS, MIN_RSA_BITS};
use crate::jose::error::{CurveName, KeyError, KeyKind};
use crate::jose::identity::Thumbprint;
use crate::jose::pem::{self, Contents};

/// `id-ecPublicKey` (RFC 5480 §2.1.1).
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// `id-Ed25519` (RFC 8410 §3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// The first byte of an uncompressed point (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 4;
/// The length of an Ed25519 key, in bytes (RFC 8032 §5.1.5).
const ED25519_BYTES: usize = 32;

/// A curve of ECDSA keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jose) enum Curve {
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// secp521r1.
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// Parses the name of a curve in a JWK (RFC 7518 §6.2.1.1). `None` if it is unsupported.
    pub(in crate::jose) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.key_type().name() == name)
    }

    const fn key_type(self) -> KeyType {
        match self {
            Self::P256 => KeyType::P256,
            Self::P384 => KeyType::P384,
            Self::P521 => KeyType::P521,
        }
    }

    /// Returns the object identifier (RFC 5480 §2.1.1.1).
    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Self::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        }
    }

    /// Returns the size of the curve's field, in bits.
    const fn bits(self) -> usize {
        match self {
            Self::P256 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    /// Returns the length of a coordinate, in bytes (RFC 7518 §6.2.1.2).
    pub(in crate::jose) const fn coordinate_len(self) -> usize {
        self.bits().div_ceil(8)
    }
}

impl From<Curve> for EllipticCurve {
    fn from(curve: Curve) -> Self {
        match curve {
            Curve::P256 => Self::P256,
            Curve::P384 => Self::P384,
            Curve::P521 => Self::P521,
        }
    }
}

/// A public key that passed the checks, in the form that the library takes.
pub(in crate::jose) struct PublicKey {
    kind: Kind,
    bits: usize,
    bytes: Vec<u8>,
    parameters: AlgorithmParameters,
}

enum Kind {
    Rsa,
    Ec(Curve),
    Ed25519,
}

impl PublicKey {
    /// Parses PEM: `PUBLIC KEY`, `RSA PUBLIC KEY`, or `CERTIFICATE`, of which only the key is read.
    ///
    /// # Errors
    /// A [`KeyError`] that names what was found and what is needed.
    pub(in crate::jose) fn from_pem(text: &str) -> Result<Self, KeyError> {
        let (contents, der) = pem::read(text)?;
        let of_info = |der: &[u8]| {
            let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| KeyError::NotDer)?;
            Self::from_info(&info)
        };
        match contents {
            Contents::RsaPublicKey => Self::rsa(&der),
            Contents::PublicKey => of_info(&der),
            Contents::Certificate => {
                let certificate = Certificate::from_der(&der).map_err(|_| KeyError::NotDer)?;
                let info = certificate.tbs_certificate().subject_public_key_info().to_der();
                of_info(&info.map_err(|_| KeyError::NotDer)?)
            }
        }
    }

    /// Converts a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// A [`KeyError`] that names the key type found, or the reason why the key is rejected.
    pub(in crate::jose) fn from_info(info: &SubjectPublicKeyInfoRef<'_>) -> Result<Self, KeyError> {
        let key = info.subject_public_key.as_bytes();
        match info.algorithm.oid {
            pkcs1::ALGORITHM_OID => Self::rsa(key.ok_or(KeyError::NotDer)?),
            EC => {
                // Parameters that are not a name describe a curve, and a key may not bring its own (RFC 5480 §2.1.1).
                let named = info.algorithm.parameters_oid().map_err(|_| KeyError::CurveNotNamed)?;
                let curve = Curve::ALL.into_iter().find(|curve| curve.oid() == named);
                let curve = curve.ok_or(KeyError::OtherCurve { found: CurveName(named) })?;
                Self::ec(curve, key.ok_or(KeyError::NotDer)?)
            }
            ED25519 if info.algorithm.parameters.is_some() => Err(KeyError::NotDer),
            ED25519 => Self::ed25519(key.ok_or(KeyError::NotDer)?),
            // RSASSA-PSS keys have their own identifier and must not verify PKCS#1 v1.5 signatures (RFC 4055 §1.2).
            other => Err(KeyError::OtherType { found: KeyKind(other) }),
        }
    }

    /// Parses the DER of an `RSAPublicKey` (RFC 8017 appendix A.1.1).
    ///
    /// # Errors
    /// A [`KeyError`] that names the limit.
    pub(in crate::jose) fn rsa(der: &[u8]) -> Result<Self, KeyError> {
        let key = RsaPublicKeyRef::from_der(der).map_err(|_| KeyError::NotDer)?;
        let (modulus, exponent) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
        let bits = bit_length(modulus);
        if bits < MIN_RSA_BITS {
            return Err(KeyError::TooShort { bits });
        }
        if bits > MAX_RSA_BITS {
            return Err(KeyError::TooLong { bits });
        }
        let odd = exponent.last().is_some_and(|byte| byte & 1 == 1);
        match bit_length(exponent) {
            0 | 1 => return Err(KeyError::ExponentUnsafe),
            _ if !odd => return Err(KeyError::ExponentUnsafe),
            bits if bits > MAX_EXPONENT_BITS => return Err(KeyError::ExponentTooLong { bits }),
            _ => {}
        }
        let parameters = RSAKeyParameters { n: encode(modulus), e: encode(exponent), ..RSAKeyParameters::default() };
        Ok(Self { kind: Kind::Rsa, bits, bytes: der.to_vec(), parameters: AlgorithmParameters::RSA(parameters) })
    }

    /// Builds a key from the two numbers of an RSA key, big-endian.
    ///
    /// # Errors
    /// As [`Self::rsa`].
    pub(in crate::jose) fn rsa_of(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let number = |bytes| UintRef::new(bytes).map_err(|_| KeyError::NotDer);
        let key = RsaPublicKey { modulus: number(modulus)?, public_exponent: number(exponent)? };
        Self::rsa(&key.to_der().map_err(|_| KeyError::NotDer)?)
    }

    /// Builds a key from a point in its uncompressed form (SEC 1 §2.3.3). Parsing the key checks later that the point is on the curve.
    ///
    /// # Errors
    /// [`KeyError::PointForm`].
    pub(in crate::jose) fn ec(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        let length = curve.coordinate_len();
        let (x, y) = point
            .split_first()
            .filter(|(form, _)| **form == UNCOMPRESSED)
            .and_then(|(_, coordinates)| coordinates.split_at_checked(length))
            .filter(|(_, y)| y.len() == length)
            .ok_or(KeyError::PointForm)?;
        let parameters = AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
            curve: curve.into(),
            x: encode(x),
            y: encode(y),
            ..EllipticCurveKeyParameters::default()
        });
        Ok(Self { kind: Kind::Ec(curve), bits: curve.bits(), bytes: point.to_vec(), parameters })
    }

    /// Builds a key from the two coordinates of a point, each of the curve's length.
    ///
    /// # Errors
    /// As [`Self::ec`].
    pub(in crate::jose) fn ec_of(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        Self::ec(curve, &[&[UNCOMPRESSED], x, y].concat())
    }

    /// Builds a key from the 32 bytes of an Ed25519 key (RFC 8032 §5.1.5).
    ///
    /// # Errors
    /// [`KeyError::Ed25519Length`] or [`KeyError::SmallOrder`].
    pub(in crate::jose) fn ed25519(key: &[u8]) -> Result<Self, KeyError> {
        let point: &[u8; ED25519_BYTES] = key.try_into().map_err(|_| KeyError::Ed25519Length { bytes: key.len() })?;
        if is_of_small_order(point) {
            return Err(KeyError::SmallOrder);
        }
        let parameters = AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
            curve: EllipticCurve::Ed25519,
            x: encode(key),
            ..OctetKeyPairParameters::default()
        });
        Ok(Self { kind: Kind::Ed25519, bits: 256, bytes: key.to_vec(), parameters })
    }

    pub(in crate::jose) const fn key_type(&self) -> KeyType {
        match self.kind {
            Kind::Rsa => KeyType::Rsa,
            Kind::Ec(curve) => curve.key_type(),
            Kind::Ed25519 => KeyType::Ed25519,
        }
    }

    pub(super) const fn bits(&self) -> usize {
        self.bits
    }

    pub(in crate::jose) fn thumbprint(&self) -> Thumbprint {
        Thumbprint::of_parameters(&self.parameters)
    }

    /// Returns the JWK members that define the key (RFC 7638 §3.2).
    pub(in crate::jose) const fn parameters(&self) -> &AlgorithmParameters {
        &self.parameters
    }

    /// Parses the key for this check.
    pub(super) fn parse(&self, check: &'static dyn VerificationAlgorithm) -> Result<ParsedPublicKey, KeyError> {
        ParsedPublicKey::new(check, &self.bytes).map_err(|_| match self.kind {
            Kind::Rsa | Kind::Ed25519 => KeyError::Rejected,
            Kind::Ec(curve) => KeyError::NotOnCurve { curve: curve.key_type() },
        })
    }

    /// Returns the DER of the key's `SubjectPublicKeyInfo` in its usual form, whatever format it was read from.
    pub(super) fn info(&self) -> Result<Vec<u8>, KeyError> {
        let curve = match self.kind {
            Kind::Ec(curve) => Some(curve.oid()),
            Kind::Rsa | Kind::Ed25519 => None,
        };
        let algorithm = match self.kind {
            Kind::Rsa => pkcs1::ALGORITHM_ID,
            Kind::Ec(_) => AlgorithmIdentifierRef { oid: EC, parameters: curve.as_ref().map(AnyRef::from) },
            Kind::Ed25519 => AlgorithmIdentifierRef { oid: ED25519, parameters: None },
        };
        BitStringRef::from_bytes(&self.bytes)
            .and_then(|key| SubjectPublicKeyInfoRef { algorithm, subject_public_key: key }.to_der())
            .map_err(|_| KeyError::NotDer)
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Returns the number of bits of a big-endian unsigned integer without leading zero bytes.
fn bit_length(bytes: &[u8]) -> usize {
    let unused = bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
    bytes.len().saturating_mul(8).saturating_sub(unused)
}

/// The Ed25519 points whose order divides 8, without their sign bit, in both spellings of those that have two. With such a key, one forged
/// signature fits any message; RFC 8032 §5.1.7 does not require the check that would find it.
const POINTS: [[u8; ED25519_BYTES]; 7] = [
    with_ends(0x00, 0x00, 0x00),
    with_ends(0x01, 0x00, 0x00),
    with_ends(0xec, 0xff, 0x7f),
    with_ends(0xed, 0xff, 0x7f),
    with_ends(0xee, 0xff, 0x7f),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn with_ends(first: u8, middle: u8, last: u8) -> [u8; ED25519_BYTES] {
    let mut bytes = [middle; ED25519_BYTES];
    bytes[0] = first;
    bytes[ED25519_BYTES - 1] = last;
    bytes
}

/// Returns true if the point's order divides 8.
fn is_of_small_order(point: &[u8; ED25519_BYTES]) -> bool {
    let [first @ .., last] = point;
    // The highest bit is the sign; two points that differ only in it have the same order.
    POINTS.iter().any(|known| known.split_last() == Some((&(last & 0x7f), first)))
}
