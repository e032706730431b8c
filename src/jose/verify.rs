//! From text to proven claims, in two steps (RFC 7515 §5.2, RFC 8725 §3). Owns the order of the checks and the type
//! that proves them; does not judge claims and does not choose keys.

use std::fmt;

use crate::jose::algorithm::Algorithm;
use crate::jose::claims::Claims;
use crate::jose::compact::CompactToken;
use crate::jose::fault::{Part, TokenFault};
use crate::jose::header::JoseHeader;
use crate::jose::json::read_object;
use crate::jose::keyset::KeySet;

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
    /// A [`TokenFault`] of any kind but those of the signature.
    pub fn parse(token: &'a str) -> Result<Self, TokenFault> {
        let compact = CompactToken::parse(token)?;
        let header = read_object(compact.header()).map_err(|fault| TokenFault::Json(Part::Header, fault))?;
        let header = JoseHeader::from_object(header)?;
        let claims = read_object(compact.payload()).map_err(|fault| TokenFault::Json(Part::Payload, fault))?;
        let (signing_input, signature) = compact.into_signed();
        Ok(Self { len: token.len(), signing_input, signature, header, claims: Claims::new(claims) })
    }

    /// `iss`, which serves to look up keys and proves nothing; `None` if it is absent or not a string.
    #[must_use]
    pub fn claimed_issuer(&self) -> Option<&str> {
        self.claims.text("iss").ok().flatten()
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

    /// Checks the signature with every key that could have made it. `keys` must be those of
    /// [`claimed_issuer`](Self::claimed_issuer), and `allowed` the algorithms of the same issuer (RFC 8725 §3.1).
    ///
    /// # Errors
    /// [`TokenFault::AlgorithmNotAllowed`], [`TokenFault::SignatureLength`] or [`TokenFault::SignatureMismatch`].
    pub fn verify(self, keys: &KeySet, allowed: &[Algorithm]) -> Result<VerifiedToken, TokenFault> {
        let algorithm = self.header.algorithm();
        if !allowed.contains(&algorithm) {
            return Err(TokenFault::AlgorithmNotAllowed);
        }
        let mut fault = TokenFault::SignatureLength;
        for key in keys.keys() {
            if key.family() != algorithm.family() || key.signature_len() != self.signature.len() {
                continue;
            }
            if key.verifies(algorithm, self.signing_input.as_bytes(), &self.signature) {
                return Ok(VerifiedToken { header: self.header, claims: self.claims });
            }
            fault = TokenFault::SignatureMismatch;
        }
        Err(fault)
    }
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

    /// The claims, to keep.
    #[must_use]
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}

#[cfg(test)]
mod tests;
