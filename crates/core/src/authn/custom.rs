//! Custom authenticators, which a program that is built on this library provides: their registration, and the use of their results.

use super::{AuthnError, ClaimError};
use crate::credential::RawToken;
use crate::explain::{Observer, Step};
use crate::http::request::Request;
use crate::jose::Claims;
use crate::principal::{AuthMethod, AuthenticatorName, ClaimMapping, Identity, Principal};
use crate::time::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// An authenticator that a program implements: `validateToken` of other gateways.
///
/// It runs on the thread that answers the check, so it must return at once, from memory. Use `introspection` to query another server about
/// each token. It runs for every request, and its results are not cached. A panic in it denies that check with 503.
pub trait CustomAuthenticator: Send + Sync {
    /// Returns the claims of the caller that presents this credential: those that rules, headers and `principal` of the configuration refer
    /// to. `credential` is the value at one of the locations under `from`, without its scheme: 1 to 16,384 characters of RFC 9110's
    /// `token68`.
    ///
    /// # Errors
    /// [`CustomError`] when the credential is invalid, or can't be checked.
    fn authenticate(
        &self,
        credential: &str,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<Map<String, Value>, CustomError>;

    /// Returns the caller's identity, by its claims: `extractCorrelation` of other gateways. `read` is the identity according to
    /// `principal` of the configuration; the default implementation returns it unchanged.
    fn identity(&self, claims: &Claims, read: Identity) -> Identity {
        let _ = claims;
        read
    }
}

/// The reason why a custom authenticator rejects a credential. It reveals nothing of the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CustomError {
    /// The credential is invalid.
    #[error("the authenticator rejects the credential")]
    Rejected,
    /// The credential has expired.
    #[error("the authenticator reports the credential as expired")]
    Expired,
    /// The credential can't be checked at present: 503.
    #[error("the authenticator can't check the credential at present")]
    Unavailable,
}

/// Custom authenticators by the names that a configuration uses for them (`custom: NAME`).
#[derive(Clone, Default)]
pub struct CustomAuthenticators(BTreeMap<Box<str>, Arc<dyn CustomAuthenticator>>);

impl CustomAuthenticators {
    /// Adds one; it replaces an earlier one of the same name.
    #[must_use]
    pub fn with(mut self, name: &str, authenticator: impl CustomAuthenticator + 'static) -> Self {
        self.0.insert(name.into(), Arc::new(authenticator));
        self
    }

    /// Returns the one of this name; `None` if it is unknown.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn CustomAuthenticator>> {
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
    pub inner: Arc<dyn CustomAuthenticator>,
}

impl fmt::Debug for RegisteredAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredAuthenticator").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RegisteredAuthenticator {
    /// Returns the caller that presents this credential.
    ///
    /// # Errors
    /// The error of the custom authenticator, or a `ClaimError` for a claim of the wrong type.
    pub(super) fn authenticate(
        &self,
        token: RawToken<'_>,
        request: &Request<'_>,
        now: Timestamp,
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnError> {
        let claimed = self.inner.authenticate(token.as_str(), request, now);
        observer.step(|| Step::of("custom", &claimed, "the authenticator accepts the credential"));
        let claims = Claims::from_json(Value::Object(claimed?));
        // As with tokens: the claims that identify the caller have the type that rules and revocations expect.
        let read = claims.text("jti").map_err(ClaimError::from).map(|_| ());
        let read = read.and_then(|()| self.identity.resolve(&claims).map_err(ClaimError::from));
        if read.is_err() {
            observer.step(|| Step::of("identity claim", &read, ""));
        }
        let identity = self.inner.identity(&claims, read?);
        let null_strings = Arc::clone(&self.identity.null_strings);
        Ok(Arc::new(Principal::new(self.name.clone(), claims, identity, null_strings, AuthMethod::Token)))
    }
}
