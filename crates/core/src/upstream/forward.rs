//! What becomes of the credential that was accepted, on its way to the module.

use super::{MintError, Minter, Mutations};
use crate::credential::{Credential, CredentialLocation, RawToken, Scheme};
use crate::http::header::{HeaderName, HeaderText, folds_to_same_name};
use crate::http::request::Headers;
use crate::principal::{AuthMethod, Principal};
use crate::time::Timestamp;
use bytes::Bytes;

/// Where modules look for a credential.
const AUTHORIZATION: &[u8] = b"authorization";
/// The header of a proof (RFC 9449 §4.1).
const DPOP: &[u8] = b"dpop";

/// What the module gets to see of the credential.
#[derive(Debug)]
pub enum Forward {
    /// What the client sent, where the client sent it; but never a credential in the query.
    Keep,
    /// Nothing, and no `Authorization` that nobody has looked at either.
    Remove,
    /// `Authorization: SCHEME token`, whatever scheme and place the client used. An API key is removed.
    As {
        /// The scheme that the module expects.
        scheme: Scheme,
        /// The header's name, kept here so that it is made once.
        header: HeaderName,
    },
    /// A token of our own in `Authorization`, for every caller who is known, whatever it has shown.
    Mint {
        /// What makes them.
        minter: Box<Minter>,
        /// The header's name, kept here so that it is made once.
        header: HeaderName,
    },
}

impl Forward {
    /// For a caller who has shown a credential.
    ///
    /// # Errors
    /// [`MintError`] when no token could be minted.
    pub(super) fn apply(
        &self,
        credential: &Credential<'_, '_>,
        principal: Option<&Principal>,
        (headers, now): (&Headers<'_>, Timestamp),
        mutations: &mut Mutations,
    ) -> Result<(), MintError> {
        let proof = principal.map_or(AuthMethod::Token, Principal::proof);
        match self {
            // No module can do anything with it but use it.
            Self::As { .. } if proof == AuthMethod::ApiKey => {
                remove(credential.place, headers, mutations);
                self.nothing(headers, mutations);
            }
            // What stands in a query ends in logs and histories, so it goes no further than here in any case.
            Self::Keep if matches!(credential.place, CredentialLocation::Query(_)) => {
                remove(credential.place, headers, mutations)
            }
            Self::Keep => {}
            Self::Remove => {
                remove(credential.place, headers, mutations);
                self.nothing(headers, mutations);
            }
            Self::As { scheme, header } => {
                remove_unless_written_over(credential.place, header, headers, mutations);
                mutations.set.push((header.clone(), value(scheme, credential.token)));
            }
            Self::Mint { minter: _, header } => {
                remove_unless_written_over(credential.place, header, headers, mutations);
                self.apply_without_credential(principal, (headers, now), mutations)?;
            }
        }
        match (self, credential.place) {
            // A proof is for whoever checks it, and good once: the module can do nothing with it.
            (Self::Remove | Self::As { .. } | Self::Mint { .. }, CredentialLocation::Scheme(_, shown))
                if shown.is_dpop() =>
            {
                remove_spellings(DPOP, headers, mutations);
            }
            (Self::Keep | Self::Remove | Self::As { .. } | Self::Mint { .. }, _) => {}
        }
        Ok(())
    }

    /// For a request without a credential, whose caller may be known all the same: by the certificate of its connection.
    ///
    /// # Errors
    /// [`MintError`] when no token could be minted.
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
            (Self::Keep | Self::Remove | Self::As { .. } | Self::Mint { .. }, _) => self.nothing(headers, mutations),
        }
        Ok(())
    }
}

impl Forward {
    /// Where nothing is handed on, a client's own `Authorization` is removed: what modules read there came from us or is not there,
    /// unless the operator says [`Forward::Keep`].
    fn nothing(&self, headers: &Headers<'_>, mutations: &mut Mutations) {
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

/// Takes the credential out of its place, unless what is written stands there.
fn remove_unless_written_over(
    place: CredentialLocation<'_>,
    written: &HeaderName,
    headers: &Headers<'_>,
    mutations: &mut Mutations,
) {
    match place {
        CredentialLocation::Scheme(header, _) | CredentialLocation::Header(header) if header == written => {}
        place @ (CredentialLocation::Scheme(..)
        | CredentialLocation::Header(_)
        | CredentialLocation::Cookie(_)
        | CredentialLocation::Query(_)) => {
            remove(place, headers, mutations);
        }
    }
}

/// Takes the credential out of its place, and nothing else with it.
fn remove(place: CredentialLocation<'_>, headers: &Headers<'_>, mutations: &mut Mutations) {
    match place {
        CredentialLocation::Scheme(header, _) | CredentialLocation::Header(header) => {
            mutations.remove.push(header.bytes().clone())
        }
        CredentialLocation::Query(name) => {
            mutations.remove_query.push(Bytes::copy_from_slice(name.as_str().as_bytes()))
        }
        CredentialLocation::Cookie(_) => match (place.other_cookies(headers), HeaderName::parse("cookie")) {
            (Some(others), Ok(header)) if !others.is_empty() => {
                mutations.set.push((header, HeaderText::from_checked(others)));
            }
            (Some(_) | None, _) => mutations.remove.push(Bytes::from_static(b"cookie")),
        },
    }
}

/// `SCHEME token`. Both are made of token characters already, so the value needs no check.
fn value(scheme: &Scheme, token: RawToken<'_>) -> HeaderText {
    let (scheme, token) = (scheme.as_str(), token.as_str());
    let mut value = Vec::with_capacity(scheme.len().saturating_add(token.len()).saturating_add(1));
    value.extend_from_slice(scheme.as_bytes());
    value.push(b' ');
    value.extend_from_slice(token.as_bytes());
    HeaderText::from_checked(value)
}
