//! DPoP (RFC 9449 §4.3): tokens that require a proof that their holder has the key that they are bound to. `jose` parses a proof and
//! verifies its signature. modgud uses no nonces.

mod replay_cache;

pub use replay_cache::{ReplayCache, ReplayError, ReplayMode};

use crate::credential::RawToken;
use crate::http::host::Host;
use crate::http::path::RequestTarget;
use crate::http::percent;
use crate::http::request::{HeaderLookup, Request, port};
use crate::jose::{Claims, NumericDate, ProofError, UnverifiedDpopProof};
use crate::principal::Principal;
use crate::time::Timestamp;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::borrow::Cow;
use std::time::Duration;

/// The header that carries a proof (RFC 9449 §4.1).
const HEADER: &str = "dpop";

/// The longest `jti` of a proof that is accepted, in bytes; those that clients create have some 40. A proof with a longer one is rejected.
const MAX_NAME_BYTES: usize = 256;

/// The validity period of a proof: from `iat` minus the leeway, for the lifetime plus the leeway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DpopPolicy {
    /// The lifetime of a proof.
    pub lifetime: Duration,
    /// The tolerated clock skew of the client.
    pub leeway: Duration,
}

/// The circumstances in which a token was presented.
#[derive(Debug, Clone, Copy)]
pub(super) struct PopContext<'r, 'a> {
    pub(super) request: &'r Request<'a>,
    pub(super) token: RawToken<'r>,
    /// The caller that the token identifies.
    pub(super) principal: &'r Principal,
    pub(super) now: Timestamp,
    /// The proofs that were used before.
    pub(super) replay_cache: &'r ReplayCache,
    /// The mode in which this proof is checked.
    pub(super) replay_mode: ReplayMode,
}

/// The reason why the holder of a token has not proven possession of its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// The token is not bound to a key.
    #[error("the token has no `cnf.jkt` that binds it to a key, and one is required")]
    Unbound,
    /// The request has no proof.
    #[error("the token is bound to a key, and the request has no header `DPoP` with a proof")]
    NoProof,
    /// The request has more than one proof (RFC 9449 §4.3, check 1).
    #[error("the request has more than one header `DPoP`")]
    Proofs,
    /// The proof is malformed, or not signed by the key in its header.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The proof is of another key than the token is bound to.
    #[error("the token is bound to another key than that of the proof")]
    OtherKey,
    /// A claim of the proof is missing, or has an unusable value or type.
    #[error("the proof's `{0}` is missing, or has an unusable type or value")]
    Claim(&'static str),
    /// The proof is for another method.
    #[error("the proof's `htm` is not the method of the request")]
    OtherMethod,
    /// The scheme of the request is unknown, so its address is too.
    #[error(
        "the scheme of the request is unknown, so the proof's `htu` can't be checked: `x-forwarded-proto` is missing, repeated, or neither `http` nor `https`; set `request.scheme`"
    )]
    SchemeUnknown,
    /// The proof is for another address.
    #[error("the proof's `htu` is not the address of the request, with the scheme, host and port that Envoy sends")]
    OtherAddress,
    /// The proof is for another token.
    #[error("the proof's `ath` is not the SHA-256 of the token")]
    OtherToken,
    /// The proof has expired.
    #[error("the proof was valid until {until} and it is {now}")]
    Old {
        /// The end of its validity period.
        until: Timestamp,
        /// The time of the check.
        now: Timestamp,
    },
    /// The proof is not valid yet.
    #[error("the proof is valid from {from} and it is {now}")]
    Early {
        /// The start of its validity period.
        from: Timestamp,
        /// The time of the check.
        now: Timestamp,
    },
    /// The proof is valid, and can't be recorded as used.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

impl DpopPolicy {
    /// Checks the proof that a token was presented with. A valid proof is valid once: this records it as used, unless the replay mode is
    /// `Peek`.
    ///
    /// # Errors
    /// The first [`DpopError`]: a proof of another key costs no signature verification.
    pub(super) fn check(self, context: &PopContext<'_, '_>) -> Result<(), DpopError> {
        let bound = context.principal.claims().get("cnf").and_then(|cnf| cnf.get("jkt"));
        let bound = bound.and_then(|bound| bound.as_str());
        let bound = bound.ok_or(DpopError::Unbound)?;
        let proof = match context.request.headers.sole(HEADER) {
            HeaderLookup::Absent => return Err(DpopError::NoProof),
            HeaderLookup::Repeated => return Err(DpopError::Proofs),
            // A value that is not UTF-8 is rejected like an empty one.
            HeaderLookup::One(value) => UnverifiedDpopProof::parse(std::str::from_utf8(value).unwrap_or_default())?,
        };
        if proof.thumbprint().is_none_or(|own| own.to_string() != bound) {
            return Err(DpopError::OtherKey);
        }
        let proof = proof.verify()?;
        if text(&proof, "htm")? != context.request.method.as_str() {
            return Err(DpopError::OtherMethod);
        }
        if context.request.scheme.is_empty() {
            return Err(DpopError::SchemeUnknown);
        }
        if !is_address_of(text(&proof, "htu")?, context.request) {
            return Err(DpopError::OtherAddress);
        }
        if text(&proof, "ath")? != URL_SAFE_NO_PAD.encode(digest(&SHA256, context.token.as_str().as_bytes())) {
            return Err(DpopError::OtherToken);
        }
        let made = self.made(&proof, context.now)?;
        let name = text(&proof, "jti")?;
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) {
            return Err(DpopError::Claim("jti"));
        }
        // Last, so that a proof that is rejected for another reason is not recorded as used.
        let authenticator = context.principal.authenticator().as_str();
        let client = match context.principal.identity().subject() {
            Some(subject) => [authenticator, "subject", subject],
            None => [authenticator, "key", bound],
        };
        Ok(match context.replay_mode {
            ReplayMode::Record => context.replay_cache.record(client, [bound, name], made, context.now),
            ReplayMode::Peek | ReplayMode::Explain => context.replay_cache.peek([bound, name], made),
            ReplayMode::Repeat => Ok(()),
        }?)
    }

    /// Returns the validity of a proof after its `iat`.
    pub(super) const fn span(self) -> Duration {
        self.lifetime.saturating_add(self.leeway)
    }

    /// Returns the `iat` of a proof that is valid now, rounded down.
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

/// Returns the claims of the request's proof, for people. `None` if it has no valid proof.
pub(super) fn claims(request: &Request<'_>) -> Option<Claims> {
    match request.headers.sole(HEADER) {
        HeaderLookup::Absent | HeaderLookup::Repeated => None,
        HeaderLookup::One(value) => {
            UnverifiedDpopProof::parse(std::str::from_utf8(value).unwrap_or_default()).ok()?.verify().ok()
        }
    }
}

/// Returns the address of a request, for people.
pub(super) fn address(request: &Request<'_>) -> String {
    let scheme = String::from_utf8_lossy(request.scheme);
    let port = request.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{}{port}{}", request.host.name().unwrap_or_default(), request.path.as_str())
}

fn text<'p>(proof: &'p Claims, name: &'static str) -> Result<&'p str, DpopError> {
    proof.text(name).ok().flatten().ok_or(DpopError::Claim(name))
}

/// Returns true if `htu`, the address that a proof is for, is that of the request (RFC 9449 §4.3, check 9). It compares scheme, host,
/// port and path, each normalized (RFC 3986 §6.2.2, §6.2.3), and ignores query and fragment.
fn is_address_of(htu: &str, request: &Request<'_>) -> bool {
    let Some((scheme, rest)) = htu.split_once("://") else { return false };
    let (rest, _) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
    let (authority, path) = rest.find('/').and_then(|at| rest.split_at_checked(at)).unwrap_or((rest, "/"));
    let path = without_needless_escapes(path);
    let (Ok(host), Ok(target)) = (Host::parse(authority.as_bytes()), RequestTarget::parse_within(&path, path.len()))
    else {
        return false;
    };
    let ports = port(authority.as_bytes()).or_else(|| default_port(scheme.as_bytes()));
    scheme.as_bytes().eq_ignore_ascii_case(request.scheme)
        && host.name().is_some()
        && host == request.host
        && ports.is_some()
        && ports == request.port.or_else(|| default_port(request.scheme))
        && target.path.as_str() == request.path.as_str()
}

/// Decodes the escapes of unreserved characters, which mean the same (RFC 3986 §6.2.2.2). Requests have none: modgud denies them.
fn without_needless_escapes(path: &str) -> Cow<'_, [u8]> {
    if !path.contains('%') {
        return Cow::Borrowed(path.as_bytes());
    }
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    let unreserved = |rest| percent::take_escape(rest).filter(|(byte, _)| percent::is_unreserved(*byte));
    while let Some((byte, after)) = unreserved(rest).or_else(|| percent::take_byte(rest)) {
        plain.push(byte);
        rest = after;
    }
    Cow::Owned(plain)
}

/// Returns the default port of a scheme; `None` if it is neither `http` nor `https`.
fn default_port(scheme: &[u8]) -> Option<u16> {
    match () {
        () if scheme.eq_ignore_ascii_case(b"http") => Some(80),
        () if scheme.eq_ignore_ascii_case(b"https") => Some(443),
        () => None,
    }
}

#[cfg(test)]
mod tests;
