//! Every authenticator of a configuration: which of them a credential is for, and what it says.

use super::cache::{CacheCounts, CachedTokens, TokenDigest};
use super::jwt::{Accepted, JwtAuthenticator};
use super::{AuthnFault, RemoteKeys, Supply};
use crate::clock::Timestamp;
use crate::credential::{AuthenticatorIndex, Credential};
use crate::explain::{Observer, Step};
use crate::jose::{MAX_TOKEN_BYTES, TokenFault, UnverifiedToken};
use crate::principal::{AuthenticatorName, Principal};
use std::sync::Arc;

/// Somebody who vouches for callers.
#[derive(Debug)]
pub enum Authenticator {
    /// By signed tokens of one issuer.
    Jwt(JwtAuthenticator),
}

impl Authenticator {
    /// Its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &AuthenticatorName {
        match self {
            Self::Jwt(authenticator) => &authenticator.name,
        }
    }

    /// Whether it can vouch for anybody at a time: one of signed tokens can't without a key.
    #[must_use]
    pub fn can_vouch(&self, now: Timestamp) -> bool {
        match self {
            Self::Jwt(authenticator) => authenticator.keys.at(now).sets().any(|keys| !keys.keys().is_empty()),
        }
    }

    /// The authenticator, if it is one of signed tokens.
    #[must_use]
    pub const fn as_jwt(&self) -> Option<&JwtAuthenticator> {
        match self {
            Self::Jwt(authenticator) => Some(authenticator),
        }
    }
}

/// Every authenticator of a configuration, and the tokens that they have verified.
#[derive(Debug)]
pub struct Authenticators {
    list: Vec<Authenticator>,
    verified: CachedTokens,
}

impl Authenticators {
    /// The authenticators in the order of their indices, with an empty cache: tokens that were verified with other keys
    /// or under another configuration are never taken over.
    #[must_use]
    pub fn new(list: Vec<Authenticator>) -> Self {
        Self { list, verified: CachedTokens::default() }
    }

    /// What the cache of verified tokens has done so far.
    #[must_use]
    pub fn cache_counts(&self) -> CacheCounts {
        self.verified.counts()
    }

    /// The authenticators, in the order of the configuration.
    #[must_use]
    pub fn list(&self) -> &[Authenticator] {
        &self.list
    }

    /// Lets every authenticator that reads `own` read `shared` in its place.
    pub fn share_keys(&mut self, own: &RemoteKeys, shared: &RemoteKeys) {
        for authenticator in &mut self.list {
            match authenticator {
                Authenticator::Jwt(jwt) => {
                    jwt.keys.remote.iter_mut().filter(|keys| keys.is(own)).for_each(|keys| *keys = shared.clone());
                }
            }
        }
    }

    /// Authenticates one credential, with what the edges have brought for it.
    ///
    /// # Errors
    /// The fault that keeps the credential from being a principal.
    pub fn authenticate(
        &self,
        credential: &Credential<'_, '_>,
        now: Timestamp,
        supply: &Supply,
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnFault> {
        if credential.token.as_str().len() > MAX_TOKEN_BYTES {
            // Before it is hashed: what is too large costs nothing more.
            let fault = AuthnFault::Token(TokenFault::TooLarge);
            observer.step(|| Step::failed("token", fault.to_string()));
            return Err(fault);
        }
        self.jwt(credential, now, supply, observer)
    }

    /// A known token costs a hash and a look-up, and is checked again for time; an unknown one is parsed and verified.
    fn jwt(
        &self,
        credential: &Credential<'_, '_>,
        now: Timestamp,
        supply: &Supply,
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnFault> {
        let digest = TokenDigest::of(credential.token);
        if let Some(known) = self.verified.get(&digest)
            && credential.authenticators.contains(&known.by())
            && self.still_vouches(&known, now)
        {
            observer.step(|| {
                Step::passed("token", "verified before, by the same configuration and a key that is still the issuer's")
            });
            let valid = known.valid_at(now);
            observer.step(|| Step::of("time", &valid, known.span_in_words()));
            return valid.map(|()| known.into_principal()).map_err(AuthnFault::from);
        }
        let accepted = self.verify(credential, now, supply, observer)?;
        let valid = accepted.valid_at(now);
        observer.step(|| Step::of("time", &valid, accepted.span_in_words()));
        valid?;
        self.verified.put(digest, accepted.clone());
        Ok(accepted.into_principal())
    }

    /// Whether the key that verified a token is one that may verify tokens now.
    fn still_vouches(&self, known: &Accepted, now: Timestamp) -> bool {
        let authenticator = self.list.get(known.by().0).and_then(Authenticator::as_jwt);
        authenticator.is_some_and(|authenticator| authenticator.keys.still_hold(known.key(), now))
    }

    fn verify(
        &self,
        credential: &Credential<'_, '_>,
        now: Timestamp,
        supply: &Supply,
        observer: &mut impl Observer,
    ) -> Result<Accepted, AuthnFault> {
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
        authenticator.accept(token, index, now, supply, observer)
    }

    /// The authenticator of the token's issuer, among those that look where it stood.
    fn of_issuer(
        &self,
        token: &UnverifiedToken<'_>,
        credential: &Credential<'_, '_>,
    ) -> Result<(AuthenticatorIndex, &JwtAuthenticator), AuthnFault> {
        let issuer = token.claimed_issuer().ok_or(AuthnFault::IssuerUnknown)?;
        credential
            .authenticators
            .iter()
            .filter_map(|index| Some((*index, self.list.get(index.0)?.as_jwt()?)))
            .find(|(_, authenticator)| authenticator.issuer() == issuer)
            .ok_or(AuthnFault::IssuerUnknown)
    }
}
