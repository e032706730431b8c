//! The authenticated caller, as rules and headers see it.

mod claim_mapping;
mod claim_path;
mod distributed;
mod packed_identity;

pub use claim_mapping::{ClaimMapping, ClaimTypeError, IdentityClaimError, JsonType, RoleSource};
pub use claim_path::{ClaimPath, ClaimPathError};
pub(crate) use distributed::DistributedClaims;
pub(crate) use packed_identity::PackedIdentity;
pub use packed_identity::{IdentityRef, Texts};

use crate::cache::allocated;
use crate::jose::{Claims, JsonRef};
use crate::time::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

name! {
    /// The name of an authenticator.
    AuthenticatorName
}

/// An authenticated caller. Only `authn` creates one.
#[derive(Debug)]
pub struct Principal {
    authenticator: AuthenticatorName,
    claims: Claims,
    identity: PackedIdentity,
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
    pub(crate) fn as_resolved(&self) -> ResolvedIdentity<'_> {
        fn texts(list: &[Box<str>]) -> Vec<&str> {
            list.iter().map(|text| &**text).collect()
        }
        let Self { subject, organization, roles, permissions, scopes, permission_scope } = self;
        ResolvedIdentity {
            subject: subject.as_deref(),
            organization: organization.as_deref(),
            roles: texts(roles),
            permissions: texts(permissions),
            scopes: texts(scopes),
            permission_scope: *permission_scope,
        }
    }
}

/// An [`Identity`] whose texts are borrowed, mostly from claims.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ResolvedIdentity<'a> {
    pub(crate) subject: Option<&'a str>,
    pub(crate) organization: Option<&'a str>,
    pub(crate) roles: Vec<&'a str>,
    pub(crate) permissions: Vec<&'a str>,
    pub(crate) scopes: Vec<&'a str>,
    pub(crate) permission_scope: PermissionScope,
}

impl From<ResolvedIdentity<'_>> for Identity {
    fn from(resolved: ResolvedIdentity<'_>) -> Self {
        let texts = |list: Vec<&str>| list.into_iter().map(Box::from).collect();
        Self {
            subject: resolved.subject.map(Box::from),
            organization: resolved.organization.map(Box::from),
            roles: texts(resolved.roles),
            permissions: texts(resolved.permissions),
            scopes: texts(resolved.scopes),
            permission_scope: resolved.permission_scope,
        }
    }
}

impl Principal {
    pub(crate) fn new(
        authenticator: AuthenticatorName,
        claims: Claims,
        identity: PackedIdentity,
        null_strings: Arc<NullStrings>,
        auth_method: AuthMethod,
    ) -> Self {
        Self { authenticator, claims, identity, null_strings, auth_method, valid_until: Timestamp::NEVER }
    }

    /// Creates a caller with this identity.
    #[cfg(test)]
    pub(crate) fn of(claims: serde_json::Value, identity: &Identity, null_strings: Arc<NullStrings>) -> Self {
        let claims = Claims::from_json(claims);
        let identity = PackedIdentity::new(&identity.as_resolved(), &claims);
        Self::new(AuthenticatorName::new("bifrost"), claims, identity, null_strings, AuthMethod::Token)
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

    /// Returns the memory that the caller takes on the heap, in bytes, within an [`Arc`].
    pub(crate) fn heap_size(&self) -> usize {
        /// The two counts of an `Arc`.
        const COUNTS: usize = size_of::<[usize; 2]>();
        let own = allocated(size_of::<Self>().saturating_add(COUNTS));
        own.saturating_add(self.claims.heap_size()).saturating_add(self.identity.heap_size())
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
    pub fn identity(&self) -> IdentityRef<'_> {
        IdentityRef::new(&self.claims, &self.identity)
    }

    /// Returns all claims.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Returns the value; `None` if it is `null` or one of the null strings.
    #[must_use]
    pub fn present<'v>(&self, value: JsonRef<'v>) -> Option<JsonRef<'v>> {
        self.null_strings.present(Some(value))
    }

    /// Returns the value of a claim; `None` if it is missing, `null` or one of the null strings.
    #[must_use]
    pub fn claim(&self, path: &ClaimPath) -> Option<JsonRef<'_>> {
        self.null_strings.present(path.find(&self.claims))
    }
}

/// The permissions that each role grants.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RolePermissions(HashMap<Box<str>, RoleGrant>);

/// The permissions that one role grants.
#[derive(Debug, PartialEq, Eq)]
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
    pub fn apply<'a>(&'a self, identity: &mut ResolvedIdentity<'a>) {
        if self.0.is_empty() {
            return;
        }
        let ResolvedIdentity { roles, permissions, permission_scope, .. } = identity;
        // Sets, because a token may have thousands of roles and permissions, and the same ones many times.
        let (mut applied, mut held) = (HashSet::new(), HashSet::new());
        for (role, granted) in roles.iter().filter_map(|role| self.0.get_key_value(*role)) {
            if !applied.insert(role) {
                continue;
            }
            match granted {
                RoleGrant::Everything => *permission_scope = PermissionScope::All,
                RoleGrant::These(list) => {
                    if held.is_empty() {
                        held.extend(permissions.iter().copied());
                    }
                    permissions.extend(list.iter().map(|permission| &**permission).filter(|one| held.insert(*one)));
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
    pub fn present<'v>(&self, value: Option<JsonRef<'v>>) -> Option<JsonRef<'v>> {
        value.filter(|value| match value {
            JsonRef::Null => false,
            JsonRef::String(text) => !self.0.iter().any(|absent| **absent == **text),
            JsonRef::Bool(_) | JsonRef::Number(_) | JsonRef::Array(_) | JsonRef::Object(_) => true,
        })
    }
}
