//! The results of custom authenticators.

use crate::detail::DetailText;
use crate::reason::Reason;
use crate::time::Timestamp;
use serde_json::{Map, Value};
use std::time::Duration;

/// The reason why a custom authenticator rejects a credential. The log shows the variant; only the client gets a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustomError {
    /// The credential is invalid: 401.
    #[error("the authenticator rejects the credential")]
    Rejected,
    /// The credential is invalid: 401 with this text, as [`rejected_with`](Self::rejected_with) makes it.
    #[error("the authenticator rejects the credential, with a text for the client")]
    RejectedWith(DetailText),
    /// The credential has expired: 401.
    #[error("the authenticator reports the credential as expired")]
    Expired,
    /// The credential is valid, and its caller has no access at all: 403.
    #[error("the authenticator denies the caller")]
    Forbidden,
    /// The caller has no access at all: 403 with this text, as [`forbidden_with`](Self::forbidden_with) makes it.
    #[error("the authenticator denies the caller, with a text for the client")]
    ForbiddenWith(DetailText),
    /// The credential can't be checked at present: 503.
    #[error("the authenticator can't check the credential at present")]
    Unavailable,
}

impl CustomError {
    /// Returns a 401 with a text for the client. A text that no client can get is left out: an empty one, one of more than
    /// [`DetailText::MAX_BYTES`], and one with a control character.
    #[must_use]
    pub fn rejected_with(text: &str) -> Self {
        DetailText::parse(text).map_or(Self::Rejected, Self::RejectedWith)
    }

    /// Returns a 403 with a text for the client. The same texts are left out as by [`rejected_with`](Self::rejected_with).
    #[must_use]
    pub fn forbidden_with(text: &str) -> Self {
        DetailText::parse(text).map_or(Self::Forbidden, Self::ForbiddenWith)
    }

    /// Returns the error with the time for which other requests with this credential may get it too.
    #[must_use]
    pub const fn reusable_for(self, reuse: Duration) -> CustomDenial {
        CustomDenial { error: self, reuse }
    }

    /// Returns the text for the client; `None` for the general text of the reason.
    #[must_use]
    pub fn client_text(&self) -> Option<&str> {
        match self {
            Self::RejectedWith(text) | Self::ForbiddenWith(text) => Some(text.as_str()),
            Self::Rejected | Self::Expired | Self::Forbidden | Self::Unavailable => None,
        }
    }

    /// Returns the reason code of this error.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Rejected | Self::RejectedWith(_) => Reason::CredentialRefused,
            Self::Expired => Reason::TokenExpired,
            Self::Forbidden | Self::ForbiddenWith(_) => Reason::CallerRefused,
            Self::Unavailable => Reason::AuthenticatorUnavailable,
        }
    }
}

/// The reason why a custom authenticator gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CustomCallError {
    /// It panicked.
    #[error("the custom authenticator panicked")]
    Panicked,
    /// It did not answer before the deadline of the check.
    #[error("the custom authenticator did not answer in time")]
    Late,
    /// It has as many calls in progress as it allows.
    #[error("the custom authenticator has its maximum of calls in progress")]
    Busy,
}

impl CustomCallError {
    /// Returns the reason code of this error.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Panicked => Reason::Internal,
            Self::Late => Reason::DeadlineExceeded,
            Self::Busy => Reason::Overloaded,
        }
    }
}

/// The claims of an accepted credential, with their lifetime.
#[derive(Clone)]
pub struct CustomClaims {
    pub(super) claims: Map<String, Value>,
    pub(super) expires: Timestamp,
    pub(super) reuse: Duration,
}

impl CustomClaims {
    /// Creates the result of one request: it does not expire, and no other request gets it.
    #[must_use]
    pub const fn new(claims: Map<String, Value>) -> Self {
        Self { claims, expires: Timestamp::NEVER, reuse: Duration::ZERO }
    }

    /// Sets the expiry of the credential. From then on it is denied as expired, and a token that modgud mints from it ends by then.
    #[must_use]
    pub fn expires(self, expires: Timestamp) -> Self {
        Self { expires, ..self }
    }

    /// Sets the time for which other requests with this credential may get the claims too. See `AsyncCustomAuthenticator::input`.
    #[must_use]
    pub fn reusable_for(self, reuse: Duration) -> Self {
        Self { reuse, ..self }
    }
}

impl From<Map<String, Value>> for CustomClaims {
    fn from(claims: Map<String, Value>) -> Self {
        Self::new(claims)
    }
}

/// Hides the claims.
impl std::fmt::Debug for CustomClaims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomClaims").field("reuse", &self.reuse).finish_non_exhaustive()
    }
}

/// The denial of a credential, with the time for which it may be reused. `?` makes one of a [`CustomError`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomDenial {
    pub(super) error: CustomError,
    pub(super) reuse: Duration,
}

impl From<CustomError> for CustomDenial {
    fn from(error: CustomError) -> Self {
        error.reusable_for(Duration::ZERO)
    }
}

/// The values of an identity correlation, which a custom authenticator may change. modgud checks them before it signs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorrelationValues {
    /// The user's name; empty if it is unknown.
    pub username: String,
    /// The user's email address.
    pub email: Option<String>,
    /// The impersonated person. If `correlation.impersonation` is configured, another one needs its permission.
    pub impersonated: Option<String>,
    /// The time of issue: the present time, or the token's with `correlation.issued_at: token`.
    pub issued_at: Timestamp,
    /// The process instance, for which the correlation is signed.
    pub process_instance: Option<String>,
}
