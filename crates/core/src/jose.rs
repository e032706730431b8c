//! Signed tokens and the keys that verify them (RFC 7515, 7519, 8725): text in, verified claims out. The calling function chooses the keys,
//! and checks the claims and the time.
//!
//! A tour, in the order in which a token passes:
//! - `compact`: splits at most 16 KiB of text into three parts of canonical base64url;
//! - `json`: parses bytes as one JSON object, and rejects any that two readers could read differently;
//! - `header`, `algorithm`: the protected header names the algorithm, never the key to trust;
//! - `packed`, `claims`: the payload in a compact form, and typed access to it;
//! - `pem`, `jwk`, `jwks`: the formats of public keys, and the candidates for a token;
//! - `key`, `identity`: the keys that are strong enough, their names and their hashes;
//! - `sign`, `published`: minted tokens, and the public keys that verify them;
//! - `verify`: [`UnverifiedToken`] shows its header and its claimed issuer, so that the calling function can choose the keys.
//!   [`VerifiedToken`] has one constructor, which is the signature check. Code that requires a `VerifiedToken` is unreachable without it.
//! - `dpop_proof`: tokens that contain their own verification key, which the calling function compares with the expected one.
//!
//! Every error of a token is a [`TokenError`], of a key a [`KeyError`] or a [`JwkError`], of a set of keys a [`JwksError`] or a
//! [`CertificatesError`]. None contains a byte of the token or of the key.

mod algorithm;
mod claims;
mod compact;
mod dpop_proof;
mod error;
mod header;
mod identity;
mod json;
mod jwk;
mod jwks;
mod key;
pub(crate) mod packed;
mod pem;
mod published;
mod sign;
#[cfg(test)]
pub(crate) mod testing;
mod validity;
mod verify;

pub use algorithm::{Algorithm, KeyType};
pub use claims::{ClaimError, Claims, NumericDate};
pub use dpop_proof::{ProofError, UnverifiedDpopProof};
pub use error::{CurveName, DEFAULT_MAX_TOKEN_BYTES, KeyError, KeyKind, Label, MAX_TOKEN_BYTES, Part, TokenError};
pub use header::JoseHeader;
pub use identity::{Fingerprint, KeyId, KeyIdentity, Thumbprint};
pub use json::{JsonError, holds_beyond_64_bits, is_beyond_64_bits, read_json};
pub use jwk::{JwkError, SafeToken};
pub use jwks::{CertificatesError, Jwks, JwksError, KeySet, KeySetError, SkippedKey};
pub(crate) use key::holds_pem;
pub use key::{VerificationKey, Verifier};
pub use packed::{JsonItems, JsonMembers, JsonRef};
pub use published::PublicJwk;
pub use sign::{SecretString, SigningError, SigningKey};
pub use validity::{OutsideValidity, Validity};
pub use verify::{UnverifiedToken, VerifiedToken, unverified_header};
