//! Extraction of the credential from a request: exactly one or none, from the credential locations of all authenticators.

mod authorization;
mod cookie;
mod extractor;
mod query;

pub use authorization::{RawToken, Scheme, SchemeError};
pub use cookie::{CookieName, CookieNameError};
pub use extractor::{ConflictingFormat, CredentialExtractor};
pub use query::{QueryName, QueryNameError};

use crate::http::header::HeaderName;
use crate::http::request::Headers;
use crate::reason::Reason;
use std::fmt;

/// The index of an authenticator in the snapshot's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticatorId(pub usize);

/// A credential, found in one credential location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a, 's> {
    /// The token, of which only the characters have been checked.
    pub token: RawToken<'a>,
    /// The location of the credential.
    pub place: CredentialLocation<'s>,
    /// The authenticators that use this location. Never empty.
    pub authenticators: &'s [AuthenticatorId],
}

/// The credential that a request presents to a rule.
#[derive(Debug, Clone, Copy)]
pub enum PresentedCredential<'c, 'a, 's> {
    /// The rule requires no credential, so none was extracted.
    NotRequired,
    /// No credential.
    None,
    /// This credential.
    Some(&'c Credential<'a, 's>),
}

/// The location of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialLocation<'s> {
    /// A header, after a scheme.
    Scheme(&'s HeaderName, &'s Scheme),
    /// A header, without a scheme.
    Header(&'s HeaderName),
    /// A cookie.
    Cookie(&'s CookieName),
    /// A query parameter.
    Query(&'s QueryName),
}

impl<'p> CredentialLocation<'p> {
    /// Returns the header that holds the credential; `None` for a cookie or a query parameter.
    #[must_use]
    pub const fn header(self) -> Option<&'p HeaderName> {
        match self {
            Self::Scheme(header, _) | Self::Header(header) => Some(header),
            Self::Cookie(_) | Self::Query(_) => None,
        }
    }

    /// Returns the request's `Cookie` without the credential: empty if no other cookie is left. `None` if the location is not a
    /// cookie.
    #[must_use]
    pub fn other_cookies(&self, headers: &Headers<'_>) -> Option<Vec<u8>> {
        match self {
            Self::Cookie(name) => Some(cookie::remove_cookie(headers, name)),
            Self::Scheme(..) | Self::Header(_) | Self::Query(_) => None,
        }
    }
}

/// For people: ``the header `authorization` (Bearer)``.
impl fmt::Display for CredentialLocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(header, scheme) => write!(f, "the header `{}` ({})", header.as_str(), scheme.as_str()),
            Self::Header(header) => write!(f, "the header `{}`", header.as_str()),
            Self::Cookie(name) => write!(f, "the cookie `{}`", name.as_str()),
            Self::Query(name) => write!(f, "the query parameter `{}`", name.as_str()),
        }
    }
}

/// The reason why no single credential could be extracted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// One location holds two credentials, or two locations hold one each.
    #[error("more than one credential is there")]
    Ambiguous,
    /// The value is not `SCHEME token`, or not a token.
    #[error("the credential location holds a value that does not have the form of a credential")]
    Malformed,
    /// No authenticator accepts the scheme.
    #[error("this kind of credential is not accepted here: no authenticator accepts its scheme")]
    SchemeUnknown,
}

impl CredentialError {
    /// Returns the reason code of this error.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Ambiguous => Reason::CredentialAmbiguous,
            Self::Malformed | Self::SchemeUnknown => Reason::CredentialMalformed,
        }
    }
}
