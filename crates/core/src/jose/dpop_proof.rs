//! DPoP proofs: signed tokens whose header contains their own verification key (RFC 9449 §4.2). Only here is a key in a header read. The
//! calling function checks that it is the right one, and validates the claims.

use std::fmt;

use jsonwebtoken::signature::Verifier as _;
use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::claims::Claims;
use crate::jose::compact::CompactToken;
use crate::jose::error::{DEFAULT_MAX_TOKEN_BYTES, Part, TokenError};
use crate::jose::header::JoseHeader;
use crate::jose::identity::Thumbprint;
use crate::jose::json::read_object;
use crate::jose::jwk::JwkError;
use crate::jose::key::VerificationKey;

/// The `typ` of every proof (RFC 9449 §4.2), in any case, as for media types.
const TYPE: &str = "dpop+jwt";

/// A well-formed proof with a public key. Nothing in it is verified; it shows just enough to check that the key is the expected one.
pub struct UnverifiedDpopProof<'a> {
    signing_input: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    key: VerificationKey,
    claims: Map<String, Value>,
}

/// The reason why a proof is rejected. It contains no byte of the proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The proof is not a strict signed token.
    #[error("the proof can't be parsed: {0}")]
    Token(#[from] TokenError),
    /// The proof is another kind of token (RFC 8725 §3.11).
    #[error("the proof's `typ` is not `{TYPE}`")]
    Type,
    /// The proof has no key.
    #[error("the proof's header has no `jwk` that is an object")]
    KeyMissing,
    /// The key in the proof is not an acceptable public key.
    #[error("the proof's `jwk` can't be used: {0}")]
    Key(#[from] JwkError),
    /// The key does not fit the algorithm; none fits an HMAC algorithm.
    #[error("the key in the proof's `jwk` does not support its `alg`")]
    KeyUnfit,
    /// The signature is not of this key.
    #[error("the proof's signature does not verify with the key in its `jwk`")]
    Signature,
}

impl<'a> UnverifiedDpopProof<'a> {
    /// Parses a compact JWS whose header and payload are strict JSON objects, and the public key in its header. The signature is not
    /// checked yet.
    ///
    /// # Errors
    /// Any [`ProofError`] except those of the signature.
    pub fn parse(proof: &'a str) -> Result<Self, ProofError> {
        if proof.len() > DEFAULT_MAX_TOKEN_BYTES {
            return Err(TokenError::TooLarge { found: proof.len(), limit: DEFAULT_MAX_TOKEN_BYTES }.into());
        }
        let compact = CompactToken::parse(proof)?;
        let mut header = read_object(compact.header()).map_err(|error| TokenError::Json(Part::Header, error))?;
        let jwk = header.remove("jwk");
        let header = JoseHeader::from_object(header)?;
        if !header.token_type().is_some_and(|found| found.eq_ignore_ascii_case(TYPE)) {
            return Err(ProofError::Type);
        }
        let claims = read_object(compact.payload()).map_err(|error| TokenError::Json(Part::Payload, error))?;
        let key = VerificationKey::from_jwk(jwk.as_ref().and_then(Value::as_object).ok_or(ProofError::KeyMissing)?)?;
        let (signing_input, signature) = compact.into_signed();
        Ok(Self { signing_input, signature, algorithm: header.algorithm(), key, claims })
    }

    /// Returns the thumbprint of the key (RFC 7638); `None` if it has none.
    #[must_use]
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        self.key.thumbprint()
    }

    /// Verifies the signature, and returns the claims.
    ///
    /// # Errors
    /// [`ProofError::KeyUnfit`] or [`ProofError::Signature`].
    pub fn verify(self) -> Result<Claims, ProofError> {
        let Self { signing_input, signature, algorithm, key, claims } = self;
        let verifier = key.verifier(algorithm).ok_or(ProofError::KeyUnfit)?;
        verifier.verify(signing_input.as_bytes(), &signature).map_err(|_| ProofError::Signature)?;
        Ok(Claims::new(&claims))
    }
}

impl fmt::Debug for UnverifiedDpopProof<'_> {
    /// Omits claims and signature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedDpopProof").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
