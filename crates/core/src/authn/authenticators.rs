//! One authenticator of any kind, and all authenticators of a configuration: selects the one for a credential, and authenticates it.

mod inherit;
mod mapping;

use super::api_key::ApiKeyAuthenticator;
use super::claims_policy::ClaimsPolicy;
use super::custom::RegisteredAuthenticator;
use super::dpop::{PopContext, ReplayCache, ReplayMode};
use super::introspection::IntrospectionAuthenticator;
use super::jwt::{JwtAuthenticator, VerifiedJwt};
use super::mtls::MtlsAuthenticator;
use super::revocation::Revocations;
use super::sender_constraint::SenderConstraint;
use super::token_cache::{TokenCache, TokenDigest};
use super::{AuthnError, LookupResult, mismatch};
use crate::credential::{AuthenticatorId, Credential, RawToken};
use crate::explain::{Observer, Step};
use crate::http::request::{Peer, Request};
use crate::jose::{DEFAULT_MAX_TOKEN_BYTES, TokenError, UnverifiedToken};
use crate::principal::{AuthenticatorName, Principal};
use crate::time::Timestamp;
use std::sync::Arc;

/// An authenticator: it verifies one kind of credential.
#[derive(Debug)]
pub enum Authenticator {
    /// Verifies signed tokens of one issuer.
    Jwt(JwtAuthenticator),
    /// Verifies opaque tokens by introspection.
    Introspection(IntrospectionAuthenticator),
    /// Verifies API keys.
    ApiKey(ApiKeyAuthenticator),
    /// Verifies the certificate of the connection.
    Mtls(MtlsAuthenticator),
    /// Verifies credentials in a program that is built on this library.
    Custom(RegisteredAuthenticator),
}

impl Authenticator {
    /// Returns its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &AuthenticatorName {
        match self {
            Self::Jwt(authenticator) => &authenticator.name,
            Self::Introspection(authenticator) => &authenticator.name,
            Self::ApiKey(authenticator) => &authenticator.name,
            Self::Mtls(authenticator) => &authenticator.name,
            Self::Custom(authenticator) => &authenticator.name,
        }
    }

    /// Returns true if it can authenticate callers at this time: a JWT authenticator needs a key.
    #[must_use]
    pub fn has_usable_keys(&self, now: Timestamp) -> bool {
        match self {
            Self::Jwt(authenticator) => authenticator.keys.active_at(now).sets().any(|keys| !keys.keys().is_empty()),
            Self::Introspection(_) | Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => true,
        }
    }

    /// Returns the JWT authenticator; `None` if this is another kind.
    #[must_use]
    pub const fn as_jwt(&self) -> Option<&JwtAuthenticator> {
        match self {
            Self::Jwt(authenticator) => Some(authenticator),
            Self::Introspection(_) | Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => None,
        }
    }

    /// Returns the introspection authenticator; `None` if this is another kind.
    #[must_use]
    pub const fn as_introspection(&self) -> Option<&IntrospectionAuthenticator> {
        match self {
            Self::Introspection(authenticator) => Some(authenticator),
            Self::Jwt(_) | Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => None,
        }
    }

    /// Returns the authenticator of API keys; `None` if this is another kind.
    #[must_use]
    pub const fn as_api_key(&self) -> Option<&ApiKeyAuthenticator> {
        match self {
            Self::ApiKey(authenticator) => Some(authenticator),
            Self::Jwt(_) | Self::Introspection(_) | Self::Mtls(_) | Self::Custom(_) => None,
        }
    }

    /// Returns the custom authenticator; `None` if this is another kind.
    #[must_use]
    pub const fn as_custom(&self) -> Option<&RegisteredAuthenticator> {
        match self {
            Self::Custom(authenticator) => Some(authenticator),
            Self::Jwt(_) | Self::Introspection(_) | Self::ApiKey(_) | Self::Mtls(_) => None,
        }
    }

    /// Returns the checks of its tokens' claims; `None` if it has none.
    #[must_use]
    pub const fn checks(&self) -> Option<&ClaimsPolicy> {
        match self {
            Self::Jwt(authenticator) => Some(&authenticator.checks),
            Self::Introspection(authenticator) => Some(&authenticator.checks),
            Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => None,
        }
    }
}

/// The outcome of the authentication of one credential.
#[derive(Debug)]
pub struct Authenticated {
    /// The authenticator that the credential is for; `None` if it is for none, or too damaged to tell.
    pub by: Option<AuthenticatorId>,
    /// The caller, or the reason why the credential yields none.
    pub outcome: Result<Arc<Principal>, AuthnError>,
}

/// All authenticators of a configuration, and the cache of the tokens that they have verified.
#[derive(Debug)]
pub struct Authenticators {
    list: Vec<Authenticator>,
    verified: TokenCache,
    revocations: Option<Revocations>,
    replay_cache: ReplayCache,
    max_token: usize,
}

impl Authenticators {
    /// Builds the authenticators, in the order of their indices, with an empty cache.
    #[must_use]
    pub fn new(list: Vec<Authenticator>, revocations: Option<Revocations>) -> Self {
        let authenticators = Self {
            list,
            verified: TokenCache::new(TokenCache::DEFAULT_BYTES),
            revocations,
            replay_cache: ReplayCache::default(),
            max_token: DEFAULT_MAX_TOKEN_BYTES,
        };
        authenticators.remember_proofs();
        authenticators
    }

    /// Sets the longest token that is read, in bytes.
    #[must_use]
    pub const fn with_max_token(mut self, bytes: usize) -> Self {
        self.max_token = bytes;
        self
    }

    /// Sets the limit of the cache of verified tokens, in bytes. The cache is empty afterwards.
    #[must_use]
    pub fn with_token_cache(mut self, bytes: u64) -> Self {
        self.verified = TokenCache::new(bytes);
        self
    }

    /// Returns the longest token that is read, in bytes.
    pub(super) const fn max_token(&self) -> usize {
        self.max_token
    }

    /// Rejects DPoP proofs that were made before this time or in its second: a previous process may have verified them.
    pub fn reject_proofs_until(&self, start: Timestamp) {
        self.replay_cache.reject_until(start);
    }

    /// Extends the replay window to the longest time that any authenticator accepts a proof.
    fn remember_proofs(&self) {
        let windows = self.list.iter().filter_map(|one| match one.checks()?.sender? {
            SenderConstraint::Dpop(window) => Some(window.span()),
            SenderConstraint::Certificate => None,
        });
        windows.for_each(|window| self.replay_cache.remember_for(window));
    }

    /// Returns the revocation list; `None` if the configuration has none.
    #[must_use]
    pub const fn revocations(&self) -> Option<&Revocations> {
        self.revocations.as_ref()
    }

    /// Returns the cache of verified tokens.
    #[must_use]
    pub const fn token_cache(&self) -> &TokenCache {
        &self.verified
    }

    /// Returns the authenticators, in the order of the configuration.
    #[must_use]
    pub fn list(&self) -> &[Authenticator] {
        &self.list
    }

    /// Returns the custom authenticator that authenticated a caller; `None` if another kind did.
    pub(crate) fn custom_of(&self, principal: &Principal) -> Option<&RegisteredAuthenticator> {
        self.list.iter().find(|one| one.name() == principal.authenticator())?.as_custom()
    }

    /// Authenticates a credential. `lookup` holds the results of remote lookups; DPoP proofs are recorded as used when `replay_mode` is
    /// `Record`.
    pub fn authenticate(
        &self,
        credential: &Credential<'_, '_>,
        request: &Request<'_>,
        now: Timestamp,
        lookup: &LookupResult,
        replay_mode: ReplayMode,
        observer: &mut impl Observer,
    ) -> Authenticated {
        let (found, limit) = (credential.token.as_str().len(), self.max_token);
        if found > limit {
            // Before it is hashed: an oversized token costs nothing more.
            let error = AuthnError::Token(TokenError::TooLarge { found, limit });
            observer.step(|| Step::failed("token", error.to_string()));
            return Authenticated { by: None, outcome: Err(error) };
        }
        let mut last_use = None;
        let Authenticated { by, outcome } = match self.select_opaque(credential) {
            None => self.jwt(credential, (now, replay_mode), lookup, observer),
            Some((by, authenticator)) => {
                let outcome = match authenticator {
                    Authenticator::Introspection(server) => {
                        server.authenticate(credential.token, by, now, lookup, observer)
                    }
                    Authenticator::ApiKey(keys) => {
                        let key = keys.authenticate(credential.token, now, observer);
                        key.map(|key| {
                            last_use = Some(&key.last_use);
                            Arc::clone(&key.principal)
                        })
                    }
                    Authenticator::Custom(one) => {
                        one.authenticate(credential.token, by, request, now, lookup, observer)
                    }
                    // Unreachable: `select_opaque` selects neither.
                    Authenticator::Jwt(_) | Authenticator::Mtls(_) => Err(AuthnError::IssuerUnknown),
                };
                Authenticated { by: Some(by), outcome }
            }
        };
        let outcome = outcome.and_then(|principal| {
            let token = credential.token;
            self.admit(principal, token, request, (now, replay_mode), observer)
        });
        // A revoked key is not in use, however often it is presented.
        if let (Ok(_), Some(last_use), true) = (&outcome, last_use, replay_mode.leaves_traces()) {
            last_use.record(now);
        }
        Authenticated { by, outcome }
    }

    /// Checks what holds at the time of a use: the revocation list, and the token's sender.
    fn admit(
        &self,
        principal: Arc<Principal>,
        token: RawToken<'_>,
        request: &Request<'_>,
        (now, replay_mode): (Timestamp, ReplayMode),
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnError> {
        self.ensure_not_revoked(&principal, observer)?;
        if let Some(constraint) = self.constraint(&principal) {
            let replay_cache = &self.replay_cache;
            let context = PopContext { request, token, principal: &principal, now, replay_cache, replay_mode };
            let proven = constraint.check(&context);
            observer.step(|| match &proven {
                Ok(()) => Step::passed("sender", format!("bound to its sender by {}", constraint.name())),
                Err(error) => Step::failed("sender", mismatch::sender(error, &context)),
            });
            proven?;
        }
        Ok(principal)
    }

    /// Authenticates the caller by the certificate of its connection. `None` if no authenticator uses certificates, or the peer has none.
    pub fn authenticate_peer(&self, peer: Peer<'_>, observer: &mut impl Observer) -> Option<Authenticated> {
        let (by, mtls) = self.list.iter().enumerate().find_map(|(index, one)| match one {
            Authenticator::Mtls(mtls) => Some((AuthenticatorId(index), mtls)),
            Authenticator::Jwt(_)
            | Authenticator::Introspection(_)
            | Authenticator::ApiKey(_)
            | Authenticator::Custom(_) => None,
        })?;
        let principal = mtls.authenticate(peer, observer)?;
        let outcome = principal.and_then(|principal| self.ensure_not_revoked(&principal, observer).map(|()| principal));
        Some(Authenticated { by: Some(by), outcome })
    }

    /// Checks the revocation list, also for a cached token: it may have been revoked since it was verified.
    fn ensure_not_revoked(&self, principal: &Principal, observer: &mut impl Observer) -> Result<(), AuthnError> {
        let Some(revocations) = &self.revocations else { return Ok(()) };
        let revoked = revocations.now().check(principal);
        observer.step(|| {
            Step::of("revocations", &revoked, "neither the token nor its subject or organization is on the list")
        });
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
    pub(super) fn select_opaque(&self, credential: &Credential<'_, '_>) -> Option<(AuthenticatorId, &Authenticator)> {
        let all = || credential.authenticators.iter().filter_map(|index| Some((*index, self.list.get(index.0)?)));
        let opaque = all().find(|(_, one)| one.as_jwt().is_none())?;
        let signed = all().any(|(_, one)| one.as_jwt().is_some()) && has_three_parts(credential.token.as_str());
        (!signed).then_some(opaque)
    }

    /// Authenticates a JWT. A cached token costs a hash and a look-up, and its validity period is checked again; an unknown one is parsed
    /// and verified. So is a known one for an explanation, which shows every step and changes no cache.
    fn jwt(
        &self,
        credential: &Credential<'_, '_>,
        (now, replay_mode): (Timestamp, ReplayMode),
        lookup: &LookupResult,
        observer: &mut impl Observer,
    ) -> Authenticated {
        let digest = TokenDigest::of(credential.token);
        let is_usable =
            |known: &VerifiedJwt| credential.authenticators.contains(&known.by()) && self.is_key_active(known, now);
        if let Some(known) = replay_mode.leaves_traces().then(|| self.verified.get(&digest, is_usable)).flatten() {
            observer.step(|| Step::passed("token", "cached, and verified with a key that is still the issuer's"));
            let valid = known.period().check(now);
            observer.step(|| Step::of("time", &valid, known.period().to_string()));
            let by = Some(known.by());
            return Authenticated { by, outcome: valid.map(|()| known.into_principal()).map_err(AuthnError::from) };
        }
        let mut by = None;
        let outcome = self.verify(credential, &mut by, now, lookup, observer).and_then(|verified| {
            let valid = verified.period().check(now);
            observer.step(|| Step::of("time", &valid, verified.period().to_string()));
            valid?;
            if replay_mode.leaves_traces() {
                self.verified.put(digest, verified.clone());
            }
            Ok(verified.into_principal())
        });
        Authenticated { by, outcome }
    }

    /// Returns true if the key that verified a token is still active.
    fn is_key_active(&self, known: &VerifiedJwt, now: Timestamp) -> bool {
        let authenticator = self.list.get(known.by().0).and_then(Authenticator::as_jwt);
        authenticator.is_some_and(|authenticator| authenticator.keys.contains(known.key(), now))
    }

    /// Verifies a token. `by` becomes the authenticator of its issuer, also if the token is invalid.
    fn verify(
        &self,
        credential: &Credential<'_, '_>,
        by: &mut Option<AuthenticatorId>,
        now: Timestamp,
        lookup: &LookupResult,
        observer: &mut impl Observer,
    ) -> Result<VerifiedJwt, AuthnError> {
        let token = UnverifiedToken::parse(credential.token.as_str());
        observer.step(|| match &token {
            Ok(_) => Step::passed("token", "a well-formed signed JWT, and nothing in it is ambiguous"),
            Err(error) => Step::failed("token", mismatch::token(*error, credential.token.as_str())),
        });
        let token = token?;
        let authenticator = self.of_issuer(&token, credential);
        observer.step(|| {
            if let Ok((_, one)) = &authenticator {
                let issuer = one.issuer().map_or_else(|| "not checked".to_owned(), |issuer| format!("`{issuer}`"));
                return Step::passed("issuer", format!("{issuer}: authenticator `{}`", one.name.as_str()));
            }
            let there = credential.authenticators.iter().filter_map(|id| self.list.get(id.0)?.as_jwt());
            let there = there.filter_map(|one| Some((one.issuer()?, one.name.as_str())));
            Step::failed("issuer", mismatch::issuer(&token, there))
        });
        let (index, authenticator) = authenticator?;
        *by = Some(index);
        authenticator.verify(token, index, now, lookup, observer)
    }

    /// Returns the authenticator of the token's issuer, among those for the token's location.
    pub(super) fn of_issuer(
        &self,
        token: &UnverifiedToken<'_>,
        credential: &Credential<'_, '_>,
    ) -> Result<(AuthenticatorId, &JwtAuthenticator), AuthnError> {
        let issuer = token.claimed_issuer();
        let unknown = if issuer.is_some() { AuthnError::IssuerUnknown } else { AuthnError::IssuerMissing };
        credential
            .authenticators
            .iter()
            .filter_map(|index| Some((*index, self.list.get(index.0)?.as_jwt()?)))
            .find(|(_, authenticator)| authenticator.takes(issuer))
            .ok_or(unknown)
    }
}

/// Returns true if a token has the form of a signed one (RFC 7515 §3.1).
fn has_three_parts(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}
