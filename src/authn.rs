//! Who is asking? From a credential to a [`Principal`], or to the fault that keeps it from being one. A credential that is
//! refused here never becomes "anonymous", and never goes on to another authenticator.

mod cache;
mod jwt;

pub use cache::{CacheCounts, CachedTokens, TokenDigest};
pub use jwt::{Accepted, AudiencePolicy, ClaimChecks, ClaimFault, JwtAuthenticator};

use crate::clock::Timestamp;
use crate::credential::{AuthenticatorIndex, Credential, CredentialFault};
use crate::jose::{TokenFault, UnverifiedToken};
use crate::principal::Principal;
use crate::reason::Reason;
use std::sync::Arc;

/// What became of the question who is asking. Absent and wrong are two things, and stay two.
#[derive(Debug)]
pub enum Authentication {
    /// The rule did not ask.
    NotAsked,
    /// There is no credential.
    Absent,
    /// The credential is good.
    Accepted(Arc<Principal>),
    /// There is a credential, and it is not good.
    Rejected(AuthnFault),
}

/// Why a credential was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthnFault {
    /// What stands in a credential's place is not one credential.
    #[error(transparent)]
    Credential(CredentialFault),
    /// The token itself, its algorithm or its signature.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// `iss` is not that of an authenticator that looks where this token stood.
    #[error("the token's `iss` is missing or is not that of an authenticator that looks there")]
    IssuerUnknown,
    /// What the token claims.
    #[error(transparent)]
    Claim(#[from] ClaimFault),
}

impl AuthnFault {
    /// The reason that this fault is told as.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Credential(fault) => fault.reason(),
            Self::Token(fault) => fault.reason(),
            Self::IssuerUnknown => Reason::IssuerUnknown,
            Self::Claim(fault) => fault.reason(),
        }
    }
}

/// Every authenticator of a configuration, and the tokens that they have verified.
#[derive(Debug)]
pub struct Authenticators {
    list: Vec<JwtAuthenticator>,
    verified: CachedTokens,
}

impl Authenticators {
    /// The authenticators in the order of their indices, with an empty cache: tokens that were verified with other keys
    /// or under another configuration are never taken over.
    #[must_use]
    pub fn new(list: Vec<JwtAuthenticator>) -> Self {
        Self { list, verified: CachedTokens::default() }
    }

    /// What the cache of verified tokens has done so far.
    #[must_use]
    pub fn cache_counts(&self) -> CacheCounts {
        self.verified.counts()
    }

    /// The authenticators, in the order of the configuration.
    #[must_use]
    pub fn list(&self) -> &[JwtAuthenticator] {
        &self.list
    }

    /// Authenticates one credential. A known token costs a hash and a look-up, and is checked again for time; an unknown
    /// one is parsed and verified.
    ///
    /// # Errors
    /// The fault that keeps the credential from being a principal.
    pub fn authenticate(&self, credential: &Credential<'_, '_>, now: Timestamp) -> Result<Arc<Principal>, AuthnFault> {
        let digest = TokenDigest::of(credential.token);
        if let Some(known) = self.verified.get(&digest)
            && credential.authenticators.contains(&known.by())
        {
            known.valid_at(now)?;
            return Ok(known.into_principal());
        }
        let accepted = self.verify(credential)?;
        accepted.valid_at(now)?;
        self.verified.put(digest, accepted.clone());
        Ok(accepted.into_principal())
    }

    fn verify(&self, credential: &Credential<'_, '_>) -> Result<Accepted, AuthnFault> {
        let token = UnverifiedToken::parse(credential.token.as_str())?;
        let issuer = token.claimed_issuer().ok_or(AuthnFault::IssuerUnknown)?;
        let of_issuer = |index: &&AuthenticatorIndex| self.list.get(index.0).is_some_and(|one| one.issuer() == issuer);
        let index = *credential.authenticators.iter().find(of_issuer).ok_or(AuthnFault::IssuerUnknown)?;
        let authenticator = self.list.get(index.0).ok_or(AuthnFault::IssuerUnknown)?;
        authenticator.accept(token, index)
    }
}
