//! Opaque tokens (RFC 7662): checks of introspection responses, and their lifetimes in the cache. A response that is not cached is a
//! [`PendingLookup`].

mod cache;
mod response;

pub use cache::{AnswerCounts, CacheKey, IntrospectionCache};
pub use response::{ActiveToken, IntrospectionResponse, IntrospectionResponseError};

use super::claims_policy::ClaimsPolicy;
use super::{AuthnError, LookupResult, PendingLookup, mismatch};
use crate::credential::{AuthenticatorId, RawToken};
use crate::explain::{Observer, Step};
use crate::principal::{AuthMethod, AuthenticatorName, Principal};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

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

/// Cache lifetimes of responses, from the time of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTtl {
    /// The lifetime of an active response; it never exceeds the token's `exp`.
    pub active: Duration,
    /// The lifetime of an inactive response.
    pub inactive: Duration,
    /// The additional lifetime of an active response while the server is unavailable (RFC 5861 §4).
    pub stale: Duration,
}

/// The outcome of an introspection request about one token.
#[derive(Debug, Clone)]
pub enum IntrospectionOutcome {
    /// The server sent this response.
    Answered(IntrospectionResponse),
    /// The response is unusable, or did not arrive within the timeout: the token itself may have caused that.
    Failed,
    /// The server is unavailable: there is no connection, or a proxy before it reports so, or the circuit breaker is open for that reason.
    Away,
    /// No request was sent, because too many are in progress. That says nothing about the server. A client that causes so many must not
    /// extend tokens that the server has ended.
    Busy,
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
            observer.step(|| match &issuer {
                Ok(()) => Step::passed("issuer", format!("`{found}`")),
                Err(_) => Step::failed("issuer", mismatch::answered_issuer(found, expected)),
            });
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
