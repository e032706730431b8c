//! Authenticators that a program brings which is built on this library: who they are registered as, and what becomes of what they
//! say. Owns no authenticator.

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

/// Who vouches for callers in a way of its own: `validateToken` of other gateways.
///
/// It is asked on the thread that answers the check, so it must answer at once, from memory: whoever has to ask another server for
/// each token is served by `introspection`. It is asked about every request; nothing that it says is kept. A panic in it is a 503 for that
/// check.
pub trait CustomAuthenticator: Send + Sync {
    /// What is claimed of whoever shows this credential: the claims that rules, headers and `principal` of the configuration speak of.
    /// `credential` is what stands in one of the places under `from`, without its scheme: 1 to 16,384 characters of RFC 9110's
    /// `token68`.
    ///
    /// # Errors
    /// [`CustomError`] when the credential is not good, or nobody can tell.
    fn authenticate(
        &self,
        credential: &str,
        request: &Request<'_>,
        now: Timestamp,
    ) -> Result<Map<String, Value>, CustomError>;

    /// Who the caller is, by its claims: `extractCorrelation` of other gateways. `read` is what `principal` of the configuration makes
    /// of them, which is returned as it is unless this is written.
    fn identity(&self, claims: &Claims, read: Identity) -> Identity {
        let _ = claims;
        read
    }
}

/// Why an authenticator of one's own does not vouch for a caller. Says nothing of the credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CustomError {
    /// The credential is not good.
    #[error("the authenticator does not accept the credential")]
    Refused,
    /// It was good, and its time is over.
    #[error("the authenticator says that the credential has expired")]
    Expired,
    /// Nobody can tell at present: 503.
    #[error("the authenticator can't tell at present whether the credential is good")]
    Unavailable,
}

/// Authenticators by the names under which a configuration speaks of them (`custom: NAME`).
#[derive(Clone, Default)]
pub struct CustomAuthenticators(BTreeMap<Box<str>, Arc<dyn CustomAuthenticator>>);

impl CustomAuthenticators {
    /// These, and one more; one of the same name takes the place of the one before.
    #[must_use]
    pub fn with(mut self, name: &str, authenticator: impl CustomAuthenticator + 'static) -> Self {
        self.0.insert(name.into(), Arc::new(authenticator));
        self
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn CustomAuthenticator>> {
        self.0.get(name).cloned()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|name| &**name)
    }
}

impl fmt::Debug for CustomAuthenticators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// An authenticator of one's own, in a configuration.
pub struct RegisteredAuthenticator {
    /// Its name in the configuration.
    pub name: AuthenticatorName,
    /// Which claims make up an identity.
    pub identity: Arc<ClaimMapping>,
    /// The authenticator.
    pub by: Arc<dyn CustomAuthenticator>,
}

impl fmt::Debug for RegisteredAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredAuthenticator").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RegisteredAuthenticator {
    /// Whoever shows this credential.
    ///
    /// # Errors
    /// What the authenticator says.
    pub(super) fn authenticate(
        &self,
        token: RawToken<'_>,
        request: &Request<'_>,
        now: Timestamp,
        observer: &mut impl Observer,
    ) -> Result<Arc<Principal>, AuthnError> {
        let claimed = self.by.authenticate(token.as_str(), request, now);
        observer.step(|| Step::of("custom", &claimed, "the authenticator accepts the credential"));
        let claims = Claims::from_json(Value::Object(claimed?));
        // As with tokens: what rules and revocations go by has the type that they expect.
        let read = claims.text("jti").map_err(ClaimError::from).map(|_| ());
        let read = read.and_then(|()| self.identity.read(&claims).map_err(ClaimError::from));
        if read.is_err() {
            observer.step(|| Step::of("identity claim", &read, ""));
        }
        let identity = self.by.identity(&claims, read?);
        let absent = Arc::clone(&self.identity.absent);
        Ok(Arc::new(Principal::new(self.name.clone(), claims, identity, absent, AuthMethod::Token)))
    }
}
