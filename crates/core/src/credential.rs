//! Finding the credential: where each authenticator looks, and exactly one credential or none. Nothing here knows whether
//! a credential is good.

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

/// Which authenticator of a snapshot, by its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthenticatorId(pub usize);

/// One credential, found in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credential<'a, 's> {
    /// The token, checked only for its characters.
    pub token: RawToken<'a>,
    /// Where it stood.
    pub place: CredentialLocation<'s>,
    /// The authenticators that look there. Never empty.
    pub authenticators: &'s [AuthenticatorId],
}

/// What a request has shown to a rule.
#[derive(Debug, Clone, Copy)]
pub enum PresentedCredential<'c, 'a, 's> {
    /// The rule did not look.
    NotRequired,
    /// No credential.
    None,
    /// This one.
    Some(&'c Credential<'a, 's>),
}

/// Where a credential stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialLocation<'s> {
    /// In a header, after a scheme.
    Scheme(&'s HeaderName, &'s Scheme),
    /// In a header, by itself.
    Header(&'s HeaderName),
    /// In a cookie.
    Cookie(&'s CookieName),
    /// In the query.
    Query(&'s QueryName),
}

impl<'p> CredentialLocation<'p> {
    /// The header that holds the credential; `None` for a cookie and for the query.
    #[must_use]
    pub const fn header(self) -> Option<&'p HeaderName> {
        match self {
            Self::Scheme(header, _) | Self::Header(header) => Some(header),
            Self::Cookie(_) | Self::Query(_) => None,
        }
    }

    /// The request's `Cookie` without the credential in it: nothing when no other cookie is left. `None` when the
    /// credential did not stand in a cookie.
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

/// Why what stands in a credential's place is not one credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// A place holds two, or two places hold one each.
    #[error("more than one credential is there")]
    Ambiguous,
    /// The value is not `SCHEME token`, or not a token.
    #[error("what stands there does not have the form of a credential")]
    Malformed,
    /// The scheme is one that no authenticator accepts.
    #[error("no authenticator accepts the credential's scheme")]
    SchemeUnknown,
}

impl CredentialError {
    /// The reason that this fault is told as.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Ambiguous => Reason::CredentialAmbiguous,
            Self::Malformed | Self::SchemeUnknown => Reason::CredentialMalformed,
        }
    }
}
