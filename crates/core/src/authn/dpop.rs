//! Tokens that are good only beside a proof that their holder has the key that they are bound to: `DPoP` (RFC 9449 §4.3). How a proof
//! is taken apart and how its signature is checked belongs to `jose`. Asks for no nonce.

mod htu;
mod replay_cache;

pub use replay_cache::{ReplayCache, ReplayError, ReplayMode};

use crate::credential::RawToken;
use crate::http::request::{HeaderLookup, Request};
use crate::jose::{Claims, NumericDate, ProofError, UnverifiedDpopProof};
use crate::principal::Principal;
use crate::time::Timestamp;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use std::time::Duration;

/// The header that a proof stands in (RFC 9449 §4.1).
const HEADER: &str = "dpop";

/// The longest name of a proof that is read, in bytes; those that clients make have some 40.
const MAX_NAME_BYTES: usize = 256;

/// When a proof is good: from `iat` on, less the leeway, and for its lifetime, more the leeway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DpopPolicy {
    /// How long a proof is good.
    pub lifetime: Duration,
    /// How far the client's clock may be from ours.
    pub leeway: Duration,
}

/// What a token was shown with.
#[derive(Debug, Clone, Copy)]
pub(super) struct PopContext<'r, 'a> {
    pub(super) request: &'r Request<'a>,
    pub(super) token: RawToken<'r>,
    /// Whom the token speaks of.
    pub(super) principal: &'r Principal,
    pub(super) now: Timestamp,
    /// The proofs that were shown before.
    pub(super) spent: &'r ReplayCache,
    /// Whether this one is spent.
    pub(super) replay_mode: ReplayMode,
}

/// Why the holder of a token has not proven to have its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// The token is bound to no key.
    #[error("the token has no `cnf.jkt` that binds it to a key, and one is required")]
    Unbound,
    /// There is no proof.
    #[error("the token is bound to a key, and the request has no header `DPoP` with a proof")]
    NoProof,
    /// There are two (RFC 9449 §4.3, check 1).
    #[error("the request has more than one header `DPoP`")]
    Proofs,
    /// It is not of a proof's form, or not signed by the key that it brings along.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// It is somebody else's.
    #[error("the token is bound to another key than that of the proof")]
    OtherKey,
    /// A claim of the proof that has no value, or one of another type.
    #[error("the proof's `{0}` is missing, or has a type or value that can't be used")]
    Claim(&'static str),
    /// Made for another method.
    #[error("the proof's `htm` is not the method of the request")]
    OtherMethod,
    /// The scheme of the request is unknown, and so its address.
    #[error(
        "the scheme of the request is unknown, so that the proof's `htu` can't be checked: Envoy sent no `x-forwarded-proto`, more than \
             one, or another value than http or https; see `request.scheme`"
    )]
    SchemeUnknown,
    /// Made for another address.
    #[error("the proof's `htu` is not the address of the request, with scheme, host and port as Envoy tells them")]
    OtherAddress,
    /// Made for another token.
    #[error("the proof's `ath` is not the SHA-256 of the token")]
    OtherToken,
    /// Made too long ago.
    #[error("the proof was good until {until} and it is {now}")]
    Old {
        /// When it stopped being good.
        until: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
    /// Not made yet.
    #[error("the proof is good from {from} and it is {now}")]
    Early {
        /// When it starts being good.
        from: Timestamp,
        /// When it was looked at.
        now: Timestamp,
    },
    /// Good, and can't be taken.
    #[error(transparent)]
    Spent(#[from] ReplayError),
}

impl DpopPolicy {
    /// Holds a token against the proof that it was shown with. A proof that is good is good once: it is spent with this, unless whoever
    /// asks only looks.
    ///
    /// # Errors
    /// The first [`DpopError`]: a proof of another key costs no check of its signature.
    pub(super) fn check(self, shown: &PopContext<'_, '_>) -> Result<(), DpopError> {
        let bound = shown.principal.claims().get("cnf").and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str);
        let bound = bound.ok_or(DpopError::Unbound)?;
        let proof = match shown.request.headers.sole(HEADER) {
            HeaderLookup::Absent => return Err(DpopError::NoProof),
            HeaderLookup::Repeated => return Err(DpopError::Proofs),
            // What is no text can't be one: it is refused as one that is empty.
            HeaderLookup::One(value) => UnverifiedDpopProof::parse(std::str::from_utf8(value).unwrap_or_default())?,
        };
        if proof.thumbprint().is_none_or(|own| own.to_string() != bound) {
            return Err(DpopError::OtherKey);
        }
        let proof = proof.verify()?;
        if text(&proof, "htm")? != shown.request.method.as_str() {
            return Err(DpopError::OtherMethod);
        }
        if shown.request.scheme.is_empty() {
            return Err(DpopError::SchemeUnknown);
        }
        if !htu::matches(text(&proof, "htu")?, shown.request) {
            return Err(DpopError::OtherAddress);
        }
        if text(&proof, "ath")? != URL_SAFE_NO_PAD.encode(digest(&SHA256, shown.token.as_str().as_bytes())) {
            return Err(DpopError::OtherToken);
        }
        let made = self.made(&proof, shown.now)?;
        let name = text(&proof, "jti")?;
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
            return Err(DpopError::Claim("jti"));
        }
        // Last, so that what is refused for anything else is not spent.
        let authenticator = shown.principal.authenticator().as_str();
        let client = match shown.principal.identity().subject.as_deref() {
            Some(subject) => [authenticator, "subject", subject],
            None => [authenticator, "key", bound],
        };
        Ok(match shown.replay_mode {
            ReplayMode::Record => shown.spent.spend(client, [bound, name], made, shown.now),
            ReplayMode::Peek => shown.spent.look([bound, name], made),
        }?)
    }

    /// How long after its `iat` a proof is good.
    pub(super) const fn span(self) -> Duration {
        self.lifetime.saturating_add(self.leeway)
    }

    /// When the proof was made, if it is good now: its `iat`, rounded down.
    fn made(self, proof: &Claims, now: Timestamp) -> Result<Timestamp, DpopError> {
        let iat = proof.numeric_date("iat").ok().flatten().ok_or(DpopError::Claim("iat"))?;
        let (from, made) = (NumericDate::ceil(iat).minus(self.leeway), NumericDate::floor(iat));
        let until = made.plus(self.span());
        if now < from {
            return Err(DpopError::Early { from, now });
        }
        if now >= until {
            return Err(DpopError::Old { until, now });
        }
        Ok(made)
    }
}

fn text<'p>(proof: &'p Claims, name: &'static str) -> Result<&'p str, DpopError> {
    proof.text(name).ok().flatten().ok_or(DpopError::Claim(name))
}

#[cfg(test)]
mod tests;
