//! Opaque tokens (RFC 7662): checks of introspection responses, and their lifetimes in the cache. A response that is not cached is a
//! [`PendingLookup`].

mod cache;
mod response;

pub use cache::{CacheKey, CacheTtl, CachedResponses, IntrospectionCache};
pub use response::{ActiveToken, IntrospectionResponse, IntrospectionResponseError};

use super::claims_policy::ClaimsPolicy;
use super::{AuthnError, IntrospectionOutcome, LookupResult, PendingLookup};
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
        supply: &LookupResult,
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnError> {
        let lack = match supply {
            LookupResult::Introspection(IntrospectionOutcome::Away) => PendingLookup::ServerUnavailable(by),
            LookupResult::Introspection(_) | LookupResult::Nothing | LookupResult::Jwks(_) => {
                PendingLookup::Introspection(by)
            }
        };
        let answer = self.answer(token, now, supply).ok_or(lack);
        observer.step(|| Step::of("introspection", &answer, "the authorization server knows the token"));
        let active = match answer? {
            IntrospectionResponse::Active(active) => Ok(active),
            IntrospectionResponse::Inactive => Err(AuthnError::Inactive),
        };
        observer.step(|| Step::of("active", &active, "the authorization server says so"));
        let claims = active?.claims;
        if let Some(expected) = &self.issuer
            && let Some(found) = claims.text("iss").map_err(super::ClaimError::from)?
        {
            let issuer = if *found == **expected { Ok(()) } else { Err(AuthnError::IssuerUnknown) };
            observer.step(|| Step::of("issuer", &issuer, format!("`{found}`")));
            issuer?;
        }
        let (identity, span) = self.checks.validate_introspection(&claims, observer)?;
        let valid = span.holds(now);
        observer.step(|| Step::of("time", &valid, span.to_string()));
        valid?;
        let absent = Arc::clone(&self.checks.identity.absent);
        let principal = Principal::new(self.name.clone(), claims, identity, absent, AuthMethod::Token);
        Ok(Arc::new(principal.until(span.until())))
    }

    /// Returns the cached response while it is fresh; `None` if there is none. It also serves as a check before a request is sent.
    #[must_use]
    pub fn fresh(&self, key: &CacheKey, now: Timestamp) -> Option<IntrospectionResponse> {
        self.known.fresh(key, self.lifetimes, now)
    }

    fn answer(&self, token: RawToken<'_>, now: Timestamp, supply: &LookupResult) -> Option<IntrospectionResponse> {
        match supply {
            LookupResult::Introspection(IntrospectionOutcome::Answered(answer)) => Some(answer.clone()),
            LookupResult::Introspection(IntrospectionOutcome::Failed | IntrospectionOutcome::Away) => {
                let key = self.known.key(token);
                self.fresh(&key, now).or_else(|| self.known.stale(&key, self.lifetimes, now))
            }
            LookupResult::Introspection(IntrospectionOutcome::Busy) | LookupResult::Nothing | LookupResult::Jwks(_) => {
                self.fresh(&self.known.key(token), now)
            }
        }
    }
}
