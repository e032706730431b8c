//! Everything that can be wrong with a token before its claims are judged. Owns the texts and their mapping to a
//! [`Reason`]; detects nothing itself, and holds no byte of the token, so a fault can be logged as it is.

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
    /// The JWS payload, which is the claims set.
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

/// Why a token was not accepted. The text is for operators; it is never sent to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More text than is ever read.
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
    /// Five parts: a JWE (RFC 7516 §3.1).
    #[error("the token has five parts, so it is encrypted (JWE), and only signed tokens (JWS) are read")]
    Encrypted,
    /// Any other number of parts than three.
    #[error("the token has {found} parts between its dots, and a signed token has three")]
    PartCount {
        /// How many parts there are.
        found: usize,
    },
    /// Nothing between two dots. An empty signature is what an unsecured JWS has (RFC 7515 appendix A.5).
    #[error("the token's {0} is empty")]
    EmptyPart(Part),
    /// Padding, `+`, `/`, whitespace, a foreign character, an impossible length, or unused bits that are not zero.
    #[error("the token's {0} is not canonical base64url without padding")]
    Encoding(Part),
    /// The part decodes, but not to strict JSON.
    #[error("the token's {0} {1}")]
    Json(Part, JsonError),
    /// No `alg` (RFC 7515 §4.1.1).
    #[error("the header has no `alg`")]
    AlgorithmMissing,
    /// `alg` of another JSON type.
    #[error("the header's `alg` is not a string")]
    AlgorithmNotText,
    /// `none`, another case, or an algorithm that is not implemented.
    #[error("the header's `alg` is not the name of a supported signature algorithm")]
    AlgorithmUnknown,
    /// `kid` of another JSON type (RFC 7515 §4.1.4).
    #[error("the header's `kid` is not a string")]
    KeyIdNotText,
    /// A `kid` that no sane issuer writes.
    #[error("the header's `kid` is longer than {MAX_KEY_ID_BYTES} bytes")]
    KeyIdTooLong,
    /// `typ` of another JSON type (RFC 7515 §4.1.9).
    #[error("the header's `typ` is not a string")]
    TypeNotText,
    /// `crit` in any form: no extension is understood, so each one must be refused (RFC 7515 §4.1.11).
    #[error("the header has `crit`, and no extension is understood")]
    CriticalExtension,
    /// `b64` in any form: the payload would be read differently (RFC 7797 §3).
    #[error("the header has `b64`, and only base64url payloads are read")]
    UnencodedPayload,
    /// `zip`: what is signed would not be what is read (RFC 7516 §4.1.3).
    #[error("the header has `zip`, and compressed payloads are not read")]
    CompressedPayload,
    /// `enc`: a JWE header in a JWS (RFC 7516 §4.1.2).
    #[error("the header has `enc`, and encrypted payloads are not read")]
    EncryptedPayload,
    /// A known algorithm that the caller does not allow (RFC 8725 §3.1).
    #[error("the header's `alg` is not one that is allowed for this issuer")]
    AlgorithmNotAllowed,
    /// `kid` names a key that the issuer doesn't have, as far as is known (RFC 7515 §4.1.4).
    #[error("the header's `kid` is not that of any key of the issuer")]
    KeyUnknown,
    /// There are keys, but none that takes the token's algorithm.
    #[error("no key of the issuer that the token may mean takes the header's `alg`")]
    KeyUnfit,
    /// No key could have made a signature of this length (RFC 8017 §8.2.2 step 1).
    #[error("the signature's length is not that of any key of the issuer")]
    SignatureLength,
    /// No key verifies the signature.
    #[error("the signature verifies with no key of the issuer")]
    SignatureMismatch,
}

impl TokenError {
    /// The stable reason that operators see in logs and metrics.
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
