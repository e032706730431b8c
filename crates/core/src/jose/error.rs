//! The errors of a token before its claims are validated, and of a key: their texts and their mapping to a [`Reason`]. They contain no
//! byte of the token or the key, so they can be logged as they are.

use std::fmt;

use spki::ObjectIdentifier;

use crate::jose::algorithm::{Algorithm, KeyType, MAX_EXPONENT_BITS, MAX_RSA_BITS, MIN_RSA_BITS, MIN_SECRET_BYTES};
use crate::jose::identity::MAX_KEY_ID_BYTES;
use crate::jose::json::JsonError;
use crate::reason::Reason;

/// The maximum number of keys that are tried for a token without a `kid`. Beyond it the token is rejected.
pub(super) const MAX_TRIED_KEYS: usize = 16;
/// The longest token that is ever read, in bytes. Envoy's own limit for all headers together is 60 KiB. A longer token is rejected.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// The longest token that is read by default (`server.max_token`), and the longest DPoP proof. A longer one is rejected.
pub const DEFAULT_MAX_TOKEN_BYTES: usize = 16 * 1024;

/// One of the three parts of a compact JWS (RFC 7515 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The JOSE header.
    Header,
    /// The JWS payload: the claims set.
    Payload,
    /// The JWS signature.
    Signature,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "header",
            Self::Payload => "payload",
            Self::Signature => "signature",
        })
    }
}

/// The reason why a token was rejected. The text is for operators; it is never sent to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token is larger than the limit.
    #[error("the token has {found} bytes, and {limit} are allowed (`server.max_token`)")]
    TooLarge {
        /// The length of the token, in bytes.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A token with five parts: a JWE (RFC 7516 §3.1).
    #[error("the token has five parts, so it is encrypted (JWE); only signed tokens (JWS) are supported")]
    Encrypted,
    /// A token with any other number of parts than three.
    #[error("the token has {found} part{}, and a signed token has three", if *found == 1 { "" } else { "s" })]
    PartCount {
        /// The number of parts.
        found: usize,
    },
    /// A part is empty. An unsecured JWS has an empty signature (RFC 7515 appendix A.5).
    #[error("the token's {0} is empty")]
    EmptyPart(Part),
    /// Padding, `+`, `/`, whitespace, a foreign character, an impossible length, or unused bits that are not zero.
    #[error("the token's {0} is not canonical base64url without padding")]
    Encoding(Part),
    /// The decoded part is not strict JSON.
    #[error("the token's {0} {1}")]
    Json(Part, JsonError),
    /// `alg` is missing (RFC 7515 §4.1.1).
    #[error("the header has no `alg`")]
    AlgorithmMissing,
    /// `alg` has another JSON type.
    #[error("the header's `alg` is not a string")]
    AlgorithmNotText,
    /// `alg` is `none`, in another case, or not implemented.
    #[error("the header's `alg` is not the name of a supported signature algorithm")]
    AlgorithmUnknown,
    /// `kid` has another JSON type (RFC 7515 §4.1.4).
    #[error("the header's `kid` is not a string")]
    KeyIdNotText,
    /// `kid` is longer than any sane issuer writes it.
    #[error("the header's `kid` is longer than {MAX_KEY_ID_BYTES} bytes")]
    KeyIdTooLong,
    /// `typ` has another JSON type (RFC 7515 §4.1.9).
    #[error("the header's `typ` is not a string")]
    TypeNotText,
    /// `crit` is present, in any form. modgud supports no extension, so it must reject each one (RFC 7515 §4.1.11).
    #[error("the header has `crit`, and no extension is supported")]
    CriticalExtension,
    /// `b64` is present, in any form: it changes how the payload is read (RFC 7797 §3).
    #[error("the header has `b64`, and only base64url payloads are supported")]
    UnencodedPayload,
    /// `zip` is present: the signed bytes would differ from those that are read (RFC 7516 §4.1.3).
    #[error("the header has `zip`, and compressed payloads are not supported")]
    CompressedPayload,
    /// `enc` is present: a JWE header in a JWS (RFC 7516 §4.1.2).
    #[error("the header has `enc`, and encrypted payloads are not supported")]
    EncryptedPayload,
    /// A known algorithm that this issuer's list does not allow (RFC 8725 §3.1).
    #[error("the header's `alg` is not allowed for this issuer")]
    AlgorithmNotAllowed,
    /// `kid` names no known key of the issuer (RFC 7515 §4.1.4).
    #[error("no key of the issuer has the header's `kid`")]
    KeyUnknown,
    /// None of the possible keys takes the token's algorithm.
    #[error("no candidate key of the issuer supports the header's `alg`")]
    KeyUnfit,
    /// `kid` selects no key, and the issuer has more keys than are tried.
    #[error("the header's `kid` does not select one key, and no more than {} are tried", MAX_TRIED_KEYS)]
    KeysUntried,
    /// No key makes signatures of this length (RFC 8017 §8.2.2 step 1).
    #[error("no key of the issuer makes signatures of this length")]
    SignatureLength,
    /// No key verifies the signature.
    #[error("no key of the issuer verifies the signature")]
    SignatureMismatch,
}

impl TokenError {
    /// Returns the stable reason code that operators see in logs and metrics.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLarge { .. } => Reason::TokenTooLarge,
            Self::Encrypted
            | Self::PartCount { .. }
            | Self::EmptyPart(_)
            | Self::Encoding(_)
            | Self::Json(..)
            | Self::AlgorithmMissing
            | Self::AlgorithmNotText
            | Self::KeyIdNotText
            | Self::KeyIdTooLong
            | Self::TypeNotText
            | Self::CriticalExtension
            | Self::UnencodedPayload
            | Self::CompressedPayload
            | Self::EncryptedPayload => Reason::TokenMalformed,
            Self::AlgorithmUnknown | Self::AlgorithmNotAllowed => Reason::AlgorithmNotAllowed,
            Self::KeyUnknown => Reason::KeyUnknown,
            Self::KeysUntried => Reason::KeyAmbiguous,
            Self::KeyUnfit | Self::SignatureLength | Self::SignatureMismatch => Reason::SignatureInvalid,
        }
    }
}

/// The reason why a text is not a usable verification key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The text is empty, or white space.
    #[error("the text is empty; use a public key in PEM")]
    Empty,
    /// The text has no `-----BEGIN`.
    #[error("the text has no PEM block; use one that starts with `-----BEGIN PUBLIC KEY-----`")]
    NoBlock,
    /// The text contains several keys, so the choice is ambiguous.
    #[error("the text has {found} PEM blocks; use one")]
    SeveralBlocks {
        /// The number of keys.
        found: usize,
    },
    /// The text contains a private key, which must not be here.
    #[error("the PEM block is a private key; use its public half (`openssl pkey -pubout` writes it)")]
    PrivateKey,
    /// The end line is missing, or has another label.
    #[error("the PEM block has no `-----END` line that matches its `-----BEGIN` line")]
    Unfinished,
    /// The lines between are not base64.
    #[error("the PEM block's content is not base64")]
    NotBase64,
    /// The PEM block contains something else.
    #[error("the PEM block is {found}; use `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`")]
    OtherLabel {
        /// The label of its begin line.
        found: Label,
    },
    /// The decoded bytes do not match the label.
    #[error("the PEM block's content is not the DER structure that its label names")]
    NotDer,
    /// The type of the key is unsupported.
    #[error("the key is of type {found}; use RSA, EC (P-256, P-384 or P-521) or Ed25519")]
    OtherType {
        /// The type found.
        found: KeyKind,
    },
    /// The key fits none of the required algorithms.
    #[error("the key is of type {}, which no allowed algorithm uses; allow one of {}", key_type.name(), Served(*key_type))]
    NotServing {
        /// The key type found.
        key_type: KeyType,
    },
    /// The modulus is too short: RFC 7518 §3.3 requires 2048 bits, as shorter keys can be factored.
    #[error("the RSA key has {bits} bits; use at least {MIN_RSA_BITS}")]
    TooShort {
        /// The size of the modulus.
        bits: usize,
    },
    /// The modulus is too long: a check would cost too much, and the cryptographic library rejects it.
    #[error("the RSA key has {bits} bits; use at most {MAX_RSA_BITS}")]
    TooLong {
        /// The size of the modulus.
        bits: usize,
    },
    /// The exponent is 1, with which a signature is the message itself (RFC 8017 §3.1).
    #[error("the RSA key's public exponent is even or less than 3; use 65537")]
    ExponentUnsafe,
    /// The exponent is larger than any key generator makes it, and the cryptographic library rejects it.
    #[error("the RSA key's public exponent has {bits} bits; use at most {MAX_EXPONENT_BITS}")]
    ExponentTooLong {
        /// The size of the exponent.
        bits: usize,
    },
    /// The curve of the EC key is unsupported.
    #[error("the EC key is on the curve {found}; use P-256, P-384 or P-521")]
    OtherCurve {
        /// The curve found.
        found: CurveName,
    },
    /// The EC key describes its own curve, or has none (RFC 5480 §2.1.1).
    #[error("the EC key does not name its curve; use P-256, P-384 or P-521")]
    CurveNotNamed,
    /// The point is compressed, or its length differs from the curve's.
    #[error("the EC key's point is not uncompressed (first byte 04), or not of its curve's length")]
    PointForm,
    /// The point is not on the curve: it has no private key, and a check with it proves nothing.
    #[error("the EC key's point is not on the curve {}", curve.name())]
    NotOnCurve {
        /// The curve of the key.
        curve: KeyType,
    },
    /// An Ed25519 key has another length (RFC 8032 §5.1.5).
    #[error("the Ed25519 key has {bytes} bytes instead of 32")]
    Ed25519Length {
        /// The number of bytes.
        bytes: usize,
    },
    /// The key is one of the few Ed25519 points for which anyone can forge signatures.
    #[error("the Ed25519 key is a point of small order, with which anyone can forge signatures")]
    SmallOrder,
    /// The secret is short enough to guess (RFC 7518 §3.2).
    #[error("the secret has {bytes} bytes; use at least {MIN_SECRET_BYTES} random ones")]
    SecretTooShort {
        /// The number of bytes.
        bytes: usize,
    },
    /// The secret is long enough for another algorithm only (RFC 7518 §3.2).
    #[error("the secret has {bytes} bytes, and {} needs at least {}", algorithm.name(), algorithm.min_secret_bytes())]
    SecretTooShortFor {
        /// The number of bytes.
        bytes: usize,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The secret is a public key or a certificate (RFC 8725 §2.1).
    #[error(
        "the secret is a public key or a certificate; use `pem`, or random bytes that only signer and verifier know"
    )]
    SecretIsPublic,
    /// The secret is the JSON text of a JWK or a JWKS.
    #[error("the secret is a JWK; use `jwk` instead of `secret`")]
    SecretIsJwk,
    /// The secret is a PEM block, and possibly public (RFC 8725 §2.1).
    #[error(
        "the secret is a PEM block, which is a key of another kind; use random bytes that only signer and verifier know"
    )]
    SecretIsPem,
    /// The key is well-formed but invalid, for example because the modulus is even.
    #[error("the cryptographic library rejects the key")]
    Rejected,
}

/// The label of a PEM block, if it looks like one. It is user input and may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label(Option<String>);

impl Label {
    /// Accepts short labels in upper case. Base64 of any length has lower case, so no content passes for a label.
    pub(super) fn new(text: &str) -> Self {
        let plausible =
            text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_uppercase() || b" 0123456789".contains(&byte));
        Self(plausible.then(|| text.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(text) => write!(f, "`{text}`"),
            None => f.write_str("of an unknown kind"),
        }
    }
}

/// The type of a public key, by its object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyKind(pub(super) ObjectIdentifier);

/// A curve, by its object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurveName(pub(super) ObjectIdentifier);

/// The curves of other systems (RFC 5480 §2.1.1.1, SEC 2, RFC 5639).
const CURVES: [(&str, &str); 4] = [
    ("1.3.132.0.33", "P-224"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
];

/// The key types that people paste by mistake (RFC 3279 §2.3, RFC 4055 §1.2, RFC 8410 §3).
const KNOWN: [(&str, &str); 6] = [
    ("1.3.101.113", "Ed448"),
    ("1.3.101.110", "X25519"),
    ("1.3.101.111", "X448"),
    ("1.2.840.113549.1.1.10", "RSASSA-PSS"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.113549.1.3.1", "DH"),
];

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.0, &KNOWN)
    }
}

impl fmt::Display for CurveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_name(f, self.0, &CURVES)
    }
}

fn write_name(f: &mut fmt::Formatter<'_>, oid: ObjectIdentifier, names: &[(&str, &str)]) -> fmt::Result {
    let oid = oid.to_string();
    f.write_str(names.iter().find(|(known, _)| *known == oid).map_or(oid.as_str(), |(_, name)| name))
}

/// The algorithms of a key type, for people.
struct Served(KeyType);

impl fmt::Display for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.algorithms().map(Algorithm::name).collect();
        f.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests;
