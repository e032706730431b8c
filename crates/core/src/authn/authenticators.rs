//! All authenticators of a configuration: selects the one for a credential, and authenticates it.

use super::authenticator::Authenticator;
use super::cache::{CacheStats, TokenCache, TokenDigest};
use super::dpop::{PopContext, ReplayCache, ReplayMode};
use super::introspection::IntrospectionCache;
use super::jwt::{JwtAuthenticator, VerifiedJwt};
use super::revocation::Revocations;
use super::sender_constraint::SenderConstraint;
use super::{AuthnError, LookupResult, RemoteJwks, mismatch};
use crate::credential::{AuthenticatorId, Credential};
use crate::explain::{Observer, Step};
use crate::http::request::{Peer, Request};
use crate::jose::{MAX_TOKEN_BYTES, TokenError, UnverifiedToken};
use crate::principal::{AuthenticatorName, Principal};
use crate::time::Timestamp;
use std::sync::Arc;

/// All authenticators of a configuration, and the cache of the tokens that they have verified.
#[derive(Debug)]
pub struct Authenticators {
    list: Vec<Authenticator>,
    verified: TokenCache,
    revocations: Option<Revocations>,
    spent: ReplayCache,
}

impl Authenticators {
    /// Builds the authenticators, in the order of their indices, with an empty cache. Tokens verified with other keys or under another
    /// configuration are never inherited.
    #[must_use]
    pub fn new(list: Vec<Authenticator>, revocations: Option<Revocations>) -> Self {
        let authenticators = Self { list, verified: TokenCache::default(), revocations, spent: ReplayCache::default() };
        authenticators.remember_proofs();
        authenticators
    }

    /// Inherits the replay cache of the replaced authenticators, so that a reload makes no proof acceptable again.
    pub fn inherit_replay_cache(&mut self, before: &Self) {
        self.spent = before.spent.clone();
        self.remember_proofs();
    }

    /// Rejects DPoP proofs that were made before this time or in its second: a previous process may have accepted them.
    pub fn refuse_proofs_until(&self, start: Timestamp) {
        self.spent.refuse_until(start);
    }

    /// Extends the replay window to the longest time that any authenticator accepts a proof.
    fn remember_proofs(&self) {
        let windows = self.list.iter().filter_map(|one| match one.checks()?.sender? {
            SenderConstraint::Dpop(window) => Some(window.span()),
            SenderConstraint::Certificate => None,
        });
        windows.for_each(|window| self.spent.remember_for(window));
    }

    /// Returns the revocation list; `None` if the configuration has none.
    #[must_use]
    pub const fn revocations(&self) -> Option<&Revocations> {
        self.revocations.as_ref()
    }

    /// Returns the statistics of the cache of verified tokens.
    #[must_use]
    pub fn cache_counts(&self) -> CacheStats {
        self.verified.counts()
    }

    /// Returns the authenticators, in the order of the configuration.
    #[must_use]
    pub fn list(&self) -> &[Authenticator] {
        &self.list
    }

    /// Replaces `own` by `shared` in every authenticator that reads it.
    pub fn attach_jwks(&mut self, own: &RemoteJwks, shared: &RemoteJwks) {
        for authenticator in &mut self.list {
            match authenticator {
                Authenticator::Jwt(jwt) => {
                    jwt.keys.remote.iter_mut().filter(|keys| keys.is(own)).for_each(|keys| *keys = shared.clone());
                }
                Authenticator::Introspection(_)
                | Authenticator::ApiKey(_)
                | Authenticator::Mtls(_)
                | Authenticator::Custom(_) => {}
            }
        }
    }

    /// Replaces the introspection cache of the authenticator of this name.
    pub fn attach_cache(&mut self, name: &AuthenticatorName, answers: &IntrospectionCache) {
        for authenticator in &mut self.list {
            match authenticator {
                Authenticator::Introspection(one) if one.name == *name => one.known = answers.clone(),
                Authenticator::Introspection(_)
                | Authenticator::Jwt(_)
                | Authenticator::ApiKey(_)
                | Authenticator::Mtls(_)
                | Authenticator::Custom(_) => {}
            }
        }
    }

    /// Authenticates a credential. `supply` holds the results of remote lookups; DPoP proofs are recorded as used when `replay_mode` is
    /// `Record`.
    ///
    /// # Errors
    /// `AuthnError` with the reason why the credential yields no principal.
    pub fn authenticate(
        &self,
        credential: &Credential<'_, '_>,
        request: &Request<'_>,
        now: Timestamp,
        supply: &LookupResult,
        replay_mode: ReplayMode,
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnError> {
        if credential.token.as_str().len() > MAX_TOKEN_BYTES {
            // Before it is hashed: an oversized token costs nothing more.
            let fault = AuthnError::Token(TokenError::TooLarge);
            observer.step(|| Step::failed("token", fault.to_string()));
            return Err(fault);
        }
        let principal = match self.select_opaque(credential) {
            None => self.jwt(credential, now, supply, observer),
            Some((by, Authenticator::Introspection(server))) => {
                server.authenticate(credential.token, by, now, supply, observer)
            }
            Some((_, Authenticator::ApiKey(keys))) => keys.authenticate(credential.token, now, observer),
            Some((_, Authenticator::Custom(one))) => one.authenticate(credential.token, request, now, observer),
            // Unreachable: `select_opaque` selects neither.
            Some((_, Authenticator::Jwt(_) | Authenticator::Mtls(_))) => Err(AuthnError::IssuerUnknown),
        }?;
        self.ensure_not_revoked(&principal, observer)?;
        if let Some(constraint) = self.constraint(&principal) {
            let (token, spent) = (credential.token, &self.spent);
            let shown = PopContext { request, token, principal: &principal, now, spent, replay_mode };
            let held = constraint.check(&shown);
            observer.step(|| match &held {
                Ok(()) => Step::passed("sender", format!("bound to its sender by {}", constraint.name())),
                Err(fault) => Step::failed("sender", mismatch::sender(fault, &shown)),
            });
            held?;
        }
        Ok(principal)
    }

    /// Authenticates the caller by the certificate of its connection. `None` if no authenticator uses certificates, or the peer has none.
    ///
    /// # Errors
    /// `AuthnError` with the reason why the certificate yields no principal.
    pub fn authenticate_peer(
        &self,
        peer: Peer<'_>,
        observer: &mut impl Observer,
    ) -> Option<Result<Arc<Principal>, AuthnError>> {
        let mtls = self.list.iter().find_map(|one| match one {
            Authenticator::Mtls(mtls) => Some(mtls),
            Authenticator::Jwt(_)
            | Authenticator::Introspection(_)
            | Authenticator::ApiKey(_)
            | Authenticator::Custom(_) => None,
        })?;
        let principal = mtls.authenticate(peer, observer)?;
        Some(principal.and_then(|principal| self.ensure_not_revoked(&principal, observer).map(|()| principal)))
    }

    /// Checks the revocation list, also for a cached token: it may have been revoked since it was verified.
    fn ensure_not_revoked(&self, principal: &Principal, observer: &mut impl Observer) -> Result<(), AuthnError> {
        let Some(revocations) = &self.revocations else { return Ok(()) };
        let revoked = revocations.now().check(principal);
        observer.step(|| Step::of("revocations", &revoked, "neither the token nor whom it speaks of is on the list"));
        Ok(revoked?)
    }

    /// Returns the sender constraint of the principal's token; `None` if its authenticator has none.
    fn constraint(&self, principal: &Principal) -> Option<SenderConstraint> {
        let by = self.list.iter().find(|one| one.name() == principal.authenticator());
        by?.checks()?.sender
    }

    /// Returns the authenticator for an opaque credential, if the credential is for it. Where JWT authenticators read the same location,
    /// the credential's form decides between them. The form alone decides, before any verification; a rejected credential is never tried
    /// elsewhere.
    fn select_opaque(&self, credential: &Credential<'_, '_>) -> Option<(AuthenticatorId, &Authenticator)> {
        let all = || credential.authenticators.iter().filter_map(|index| Some((*index, self.list.get(index.0)?)));
        let opaque = all().find(|(_, one)| one.as_jwt().is_none())?;
        let signed = all().any(|(_, one)| one.as_jwt().is_some()) && has_three_parts(credential.token.as_str());
        (!signed).then_some(opaque)
    }

    /// Authenticates a JWT. A cached token costs a hash and a look-up, and its validity period is checked again; an unknown one is parsed
    /// and verified.
    fn jwt(
        &self,
        credential: &Credential<'_, '_>,
        now: Timestamp,
        supply: &LookupResult,
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnError> {
        let digest = TokenDigest::of(credential.token);
        if let Some(known) = self.verified.get(&digest)
            && credential.authenticators.contains(&known.by())
            && self.still_vouches(&known, now)
        {
            observer.step(|| {
                Step::passed("token", "verified before, by the same configuration and a key that is still the issuer's")
            });
            let valid = known.span().holds(now);
            observer.step(|| Step::of("time", &valid, known.span().to_string()));
            return valid.map(|()| known.into_principal()).map_err(AuthnError::from);
        }
        let accepted = self.verify(credential, now, supply, observer)?;
        let valid = accepted.span().holds(now);
        observer.step(|| Step::of("time", &valid, accepted.span().to_string()));
        valid?;
        self.verified.put(digest, accepted.clone());
        Ok(accepted.into_principal())
    }

    /// Returns true if the key that verified a token is still active.
    fn still_vouches(&self, known: &VerifiedJwt, now: Timestamp) -> bool {
        let authenticator = self.list.get(known.by().0).and_then(Authenticator::as_jwt);
        authenticator.is_some_and(|authenticator| authenticator.keys.contains(known.key(), now))
    }

    fn verify(
        &self,
        credential: &Credential<'_, '_>,
        now: Timestamp,
        supply: &LookupResult,
        observer: &mut impl Observer,
    ) -> Result<VerifiedJwt, AuthnError> {
        let token = UnverifiedToken::parse(credential.token.as_str());
        observer.step(|| match &token {
            Ok(_) => Step::passed("token", "a well-formed signed JWT, and nothing in it that can be read in two ways"),
            Err(fault) => Step::failed("token", mismatch::token(*fault, credential.token.as_str())),
        });
        let token = token?;
        let authenticator = self.of_issuer(&token, credential);
        observer.step(|| match &authenticator {
            Ok((_, one)) => {
                Step::passed("issuer", format!("`{}`: authenticator `{}`", one.issuer(), one.name.as_str()))
            }
            Err(_) => Step::failed("issuer", mismatch::issuer(&token, credential, &self.list)),
        });
        let (index, authenticator) = authenticator?;
        authenticator.accept(token, index, now, supply, observer)
    }

    /// Returns the authenticator of the token's issuer, among those for the token's location.
    fn of_issuer(
        &self,
        token: &UnverifiedToken<'_>,
        credential: &Credential<'_, '_>,
    ) -> Result<(AuthenticatorId, &JwtAuthenticator), AuthnError> {
        let issuer = token.claimed_issuer().ok_or(AuthnError::IssuerMissing)?;
        credential
            .authenticators
            .iter()
            .filter_map(|index| Some((*index, self.list.get(index.0)?.as_jwt()?)))
            .find(|(_, authenticator)| authenticator.issuer() == issuer)
            .ok_or(AuthnError::IssuerUnknown)
    }
}

/// Returns true if a token has the form of a signed one (RFC 7515 §3.1).
fn has_three_parts(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}
