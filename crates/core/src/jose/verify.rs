//! Verification of tokens, from text to verified claims, in two steps (RFC 7515 §5.2, RFC 8725 §3). The calling function chooses the
//! issuer's keys and validates the claims.

use std::fmt;

use jsonwebtoken::signature::Verifier as _;
use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::claims::{Claims, NumericDate};
use crate::jose::compact::CompactToken;
use crate::jose::error::{Part, TokenError};
use crate::jose::header::JoseHeader;
use crate::jose::identity::KeyIdentity;
use crate::jose::json::read_object;
use crate::jose::jwks::KeySet;
use crate::time::Timestamp;

/// A well-formed token with a claimed issuer. Nothing in it is verified; it shows just enough to choose the keys.
pub struct UnverifiedToken<'a> {
    len: usize,
    signing_input: &'a str,
    signature: Vec<u8>,
    header: JoseHeader,
    claims: Map<String, Value>,
}

impl<'a> UnverifiedToken<'a> {
    /// Parses a compact JWS whose header and payload are strict JSON objects, without any cryptography.
    ///
    /// # Errors
    /// A [`TokenError`] of any kind except those of the signature.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        let compact = CompactToken::parse(token)?;
        let header = read_object(compact.header()).map_err(|error| TokenError::Json(Part::Header, error))?;
        let header = JoseHeader::from_object(header)?;
        let claims = read_object(compact.payload()).map_err(|error| TokenError::Json(Part::Payload, error))?;
        let (signing_input, signature) = compact.into_signed();
        Ok(Self { len: token.len(), signing_input, signature, header, claims })
    }

    /// Returns `iss`, which selects keys and proves nothing; `None` if it is absent or not a string.
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// Returns a claim, which proves nothing; `None` if it is absent.
    #[must_use]
    pub fn claimed(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// Returns `iat`, rounded up, which proves nothing; `None` if it is absent or not a date.
    #[must_use]
    pub fn claimed_issue(&self) -> Option<Timestamp> {
        self.claims.get("iat")?.as_number().and_then(NumericDate::read).map(NumericDate::ceil)
    }

    /// Returns the header.
    #[must_use]
    pub fn header(&self) -> &JoseHeader {
        &self.header
    }

    /// Returns the length of the token, in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a token that was parsed is never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Verifies the signature with the candidate keys, at most [`KeySet::MAX_TRIED`] of them. `keys` must be those of
    /// [`claimed_issuer`](Self::claimed_issuer), and `allowed` the algorithms of the same issuer (RFC 8725 §3.1).
    ///
    /// # Errors
    /// First of the algorithm ([`TokenError::AlgorithmNotAllowed`]), then of the keys ([`TokenError::KeyUnknown`],
    /// [`TokenError::KeyUnfit`]), then of the signature ([`TokenError::SignatureLength`], [`TokenError::SignatureMismatch`],
    /// [`TokenError::KeysUntried`]).
    pub fn verify(self, keys: &KeySet, allowed: &[Algorithm]) -> Result<VerifiedToken, TokenError> {
        self.verify_by_any(std::iter::once(keys), allowed)
    }

    /// Verifies like [`verify`](Self::verify), with several sets of keys of one issuer, of which any may contain the key.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify); if the sets differ, the error of the latest step.
    pub fn verify_by_any<'k>(
        self,
        sets: impl IntoIterator<Item = &'k KeySet>,
        allowed: &[Algorithm],
    ) -> Result<VerifiedToken, TokenError> {
        let mut error = TokenError::KeyUnknown;
        for keys in sets {
            match self.verify_signature(keys, allowed) {
                Ok(key) => return Ok(VerifiedToken { header: self.header, claims: Claims::new(&self.claims), key }),
                Err(found) => error = more_specific(error, found),
            }
        }
        Err(error)
    }

    /// Returns the key that verifies the signature.
    fn verify_signature(&self, keys: &KeySet, allowed: &[Algorithm]) -> Result<KeyIdentity, TokenError> {
        let algorithm = self.header.algorithm();
        if !allowed.contains(&algorithm) {
            return Err(TokenError::AlgorithmNotAllowed);
        }
        let candidates = keys.candidates(self.header.key_id()).ok_or(TokenError::KeyUnknown)?;
        let mut error = TokenError::KeyUnfit;
        let mut tries = 0..KeySet::MAX_TRIED;
        for (key, verifier) in candidates.filter_map(|key| Some((key, key.verifier(algorithm)?))) {
            if verifier.signature_len() != self.signature.len() {
                if error == TokenError::KeyUnfit {
                    error = TokenError::SignatureLength;
                }
                continue;
            }
            if tries.next().is_none() {
                return Err(TokenError::KeysUntried);
            }
            if verifier.verify(self.signing_input.as_bytes(), &self.signature).is_ok() {
                return Ok(key.identity());
            }
            error = TokenError::SignatureMismatch;
        }
        Err(error)
    }
}

/// Returns the members of a token's header, which prove nothing, for people. `None` if it can't be read.
#[must_use]
pub fn unverified_header(token: &str) -> Option<Map<String, Value>> {
    read_object(CompactToken::parse(token).ok()?.header()).ok()
}

/// Returns the more specific of two errors of one token with two sets of keys.
fn more_specific(one: TokenError, other: TokenError) -> TokenError {
    const ORDER: [TokenError; 5] = [
        TokenError::KeysUntried,
        TokenError::SignatureMismatch,
        TokenError::SignatureLength,
        TokenError::KeyUnfit,
        TokenError::KeyUnknown,
    ];
    // Errors that are missing in the order are the same for every set.
    let rank = |error: &TokenError| ORDER.iter().position(|known| known == error);
    if rank(&one) < rank(&other) { one } else { other }
}

impl fmt::Debug for UnverifiedToken<'_> {
    /// Omits claims and signature: an unverified token is a client's credential, or an attacker's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken").field("header", &self.header).finish_non_exhaustive()
    }
}

/// A token with a verified signature. Only [`UnverifiedToken::verify`] constructs one, so its existence is the proof. Time, audience and
/// all other claims are not validated.
#[derive(Debug, Clone)]
pub struct VerifiedToken {
    header: JoseHeader,
    claims: Claims,
    key: KeyIdentity,
}

impl VerifiedToken {
    /// Returns the header, which the signature covers.
    #[must_use]
    pub fn header(&self) -> &JoseHeader {
        &self.header
    }

    /// Returns the claims, which the key's owner signed.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Returns the key that verified it. Code that caches the claims keeps this, and checks [`KeySet::contains`] before each use of them.
    #[must_use]
    pub const fn key(&self) -> KeyIdentity {
        self.key
    }

    /// Returns the owned claims.
    #[must_use]
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}

#[cfg(test)]
mod tests;
