//! May they? Finds the rule of a request and holds the caller against it. A [`Grant`] can be made nowhere else, so nothing
//! is let through that has not passed here.

mod host;
mod module;
mod pattern;
mod requirement;
mod router;
mod rules;

pub use host::{HostPattern, HostPatternFault};
pub use module::{
    ModuleAccess, ModuleFault, ModuleName, ModulePrefix, Modules, Narrowed, Organizations, PrefixFault, Right, Rights,
};
pub use pattern::{PathPattern, PatternFault, Segment};
pub use requirement::{Entitlements, Requirement};
pub use router::{Covered, Router};
pub use rules::{Access, Fallback, Rule, RuleConflict, RuleName, Rules};

use crate::authn::{Authentication, AuthnFault};
use crate::principal::{AuthenticatorName, Principal};
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
    /// The rule asks for somebody whom another authenticator vouches for.
    #[error("the rule does not accept callers of the authenticator `{}`", .0.as_str())]
    AuthenticatorNotAllowed(AuthenticatorName),
    /// The caller lacks a role.
    #[error("the caller lacks the role `{0}`")]
    RoleMissing(Box<str>),
    /// The caller has none of the roles of which one is enough.
    #[error("the caller has none of the roles of which the rule asks for one")]
    NoneOfTheRoles,
    /// The caller lacks a permission.
    #[error("the caller lacks the permission `{0}`")]
    PermissionMissing(Box<str>),
    /// The caller's token lacks a scope.
    #[error("the caller's token lacks the scope `{0}`")]
    ScopeMissing(Box<str>),
    /// The caller has none of the permissions, roles and scopes of which one is enough.
    #[error("the caller has none of the permissions, roles and scopes of which the rule asks for one")]
    NoneOfThePermissions,
    /// The module's access list does not let the caller's organization do this.
    #[error(transparent)]
    Module(Box<ModuleFault>),
    /// The module has an access list, and nobody showed a credential.
    #[error("module `{0}` has an access list, which asks for a credential, and there is none")]
    ModuleAsks(ModuleName),
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
            Self::AuthenticatorNotAllowed(_) => Reason::AuthenticatorNotAllowed,
            Self::RoleMissing(_) | Self::NoneOfTheRoles => Reason::RoleMissing,
            Self::PermissionMissing(_) | Self::ScopeMissing(_) | Self::NoneOfThePermissions | Self::Module(_) => {
                Reason::PermissionMissing
            }
            Self::CredentialMissing | Self::ModuleAsks(_) => Reason::CredentialMissing,
            Self::Credential(fault) => fault.reason(),
        }
    }
}

/// Holds the outcome of authentication against what the rule asks for. Nobody who is not known meets a requirement: a rule that has
/// one asks for a caller. So does the access list of the module, where there is one: else whoever drops their credential could do
/// more than before.
///
/// # Errors
/// The fault that keeps the request from being let through. A refused credential is never taken for none.
pub fn authorize(
    access: Access,
    requirement: Option<&Requirement>,
    module: Option<Narrowed<'_, '_>>,
    authentication: Authentication,
) -> Result<Grant, AuthzFault> {
    match (access, authentication) {
        (Access::Denied, _) => Err(AuthzFault::RuleDenied),
        (Access::Public, _) => Ok(Grant(Caller::Anonymous)),
        (Access::Optional, Authentication::Absent) => match module {
            Some(module) => Err(AuthzFault::ModuleAsks(module.module().clone())),
            None => Ok(Grant(Caller::Anonymous)),
        },
        (Access::Authenticated | Access::Optional, Authentication::Accepted(principal)) => {
            requirement.map_or(Ok(()), |requirement| requirement.check(&principal))?;
            module.map_or(Ok(()), |module| module.check(&principal))?;
            Ok(Grant(Caller::Known(principal)))
        }
        (Access::Authenticated | Access::Optional, Authentication::Rejected(fault)) => {
            Err(AuthzFault::Credential(fault))
        }
        (Access::Authenticated, Authentication::Absent)
        | (Access::Authenticated | Access::Optional, Authentication::NotAsked) => Err(AuthzFault::CredentialMissing),
    }
}
