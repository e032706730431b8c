//! What becomes of the credential that was accepted, on its way to the module.

use super::Mutations;
use crate::credential::{BearerText, Credential, Scheme};
use crate::header::{HeaderName, HeaderText};

/// What the module gets to see of the credential.
#[derive(Debug)]
pub enum Forward {
    /// The header as the client sent it.
    Keep,
    /// Nothing.
    Remove,
    /// `Authorization: SCHEME token`, whatever scheme and header the client used.
    As {
        /// The scheme that the module expects.
        scheme: Scheme,
        /// The header's name, kept here so that it is made once.
        header: HeaderName,
    },
}

impl Forward {
    pub(super) fn apply(&self, credential: &Credential<'_, '_>, mutations: &mut Mutations) {
        match self {
            Self::Keep => {}
            Self::Remove => mutations.remove.push(credential.header.bytes().clone()),
            Self::As { scheme, header } => {
                if header != credential.header {
                    mutations.remove.push(credential.header.bytes().clone());
                }
                mutations.set.push((header.clone(), value(scheme, credential.token)));
            }
        }
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
