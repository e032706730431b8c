//! What a credential says about itself, for the log: without a signature check, so it is no proof of anything.

use super::{Authenticator, Authenticators};
use crate::credential::Credential;
use crate::jose::UnverifiedToken;

/// The authenticator of a credential and the key that it names.
#[derive(Debug)]
pub struct CredentialFacts<'a> {
    /// The authenticator for the credential.
    pub authenticator: &'a Authenticator,
    /// The `kid` of a token, or the `id` of an API key.
    pub key_id: Option<Box<str>>,
}

impl Authenticators {
    /// Returns the authenticator of a credential and the key that it names. `None` if no authenticator is for it.
    #[must_use]
    pub fn identify(&self, credential: &Credential<'_, '_>) -> Option<CredentialFacts<'_>> {
        if credential.token.as_str().len() > self.max_token() {
            return None;
        }
        if let Some((_, authenticator)) = self.select_opaque(credential) {
            let key_id = match authenticator {
                Authenticator::ApiKey(keys) => keys.id_of(credential.token).map(Box::from),
                Authenticator::Jwt(_)
                | Authenticator::Introspection(_)
                | Authenticator::Mtls(_)
                | Authenticator::Custom(_) => None,
            };
            return Some(CredentialFacts { authenticator, key_id });
        }
        let token = UnverifiedToken::parse(credential.token.as_str()).ok()?;
        let (id, _) = self.of_issuer(&token, credential).ok()?;
        let authenticator = self.list().get(id.0)?;
        Some(CredentialFacts { authenticator, key_id: token.header().key_id().map(|id| id.as_str().into()) })
    }
}
