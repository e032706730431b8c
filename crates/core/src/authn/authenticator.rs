//! One authenticator of any kind.

use super::api_key::ApiKeyAuthenticator;
use super::claims_policy::ClaimsPolicy;
use super::custom::RegisteredAuthenticator;
use super::introspection::IntrospectionAuthenticator;
use super::jwt::JwtAuthenticator;
use super::mtls::MtlsAuthenticator;
use crate::principal::AuthenticatorName;
use crate::time::Timestamp;

/// An authenticator: it verifies one kind of credential.
#[derive(Debug)]
pub enum Authenticator {
    /// Verifies signed tokens of one issuer.
    Jwt(JwtAuthenticator),
    /// Verifies opaque tokens by introspection.
    Introspection(IntrospectionAuthenticator),
    /// Verifies API keys.
    ApiKey(ApiKeyAuthenticator),
    /// Verifies the certificate of the connection.
    Mtls(MtlsAuthenticator),
    /// Verifies credentials in a program that is built on this library.
    Custom(RegisteredAuthenticator),
}

impl Authenticator {
    /// Returns its name in the configuration.
    #[must_use]
    pub const fn name(&self) -> &AuthenticatorName {
        match self {
            Self::Jwt(authenticator) => &authenticator.name,
            Self::Introspection(authenticator) => &authenticator.name,
            Self::ApiKey(authenticator) => &authenticator.name,
            Self::Mtls(authenticator) => &authenticator.name,
            Self::Custom(authenticator) => &authenticator.name,
        }
    }

    /// Returns true if it can authenticate callers at this time: a JWT authenticator needs a key.
    #[must_use]
    pub fn has_usable_keys(&self, now: Timestamp) -> bool {
        match self {
            Self::Jwt(authenticator) => authenticator.keys.at(now).sets().any(|keys| !keys.keys().is_empty()),
            Self::Introspection(_) | Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => true,
        }
    }

    /// Returns the JWT authenticator; `None` if this is another kind.
    #[must_use]
    pub const fn as_jwt(&self) -> Option<&JwtAuthenticator> {
        match self {
            Self::Jwt(authenticator) => Some(authenticator),
            Self::Introspection(_) | Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => None,
        }
    }

    /// Returns the introspection authenticator; `None` if this is another kind.
    #[must_use]
    pub const fn as_introspection(&self) -> Option<&IntrospectionAuthenticator> {
        match self {
            Self::Introspection(authenticator) => Some(authenticator),
            Self::Jwt(_) | Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => None,
        }
    }

    /// Returns the checks of its tokens' claims; `None` if it has none.
    #[must_use]
    pub const fn checks(&self) -> Option<&ClaimsPolicy> {
        match self {
            Self::Jwt(authenticator) => Some(&authenticator.checks),
            Self::Introspection(authenticator) => Some(&authenticator.checks),
            Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => None,
        }
    }
}
