//! Tokens that only their authorization server can read (RFC 7662): what its answer must say, and for how long an answer counts.
//! Asks nobody: an answer that is not known is a [`PendingLookup`].

mod cache;
mod response;

pub use cache::{AnswerCounts, CacheKey, IntrospectionCache};
pub use response::{ActiveToken, IntrospectionResponse, IntrospectionResponseError};

use super::claims_policy::ClaimsPolicy;
use super::{AuthnError, LookupResult, PendingLookup};
use crate::credential::{AuthenticatorId, RawToken};
use crate::explain::{Observer, Step};
use crate::principal::{AuthMethod, AuthenticatorName, Principal};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// An authenticator of tokens that an authorization server is asked about.
#[derive(Debug)]
pub struct IntrospectionAuthenticator {
    /// Its name in the configuration.
    pub name: AuthenticatorName,
    /// What `iss` must be if the server says one; `None` when it is not looked at.
    pub issuer: Option<Box<str>>,
    /// What the server must say of a token.
    pub checks: ClaimsPolicy,
    /// For how long its answers count.
    pub lifetimes: CacheTtl,
    /// Its answers.
    pub known: IntrospectionCache,
}

/// For how long answers count, from when the server was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheTtl {
    /// That a token is active; never beyond its `exp`.
    pub active: Duration,
    /// That it is not.
    pub inactive: Duration,
    /// How much longer that it is active, while the server can't be asked (RFC 5861 §4).
    pub stale: Duration,
}

/// What became of asking an authorization server about one token.
#[derive(Debug, Clone)]
pub enum IntrospectionOutcome {
    /// This is what it says.
    Answered(IntrospectionResponse),
    /// It said nothing that can be used, or not within the time that modgud gives it: a token may have brought that about.
    Failed,
    /// It is away: there is no connection, or what stands before it says so; or it is not asked at present for that.
    Away,
    /// It was not asked: too many questions are under way. That says nothing of the server, and whoever asks so many must not be able
    /// to keep alive what the server has ended.
    Busy,
}

impl IntrospectionAuthenticator {
    /// Whoever holds this token, by what the server said of it or has just said. Looked at anew on each use: only the server's
    /// words are kept, and not what followed from them.
    ///
    /// # Errors
    /// [`PendingLookup::Introspection`] or [`PendingLookup::ServerUnavailable`] when nothing is known that still counts; else what is wrong with the answer.
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

    /// What is known of a token, if it still counts: for whoever is about to ask, too.
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
