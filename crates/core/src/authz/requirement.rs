//! What a rule asks of a caller beside being known: permissions, roles, scopes, and who vouches. Knows nothing of requests.

use super::AuthzError;
use crate::principal::{AuthenticatorName, Identity, Principal};

/// What a rule asks of a caller. Everything in it has to be met; the default asks for nothing.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// One of these vouches for the caller; anybody may when there is none.
    pub authenticators: Vec<AuthenticatorName>,
    /// All of these.
    pub all: Entitlements,
    /// At least one of these, unless there is none.
    pub any: Entitlements,
}

/// Permissions, roles and scopes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Entitlements {
    /// Permissions, which roles can grant, too.
    pub permissions: Vec<Box<str>>,
    /// Roles.
    pub roles: Vec<Box<str>>,
    /// Scopes of the token (RFC 6749 §3.3).
    pub scopes: Vec<Box<str>>,
}

impl Entitlements {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { permissions, roles, scopes } = self;
        permissions.is_empty() && roles.is_empty() && scopes.is_empty()
    }

    /// Whether the caller has at least one.
    fn any(&self, identity: &Identity) -> bool {
        self.permissions.iter().any(|one| identity.has_permission(one))
            || self.roles.iter().any(|one| identity.roles.contains(one))
            || self.scopes.iter().any(|one| identity.scopes.contains(one))
    }
}

impl Requirement {
    /// Whether it asks for nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { authenticators, all, any } = self;
        authenticators.is_empty() && all.is_empty() && any.is_empty()
    }

    /// Holds a caller against it.
    ///
    /// # Errors
    /// The first that is not met: who vouches, then roles, then permissions and scopes, then those of which one is enough.
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
        // Told as what is easiest to be given.
        let only_roles = any.permissions.is_empty() && any.scopes.is_empty();
        Err(if only_roles { AuthzError::NoneOfTheRoles } else { AuthzError::NoneOfThePermissions })
    }
}
