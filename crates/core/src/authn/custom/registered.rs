//! The registration of custom authenticators, and the use of their results.

use super::waiting::Accepted;
use super::{
    AsyncCustomAuthenticator, CorrelationValues, CustomAuthenticator, CustomError, WaitingAuthenticator, catch,
};
use crate::authn::{AuthnError, ClaimError, LookupResult, PendingLookup};
use crate::credential::{AuthenticatorId, RawToken};
use crate::explain::{Observer, Step};
use crate::http::request::Request;
use crate::jose::Claims;
use crate::principal::{AuthMethod, AuthenticatorName, ClaimMapping, Identity, PackedIdentity, Principal};
use crate::time::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Custom authenticators by the names that a configuration uses for them (`custom: NAME`).
#[derive(Clone, Default)]
pub struct CustomAuthenticators(BTreeMap<Box<str>, CustomKind>);

/// A custom authenticator of either kind.
#[derive(Clone)]
pub enum CustomKind {
    /// One that returns at once.
    Immediate(Arc<dyn CustomAuthenticator>),
    /// One that waits.
    Waiting(Arc<WaitingAuthenticator>),
}

impl CustomAuthenticators {
    /// Adds one that returns at once; it replaces an earlier one of the same name.
    #[must_use]
    pub fn with(mut self, name: &str, authenticator: impl CustomAuthenticator + 'static) -> Self {
        self.0.insert(name.into(), CustomKind::Immediate(Arc::new(authenticator)));
        self
    }

    /// Adds one that waits; it replaces an earlier one of the same name.
    #[must_use]
    pub fn with_async(mut self, name: &str, authenticator: impl AsyncCustomAuthenticator) -> Self {
        self.0.insert(name.into(), CustomKind::Waiting(Arc::new(WaitingAuthenticator::new(authenticator))));
        self
    }

    /// Returns the one of this name; `None` if it is unknown.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<CustomKind> {
        self.0.get(name).cloned()
    }

    /// Returns the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

impl fmt::Debug for CustomAuthenticators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// A custom authenticator in a configuration.
pub struct RegisteredAuthenticator {
    /// Its name in the configuration.
    pub name: AuthenticatorName,
    /// The claims that form an identity.
    pub identity: Arc<ClaimMapping>,
    /// The implementation.
    pub kind: CustomKind,
}

impl fmt::Debug for RegisteredAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredAuthenticator").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RegisteredAuthenticator {
    /// Returns the authenticator if it waits; `None` if it returns at once.
    #[must_use]
    pub const fn waiting(&self) -> Option<&Arc<WaitingAuthenticator>> {
        match &self.kind {
            CustomKind::Waiting(waiting) => Some(waiting),
            CustomKind::Immediate(_) => None,
        }
    }

    /// Returns the caller that presents this credential.
    ///
    /// # Errors
    /// The error of the custom authenticator, or a `ClaimError` for a claim of the wrong type. [`PendingLookup::Custom`] if one that waits
    /// must be called.
    pub(in crate::authn) fn authenticate(
        &self,
        token: RawToken<'_>,
        by: AuthenticatorId,
        request: &Request<'_>,
        now: Timestamp,
        lookup: &LookupResult,
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnError> {
        let accepted = self.accepted(token, by, request, now, lookup);
        observer.step(|| Step::of("custom", &accepted, "the authenticator accepts the credential"));
        let Accepted { claims, expires } = accepted?;
        if now >= expires {
            observer.step(|| Step::failed("time", format!("the credential expired at {expires}")));
            return Err(CustomError::Expired.into());
        }
        // As with tokens: the claims that identify the caller have the type that rules and revocations expect.
        let read = claims.text("jti").map_err(ClaimError::from).map(|_| ());
        let read = read.and_then(|()| self.identity.resolve(&claims).map(Identity::from).map_err(ClaimError::from));
        if read.is_err() {
            observer.step(|| Step::of("identity claim", &read, ""));
        }
        let identity = self.identity(&claims, read?)?;
        let identity = PackedIdentity::new(&identity.as_resolved(), &claims);
        let null_strings = Arc::clone(&self.identity.null_strings);
        let principal = Principal::new(self.name.clone(), claims, identity, null_strings, AuthMethod::Token);
        Ok(Arc::new(principal.until(expires)))
    }

    fn accepted(
        &self,
        token: RawToken<'_>,
        by: AuthenticatorId,
        request: &Request<'_>,
        now: Timestamp,
        lookup: &LookupResult,
    ) -> Result<Accepted, AuthnError> {
        match &self.kind {
            CustomKind::Immediate(inner) => {
                let claims = catch(|| inner.authenticate(token.as_str(), request, now))??;
                let claims = Claims::from_json(Value::Object(claims));
                Ok(Accepted { claims, expires: Timestamp::NEVER })
            }
            CustomKind::Waiting(waiting) => {
                let answer = match lookup {
                    LookupResult::Custom(answer) => answer.clone()?,
                    LookupResult::Nothing | LookupResult::Jwks(_) | LookupResult::Introspection(_) => {
                        waiting.cached(token.as_str(), now).ok_or(PendingLookup::Custom(by))?
                    }
                };
                Ok(answer.0?)
            }
        }
    }

    fn identity(&self, claims: &Claims, read: Identity) -> Result<Identity, AuthnError> {
        Ok(catch(|| match &self.kind {
            CustomKind::Immediate(inner) => inner.identity(claims, read),
            CustomKind::Waiting(waiting) => waiting.inner.identity(claims, read),
        })?)
    }

    /// Returns the values of the identity correlation for a caller of this authenticator.
    ///
    /// # Errors
    /// The error of the custom authenticator.
    pub(crate) fn correlation(
        &self,
        claims: &Claims,
        request: &Request<'_>,
        read: CorrelationValues,
    ) -> Result<CorrelationValues, AuthnError> {
        Ok(catch(|| match &self.kind {
            CustomKind::Immediate(inner) => inner.correlation(claims, request, read),
            CustomKind::Waiting(waiting) => waiting.inner.correlation(claims, request, read),
        })??)
    }
}
