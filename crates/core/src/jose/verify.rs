//! From text to proven claims, in two steps (RFC 7515 §5.2, RFC 8725 §3). Owns the order of the checks and the type
//! that proves them; does not judge claims, and which issuer's keys apply is the caller's to say.

use std::fmt;

use jsonwebtoken::signature::Verifier as _;

use crate::jose::algorithm::Algorithm;
use crate::jose::claims::{Claims, NumericDate};
use crate::jose::compact::CompactToken;
use crate::jose::error::{Part, TokenError};
use crate::jose::header::JoseHeader;
use crate::jose::json::read_object;
use crate::jose::key::KeyIdentity;
use crate::jose::keyset::KeySet;
use crate::time::Timestamp;

/// A token that is well-formed and says who issued it. Nothing of what it says is proven; it shows just enough to
/// choose the keys that could prove it.
pub struct UnverifiedToken<'a> {
    len: usize,
    signing_input: &'a str,
    signature: Vec<u8>,
    header: JoseHeader,
    claims: Claims,
}

impl<'a> UnverifiedToken<'a> {
    /// Parses a compact JWS whose header and payload are strict JSON objects. No cryptography yet.
    ///
    /// # Errors
    /// A [`TokenError`] of any kind but those of the signature.
    pub fn parse(token: &'a str) -> Result<Self, TokenError> {
        let compact = CompactToken::parse(token)?;
        let header = read_object(compact.header()).map_err(|fault| TokenError::Json(Part::Header, fault))?;
        let header = JoseHeader::from_object(header)?;
        let claims = read_object(compact.payload()).map_err(|fault| TokenError::Json(Part::Payload, fault))?;
        let (signing_input, signature) = compact.into_signed();
        Ok(Self { len: token.len(), signing_input, signature, header, claims: Claims::new(claims) })
    }

    /// `iss`, which serves to look up keys and proves nothing; `None` if it is absent or not a string.
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.claims.text("iss").ok().flatten()
    }

    /// `iat` rounded up, which proves nothing; `None` if it is absent or no date.
    #[must_use]
    pub fn claimed_issue(&self) -> Option<Timestamp> {
        self.claims.numeric_date("iat").ok().flatten().map(NumericDate::ceil)
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &JoseHeader {
        &self.header
    }

    /// The length of the token, in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a token that was parsed is never empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Checks the signature with the keys that the token may mean, at most [`KeySet::MAX_TRIED`] of them. `keys` must be
    /// those of [`claimed_issuer`](Self::claimed_issuer), and `allowed` the algorithms of the same issuer (RFC 8725 §3.1).
    ///
    /// # Errors
    /// The algorithm is looked at first ([`TokenError::AlgorithmNotAllowed`]), then which keys there are
    /// ([`TokenError::KeyUnknown`], [`TokenError::KeyUnfit`]), then the signature ([`TokenError::SignatureLength`],
    /// [`TokenError::SignatureMismatch`]).
    pub fn verify(self, keys: &KeySet, allowed: &[Algorithm]) -> Result<VerifiedToken, TokenError> {
        self.verify_by_any(std::iter::once(keys), allowed)
    }

    /// The same as [`verify`](Self::verify) with several sets of keys of one issuer, of which any may have the key.
    ///
    /// # Errors
    /// Those of [`verify`](Self::verify); when the sets differ, the one that came furthest.
    pub fn verify_by_any<'k>(
        self,
        sets: impl IntoIterator<Item = &'k KeySet>,
        allowed: &[Algorithm],
    ) -> Result<VerifiedToken, TokenError> {
        let mut fault = TokenError::KeyUnknown;
        for keys in sets {
            match self.verify_signature(keys, allowed) {
                Ok(key) => return Ok(VerifiedToken { header: self.header, claims: self.claims, key }),
                Err(found) => fault = more_specific(fault, found),
            }
        }
        Err(fault)
    }

    /// The key that verifies the signature.
    fn verify_signature(&self, keys: &KeySet, allowed: &[Algorithm]) -> Result<KeyIdentity, TokenError> {
        let algorithm = self.header.algorithm();
        if !allowed.contains(&algorithm) {
            return Err(TokenError::AlgorithmNotAllowed);
        }
        let meant = keys.candidates(self.header.key_id()).ok_or(TokenError::KeyUnknown)?;
        let mut fault = TokenError::KeyUnfit;
        let mut tries = 0..KeySet::MAX_TRIED;
        for (key, verifier) in meant.filter_map(|key| Some((key, key.verifier(algorithm)?))) {
            if verifier.signature_len() != self.signature.len() {
                if fault == TokenError::KeyUnfit {
                    fault = TokenError::SignatureLength;
                }
                continue;
            }
            if tries.next().is_none() {
                break;
            }
            if verifier.verify(self.signing_input.as_bytes(), &self.signature).is_ok() {
                return Ok(key.identity());
            }
            fault = TokenError::SignatureMismatch;
        }
        Err(fault)
    }
}

/// Of two faults of one token with two sets of keys, the one that says more.
fn more_specific(one: TokenError, other: TokenError) -> TokenError {
    const ORDER: [TokenError; 4] =
        [TokenError::SignatureMismatch, TokenError::SignatureLength, TokenError::KeyUnfit, TokenError::KeyUnknown];
    // What is not in the order is the same for every set.
    let place = |fault: &TokenError| ORDER.iter().position(|known| known == fault);
    if place(&one) < place(&other) { one } else { other }
}

impl fmt::Debug for UnverifiedToken<'_> {
    /// Neither claims nor signature: an unproven token is somebody's credential, or an attacker's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken").field("header", &self.header).finish_non_exhaustive()
    }
}

/// A token whose signature was checked. [`UnverifiedToken::verify`] is the only place that makes one, so having it is
/// the proof. It says nothing about time, audience or any other claim.
#[derive(Debug, Clone)]
pub struct VerifiedToken {
    header: JoseHeader,
    claims: Claims,
    key: KeyIdentity,
}

impl VerifiedToken {
    /// The header, now covered by the signature.
    #[must_use]
    pub fn header(&self) -> &JoseHeader {
        &self.header
    }

    /// The claims, vouched for by the key's owner.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The key that verified it: whoever keeps the claims keeps this, to ask [`KeySet::holds`] before each use of them.
    #[must_use]
    pub const fn key(&self) -> KeyIdentity {
        self.key
    }

    /// The claims, to keep.
    #[must_use]
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}

#[cfg(test)]
mod tests;
