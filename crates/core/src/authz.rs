//! May they? Finds the rule of a request and holds the caller against it. A [`Permit`] can be made nowhere else, so nothing
//! is let through that has not passed here.

pub mod condition;
mod context;
mod host;
mod matched;
mod module;
mod pattern;
mod preflight;
mod reading;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test: it reckons with small numbers, and fails by panicking")]
mod reference_model;
mod requirement;
mod router;
mod rule;
mod rules;
mod tenancy;

pub use host::{HostPattern, HostPatternError};
pub use matched::{AuthzContext, Denial, MatchedPolicy, ShadowMatch};
pub use module::{
    ModuleAccess, ModuleConstraint, ModuleError, ModuleName, ModulePrefix, Modules, Organizations, PrefixError, Right,
    Rights,
};
pub use pattern::{MAX_SEGMENTS, literal as pattern_literal};
pub use pattern::{OtherReading, PathPattern, PatternError, Segment};
pub use reading::{Case, ModuleReading, PathReadings, ReadingError};
pub use requirement::{Entitlements, Requirement};
pub use router::{Layer, MethodMatcher, MethodQuery, Router, Unreachable};
pub use rule::{Access, Enforcement, RequestConstraints, RouteReference, Rule, RuleName};
pub use rules::{Fallback, RuleConflict, Rules};
pub use tenancy::{TenancyError, TenantSource};

use crate::authn::{Authentication, AuthnError};
use crate::explain::{Observer, Step};
use crate::http::request::Request;
use crate::principal::{AuthenticatorName, Principal};
use crate::reason::Reason;
use crate::time::Timestamp;
use condition::{EvaluationError, Inputs};
use context::{RequiredPermissions, shown};
use std::sync::Arc;

/// The permission to go on: proof that a rule let this caller through.
#[derive(Debug)]
pub struct Permit(Caller);

/// A caller who meets what the rule asks of callers. Whether the request itself is as the rule wants it has still to be looked at.
#[derive(Debug)]
pub struct CallerPermit(Caller);

/// Who was let through.
#[derive(Debug)]
pub enum Caller {
    /// A principal whose credential was verified.
    Known(Arc<Principal>),
    /// Nobody was asked for: the rule is open, or optional and no credential was there.
    Anonymous,
}

impl Permit {
    /// Who was let through.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.0
    }

    /// The permission of two rules that both let the request through: the caller is known if one of them asked.
    fn and(self, other: Self) -> Self {
        match &self.0 {
            Caller::Known(_) => self,
            Caller::Anonymous => other,
        }
    }
}

/// Why a request was not let through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthzError {
    /// The rule's access is `denied`.
    #[error("the rule denies everybody")]
    RuleDenied,
    /// No rule matches, and the fallback is `denied`.
    #[error("no rule matches and the fallback denies everybody")]
    NoRule,
    /// The path can be read in several ways, and not all of them lead to the same.
    #[error(transparent)]
    Reading(#[from] ReadingError),
    /// The route in Envoy names a rule that is not there.
    #[error("Envoy's route names the rule `{0}` (`modgud.rule`), and no rule that can be named has that name")]
    RuleUnknown(Box<str>),
    /// The route in Envoy says something to modgud that is not understood.
    #[error(
        "Envoy's `context_extensions` hold the key `{0}`, which looks like modgud's and is none of `modgud.rule` and \
             `modgud.require_permission`"
    )]
    ContextKey(Box<str>),
    /// The route in Envoy leaves open what it wants.
    #[error("Envoy's `context_extensions` hold `{0}` with nothing in it")]
    ContextValue(&'static str),
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
    Module(Box<ModuleError>),
    /// The module has an access list, and nobody showed a credential.
    #[error("module `{0}` has an access list, which asks for a credential, and there is none")]
    ModuleAsks(ModuleName),
    /// The rule is for callers of the request's organization, and the caller has none.
    #[error(
        "the caller belongs to no organization, and the rule is for callers of the organization that the request names"
    )]
    NoOrganization,
    /// The rule is for callers of the request's organization, and the request names none.
    #[error("the request names no organization where the rule looks for it, or names it in more than one way")]
    OrganizationUnnamed,
    /// The rule is for callers of the request's organization, and the caller belongs to another.
    #[error("the request is about another organization than the caller's")]
    OtherOrganization,
    /// The rule's condition is false.
    #[error("the rule's condition is false")]
    ConditionFalse,
    /// The rule's condition can't be evaluated.
    #[error("the rule's condition can't be told: {0}")]
    ConditionError(EvaluationError),
    /// The rule asks for a caller, and nobody showed a credential.
    #[error("the rule asks for a credential and there is none")]
    CredentialMissing,
    /// The rule asks for a caller, and the credential is refused.
    #[error(transparent)]
    Credential(AuthnError),
}

impl AuthzError {
    /// The reason that this fault is told as.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::RuleDenied => Reason::RuleDenied,
            Self::NoRule => Reason::NoRule,
            Self::Reading(_) => Reason::PathAmbiguous,
            Self::RuleUnknown(_) => Reason::RuleUnknown,
            Self::ContextKey(_) | Self::ContextValue(_) => Reason::ContextInvalid,
            Self::AuthenticatorNotAllowed(_) => Reason::AuthenticatorNotAllowed,
            Self::RoleMissing(_) | Self::NoneOfTheRoles => Reason::RoleMissing,
            Self::PermissionMissing(_) | Self::ScopeMissing(_) | Self::NoneOfThePermissions | Self::Module(_) => {
                Reason::PermissionMissing
            }
            Self::CredentialMissing | Self::ModuleAsks(_) => Reason::CredentialMissing,
            Self::NoOrganization | Self::OrganizationUnnamed | Self::OtherOrganization | Self::ConditionFalse => {
                Reason::ConditionFalse
            }
            Self::ConditionError(_) => Reason::ConditionError,
            Self::Credential(fault) => fault.reason(),
        }
    }
}

/// Holds the outcome of authentication against what one rule asks for, and against the permissions that the route in Envoy adds to
/// it. Nobody who is not known meets a requirement: a rule that has one asks for a caller. So does the access list of the module,
/// where there is one: else whoever drops their credential could do more than before.
///
/// # Errors
/// The fault that keeps the request from being let through. A refused credential is never taken for none.
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
        (Access::Authenticated | Access::Optional, Authentication::Failed(fault)) => Err(AuthzError::Credential(fault)),
        (Access::Authenticated, Authentication::Missing)
        | (Access::Authenticated | Access::Optional, Authentication::NotRequired) => Err(AuthzError::CredentialMissing),
    }
}

fn has_all(principal: &Principal, permissions: RequiredPermissions<'_>) -> Result<(), AuthzError> {
    match permissions.iter().find(|one| !principal.identity().has_permission(one)) {
        None => Ok(()),
        Some(missing) => Err(AuthzError::PermissionMissing(shown(missing))),
    }
}

impl CallerPermit {
    /// Holds the request against what the rule asks of it: that it is about the caller's organization, and `when`. A rule that asks
    /// nothing of requests, and the fallback, let it through as it is.
    ///
    /// # Errors
    /// The first that is not met.
    fn narrow(
        self,
        rule: Option<&Rule>,
        request: &Request<'_>,
        now: Timestamp,
        observer: &mut impl Observer,
    ) -> Result<Permit, AuthzError> {
        let Some(RequestConstraints { pattern, same_organization, when }) =
            rule.and_then(|rule| rule.narrowing.as_ref())
        else {
            return Ok(Permit(self.0));
        };
        let principal = match &self.0 {
            Caller::Known(principal) => Some(&**principal),
            Caller::Anonymous => None,
        };
        if let Some(tenancy) = same_organization {
            let principal = principal.ok_or(AuthzError::NoOrganization);
            let outcome = principal.and_then(|principal| tenancy.check(principal, request, pattern));
            observer.step(|| Step::of("organization", &outcome, format!("`{tenancy}` is the caller's")));
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
