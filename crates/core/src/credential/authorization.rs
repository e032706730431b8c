//! The formats `SCHEME token` and `token` of a credential (RFC 9110 §11.6.2, with a `token68`). Only characters are checked.

use super::CredentialError;

/// An authentication scheme, such as `JWT` or `Bearer`; compares case-insensitively (RFC 9110 §11.1).
#[derive(Debug, Clone)]
pub struct Scheme(Box<str>);

/// A text that is not a valid scheme name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a scheme is a word of letters, digits and `-`, such as `Bearer`")]
pub struct SchemeError;

impl Scheme {
    /// Parses a scheme's name. Its case is kept for output.
    ///
    /// # Errors
    /// [`SchemeError`] if it is empty or has other characters than letters, digits and `-`.
    pub fn parse(name: &str) -> Result<Self, SchemeError> {
        if is_scheme(name.as_bytes()) { Ok(Self(name.into())) } else { Err(SchemeError) }
    }

    /// Returns true if it is `DPoP`, the scheme of tokens that are valid only with a proof (RFC 9449 §7.1).
    #[must_use]
    pub fn is_dpop(&self) -> bool {
        self.matches(b"dpop")
    }

    /// Returns true if it is `Bearer`, the scheme of tokens that any holder can use (RFC 6750 §2.1).
    #[must_use]
    pub fn is_bearer(&self) -> bool {
        self.matches(b"bearer")
    }

    /// Returns the name, in the case that the operator wrote.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn matches(&self, name: &[u8]) -> bool {
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

impl std::fmt::Debug for RawToken<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawToken({} bytes)", self.0.len())
    }
}

/// Splits `SCHEME token`: one or more spaces between, no other characters before or after. A comma means that an intermediary
/// joined several headers (RFC 9110 §5.3), so there is more than one credential.
pub(super) fn split(value: &[u8]) -> Result<(&[u8], RawToken<'_>), CredentialError> {
    let end = value.iter().position(|byte| *byte == b' ').ok_or_else(|| fault_of(value))?;
    let (scheme, rest) = value.split_at(end);
    let token = skip_spaces(rest);
    if !is_scheme(scheme) || token.is_empty() || !is_token(token) {
        return Err(fault_of(value));
    }
    std::str::from_utf8(token).map(|token| (scheme, RawToken(token))).map_err(|_| CredentialError::Malformed)
}

/// Parses a token without a scheme, with no other characters before or after.
pub(super) fn bare(value: &[u8]) -> Result<RawToken<'_>, CredentialError> {
    if value.is_empty() || !is_token(value) {
        return Err(fault_of(value));
    }
    std::str::from_utf8(value).map(RawToken).map_err(|_| CredentialError::Malformed)
}

fn is_scheme(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

fn fault_of(value: &[u8]) -> CredentialError {
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
