//! Tokens that are good only beside a proof that their holder has the key that they are bound to: `DPoP` (RFC 9449 §4.3). How a proof
//! is taken apart and how its signature is checked belongs to `jose`. Asks for no nonce.

mod spent;
mod target;

pub use spent::{SpendFault, Spending, SpentProofs};

use crate::credential::BearerText;
use crate::http::request::{Lookup, Request};
use crate::jose::{Claims, NumericDate, ProofFault, UnverifiedProof};
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
pub struct ProofWindow {
    /// How long a proof is good.
    pub lifetime: Duration,
    /// How far the client's clock may be from ours.
    pub leeway: Duration,
}

/// What a token was shown with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'r, 'a> {
    pub(super) request: &'r Request<'a>,
    pub(super) token: BearerText<'r>,
    /// Whom the token speaks of.
    pub(super) principal: &'r Principal,
    pub(super) now: Timestamp,
    /// The proofs that were shown before.
    pub(super) spent: &'r SpentProofs,
    /// Whether this one is spent.
    pub(super) spending: Spending,
}

/// Why the holder of a token has not proven to have its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DpopFault {
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
    Proof(#[from] ProofFault),
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
    Spent(#[from] SpendFault),
}

impl ProofWindow {
    /// Holds a token against the proof that it was shown with. A proof that is good is good once: it is spent with this, unless whoever
    /// asks only looks.
    ///
    /// # Errors
    /// The first [`DpopFault`]: a proof of another key costs no check of its signature.
    pub(super) fn check(self, shown: &Shown<'_, '_>) -> Result<(), DpopFault> {
        let bound = shown.principal.claims().get("cnf").and_then(|cnf| cnf.get("jkt")).and_then(Value::as_str);
        let bound = bound.ok_or(DpopFault::Unbound)?;
        let proof = match shown.request.headers.sole(HEADER) {
            Lookup::Absent => return Err(DpopFault::NoProof),
            Lookup::Repeated => return Err(DpopFault::Proofs),
            // What is no text can't be one: it is refused as one that is empty.
            Lookup::One(value) => UnverifiedProof::parse(std::str::from_utf8(value).unwrap_or_default())?,
        };
        if proof.thumbprint().is_none_or(|own| own.to_string() != bound) {
            return Err(DpopFault::OtherKey);
        }
        let proof = proof.verify()?;
        if text(&proof, "htm")? != shown.request.method.as_str() {
            return Err(DpopFault::OtherMethod);
        }
        if shown.request.scheme.is_empty() {
            return Err(DpopFault::SchemeUnknown);
        }
        if !target::is_of(text(&proof, "htu")?, shown.request) {
            return Err(DpopFault::OtherAddress);
        }
        if text(&proof, "ath")? != URL_SAFE_NO_PAD.encode(digest(&SHA256, shown.token.as_str().as_bytes())) {
            return Err(DpopFault::OtherToken);
        }
        let made = self.made(&proof, shown.now)?;
        let name = text(&proof, "jti")?;
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
            return Err(DpopFault::Claim("jti"));
        }
        // Last, so that what is refused for anything else is not spent.
        let authenticator = shown.principal.authenticator().as_str();
        let client = match shown.principal.identity().subject.as_deref() {
            Some(subject) => [authenticator, "subject", subject],
            None => [authenticator, "key", bound],
        };
        Ok(match shown.spending {
            Spending::Spend => shown.spent.spend(client, [bound, name], made, shown.now),
            Spending::Look => shown.spent.look([bound, name], made),
        }?)
    }

    /// How long after its `iat` a proof is good.
    pub(super) const fn span(self) -> Duration {
        self.lifetime.saturating_add(self.leeway)
    }

    /// When the proof was made, if it is good now: its `iat`, rounded down.
    fn made(self, proof: &Claims, now: Timestamp) -> Result<Timestamp, DpopFault> {
        let iat = proof.numeric_date("iat").ok().flatten().ok_or(DpopFault::Claim("iat"))?;
        let (from, made) = (NumericDate::ceil(iat).minus(self.leeway), NumericDate::floor(iat));
        let until = made.plus(self.span());
        if now < from {
            return Err(DpopFault::Early { from, now });
        }
        if now >= until {
            return Err(DpopFault::Old { until, now });
        }
        Ok(made)
    }
}

fn text<'p>(proof: &'p Claims, name: &'static str) -> Result<&'p str, DpopFault> {
    proof.text(name).ok().flatten().ok_or(DpopFault::Claim(name))
}

#[cfg(test)]
mod tests;
