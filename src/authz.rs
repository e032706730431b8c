//! May they? Finds the rule of a request and holds the caller against it. A [`Grant`] can be made nowhere else, so nothing
//! is let through that has not passed here.

mod pattern;
mod router;
mod rules;

pub use pattern::{PathPattern, PatternFault, Segment};
pub use router::Router;
pub use rules::{Access, Fallback, Rule, RuleConflict, RuleName, Rules};

use crate::authn::{Authentication, AuthnFault};
use crate::principal::Principal;
use crate::reason::Reason;
use std::sync::Arc;

/// The permission to go on: proof that a rule let this caller through.
#[derive(Debug)]
pub struct Grant(Caller);

/// Who was let through.
#[derive(Debug)]
pub enum Caller {
    /// A principal whose credential was verified.
    Known(Arc<Principal>),
    /// Nobody was asked for: the rule is open, or optional and no credential was there.
    Anonymous,
}

impl Grant {
    /// Who was let through.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.0
    }
}

/// Why a request was not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthzFault {
    /// The rule's access is `denied`.
    #[error("the rule denies everybody")]
    RuleDenied,
    /// No rule matches, and the fallback is `denied`.
    #[error("no rule matches and the fallback denies everybody")]
    NoRule,
    /// The rule asks for a caller, and nobody showed a credential.
    #[error("the rule asks for a credential and there is none")]
    CredentialMissing,
    /// The rule asks for a caller, and the credential is refused.
    #[error(transparent)]
    Credential(AuthnFault),
}

impl AuthzFault {
    /// The reason that this fault is told as.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::RuleDenied => Reason::RuleDenied,
            Self::NoRule => Reason::NoRule,
            Self::CredentialMissing => Reason::CredentialMissing,
            Self::Credential(fault) => fault.reason(),
        }
    }
}

/// Holds the outcome of authentication against what the rule asks for.
///
/// # Errors
/// The fault that keeps the request from being let through. A refused credential is never taken for none.
pub fn authorize(access: Access, authentication: Authentication) -> Result<Grant, AuthzFault> {
    match (access, authentication) {
        (Access::Denied, _) => Err(AuthzFault::RuleDenied),
        (Access::Public, _) | (Access::Optional, Authentication::Absent) => Ok(Grant(Caller::Anonymous)),
        (Access::Authenticated | Access::Optional, Authentication::Accepted(principal)) => {
            Ok(Grant(Caller::Known(principal)))
        }
        (Access::Authenticated | Access::Optional, Authentication::Rejected(fault)) => {
            Err(AuthzFault::Credential(fault))
        }
        (Access::Authenticated, Authentication::Absent)
        | (Access::Authenticated | Access::Optional, Authentication::NotAsked) => Err(AuthzFault::CredentialMissing),
    }
}
