//! The handling of the verified credential on its way to the module.

use super::{MintError, Minter, Mutations};
use crate::credential::{Credential, CredentialLocation, RawToken, Scheme};
use crate::http::header::{HeaderName, HeaderText, folds_to_same_name};
use crate::http::request::Headers;
use crate::principal::{AuthMethod, Principal};
use crate::time::Timestamp;
use bytes::Bytes;

/// The header in which modules look for a credential.
const AUTHORIZATION: &[u8] = b"authorization";
/// The header of a proof (RFC 9449 §4.1).
const DPOP: &[u8] = b"dpop";

/// The credential that the module receives.
#[derive(Debug)]
pub enum Forward {
    /// The client's credential at its original location, but never one in the query.
    Keep,
    /// None, and no unverified `Authorization` either.
    Remove,
    /// `Authorization: SCHEME token`, whatever the client's scheme and location. An API key is removed.
    As {
        /// The scheme that the module expects.
        scheme: Scheme,
        /// The header's name, built once.
        header: HeaderName,
    },
    /// A minted token in `Authorization`, for every known caller, whatever its credential. A caller's own minted token stays the same.
    Mint {
        /// The minter of the tokens.
        minter: Box<Minter>,
        /// The header's name, built once.
        header: HeaderName,
    },
}

impl Forward {
    /// Returns the minter; `None` if no token is minted.
    #[must_use]
    pub const fn minter(&self) -> Option<&Minter> {
        match self {
            Self::Mint { minter, .. } => Some(minter),
            Self::Keep | Self::Remove | Self::As { .. } => None,
        }
    }

    /// Inherits the last use of the replaced signing key, if this is the same one.
    pub(crate) fn inherit_last_use(&mut self, before: &Self) {
        if let (Self::Mint { minter, .. }, Some(before)) = (self, before.minter()) {
            minter.inherit_last_use(before);
        }
    }

    /// Adds the mutations for a caller with a credential.
    ///
    /// # Errors
    /// [`MintError`] if no token could be minted.
    pub(super) fn apply(
        &self,
        credential: &Credential<'_, '_>,
        principal: Option<&Principal>,
        (headers, now): (&Headers<'_>, Timestamp),
        mutations: &mut Mutations,
    ) -> Result<(), MintError> {
        let auth_method = principal.map_or(AuthMethod::Token, Principal::auth_method);
        match self {
            // A module could only use it, to act as the caller.
            Self::As { .. } if auth_method == AuthMethod::ApiKey => {
                remove(credential.location, headers, mutations);
                self.strip_authorization(headers, mutations);
            }
            // A credential in a query ends in logs and histories, so it is removed in any case.
            Self::Keep if matches!(credential.location, CredentialLocation::Query(_)) => {
                remove(credential.location, headers, mutations);
            }
            Self::Keep => {}
            Self::Remove => {
                remove(credential.location, headers, mutations);
                self.strip_authorization(headers, mutations);
            }
            Self::As { scheme, header } => {
                remove_unless_overwritten(credential.location, header, headers, mutations);
                mutations.set.push((header.clone(), value(scheme, credential.token)));
            }
            Self::Mint { minter, header } => {
                remove_unless_overwritten(credential.location, header, headers, mutations);
                if principal.is_some_and(|principal| minter.is_own(principal)) {
                    mutations.set.push((header.clone(), value(&minter.mint().scheme, credential.token)));
                } else {
                    self.apply_without_credential(principal, (headers, now), mutations)?;
                }
            }
        }
        match (self, credential.location) {
            // A proof is for the server that verifies it, and valid once: the module has no use for it.
            (Self::Remove | Self::As { .. } | Self::Mint { .. }, CredentialLocation::Scheme(_, scheme))
                if scheme.is_dpop() =>
            {
                remove_spellings(DPOP, headers, mutations);
            }
            (Self::Keep | Self::Remove | Self::As { .. } | Self::Mint { .. }, _) => {}
        }
        Ok(())
    }

    /// Adds the mutations for a request without a credential. Its caller may still be known, by the certificate of its connection.
    ///
    /// # Errors
    /// [`MintError`] if no token could be minted.
    pub(super) fn apply_without_credential(
        &self,
        principal: Option<&Principal>,
        (headers, now): (&Headers<'_>, Timestamp),
        mutations: &mut Mutations,
    ) -> Result<(), MintError> {
        match (self, principal) {
            (Self::Mint { minter, header }, Some(principal)) => {
                mutations.set.push((header.clone(), minter.authorization(principal, now)?));
            }
            (Self::Keep | Self::Remove | Self::As { .. } | Self::Mint { .. }, _) => {
                self.strip_authorization(headers, mutations);
            }
        }
        Ok(())
    }
}

impl Forward {
    /// Removes a client's own `Authorization` if modgud writes none. Unless the operator chose [`Forward::Keep`], modules read there only a
    /// value of modgud.
    fn strip_authorization(&self, headers: &Headers<'_>, mutations: &mut Mutations) {
        match self {
            Self::Keep => return,
            Self::Remove | Self::As { .. } | Self::Mint { .. } => {}
        }
        remove_spellings(AUTHORIZATION, headers, mutations);
    }
}

/// Removes every spelling of a header that the request carries.
fn remove_spellings(header: &[u8], headers: &Headers<'_>, mutations: &mut Mutations) {
    for field in headers.iter().filter(|field| folds_to_same_name(field.name, header)) {
        let name = Bytes::from(field.name.to_ascii_lowercase());
        if !mutations.remove.contains(&name) {
            mutations.remove.push(name);
        }
    }
}

/// Removes the credential from its location, unless modgud overwrites that header.
fn remove_unless_overwritten(
    location: CredentialLocation<'_>,
    written: &HeaderName,
    headers: &Headers<'_>,
    mutations: &mut Mutations,
) {
    match location {
        CredentialLocation::Scheme(header, _) | CredentialLocation::Header(header) if header == written => {}
        location @ (CredentialLocation::Scheme(..)
        | CredentialLocation::Header(_)
        | CredentialLocation::Cookie(_)
        | CredentialLocation::Query(_)) => {
            remove(location, headers, mutations);
        }
    }
}

/// Removes only the credential from its location.
fn remove(location: CredentialLocation<'_>, headers: &Headers<'_>, mutations: &mut Mutations) {
    match location {
        CredentialLocation::Scheme(header, _) | CredentialLocation::Header(header) => {
            mutations.remove.push(header.bytes().clone());
        }
        CredentialLocation::Query(name) => {
            mutations.remove_query.push(Bytes::copy_from_slice(name.as_str().as_bytes()));
        }
        CredentialLocation::Cookie(_) => match (location.other_cookies(headers), HeaderName::parse("cookie")) {
            (Some(others), Ok(header)) if !others.is_empty() => {
                mutations.set.push((header, HeaderText::from_checked(others)));
            }
            (Some(_) | None, _) => mutations.remove.push(Bytes::from_static(b"cookie")),
        },
    }
}

/// Returns `SCHEME token`. Both consist of token characters, so the value needs no check.
fn value(scheme: &Scheme, token: RawToken<'_>) -> HeaderText {
    let (scheme, token) = (scheme.as_str(), token.as_str());
    let mut value = Vec::with_capacity(scheme.len().saturating_add(token.len()).saturating_add(1));
    value.extend_from_slice(scheme.as_bytes());
    value.push(b' ');
    value.extend_from_slice(token.as_bytes());
    HeaderText::from_checked(value)
}
