//! Who is asking: the outcome of authentication in the words that rules and headers speak. Knows no token and no key.

mod claim_mapping;
mod claim_path;

pub use claim_mapping::{ClaimMapping, IdentityClaimError, IdentityClaimProblem, JsonType};
pub use claim_path::{ClaimPath, ClaimPathError};

use crate::jose::Claims;
use crate::time::Timestamp;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// The name of an authenticator, as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuthenticatorName(Arc<str>);

impl AuthenticatorName {
    /// Takes a name; `config::validate` has checked that it is not empty and not taken.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An authenticated caller. Only `authn` makes one.
#[derive(Debug)]
pub struct Principal {
    authenticator: AuthenticatorName,
    claims: Arc<Claims>,
    identity: Identity,
    absent: Arc<NullStrings>,
    proof: AuthMethod,
    valid_until: Timestamp,
}

/// What a caller has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A token, which says itself for how long and for whom it is good.
    Token,
    /// A secret that is good for as long as we say, and for whoever has it: nobody else is to see it.
    ApiKey,
    /// The key of the connection's certificate: there is nothing that could be handed on.
    Certificate,
}

/// What a caller is known as and may do, whichever authenticator vouches for it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who it is.
    pub subject: Option<Box<str>>,
    /// The organization that it acts for.
    pub organization: Option<Box<str>>,
    /// Its roles, in the order in which they were given.
    pub roles: Vec<Box<str>>,
    /// Its permissions, in the order in which they were given, those that its roles grant among them.
    pub permissions: Vec<Box<str>>,
    /// The scopes of its token (RFC 6749 §3.3).
    pub scopes: Vec<Box<str>>,
    /// Whether one of its roles grants everything.
    pub reach: PermissionScope,
}

/// How far permissions reach.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum PermissionScope {
    /// As far as they are named.
    #[default]
    Listed,
    /// Everywhere: a role grants `*`. No claim says this by itself.
    All,
}

impl Identity {
    /// Whether the caller has a permission.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        match self.reach {
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
        absent: Arc<NullStrings>,
        proof: AuthMethod,
    ) -> Self {
        let valid_until = Timestamp::NEVER;
        Self { authenticator, claims: claims.into(), identity, absent, proof, valid_until }
    }

    /// The same caller, whose credential is not accepted any more from this time on.
    #[must_use]
    pub(crate) fn until(self, valid_until: Timestamp) -> Self {
        Self { valid_until, ..self }
    }

    /// From when on its credential is not accepted any more; [`Timestamp::NEVER`] when nothing says so. Whoever makes something that
    /// lives on of it has to end that by then.
    #[must_use]
    pub const fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// The memory that the caller is estimated to take, in bytes.
    pub(crate) fn size(&self) -> usize {
        /// A text of a list, and what its allocation costs at the least.
        const ELEMENT: usize = 32;
        let Identity { subject, organization, roles, permissions, scopes, reach: _ } = &self.identity;
        let texts = subject.iter().chain(organization).chain(roles).chain(permissions).chain(scopes);
        self.claims.size().saturating_add(texts.map(|text| text.len().saturating_add(ELEMENT)).sum())
    }

    /// Which authenticator vouches for this caller.
    #[must_use]
    pub const fn authenticator(&self) -> &AuthenticatorName {
        &self.authenticator
    }

    /// What it has shown.
    #[must_use]
    pub const fn proof(&self) -> AuthMethod {
        self.proof
    }

    /// What it is known as and may do.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Everything that was claimed.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The value, unless it is `null` or one of the texts that stand for "no value".
    #[must_use]
    pub fn present<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.absent.present(Some(value))
    }

    /// The value of a claim; `None` when it is missing, `null`, or one of the texts that stand for "no value".
    #[must_use]
    pub fn claim(&self, path: &ClaimPath) -> Option<&Value> {
        self.absent.present(path.find(&self.claims))
    }
}

/// Which permissions roles grant.
#[derive(Debug, Default)]
pub struct RolePermissions(HashMap<Box<str>, RoleGrant>);

/// What one role grants.
#[derive(Debug)]
enum RoleGrant {
    Everything,
    These(Vec<Box<str>>),
}

impl RolePermissions {
    /// What each role grants; `*` is everything.
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

    /// Gives a caller what its roles grant.
    pub fn apply(&self, identity: &mut Identity) {
        if self.0.is_empty() {
            return;
        }
        let Identity { roles, permissions, reach, .. } = identity;
        for granted in roles.iter().filter_map(|role| self.0.get(role)) {
            match granted {
                RoleGrant::Everything => *reach = PermissionScope::All,
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
    /// The texts that stand for "no value".
    pub fn new(texts: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Self(texts.into_iter().map(Into::into).collect())
    }

    /// The value, unless it stands for "no value". `null` always does.
    #[must_use]
    pub fn present<'v>(&self, value: Option<&'v Value>) -> Option<&'v Value> {
        value.filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !self.0.iter().any(|absent| **absent == **text),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
        })
    }
}
