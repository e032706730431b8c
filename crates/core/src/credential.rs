//! Extraction of the credential from a request: exactly one or none, from the credential locations of all authenticators. Its formats
//! are `SCHEME token` and `token` (RFC 9110 §11.6.2, with a `token68`), of which only the characters are checked.

mod cookie;
mod extractor;
mod query;

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
    pub location: CredentialLocation<'s>,
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
    #[error("the request has more than one credential")]
    Ambiguous,
    /// The value is not `SCHEME token`, or not a token.
    #[error("the value is not a well-formed credential")]
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

/// An authentication scheme, such as `JWT` or `Bearer`; compares case-insensitively (RFC 9110 §11.1).
#[derive(Debug, Clone)]
pub struct Scheme(Box<str>);

/// A text that is not a valid scheme name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write letters, digits and `-`, such as `Bearer`")]
pub struct SchemeError;

impl Scheme {
    /// Parses a scheme's name. Its case is kept for output.
    ///
    /// # Errors
    /// [`SchemeError`] if it is empty or has other characters than letters, digits and `-`.
    pub fn parse(name: &str) -> Result<Self, SchemeError> {
        if is_scheme(name.as_bytes()) { Ok(Self(name.into())) } else { Err(SchemeError) }
    }

    /// Returns true if it is `Bearer`, the scheme of tokens that any holder can use (RFC 6750 §2.1).
    #[must_use]
    pub fn is_bearer(&self) -> bool {
        self.matches(b"bearer")
    }

    /// Returns true if it is `DPoP`, the scheme of tokens that are valid only with a proof (RFC 9449 §7.1).
    #[must_use]
    pub fn is_dpop(&self) -> bool {
        self.matches(b"dpop")
    }

    /// Returns the name, in the case that the operator wrote.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    fn matches(&self, name: &[u8]) -> bool {
        self.0.as_bytes().eq_ignore_ascii_case(name)
    }
}

impl PartialEq for Scheme {
    fn eq(&self, other: &Self) -> bool {
        self.matches(other.0.as_bytes())
    }
}

impl Eq for Scheme {}

/// The token of a credential: one or more `token68` characters (RFC 9110 §11.2), so no part needs quoting. It is a secret: it has
/// no `Display`, and its `Debug` shows only its length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RawToken<'a>(&'a str);

impl<'a> RawToken<'a> {
    /// Returns the token itself, for the layers that verify or forward it.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

impl fmt::Debug for RawToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RawToken({} bytes)", self.0.len())
    }
}

/// Splits `SCHEME token`: one or more spaces between, no other characters before or after. A comma means that an intermediary
/// joined several headers (RFC 9110 §5.3), so there is more than one credential.
fn parse_with_scheme(value: &[u8]) -> Result<(&[u8], RawToken<'_>), CredentialError> {
    let end = value.iter().position(|byte| *byte == b' ').ok_or_else(|| format_error(value))?;
    let (scheme, rest) = value.split_at(end);
    let token = skip_spaces(rest);
    if !is_scheme(scheme) || token.is_empty() || !is_token(token) {
        return Err(format_error(value));
    }
    std::str::from_utf8(token).map(|token| (scheme, RawToken(token))).map_err(|_| CredentialError::Malformed)
}

/// Parses a token without a scheme, with no other characters before or after.
fn parse_raw(value: &[u8]) -> Result<RawToken<'_>, CredentialError> {
    if value.is_empty() || !is_token(value) {
        return Err(format_error(value));
    }
    std::str::from_utf8(value).map(RawToken).map_err(|_| CredentialError::Malformed)
}

fn is_scheme(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

fn format_error(value: &[u8]) -> CredentialError {
    if value.contains(&b',') { CredentialError::Ambiguous } else { CredentialError::Malformed }
}

/// Checks every byte without an early end: tokens are long and nearly always valid, and the compiler vectorizes the comparison.
fn is_token(token: &[u8]) -> bool {
    token.iter().fold(true, |good, byte| good & is_token68(*byte))
}

const fn is_token68(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=')
}

/// Skips spaces only: a tab or another blank in a credential indicates an attack.
fn skip_spaces(value: &[u8]) -> &[u8] {
    let start = value.iter().position(|byte| *byte != b' ').unwrap_or(value.len());
    value.get(start..).unwrap_or_default()
}
