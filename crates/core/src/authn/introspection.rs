//! Opaque tokens (RFC 7662): checks of introspection responses, and their lifetimes in the cache. A response that is not cached is a
//! [`PendingLookup`].

mod cache;
mod response;

pub use cache::{CacheKey, CacheTtl, CachedResponses, IntrospectionCache};
pub use response::{ActiveToken, IntrospectionResponse, IntrospectionResponseError};

use super::claims_policy::ClaimsPolicy;
use super::{AuthnError, IntrospectionOutcome, LookupResult, PendingLookup, mismatch};
use crate::credential::{AuthenticatorId, RawToken};
use crate::explain::{Observer, Step};
use crate::principal::{AuthMethod, AuthenticatorName, Principal};
use crate::time::Timestamp;
use std::sync::Arc;

/// An authenticator of opaque tokens, by introspection.
#[derive(Debug)]
pub struct IntrospectionAuthenticator {
    /// Its name in the configuration.
    pub name: AuthenticatorName,
    /// The `iss` that a response must have if it has one; `None` if `iss` is ignored.
    pub issuer: Option<Box<str>>,
    /// The claims policy for responses.
    pub checks: ClaimsPolicy,
    /// The cache lifetimes of its responses.
    pub lifetimes: CacheTtl,
    /// Its cached responses.
    pub known: IntrospectionCache,
}

impl IntrospectionAuthenticator {
    /// Returns the caller of this token, by the cached or the fresh response. Only the response is cached; each use evaluates it anew.
    ///
    /// # Errors
    /// [`PendingLookup::Introspection`] or [`PendingLookup::ServerUnavailable`] when no usable response is cached; otherwise the reason why
    /// the response is rejected.
    pub(super) fn authenticate(
        &self,
        token: RawToken<'_>,
        by: AuthenticatorId,
        now: Timestamp,
        lookup: &LookupResult,
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnError> {
        let pending = match lookup {
            LookupResult::Introspection(IntrospectionOutcome::Unavailable) => PendingLookup::ServerUnavailable(by),
            LookupResult::Introspection(_)
            | LookupResult::Nothing
            | LookupResult::Jwks(_)
            | LookupResult::Custom(_) => PendingLookup::Introspection(by),
        };
        let response = self.response(token, now, lookup).ok_or(pending);
        observer.step(|| Step::of("introspection", &response, "a response of the authorization server is available"));
        let active = match response? {
            IntrospectionResponse::Active(active) => Ok(active),
            IntrospectionResponse::Inactive => Err(AuthnError::Inactive),
        };
        observer.step(|| Step::of("active", &active, "the authorization server reports the token as active"));
        let claims = active?.claims;
        if let Some(expected) = &self.issuer
            && let Some(found) = claims.text("iss").map_err(super::ClaimError::from)?
        {
            let issuer = if *found == **expected { Ok(()) } else { Err(AuthnError::IssuerUnknown) };
            observer.step(|| match &issuer {
                Ok(()) => Step::passed("issuer", format!("`{found}`")),
                Err(_) => Step::failed("issuer", mismatch::answered_issuer(found, expected)),
            });
            issuer?;
        }
        let (identity, period) = self.checks.validate_introspection(&claims, observer)?;
        let valid = period.check(now);
        observer.step(|| Step::of("time", &valid, period.to_string()));
        valid?;
        let null_strings = Arc::clone(&self.checks.identity.null_strings);
        let principal = Principal::new(self.name.clone(), claims, identity, null_strings, AuthMethod::Token);
        Ok(Arc::new(principal.until(period.until())))
    }

    /// Returns the cached response while it is fresh; `None` if there is none. It also serves as a check before a request is sent.
    #[must_use]
    pub fn fresh(&self, key: &CacheKey, now: Timestamp) -> Option<IntrospectionResponse> {
        self.known.fresh(key, self.lifetimes, now)
    }

    fn response(&self, token: RawToken<'_>, now: Timestamp, lookup: &LookupResult) -> Option<IntrospectionResponse> {
        match lookup {
            LookupResult::Introspection(IntrospectionOutcome::Response(response)) => Some(response.clone()),
            LookupResult::Introspection(IntrospectionOutcome::Failed | IntrospectionOutcome::Unavailable) => {
                let key = self.known.key(token);
                self.fresh(&key, now).or_else(|| self.known.stale(&key, self.lifetimes, now))
            }
            LookupResult::Introspection(IntrospectionOutcome::Busy)
            | LookupResult::Nothing
            | LookupResult::Jwks(_)
            | LookupResult::Custom(_) => self.fresh(&self.known.key(token), now),
        }
    }
}
