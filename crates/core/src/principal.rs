//! The authenticated caller, as rules and headers see it.

mod claim_mapping;
mod claim_path;

pub use claim_mapping::{ClaimMapping, ClaimTypeError, IdentityClaimError, JsonType};
pub use claim_path::{ClaimPath, ClaimPathError};

use crate::jose::Claims;
use crate::time::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

name! {
    /// The name of an authenticator.
    AuthenticatorName
}

/// An authenticated caller. Only `authn` creates one.
#[derive(Debug)]
pub struct Principal {
    authenticator: AuthenticatorName,
    claims: Arc<Claims>,
    identity: Identity,
    null_strings: Arc<NullStrings>,
    auth_method: AuthMethod,
    valid_until: Timestamp,
}

/// The kind of credential that a caller was authenticated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A token, which limits its own lifetime and audience.
    Token,
    /// An API key, valid for as long as the configuration defines and for any holder, so it must stay secret.
    ApiKey,
    /// The certificate of the connection; it holds no credential that could be forwarded.
    Certificate,
}

/// The identity and the permissions of a caller, independent of the authenticator.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The id of the user or service.
    pub subject: Option<Box<str>>,
    /// The organization that the caller acts for.
    pub organization: Option<Box<str>>,
    /// The roles, in the order in which they were given.
    pub roles: Vec<Box<str>>,
    /// The permissions, in the order in which they were given, including those that roles grant.
    pub permissions: Vec<Box<str>>,
    /// The scopes of the token (RFC 6749 §3.3).
    pub scopes: Vec<Box<str>>,
    /// The extent of the permissions: `All` if one of the roles grants everything.
    pub permission_scope: PermissionScope,
}

/// The extent of a caller's permissions.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum PermissionScope {
    /// The listed permissions only.
    #[default]
    Listed,
    /// Every permission: a role grants `*`. A claim alone can't grant this.
    All,
}

impl Identity {
    /// Returns true if the caller has the permission.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        match self.permission_scope {
            PermissionScope::All => true,
            PermissionScope::Listed => self.permissions.iter().any(|one| **one == *permission),
        }
    }
}

impl Principal {
    pub(crate) fn new(
        authenticator: AuthenticatorName,
        claims: impl Into<Arc<Claims>>,
        identity: Identity,
        null_strings: Arc<NullStrings>,
        auth_method: AuthMethod,
    ) -> Self {
        let valid_until = Timestamp::NEVER;
        Self { authenticator, claims: claims.into(), identity, null_strings, auth_method, valid_until }
    }

    /// Returns the caller with this expiry of its credential.
    #[must_use]
    pub(crate) fn until(self, valid_until: Timestamp) -> Self {
        Self { valid_until, ..self }
    }

    /// Returns the time from which the credential is no longer accepted; [`Timestamp::NEVER`] without a limit. Anything derived
    /// from the credential has to expire by then.
    #[must_use]
    pub const fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// Estimates the memory that the caller takes, in bytes.
    pub(crate) fn size(&self) -> usize {
        /// The estimated minimum overhead of one text in a list, with its allocation.
        const ELEMENT: usize = 32;
        let Identity { subject, organization, roles, permissions, scopes, permission_scope: _ } = &self.identity;
        let texts = subject.iter().chain(organization).chain(roles).chain(permissions).chain(scopes);
        self.claims.heap_size().saturating_add(texts.map(|text| text.len().saturating_add(ELEMENT)).sum())
    }

    /// Returns the authenticator that verified the credential.
    #[must_use]
    pub const fn authenticator(&self) -> &AuthenticatorName {
        &self.authenticator
    }

    /// Returns the kind of credential.
    #[must_use]
    pub const fn auth_method(&self) -> AuthMethod {
        self.auth_method
    }

    /// Returns the identity and the permissions.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns all claims.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Returns the value; `None` if it is `null` or one of the null strings.
    #[must_use]
    pub fn present<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.null_strings.present(Some(value))
    }

    /// Returns the value of a claim; `None` if it is missing, `null` or one of the null strings.
    #[must_use]
    pub fn claim(&self, path: &ClaimPath) -> Option<&Value> {
        self.null_strings.present(path.find(&self.claims))
    }
}

/// The permissions that each role grants.
#[derive(Debug, Default)]
pub struct RolePermissions(HashMap<Box<str>, RoleGrant>);

/// The permissions that one role grants.
#[derive(Debug)]
enum RoleGrant {
    Everything,
    These(Vec<Box<str>>),
}

impl RolePermissions {
    /// Creates the mapping from roles to permissions; `*` grants everything.
    pub fn new<'t>(grants: impl IntoIterator<Item = (&'t str, Vec<&'t str>)>) -> Self {
        let granted = |list: Vec<&str>| {
            if list.contains(&"*") {
                RoleGrant::Everything
            } else {
                RoleGrant::These(list.into_iter().map(Box::from).collect())
            }
        };
        Self(grants.into_iter().map(|(role, list)| (role.into(), granted(list))).collect())
    }

    /// Adds the permissions of the caller's roles to the identity.
    pub fn apply(&self, identity: &mut Identity) {
        if self.0.is_empty() {
            return;
        }
        let Identity { roles, permissions, permission_scope, .. } = identity;
        for granted in roles.iter().filter_map(|role| self.0.get(role)) {
            match granted {
                RoleGrant::Everything => *permission_scope = PermissionScope::All,
                RoleGrant::These(list) => {
                    for permission in list {
                        if !permissions.contains(permission) {
                            permissions.push(permission.clone());
                        }
                    }
                }
            }
        }
    }
}

/// String values that mean "no value": `BiFrost` writes the text `None` for a user without an organization.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct NullStrings(Vec<Box<str>>);

impl NullStrings {
    /// Creates the list of null strings.
    pub fn new(texts: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }

    /// Returns the value; `None` if it is `null` or one of the null strings.
    #[must_use]
    pub fn present<'v>(&self, value: Option<&'v Value>) -> Option<&'v Value> {
        value.filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !self.0.iter().any(|absent| **absent == **text),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
        })
    }
}
