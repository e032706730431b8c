//! The claims that make up the callers of an authenticator.

use super::Authenticator;
use crate::principal::ClaimMapping;

impl Authenticator {
    /// Returns the claims that make up its callers; `None` for API keys, whose callers are made when their table is read.
    #[must_use]
    pub fn mapping(&self) -> Option<&ClaimMapping> {
        match self {
            Self::Jwt(authenticator) => Some(&authenticator.checks.identity),
            Self::Introspection(authenticator) => Some(&authenticator.checks.identity),
            Self::Mtls(authenticator) => Some(&authenticator.identity),
            Self::Custom(authenticator) => Some(&authenticator.identity),
            Self::ApiKey(_) => None,
        }
    }
}
