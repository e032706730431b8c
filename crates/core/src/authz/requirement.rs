//! The requirements of a rule on an authenticated caller: permissions, roles, scopes and the authenticator.

use super::AuthzError;
use crate::principal::{AuthenticatorName, Identity, Principal};

/// The requirements of a rule on a caller. All of them must be met; the default is always met.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The accepted authenticators; empty accepts all.
    pub authenticators: Vec<AuthenticatorName>,
    /// The entitlements of which all are required.
    pub all: Entitlements,
    /// The entitlements of which at least one is required; empty requires none.
    pub any: Entitlements,
}

/// Permissions, roles and scopes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Entitlements {
    /// Permissions, which roles can also grant.
    pub permissions: Vec<Box<str>>,
    /// Roles.
    pub roles: Vec<Box<str>>,
    /// Scopes of the token (RFC 6749 §3.3).
    pub scopes: Vec<Box<str>>,
}

impl Entitlements {
    /// Returns true if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { permissions, roles, scopes } = self;
        permissions.is_empty() && roles.is_empty() && scopes.is_empty()
    }

    /// Returns true if the caller has at least one.
    fn any(&self, identity: &Identity) -> bool {
        self.permissions.iter().any(|one| identity.has_permission(one))
            || self.roles.iter().any(|one| identity.roles.contains(one))
            || self.scopes.iter().any(|one| identity.scopes.contains(one))
    }
}

impl Requirement {
    /// Returns true if every caller meets the requirement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { authenticators, all, any } = self;
        authenticators.is_empty() && all.is_empty() && any.is_empty()
    }

    /// Checks a caller.
    ///
    /// # Errors
    /// The first unmet requirement: the authenticator, then roles, then permissions and scopes, then the alternatives.
    pub fn check(&self, principal: &Principal) -> Result<(), AuthzError> {
        let Self { authenticators, all: Entitlements { permissions, roles, scopes }, any } = self;
        if !authenticators.is_empty() && !authenticators.contains(principal.authenticator()) {
            return Err(AuthzError::AuthenticatorNotAllowed(principal.authenticator().clone()));
        }
        let identity = principal.identity();
        if let Some(role) = roles.iter().find(|role| !identity.roles.contains(role)) {
            return Err(AuthzError::RoleMissing(role.clone()));
        }
        if let Some(permission) = permissions.iter().find(|permission| !identity.has_permission(permission)) {
            return Err(AuthzError::PermissionMissing(permission.clone()));
        }
        if let Some(scope) = scopes.iter().find(|scope| !identity.scopes.contains(scope)) {
            return Err(AuthzError::ScopeMissing(scope.clone()));
        }
        if any.is_empty() || any.any(identity) {
            return Ok(());
        }
        // The error names the kind that is easiest to grant.
        let only_roles = any.permissions.is_empty() && any.scopes.is_empty();
        Err(if only_roles { AuthzError::NoneOfTheRoles } else { AuthzError::NoneOfThePermissions })
    }
}
