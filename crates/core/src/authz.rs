//! Authorization: selects the rule of a request and checks the caller against it. Only this module creates a [`Permit`], so every
//! allowed request has passed it.

mod clients;
pub mod condition;
mod held;
mod host;
mod listing;
mod matched;
mod module;
mod nearest;
mod pattern;
mod reading;
mod router;
mod rule;
mod rules;
mod syntax;

pub use host::{HostPattern, HostPatternError};
pub use listing::{ListedMatch, ListedRule};
pub use matched::{AuthzContext, Denial, MatchedPolicy, ShadowMatch};
pub use module::{CrudPermissions, ModuleAccess, ModuleConstraint, ModuleError, ModuleName, Modules, Organizations};
pub use pattern::{AmbiguousPath, PathPattern};
pub use reading::{Case, ModuleReading, PathReadings, ReadingError};
pub use router::{Layer, MethodMatcher, MethodQuery, Router, Unreachable};
pub use rule::{
    Access, Enforcement, Entitlements, RequestConstraints, Requirement, RouteReference, Rule, RuleName, TenancyError,
    TenantSource,
};
pub use rules::{Fallback, RuleConflict, Rules};
pub use syntax::{MAX_SEGMENTS, ModulePrefix, PatternError, PrefixError, Segment, literal as pattern_literal};

use crate::authn::{Authentication, AuthnError};
use crate::explain::Observer;
use crate::http::request::Request;
use crate::principal::{AuthenticatorName, Principal};
use crate::reason::Reason;
use crate::time::Timestamp;
use condition::{EvaluationError, Inputs};
use matched::{RequiredPermissions, excerpt};
use std::sync::Arc;

/// The proof that a rule allowed the request of this caller.
#[derive(Debug)]
pub struct Permit(Caller);

/// The proof that a caller meets a rule's requirements. The constraints on the request are still to check.
#[derive(Debug)]
pub struct CallerPermit(Caller);

/// The caller of an allowed request.
#[derive(Debug)]
pub enum Caller {
    /// A principal whose credential was verified.
    Known(Arc<Principal>),
    /// No known caller: the rule is public, or it is optional and the request has no credential.
    Anonymous,
}

impl Caller {
    fn principal(&self) -> Option<&Principal> {
        match self {
            Self::Known(principal) => Some(principal),
            Self::Anonymous => None,
        }
    }
}

impl Permit {
    /// Returns the caller of the allowed request.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.0
    }

    /// Combines the permits of two rules: the caller is known if one of the rules requires it.
    fn and(self, other: Self) -> Self {
        match &self.0 {
            Caller::Known(_) => self,
            Caller::Anonymous => other,
        }
    }
}

/// The reason why a request is not authorized.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthzError {
    /// The rule's access is `denied`.
    #[error("the rule denies all callers")]
    RuleDenied,
    /// No rule matches, and the fallback is `denied`.
    #[error("no rule matches, and the fallback denies all callers")]
    NoRule,
    /// The path has several readings, which lead to different rules or suffixes.
    #[error(transparent)]
    Reading(#[from] ReadingError),
    /// The Envoy route names a rule that does not exist.
    #[error("the Envoy route names the rule `{0}` (`modgud.rule`), and no rule that routes can name has this name")]
    RuleUnknown(Box<str>),
    /// The Envoy route sends an unknown context extension of modgud.
    #[error(
        "the `context_extensions` of the Envoy route have the unknown key `{0}`; use `modgud.rule` or `modgud.require_permission`"
    )]
    ContextKey(Box<str>),
    /// The Envoy route sends a context extension without a value.
    #[error("the `context_extensions` of the Envoy route have `{0}` without a value")]
    ContextValue(&'static str),
    /// The rule requires another authenticator.
    #[error("the rule does not accept callers of the authenticator `{}`", .0.as_str())]
    AuthenticatorNotAllowed(AuthenticatorName),
    /// The client's address is in none of the rule's networks. The text lacks the address, because the log may mask it.
    #[error("the client's address is in no network that the rule requires")]
    ClientNotAllowed,
    /// The client's address is unknown, and the rule requires networks.
    #[error("the client's address is unknown, and the rule requires one of its networks")]
    ClientUnknown,
    /// The caller's token is for other audiences, or for none.
    #[error("the caller's token names no audience that the rule requires")]
    AudienceNotRequired,
    /// The caller lacks a role.
    #[error("the caller lacks the role `{0}`")]
    RoleMissing(Box<str>),
    /// The caller has none of the alternative roles.
    #[error("the caller has none of the roles of which the rule requires one")]
    NoneOfTheRoles,
    /// The caller lacks a permission.
    #[error("the caller lacks the permission `{0}`")]
    PermissionMissing(Box<str>),
    /// The caller's token lacks a scope.
    #[error("the caller's token lacks the scope `{0}`")]
    ScopeMissing(Box<str>),
    /// The caller's token has none of the alternative scopes.
    #[error("the caller's token has none of the scopes of which the rule requires one")]
    NoneOfTheScopes,
    /// The caller has none of the alternative permissions, roles and scopes.
    #[error("the caller has none of the permissions, roles and scopes of which the rule requires one")]
    NoneOfThePermissions,
    /// The module's access list does not allow this for the caller's organization.
    #[error(transparent)]
    Module(Box<ModuleError>),
    /// The module has an access list, and the request has no credential.
    #[error("module `{0}` has an access list, which requires a credential, and the request has none")]
    ModuleAsks(ModuleName),
    /// The rule is for callers of the request's organization, and the caller has none.
    #[error("the caller has no organization, and the rule requires that of the request")]
    NoOrganization,
    /// The rule is for callers of the request's organization, and the request names none.
    #[error("the request names no organization where the rule reads it, or names it ambiguously")]
    OrganizationUnnamed,
    /// The rule is for callers of the request's organization, and the caller belongs to another.
    #[error("the request names another organization than the caller's")]
    OtherOrganization,
    /// The rule's condition is false.
    #[error("the rule's condition is false")]
    ConditionFalse,
    /// The rule's condition can't be evaluated.
    #[error("the rule's condition can't be evaluated: {0}")]
    ConditionError(EvaluationError),
    /// The rule requires a caller, and the request has no credential.
    #[error("the rule requires a credential, and the request has none")]
    CredentialMissing,
    /// The rule requires a caller, and the credential is rejected.
    #[error(transparent)]
    Credential(AuthnError),
}

impl AuthzError {
    /// Returns the reason code of this error.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::RuleDenied => Reason::RuleDenied,
            Self::NoRule => Reason::NoRule,
            Self::Reading(_) => Reason::PathAmbiguous,
            Self::RuleUnknown(_) => Reason::RuleUnknown,
            Self::ContextKey(_) | Self::ContextValue(_) => Reason::ContextInvalid,
            Self::AuthenticatorNotAllowed(_) => Reason::AuthenticatorNotAllowed,
            Self::ClientNotAllowed | Self::ClientUnknown => Reason::ClientNotAllowed,
            Self::AudienceNotRequired => Reason::AudienceMismatch,
            Self::RoleMissing(_) | Self::NoneOfTheRoles => Reason::RoleMissing,
            Self::PermissionMissing(_)
            | Self::ScopeMissing(_)
            | Self::NoneOfTheScopes
            | Self::NoneOfThePermissions
            | Self::Module(_) => Reason::PermissionMissing,
            Self::CredentialMissing | Self::ModuleAsks(_) => Reason::CredentialMissing,
            Self::NoOrganization | Self::OrganizationUnnamed | Self::OtherOrganization | Self::ConditionFalse => {
                Reason::ConditionFalse
            }
            Self::ConditionError(_) => Reason::ConditionError,
            Self::Credential(error) => error.reason(),
        }
    }
}

impl AuthzError {
    /// Returns true if the matching rule, or the lack of one, is the reason.
    pub(crate) const fn depends_on_rule(&self) -> bool {
        match self {
            Self::RuleDenied
            | Self::NoRule
            | Self::AuthenticatorNotAllowed(_)
            | Self::ClientNotAllowed
            | Self::ClientUnknown
            | Self::AudienceNotRequired
            | Self::RoleMissing(_)
            | Self::NoneOfTheRoles
            | Self::PermissionMissing(_)
            | Self::ScopeMissing(_)
            | Self::NoneOfTheScopes
            | Self::NoneOfThePermissions
            | Self::NoOrganization
            | Self::OrganizationUnnamed
            | Self::OtherOrganization
            | Self::ConditionFalse
            | Self::ConditionError(_)
            | Self::CredentialMissing => true,
            Self::Credential(_)
            | Self::Reading(_)
            | Self::RuleUnknown(_)
            | Self::ContextKey(_)
            | Self::ContextValue(_)
            | Self::Module(_)
            | Self::ModuleAsks(_) => false,
        }
    }
}

/// Checks the outcome of authentication against a rule's requirements and the permissions that the Envoy route adds.
///
/// A requirement or an access list of the module requires a caller. Otherwise a client could widen its access by omitting its
/// credential.
///
/// # Errors
/// The first unmet requirement. A rejected credential never counts as a missing one.
fn authorize(
    access: Access,
    requirement: Option<&Requirement>,
    permissions: Option<RequiredPermissions<'_>>,
    module: Option<&ModuleConstraint<'_, '_>>,
    authentication: Authentication,
) -> Result<CallerPermit, AuthzError> {
    match (access, authentication) {
        (Access::Denied, _) => Err(AuthzError::RuleDenied),
        (Access::Public | Access::Preflight, _) => Ok(CallerPermit(Caller::Anonymous)),
        (Access::Optional, Authentication::Missing) => match module {
            Some(module) => Err(AuthzError::ModuleAsks(module.module().clone())),
            None => Ok(CallerPermit(Caller::Anonymous)),
        },
        (Access::Authenticated | Access::Optional, Authentication::Authenticated(principal)) => {
            requirement.map_or(Ok(()), |requirement| requirement.check(&principal))?;
            permissions.map_or(Ok(()), |permissions| has_all(&principal, permissions))?;
            module.map_or(Ok(()), |module| module.check(&principal))?;
            Ok(CallerPermit(Caller::Known(principal)))
        }
        (Access::Authenticated | Access::Optional, Authentication::Failed(error)) => Err(AuthzError::Credential(error)),
        (Access::Authenticated, Authentication::Missing)
        | (Access::Authenticated | Access::Optional, Authentication::NotRequired) => Err(AuthzError::CredentialMissing),
    }
}

fn has_all(principal: &Principal, permissions: RequiredPermissions<'_>) -> Result<(), AuthzError> {
    match permissions.iter().find(|one| !principal.identity().has_permission(one)) {
        None => Ok(()),
        Some(missing) => Err(AuthzError::PermissionMissing(excerpt(missing))),
    }
}

impl CallerPermit {
    /// Checks the constraints of a rule on the request: the caller's organization, then `when`. A rule without constraints, and the
    /// fallback, allow the request.
    ///
    /// # Errors
    /// The first constraint that is not met.
    fn check_request(
        self,
        rule: Option<&Rule>,
        request: &Request<'_>,
        now: Timestamp,
        observer: &mut impl Observer,
    ) -> Result<Permit, AuthzError> {
        let Some(RequestConstraints { pattern, same_organization, when }) =
            rule.and_then(|rule| rule.constraints.as_ref())
        else {
            return Ok(Permit(self.0));
        };
        let principal = self.0.principal();
        if let Some(tenancy) = same_organization {
            let principal = principal.ok_or(AuthzError::NoOrganization);
            let outcome = principal.and_then(|principal| tenancy.check(principal, request, pattern));
            observer.step(|| tenancy.describe(self.0.principal(), request, pattern, &outcome));
            outcome?;
        }
        if let Some(condition) = when {
            let inputs = Inputs { request, pattern: Some(pattern), rule: None, principal, now };
            let outcome = condition.check(&inputs);
            observer.step(|| condition.describe(&inputs, &outcome));
            outcome?;
        }
        Ok(Permit(self.0))
    }
}
