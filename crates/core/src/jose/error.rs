//! The errors of a token before its claims are validated, their texts and their mapping to a [`Reason`]. They contain no byte of the token,
//! so they can be logged as they are.

use std::fmt;

use crate::jose::compact::MAX_TOKEN_BYTES;
use crate::jose::json::JsonError;
use crate::jose::key_id::MAX_KEY_ID_BYTES;
use crate::reason::Reason;

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
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
    /// A token with five parts: a JWE (RFC 7516 §3.1).
    #[error("the token has five parts, so it is encrypted (JWE), and only signed tokens (JWS) are read")]
    Encrypted,
    /// A token with any other number of parts than three.
    #[error("the token has {found} parts between its dots, and a signed token has three")]
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
    #[error("the header has `crit`, and no extension is understood")]
    CriticalExtension,
    /// `b64` is present, in any form: it changes how the payload is read (RFC 7797 §3).
    #[error("the header has `b64`, and only base64url payloads are read")]
    UnencodedPayload,
    /// `zip` is present: the signed bytes would differ from those that are read (RFC 7516 §4.1.3).
    #[error("the header has `zip`, and compressed payloads are not read")]
    CompressedPayload,
    /// `enc` is present: a JWE header in a JWS (RFC 7516 §4.1.2).
    #[error("the header has `enc`, and encrypted payloads are not read")]
    EncryptedPayload,
    /// A known algorithm that this issuer's list does not allow (RFC 8725 §3.1).
    #[error("the header's `alg` is not one that is allowed for this issuer")]
    AlgorithmNotAllowed,
    /// `kid` names no known key of the issuer (RFC 7515 §4.1.4).
    #[error("the header's `kid` is not that of any key of the issuer")]
    KeyUnknown,
    /// None of the possible keys takes the token's algorithm.
    #[error("no key of the issuer that the token may mean takes the header's `alg`")]
    KeyUnfit,
    /// No key makes signatures of this length (RFC 8017 §8.2.2 step 1).
    #[error("the signature's length is not that of any key of the issuer")]
    SignatureLength,
    /// No key verifies the signature.
    #[error("the signature verifies with no key of the issuer")]
    SignatureMismatch,
}

impl TokenError {
    /// Returns the stable reason code that operators see in logs and metrics.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::TooLarge => Reason::TokenTooLarge,
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
            Self::KeyUnfit | Self::SignatureLength | Self::SignatureMismatch => Reason::SignatureInvalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, TokenError};
    use crate::jose::json::JsonError;
    use crate::jose::testing::assert_good_messages;
    use crate::reason::Reason;

    #[test]
    fn reasons_tell_the_kinds_apart() {
        for (fault, reason) in [
            (TokenError::TooLarge, Reason::TokenTooLarge),
            (TokenError::Encrypted, Reason::TokenMalformed),
            (TokenError::Json(Part::Payload, JsonError::DuplicateName), Reason::TokenMalformed),
            (TokenError::CriticalExtension, Reason::TokenMalformed),
            (TokenError::AlgorithmUnknown, Reason::AlgorithmNotAllowed),
            (TokenError::AlgorithmNotAllowed, Reason::AlgorithmNotAllowed),
            (TokenError::KeyUnknown, Reason::KeyUnknown),
            (TokenError::KeyUnfit, Reason::SignatureInvalid),
            (TokenError::SignatureLength, Reason::SignatureInvalid),
            (TokenError::SignatureMismatch, Reason::SignatureInvalid),
        ] {
            assert_eq!(fault.reason(), reason, "{fault}");
        }
    }

    #[test]
    fn messages_are_unique_lowercase_sentences() {
        let mut faults = vec![
            TokenError::TooLarge,
            TokenError::Encrypted,
            TokenError::PartCount { found: 2 },
            TokenError::AlgorithmMissing,
            TokenError::AlgorithmNotText,
            TokenError::AlgorithmUnknown,
            TokenError::KeyIdNotText,
            TokenError::KeyIdTooLong,
            TokenError::TypeNotText,
            TokenError::CriticalExtension,
            TokenError::UnencodedPayload,
            TokenError::CompressedPayload,
            TokenError::EncryptedPayload,
            TokenError::AlgorithmNotAllowed,
            TokenError::KeyUnknown,
            TokenError::KeyUnfit,
            TokenError::SignatureLength,
            TokenError::SignatureMismatch,
        ];
        for part in [Part::Header, Part::Payload, Part::Signature] {
            faults.extend([TokenError::EmptyPart(part), TokenError::Encoding(part)]);
        }
        for part in [Part::Header, Part::Payload] {
            faults.extend(JsonError::ALL.map(|fault| TokenError::Json(part, fault)));
        }
        assert_good_messages(&faults);
    }
}
