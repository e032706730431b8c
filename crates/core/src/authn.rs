//! Authentication: from a credential to a [`Principal`], or to the error that prevents it. A rejected credential never becomes "anonymous",
//! and never goes to another authenticator.

mod api_key;
mod authenticators;
mod claims_policy;
mod custom;
mod dpop;
mod identify;
mod introspection;
mod jwks;
mod jwt;
mod last_use;
mod lookup;
pub(crate) mod mismatch;
mod mtls;
mod required_claim;
mod revocation;
mod sender_constraint;
mod token_cache;

pub use api_key::{
    ApiKey, ApiKeyAuthenticator, ApiKeyDigest, ApiKeyDigestError, ApiKeyEntry, ApiKeyEntryError, ApiKeyError, ApiKeys,
};
pub use authenticators::{Authenticated, Authenticator, Authenticators};
pub use claims_policy::{AudiencePolicy, ClaimError, ClaimsPolicy, ValidityPeriod};
pub use custom::{
    AsyncCustomAuthenticator, CorrelationValues, CredentialDigest, CustomAnswer, CustomAuthenticator,
    CustomAuthenticators, CustomCallError, CustomClaims, CustomDenial, CustomError, CustomInput, CustomKind,
    RegisteredAuthenticator, WaitingAuthenticator,
};
pub use dpop::{DpopError, DpopPolicy, ReplayCache, ReplayError, ReplayMode};
pub use identify::CredentialFacts;
pub use introspection::{
    ActiveToken, CacheKey, CacheTtl, CachedResponses, IntrospectionAuthenticator, IntrospectionCache,
    IntrospectionResponse, IntrospectionResponseError,
};
pub use jwks::{ActiveKeys, IssuerKeys, JwksSnapshot, KeyCoverage, RemoteJwks};
pub use jwt::{JwtAuthenticator, VerifiedJwt};
pub use last_use::LastUse;
pub use lookup::{IntrospectionOutcome, JwksRefresh, LookupResult, PendingLookup};
pub use mtls::{CertificateError, MtlsAuthenticator, PrincipalPattern, PrincipalPatternError};
pub use required_claim::{AllowedValue, AllowedValueError, RequiredClaim};
pub use revocation::{RevocationError, RevocationList, Revocations, Revoked};
pub use sender_constraint::{ConfirmationError, SenderConstraint};
pub use token_cache::{CacheStats, TokenCache, TokenDigest};

use crate::credential::CredentialError;
use crate::jose::TokenError;
use crate::principal::Principal;
use crate::reason::Reason;
use std::sync::Arc;

/// The outcome of authentication. A missing credential and an invalid one are distinct.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// The rule requires no authentication.
    NotRequired,
    /// The request has no credential.
    Missing,
    /// The credential is valid.
    Authenticated(Arc<Principal>),
    /// The credential is invalid.
    Failed(AuthnError),
}

/// The reason why a credential was rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthnError {
    /// No single credential could be extracted.
    #[error(transparent)]
    Credential(CredentialError),
    /// The token itself, its algorithm or its signature is invalid.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token has no `iss`, or one that is not a text.
    #[error("the token has no `iss` that is a text")]
    IssuerMissing,
    /// No authenticator for the token's location has this `iss`.
    #[error("no authenticator for this credential location has the token's `iss`")]
    IssuerUnknown,
    /// A claim of the token is missing or has an unaccepted value.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// The authorization server reports the token as inactive.
    #[error("the authorization server reports the token as inactive")]
    Inactive,
    /// The API key is unknown or expired.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyError),
    /// A custom authenticator rejects the credential.
    #[error(transparent)]
    Custom(#[from] CustomError),
    /// A custom authenticator gave no answer.
    #[error(transparent)]
    CustomCall(#[from] CustomCallError),
    /// The certificate of the connection is not accepted.
    #[error(transparent)]
    Peer(#[from] CertificateError),
    /// The token is valid, and its sender is not the one that it was issued to.
    #[error(transparent)]
    Confirmation(#[from] ConfirmationError),
    /// The token, its subject or its organization is revoked.
    #[error(transparent)]
    Revoked(#[from] RevocationError),
    /// The decision needs a lookup. Until the driver supplies the result and repeats the check, access is denied: the client learns that
    /// modgud could not decide.
    #[error(transparent)]
    LookupRequired(#[from] PendingLookup),
}

impl AuthnError {
    /// Returns the text for the client that a custom authenticator wrote; `None` for the general text of the reason.
    #[must_use]
    pub fn client_text(&self) -> Option<&str> {
        match self {
            Self::Custom(error) => error.client_text(),
            Self::Credential(_)
            | Self::Token(_)
            | Self::IssuerMissing
            | Self::IssuerUnknown
            | Self::Claim(_)
            | Self::Inactive
            | Self::ApiKey(_)
            | Self::CustomCall(_)
            | Self::Peer(_)
            | Self::Confirmation(_)
            | Self::Revoked(_)
            | Self::LookupRequired(_) => None,
        }
    }

    /// Returns the reason code of this error.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Credential(error) => error.reason(),
            Self::Token(error) => error.reason(),
            Self::IssuerMissing | Self::IssuerUnknown => Reason::IssuerUnknown,
            Self::Claim(error) => error.reason(),
            Self::Inactive => Reason::TokenInactive,
            Self::ApiKey(ApiKeyError::Unknown) => Reason::ApiKeyUnknown,
            Self::ApiKey(ApiKeyError::Expired { .. }) => Reason::ApiKeyExpired,
            Self::Custom(error) => error.reason(),
            Self::CustomCall(error) => error.reason(),
            Self::Peer(CertificateError) => Reason::CertificateNotAccepted,
            Self::Confirmation(_) => Reason::SenderUnproven,
            Self::Revoked(_) => Reason::TokenRevoked,
            Self::LookupRequired(lookup) => lookup.reason(),
        }
    }
}
