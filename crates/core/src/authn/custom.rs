//! Custom authenticators, which a program that is built on this library provides: the traits that it implements. A panic in an
//! authenticator denies that check with 503.

mod answer;
mod registered;
mod waiting;

pub use answer::{CorrelationValues, CustomCallError, CustomClaims, CustomDenial, CustomError};
pub use registered::{CustomAuthenticators, CustomKind, RegisteredAuthenticator};
pub use waiting::{CredentialDigest, CustomAnswer, WaitingAuthenticator};

use crate::http::request::Request;
use crate::jose::Claims;
use crate::principal::Identity;
use crate::time::Timestamp;
use serde_json::{Map, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An authenticator that a program implements: `validateToken` of other gateways.
///
/// It runs on the thread that answers the check, so it must return at once, from memory. One that queries another server is an
/// [`AsyncCustomAuthenticator`]. It runs for every request, and its results are not cached.
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

    /// Returns the caller's identity, by its claims. `read` is the identity according to `principal` of the configuration; the
    /// default implementation returns it unchanged.
    fn identity(&self, claims: &Claims, read: Identity) -> Identity {
        let _ = claims;
        read
    }

    /// Returns the values of the identity correlation: `extractCorrelation` of other gateways. `read` has those according to
    /// `correlation` of the configuration; the default implementation returns it unchanged. It is called only for allowed requests,
    /// and only if the configuration has a `correlation`.
    ///
    /// # Errors
    /// [`CustomError`] when the request must be denied.
    fn correlation(
        &self,
        claims: &Claims,
        request: &Request<'_>,
        read: CorrelationValues,
    ) -> Result<CorrelationValues, CustomError> {
        let _ = (claims, request);
        Ok(read)
    }
}

/// What the answers of an authenticator depend on, apart from the time and its own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CustomInput {
    /// The credential alone. All requests with one credential share one call, and answers may be reused. The authenticator does
    /// not get the request.
    Credential,
    /// The credential and the request: each request is a call.
    Request,
}

/// An authenticator that a program implements, and that may wait: for another server, or for a lock.
///
/// A check waits for it until shortly before `server.deadline`. It must not block its thread; the runtime is tokio's. Requests that
/// don't present a credential for it never wait for it.
pub trait AsyncCustomAuthenticator: Send + Sync + 'static {
    /// The usual [`max_concurrent`](Self::max_concurrent).
    const DEFAULT_MAX_CONCURRENT: usize = 64;

    /// Returns what its answers depend on. It is read once.
    fn input(&self) -> CustomInput;

    /// Returns the number of calls that may be in progress at once; above it, a check is denied with 503 `overloaded` at once. It
    /// is read once.
    fn max_concurrent(&self) -> usize {
        Self::DEFAULT_MAX_CONCURRENT
    }

    /// Returns the claims of the caller that presents this credential, as [`CustomAuthenticator::authenticate`] does. `request` is
    /// `None` if [`input`](Self::input) is [`CustomInput::Credential`]. Implementations write it as `async fn`.
    ///
    /// # Errors
    /// [`CustomDenial`] when the credential is invalid, or can't be checked; `?` makes one of a [`CustomError`].
    fn authenticate(
        &self,
        credential: &str,
        request: Option<&Request<'_>>,
        now: Timestamp,
    ) -> impl Future<Output = Result<CustomClaims, CustomDenial>> + Send;

    /// Returns the caller's identity, as [`CustomAuthenticator::identity`] does. It must not wait.
    fn identity(&self, claims: &Claims, read: Identity) -> Identity {
        let _ = claims;
        read
    }

    /// Returns the values of the identity correlation, as [`CustomAuthenticator::correlation`] does. It must not wait: what it
    /// needs from another server is a claim.
    ///
    /// # Errors
    /// [`CustomError`] when the request must be denied.
    fn correlation(
        &self,
        claims: &Claims,
        request: &Request<'_>,
        read: CorrelationValues,
    ) -> Result<CorrelationValues, CustomError> {
        let _ = (claims, request);
        Ok(read)
    }
}

/// Calls a function of an authenticator. A panic becomes an error: the check has an answer, and no command ends.
fn catch<T>(call: impl FnOnce() -> T) -> Result<T, CustomCallError> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| CustomCallError::Panicked)
}
