//! What becomes of the credential that was accepted, on its way to the module.

use super::Mutations;
use crate::credential::{BearerText, Credential, Place, Scheme};
use crate::header::{HeaderName, HeaderText, same_to_a_server};
use crate::principal::Proof;
use crate::request::Headers;
use bytes::Bytes;

/// Where modules look for a credential.
const AUTHORIZATION: &[u8] = b"authorization";

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
}

impl Forward {
    pub(super) fn apply(
        &self,
        credential: &Credential<'_, '_>,
        proof: Proof,
        headers: &Headers<'_>,
        mutations: &mut Mutations,
    ) {
        match self {
            // No module can do anything with it but use it.
            Self::As { .. } if proof == Proof::ApiKey => {
                remove(credential.place, headers, mutations);
                self.nothing(headers, mutations);
            }
            // What stands in a query ends in logs and histories, so it goes no further than here in any case.
            Self::Keep if matches!(credential.place, Place::Query(_)) => remove(credential.place, headers, mutations),
            Self::Keep => {}
            Self::Remove => {
                remove(credential.place, headers, mutations);
                self.nothing(headers, mutations);
            }
            Self::As { scheme, header } => {
                match credential.place {
                    // It is written over.
                    Place::Scheme(place, _) | Place::Header(place) if place == header => {}
                    place @ (Place::Scheme(..) | Place::Header(_) | Place::Cookie(_) | Place::Query(_)) => {
                        remove(place, headers, mutations);
                    }
                }
                mutations.set.push((header.clone(), value(scheme, credential.token)));
            }
        }
        match (self, credential.place) {
            // A proof is for whoever checks it, and good once: the module can do nothing with it.
            (Self::Remove | Self::As { .. }, Place::Scheme(_, shown)) if shown.is_dpop() => {
                mutations.remove.push(Bytes::from_static(b"dpop"));
            }
            (Self::Keep | Self::Remove | Self::As { .. }, _) => {}
        }
    }
}

impl Forward {
    /// Where nothing is handed on, a client's own `Authorization` is removed: what modules read there came from us or is not there,
    /// unless the operator says [`Forward::Keep`].
    pub(super) fn nothing(&self, headers: &Headers<'_>, mutations: &mut Mutations) {
        match self {
            Self::Keep => return,
            Self::Remove | Self::As { .. } => {}
        }
        for field in headers.iter().filter(|field| same_to_a_server(field.name, AUTHORIZATION)) {
            let name = Bytes::from(field.name.to_ascii_lowercase());
            if !mutations.remove.contains(&name) {
                mutations.remove.push(name);
            }
        }
    }
}

/// Takes the credential out of its place, and nothing else with it.
fn remove(place: Place<'_>, headers: &Headers<'_>, mutations: &mut Mutations) {
    match place {
        Place::Scheme(header, _) | Place::Header(header) => mutations.remove.push(header.bytes().clone()),
        Place::Query(name) => mutations.remove_query.push(Bytes::copy_from_slice(name.as_str().as_bytes())),
        Place::Cookie(_) => match (place.other_cookies(headers), HeaderName::parse("cookie")) {
            (Some(others), Ok(header)) if !others.is_empty() => {
                mutations.set.push((header, HeaderText::from_checked(others)));
            }
            (Some(_) | None, _) => mutations.remove.push(Bytes::from_static(b"cookie")),
        },
    }
}

/// `SCHEME token`. Both are made of token characters already, so the value needs no check.
fn value(scheme: &Scheme, token: BearerText<'_>) -> HeaderText {
    let (scheme, token) = (scheme.as_str(), token.as_str());
    let mut value = Vec::with_capacity(scheme.len().saturating_add(token.len()).saturating_add(1));
    value.extend_from_slice(scheme.as_bytes());
    value.push(b' ');
    value.extend_from_slice(token.as_bytes());
    HeaderText::from_checked(value)
}
