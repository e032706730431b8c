//! Proofs that somebody holds a key: signed tokens that bring along the key that they are signed with (RFC 9449 §4.2). The only
//! place where a key in a header is read; that the key is the right one is the caller's to see. Judges no claim.

use std::fmt;

use jsonwebtoken::signature::Verifier as _;
use serde_json::Value;

use crate::jose::algorithm::Algorithm;
use crate::jose::claims::Claims;
use crate::jose::compact::CompactToken;
use crate::jose::error::{Part, TokenError};
use crate::jose::header::JoseHeader;
use crate::jose::json::read_object;
use crate::jose::jwk::JwkError;
use crate::jose::key::{Thumbprint, VerificationKey};

/// The `typ` of every proof (RFC 9449 §4.2), in any case, as media types are.
const TYPE: &str = "dpop+jwt";

/// A proof that is well-formed and brings a public key along. Nothing of what it says is proven; it shows just enough to see
/// whether it is the key that is asked for.
pub struct UnverifiedDpopProof<'a> {
    signing_input: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    key: VerificationKey,
    claims: Claims,
}

/// Why a proof proves nothing. Holds no byte of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is not a strict signed token.
    #[error("the proof can't be read: {0}")]
    Token(#[from] TokenError),
    /// It is another kind of token (RFC 8725 §3.11).
    #[error("the proof's `typ` is not `{TYPE}`")]
    Type,
    /// It brings no key along.
    #[error("the proof's header has no `jwk` that is an object")]
    KeyMissing,
    /// It brings along what is no good public key.
    #[error("the proof's `jwk` can't be used: {0}")]
    Key(#[from] JwkError),
    /// The key does not serve the algorithm; none serves one of secrets.
    #[error("the proof's `alg` is not one that the key in its `jwk` serves")]
    KeyUnfit,
    /// The signature is not the key's.
    #[error("the proof's signature does not verify with the key in its `jwk`")]
    Signature,
}

impl<'a> UnverifiedDpopProof<'a> {
    /// Parses a compact JWS whose header and payload are strict JSON objects, and the public key in its header. No check of the
    /// signature yet.
    ///
    /// # Errors
    /// Any [`ProofError`] but those of the signature.
    pub fn parse(proof: &'a str) -> Result<Self, ProofError> {
        let compact = CompactToken::parse(proof)?;
        let mut header = read_object(compact.header()).map_err(|fault| TokenError::Json(Part::Header, fault))?;
        let jwk = header.remove("jwk");
        let header = JoseHeader::from_object(header)?;
        if !header.token_type().is_some_and(|found| found.eq_ignore_ascii_case(TYPE)) {
            return Err(ProofError::Type);
        }
        let claims = read_object(compact.payload()).map_err(|fault| TokenError::Json(Part::Payload, fault))?;
        let key = VerificationKey::from_jwk(jwk.as_ref().and_then(Value::as_object).ok_or(ProofError::KeyMissing)?)?;
        let (signing_input, signature) = compact.into_signed();
        let (algorithm, claims) = (header.algorithm(), Claims::new(claims));
        Ok(Self { signing_input, signature, algorithm, key, claims })
    }

    /// What the key is known by (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        self.key.thumbprint()
    }

    /// Checks the signature, and gives what its maker says.
    ///
    /// # Errors
    /// [`ProofError::KeyUnfit`] or [`ProofError::Signature`].
    pub fn verify(self) -> Result<Claims, ProofError> {
        let Self { signing_input, signature, algorithm, key, claims } = self;
        let verifier = key.verifier(algorithm).ok_or(ProofError::KeyUnfit)?;
        verifier.verify(signing_input.as_bytes(), &signature).map_err(|_| ProofError::Signature)?;
        Ok(claims)
    }
}

impl fmt::Debug for UnverifiedDpopProof<'_> {
    /// Neither claims nor signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedDpopProof").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
