//! Who is asking? From a credential to a [`Principal`], or to the fault that keeps it from being one. A credential that is
//! refused here never becomes "anonymous", and never goes on to another authenticator.

mod api_key;
mod authenticator;
mod authenticators;
mod cache;
mod claim_checks;
mod confirmation;
mod custom;
mod dpop;
mod introspected;
mod jwt;
mod mtls;
mod remote;
mod revocation;
mod supply;

pub use api_key::{
    ApiKey, ApiKeyAuthenticator, ApiKeyDigest, ApiKeyDigestFault, ApiKeyEntry, ApiKeyEntryFault, ApiKeyFault, ApiKeys,
};
pub use authenticator::Authenticator;
pub use authenticators::Authenticators;
pub use cache::{CacheCounts, CachedTokens, TokenDigest};
pub use claim_checks::{AudiencePolicy, ClaimChecks, ClaimFault, Span};
pub use confirmation::{ConfirmationFault, SenderConstraint};
pub use custom::{CustomAuthenticator, CustomAuthenticators, CustomFault, RegisteredAuthenticator};
pub use dpop::{DpopFault, ProofWindow, SpendFault, Spending, SpentProofs};
pub use introspected::{
    ActiveToken, AnswerCounts, AnswerFault, AnswerKey, AnswerLifetimes, IntrospectionAnswer, IntrospectionAsked,
    IntrospectionAuthenticator, KnownAnswers,
};
pub use jwt::{Accepted, JwtAuthenticator};
pub use mtls::{MtlsAuthenticator, PeerFault, PeerPattern, PeerPatternFault};
pub use remote::{Completeness, IssuerKeys, KeysAt, PublishedKeys, RemoteKeys};
pub use revocation::{RevocationFault, RevocationList, Revocations, Revoked};
pub use supply::{KeysAsked, Lack, Supply};

use crate::credential::CredentialFault;
use crate::jose::TokenFault;
use crate::principal::Principal;
use crate::reason::Reason;
use std::sync::Arc;

/// What became of the question who is asking. Absent and wrong are two things, and stay two.
#[derive(Debug, Clone)]
pub enum Authentication {
    /// The rule did not ask.
    NotAsked,
    /// There is no credential.
    Absent,
    /// The credential is good.
    Accepted(Arc<Principal>),
    /// There is a credential, and it is not good.
    Rejected(AuthnFault),
}

/// Why a credential was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthnFault {
    /// What stands in a credential's place is not one credential.
    #[error(transparent)]
    Credential(CredentialFault),
    /// The token itself, its algorithm or its signature.
    #[error(transparent)]
    Token(#[from] TokenFault),
    /// `iss` is not that of an authenticator that looks where this token stood.
    #[error("the token's `iss` is missing or is not that of an authenticator that looks there")]
    IssuerUnknown,
    /// What the token claims.
    #[error(transparent)]
    Claim(#[from] ClaimFault),
    /// Its authorization server says so.
    #[error("the authorization server says that the token is not active")]
    Inactive,
    /// The API key.
    #[error(transparent)]
    ApiKey(#[from] ApiKeyFault),
    /// What an authenticator of one's own says.
    #[error(transparent)]
    Custom(#[from] CustomFault),
    /// The certificate of the connection.
    #[error(transparent)]
    Peer(#[from] PeerFault),
    /// The token is good, and whoever shows it is not the one that it was given to.
    #[error(transparent)]
    Confirmation(#[from] ConfirmationFault),
    /// It was good once.
    #[error(transparent)]
    Revoked(#[from] RevocationFault),
    /// Whether the credential is good can't be told without what is lacking. Nobody is let through for it: unless the driver
    /// brings what is lacking and asks again, the client is told that modgud could not decide.
    #[error(transparent)]
    Lacking(#[from] Lack),
}

impl AuthnFault {
    /// The reason that this fault is told as.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Credential(fault) => fault.reason(),
            Self::Token(fault) => fault.reason(),
            Self::IssuerUnknown => Reason::IssuerUnknown,
            Self::Claim(fault) => fault.reason(),
            Self::Inactive => Reason::TokenInactive,
            Self::ApiKey(ApiKeyFault::Unknown) => Reason::ApiKeyUnknown,
            Self::ApiKey(ApiKeyFault::Expired { .. }) => Reason::ApiKeyExpired,
            Self::Custom(CustomFault::Refused) => Reason::CredentialRefused,
            Self::Custom(CustomFault::Expired) => Reason::TokenExpired,
            Self::Custom(CustomFault::Unavailable) => Reason::AuthenticatorUnavailable,
            Self::Peer(PeerFault) => Reason::CertificateNotAccepted,
            Self::Confirmation(_) => Reason::SenderUnproven,
            Self::Revoked(_) => Reason::TokenRevoked,
            Self::Lacking(lack) => lack.reason(),
        }
    }
}
