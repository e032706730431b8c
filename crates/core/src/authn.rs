//! Who is asking? From a credential to a [`Principal`], or to the fault that keeps it from being one. A credential that is
//! refused here never becomes "anonymous", and never goes on to another authenticator.

mod api_key;
mod authenticator;
mod authenticators;
mod cache;
mod claims_policy;
mod custom;
mod dpop;
mod introspection;
mod jwks;
mod jwt;
mod lookup;
mod mtls;
mod revocation;
mod sender_constraint;

pub use api_key::{
    ApiKey, ApiKeyAuthenticator, ApiKeyDigest, ApiKeyDigestError, ApiKeyEntry, ApiKeyEntryError, ApiKeyError, ApiKeys,
};
pub use authenticator::Authenticator;
pub use authenticators::Authenticators;
pub use cache::{CacheStats, TokenCache, TokenDigest};
pub use claims_policy::{AudiencePolicy, ClaimError, ClaimsPolicy, ValidityPeriod};
pub use custom::{CustomAuthenticator, CustomAuthenticators, CustomError, RegisteredAuthenticator};
pub use dpop::{DpopError, DpopPolicy, ReplayCache, ReplayError, ReplayMode};
pub use introspection::{
    ActiveToken, AnswerCounts, CacheKey, CacheTtl, IntrospectionAuthenticator, IntrospectionCache,
    IntrospectionOutcome, IntrospectionResponse, IntrospectionResponseError,
};
pub use jwks::{ActiveKeys, IssuerKeys, JwksSnapshot, KeyCoverage, RemoteJwks};
pub use jwt::{JwtAuthenticator, VerifiedJwt};
pub use lookup::{JwksRefresh, LookupResult, PendingLookup};
pub use mtls::{CertificateError, MtlsAuthenticator, PrincipalPattern, PrincipalPatternError};
pub use revocation::{RevocationError, RevocationList, Revocations, Revoked};
pub use sender_constraint::{ConfirmationError, SenderConstraint};

use crate::credential::CredentialError;
use crate::jose::TokenError;
use crate::principal::Principal;
use crate::reason::Reason;
use std::sync::Arc;

/// What became of the question who is asking. Absent and wrong are two things, and stay two.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// The rule did not ask.
    NotRequired,
    /// There is no credential.
    Missing,
    /// The credential is good.
    Authenticated(Arc<Principal>),
    /// There is a credential, and it is not good.
    Failed(AuthnError),
}

/// Why a credential was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthnError {
    /// What stands in a credential's place is not one credential.
    #[error(transparent)]
    Credential(CredentialError),
    /// The token itself, its algorithm or its signature.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// `iss` is not that of an authenticator that looks where this token stood.
    #[error("the token's `iss` is missing or is not that of an authenticator that looks there")]
    IssuerUnknown,
    /// What the token claims.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// Its authorization server says so.
    #[error("the authorization server says that the token is not active")]
    Inactive,
    /// The API key.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    /// What an authenticator of one's own says.
    #[error(transparent)]
    Custom(#[from] CustomError),
    /// The certificate of the connection.
    #[error(transparent)]
    Peer(#[from] CertificateError),
    /// The token is good, and whoever shows it is not the one that it was given to.
    #[error(transparent)]
    Confirmation(#[from] ConfirmationError),
    /// It was good once.
    #[error(transparent)]
    Revoked(#[from] RevocationError),
    /// Whether the credential is good can't be told without what is lacking. Nobody is let through for it: unless the driver
    /// brings what is lacking and asks again, the client is told that modgud could not decide.
    #[error(transparent)]
    LookupRequired(#[from] PendingLookup),
}

impl AuthnError {
    /// The reason that this fault is told as.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Credential(fault) => fault.reason(),
            Self::Token(fault) => fault.reason(),
            Self::IssuerUnknown => Reason::IssuerUnknown,
            Self::Claim(fault) => fault.reason(),
            Self::Inactive => Reason::TokenInactive,
            Self::ApiKey(ApiKeyError::Unknown) => Reason::ApiKeyUnknown,
            Self::ApiKey(ApiKeyError::Expired { .. }) => Reason::ApiKeyExpired,
            Self::Custom(CustomError::Refused) => Reason::CredentialRefused,
            Self::Custom(CustomError::Expired) => Reason::TokenExpired,
            Self::Custom(CustomError::Unavailable) => Reason::AuthenticatorUnavailable,
            Self::Peer(CertificateError) => Reason::CertificateNotAccepted,
            Self::Confirmation(_) => Reason::SenderUnproven,
            Self::Revoked(_) => Reason::TokenRevoked,
            Self::LookupRequired(lack) => lack.reason(),
        }
    }
}
