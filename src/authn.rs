//! Who is asking? From a credential to a [`Principal`], or to the fault that keeps it from being one. A credential that is
//! refused here never becomes "anonymous", and never goes on to another authenticator.

mod cache;
mod jwt;

pub use cache::{CacheCounts, CachedTokens, TokenDigest};
pub use jwt::{Accepted, AudiencePolicy, ClaimChecks, ClaimFault, JwtAuthenticator};

use crate::clock::Timestamp;
use crate::credential::{AuthenticatorIndex, Credential, CredentialFault};
use crate::explain::{Observer, Step};
use crate::jose::{MAX_TOKEN_BYTES, TokenFault, UnverifiedToken};
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
    pub fn authenticate(
        &self,
        credential: &Credential<'_, '_>,
        now: Timestamp,
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnFault> {
        if credential.token.as_str().len() > MAX_TOKEN_BYTES {
            // Before it is hashed: what is too large costs nothing more.
            let fault = AuthnFault::Token(TokenFault::TooLarge);
            observer.step(|| Step::failed("token", fault.to_string()));
            return Err(fault);
        }
        let digest = TokenDigest::of(credential.token);
        if let Some(known) = self.verified.get(&digest)
            && credential.authenticators.contains(&known.by())
        {
            observer.step(|| Step::passed("token", "verified before, by the same configuration"));
            let valid = known.valid_at(now);
            observer.step(|| Step::of("time", &valid, known.span_in_words()));
            return valid.map(|()| known.into_principal()).map_err(AuthnFault::from);
        }
        let accepted = self.verify(credential, observer)?;
        let valid = accepted.valid_at(now);
        observer.step(|| Step::of("time", &valid, accepted.span_in_words()));
        valid?;
        self.verified.put(digest, accepted.clone());
        Ok(accepted.into_principal())
    }

    fn verify(&self, credential: &Credential<'_, '_>, observer: &mut impl Observer) -> Result<Accepted, AuthnFault> {
        let token = UnverifiedToken::parse(credential.token.as_str());
        observer.step(|| {
            Step::of("token", &token, "a well-formed signed JWT, and nothing in it that can be read in two ways")
        });
        let token = token?;
        let authenticator = self.of_issuer(&token, credential);
        observer.step(|| {
            let issuer = token.claimed_issuer().unwrap_or_default();
            let found = authenticator.as_ref().map(|(_, one)| one.name.as_str()).unwrap_or_default();
            Step::of("issuer", &authenticator, format!("`{issuer}`: authenticator `{found}`"))
        });
        let (index, authenticator) = authenticator?;
        authenticator.accept(token, index, observer)
    }

    /// The authenticator of the token's issuer, among those that look where it stood.
    fn of_issuer(
        &self,
        token: &UnverifiedToken<'_>,
        credential: &Credential<'_, '_>,
    ) -> Result<(AuthenticatorIndex, &JwtAuthenticator), AuthnFault> {
        let issuer = token.claimed_issuer().ok_or(AuthnFault::IssuerUnknown)?;
        let of_issuer = |index: &&AuthenticatorIndex| self.list.get(index.0).is_some_and(|one| one.issuer() == issuer);
        let index = *credential.authenticators.iter().find(of_issuer).ok_or(AuthnFault::IssuerUnknown)?;
        let authenticator = self.list.get(index.0).ok_or(AuthnFault::IssuerUnknown)?;
        Ok((index, authenticator))
    }
}
