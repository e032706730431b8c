//! One authenticator, of whatever kind.

use super::api_key::ApiKeyAuthenticator;
use super::claims_policy::ClaimsPolicy;
use super::custom::RegisteredAuthenticator;
use super::introspection::IntrospectionAuthenticator;
use super::jwt::JwtAuthenticator;
use super::mtls::MtlsAuthenticator;
use crate::principal::AuthenticatorName;
use crate::time::Timestamp;

/// Somebody who vouches for callers.
#[derive(Debug)]
pub enum Authenticator {
    /// By signed tokens of one issuer.
    Jwt(JwtAuthenticator),
    /// By what an authorization server says of tokens.
    Introspection(IntrospectionAuthenticator),
    /// By API keys.
    ApiKey(ApiKeyAuthenticator),
    /// By the certificate of the connection.
    Mtls(MtlsAuthenticator),
    /// In a way that a program brings which is built on this library.
    Custom(RegisteredAuthenticator),
}

impl Authenticator {
    /// Its name in the configuration.
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

    /// Whether it can vouch for anybody at a time: one of signed tokens can't without a key.
    #[must_use]
    pub fn has_usable_keys(&self, now: Timestamp) -> bool {
        match self {
            Self::Jwt(authenticator) => authenticator.keys.at(now).sets().any(|keys| !keys.keys().is_empty()),
            Self::Introspection(_) | Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => true,
        }
    }

    /// The authenticator, if it is one of signed tokens.
    #[must_use]
    pub const fn as_jwt(&self) -> Option<&JwtAuthenticator> {
        match self {
            Self::Jwt(authenticator) => Some(authenticator),
            Self::Introspection(_) | Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => None,
        }
    }

    /// The authenticator, if it is one that asks an authorization server.
    #[must_use]
    pub const fn as_introspection(&self) -> Option<&IntrospectionAuthenticator> {
        match self {
            Self::Introspection(authenticator) => Some(authenticator),
            Self::Jwt(_) | Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => None,
        }
    }

    /// What it asks of tokens.
    #[must_use]
    pub const fn checks(&self) -> Option<&ClaimsPolicy> {
        match self {
            Self::Jwt(authenticator) => Some(&authenticator.checks),
            Self::Introspection(authenticator) => Some(&authenticator.checks),
            Self::ApiKey(_) | Self::Mtls(_) | Self::Custom(_) => None,
        }
    }
}
