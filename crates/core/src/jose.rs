//! Signed tokens and the keys that prove them (RFC 7515, 7519, 8725): text in, proven claims out. Owns no clock, no
//! issuer, no policy, and fetches nothing: which keys apply and whether the claims suffice is the caller's to say.
//!
//! A tour, in the order in which a token passes:
//! - `compact`: at most 16 KiB of text become three parts of canonical base64url;
//! - `json`: bytes become one JSON object, and nothing that two readers could read differently does;
//! - `header`, `algorithm`: the protected header says how the token is signed, never with which key to trust it;
//! - `claims`: typed access to the payload;
//! - `pem`, `jwk`, `jwks`: the forms in which public keys come;
//! - `key`, `keyset`: keys that are good enough, and which of them a token may mean;
//! - `validity`: the dates of a certificate, to be shown;
//! - `sign`, `published`: tokens of our own, and the public halves of the keys that sign them;
//! - `verify`: [`UnverifiedToken`] shows its header and its claimed issuer, so that the caller can choose the keys;
//!   [`VerifiedToken`] has one constructor, which is the signature check. Code that asks for a `VerifiedToken` can't be
//!   reached without it.
//! - `proof`: tokens that bring the key along that they are signed with, for those who hold the right key against it.
//!
//! Everything that goes wrong with a token is a [`TokenError`], with a key a [`KeyError`] or a [`JwkError`], with a set of
//! keys a [`JwksError`]. None holds a byte of the token or of the key.

mod algorithm;
mod claims;
mod compact;
mod dpop_proof;
mod error;
mod header;
mod json;
mod jwk;
mod jwks;
mod key;
mod key_error;
mod key_id;
mod keyset;
mod pem;
mod published;
mod sign;
#[cfg(test)]
pub(crate) mod testing;
mod validity;
mod verify;

pub use algorithm::{Algorithm, KeyType};
pub use claims::{ClaimError, Claims, NumericDate};
pub use compact::MAX_TOKEN_BYTES;
pub use dpop_proof::{ProofError, UnverifiedDpopProof};
pub use error::{Part, TokenError};
pub use header::JoseHeader;
pub use json::{JsonError, holds_beyond_64_bits, is_beyond_64_bits, read_json};
pub use jwk::{JwkError, SafeToken};
pub use jwks::{Jwks, JwksError, SkippedKey};
pub use key::{Fingerprint, KeyIdentity, Thumbprint, VerificationKey, Verifier};
pub use key_error::{CurveName, KeyError, KeyKind, Label};
pub use key_id::KeyId;
pub use keyset::{KeySet, KeySetError};
pub use published::PublicJwk;
pub use sign::{SecretString, SigningError, SigningKey};
pub use validity::Validity;
pub use verify::{UnverifiedToken, VerifiedToken};
