//! A rule: its name, its requirements on callers and requests, and its enforcement. `rules` selects the rule of a request.
//!
//! Tenant isolation: a rule defines where a request names its organization, and only callers of that organization are allowed. Roles
//! are irrelevant for it, because a permission does not imply membership.

use super::AuthzError;
use super::condition::Condition;
use super::pattern::PathPattern;
use crate::http::network::Network;
use crate::http::query::{Query, is_plain};
use crate::http::request::Request;
use crate::principal::{AuthenticatorName, IdentityRef, Principal};
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The name of a rule, shared by its clones. Equal texts are equal names.
#[derive(Debug, Clone)]
pub struct RuleName(Arc<NumberedName>);

#[derive(Debug)]
struct NumberedName {
    text: Box<str>,
    number: usize,
}

impl RuleName {
    /// Creates a name; the configuration has checked that it is not empty and unique.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::numbered(name, usize::MAX)
    }

    pub(super) fn numbered(name: &str, number: usize) -> Self {
        Self(Arc::new(NumberedName { text: name.into(), number }))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Returns the position of the rule in its configuration, in the order of the file; `usize::MAX` for a name outside of one.
    #[must_use]
    pub fn number(&self) -> usize {
        self.0.number
    }
}

impl PartialEq for RuleName {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.as_str() == other.as_str()
    }
}

impl Eq for RuleName {}

impl Hash for RuleName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Allows lookups of a name by its text.
impl Borrow<str> for RuleName {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

/// The credential that a rule requires.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// A valid credential.
    #[default]
    Authenticated,
    /// A valid credential, or none, which is anonymous. An invalid one is denied.
    Optional,
    /// None: a credential is neither checked nor changed.
    Public,
    /// None, and only for CORS preflights: `OPTIONS` with one `Origin` and one `Access-Control-Request-Method`. The rule does not apply to
    /// other requests. Where one matches a preflight, rules that require a caller are skipped.
    Preflight,
    /// Every request is denied.
    Denied,
}

/// The enforcement mode of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// The rule is enforced.
    Enforced,
    /// The rule is evaluated and logged, never enforced.
    Shadow,
}

/// The effect of an Envoy route that names a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteReference {
    /// The named rule must also allow the request.
    Require,
    /// The named rule decides alone.
    Override,
}

/// One rule, without the patterns that lead to it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// The name.
    pub name: RuleName,
    /// The access for callers.
    pub access: Access,
    /// The requirements on an authenticated caller.
    pub require: Requirement,
    /// The constraints on the request; `None` without any.
    pub constraints: Option<RequestConstraints>,
    /// The pattern that leads to the rule, as the operator wrote it. Empty if only its name leads to it.
    pub pattern: Box<str>,
    /// The enforcement mode.
    pub enforcement: Enforcement,
    /// The effect of an Envoy route that names it.
    pub by_name: RouteReference,
}

/// The constraints of a rule on a request that its pattern matches. All of them must be met.
#[derive(Debug, Clone)]
pub struct RequestConstraints {
    /// The pattern, which defines the path parameters.
    pub pattern: PathPattern,
    /// The location of the organization that the caller must belong to; `None` allows any.
    pub same_organization: Option<TenantSource>,
    /// The condition; `None` without one.
    pub when: Option<Arc<Condition>>,
}

impl Access {
    /// Returns the name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::Optional => "optional",
            Self::Public => "public",
            Self::Preflight => "preflight",
            Self::Denied => "denied",
        }
    }

    /// Returns true if a caller is required or accepted. A rule that denies all callers authenticates none.
    pub(super) const fn requires_caller(self) -> bool {
        match self {
            Self::Authenticated | Self::Optional => true,
            Self::Public | Self::Preflight | Self::Denied => false,
        }
    }

    /// Returns the access that allows fewer callers.
    pub(super) const fn stricter(self, other: Self) -> Self {
        if self.strictness() < other.strictness() { other } else { self }
    }

    const fn strictness(self) -> u8 {
        match self {
            Self::Public | Self::Preflight => 0,
            Self::Optional => 1,
            Self::Authenticated => 2,
            Self::Denied => 3,
        }
    }
}

impl Rule {
    /// Returns the pattern that defines the path parameters; `None` if the rule has no constraints.
    pub(super) fn parameters(&self) -> Option<&PathPattern> {
        self.constraints.as_ref().map(|constraints| &constraints.pattern)
    }
}

/// The requirements of a rule on a caller. All of them must be met; the default is always met.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The accepted authenticators; empty accepts all.
    pub authenticators: Vec<AuthenticatorName>,
    /// The audiences of which the caller's token must name one; empty accepts all.
    pub audiences: Vec<Box<str>>,
    /// The networks of which one must contain the client's address; empty accepts all clients. They require no caller.
    pub clients: Vec<Network>,
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
    fn any(&self, identity: IdentityRef<'_>) -> bool {
        self.permissions.iter().any(|one| identity.has_permission(one))
            || self.roles.iter().any(|one| identity.roles().contains(one))
            || self.scopes.iter().any(|one| identity.scopes().contains(one))
    }
}

impl Requirement {
    /// Returns true if every caller meets the requirement, whatever it requires of clients.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { authenticators, audiences, clients: _, all, any } = self;
        authenticators.is_empty() && audiences.is_empty() && all.is_empty() && any.is_empty()
    }

    /// Checks a caller. [`Self::check_client`] checks the client's address.
    ///
    /// # Errors
    /// The first unmet requirement: the authenticator, the audience, then roles, then permissions and scopes, then the alternatives.
    pub fn check(&self, principal: &Principal) -> Result<(), AuthzError> {
        let Self { authenticators, audiences, clients: _, all: Entitlements { permissions, roles, scopes }, any } =
            self;
        if !authenticators.is_empty() && !authenticators.contains(principal.authenticator()) {
            return Err(AuthzError::AuthenticatorNotAllowed(principal.authenticator().clone()));
        }
        if !audiences.is_empty() && !principal.claims().names_audience(audiences) {
            return Err(AuthzError::AudienceNotRequired);
        }
        let identity = principal.identity();
        if let Some(role) = roles.iter().find(|role| !identity.roles().contains(role)) {
            return Err(AuthzError::RoleMissing(role.clone()));
        }
        if let Some(permission) = permissions.iter().find(|permission| !identity.has_permission(permission)) {
            return Err(AuthzError::PermissionMissing(permission.clone()));
        }
        if let Some(scope) = scopes.iter().find(|scope| !identity.scopes().contains(scope)) {
            return Err(AuthzError::ScopeMissing(scope.clone()));
        }
        if any.is_empty() || any.any(identity) {
            return Ok(());
        }
        // The error names the kind that is easiest to grant.
        let Entitlements { permissions, roles, scopes } = any;
        Err(match (permissions.is_empty(), roles.is_empty(), scopes.is_empty()) {
            (true, _, true) => AuthzError::NoneOfTheRoles,
            (true, true, false) => AuthzError::NoneOfTheScopes,
            (true | false, _, _) => AuthzError::NoneOfThePermissions,
        })
    }
}

/// The location in a request that names its organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantSource {
    /// A path parameter, by its name in the pattern.
    Path(Box<str>),
    /// A query parameter.
    Query(Box<str>),
    /// A context extension of Envoy.
    Context(Box<str>),
}

/// The error of a text that names no valid location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TenancyError {
    /// The text has another format.
    #[error("not a location of an organization; write `path.NAME`, `query.NAME` or `context.NAME`")]
    Form,
    /// A pattern lacks the parameter.
    #[error("a pattern in the rule's `paths` lacks this parameter")]
    Parameter,
}

impl TenantSource {
    /// Parses `path.NAME`, `query.NAME` or `context.NAME`, for a rule with these patterns.
    ///
    /// # Errors
    /// [`TenancyError`].
    pub fn parse(text: &str, patterns: &[PathPattern]) -> Result<Self, TenancyError> {
        match text.split_once('.') {
            Some((_, "")) => Err(TenancyError::Form),
            Some(("path", name)) => {
                let known = |pattern: &PathPattern| pattern.names().any(|known| known == name);
                if patterns.iter().all(known) { Ok(Self::Path(name.into())) } else { Err(TenancyError::Parameter) }
            }
            Some(("query", name)) if is_plain(name) => Ok(Self::Query(name.into())),
            Some(("context", name)) => Ok(Self::Context(name.into())),
            Some(_) | None => Err(TenancyError::Form),
        }
    }

    /// Checks that the caller's organization and the one that the request names are equal, byte for byte.
    ///
    /// # Errors
    /// [`AuthzError::NoOrganization`], [`AuthzError::OrganizationUnnamed`] or [`AuthzError::OtherOrganization`].
    pub fn check(&self, principal: &Principal, request: &Request<'_>, pattern: &PathPattern) -> Result<(), AuthzError> {
        let own = principal.identity().organization().ok_or(AuthzError::NoOrganization)?;
        match self.named(request, pattern) {
            Some(named) if named == own => Ok(()),
            Some(_) => Err(AuthzError::OtherOrganization),
            None => Err(AuthzError::OrganizationUnnamed),
        }
    }

    /// Returns the organization that a request names; `None` if it names none, or names it ambiguously.
    pub(super) fn named<'q>(&self, request: &'q Request<'_>, pattern: &'q PathPattern) -> Option<Cow<'q, str>> {
        match self {
            Self::Path(name) => {
                pattern.parameters(&request.path).find(|(known, _)| *known == &**name).map(|(_, value)| value)
            }
            // An ambiguous parameter names no organization.
            Self::Query(name) => Query::new(request.query).get(name).ok().flatten().map(Cow::Owned),
            Self::Context(name) => {
                request.context.iter().find(|(known, _)| *known == &**name).map(|(_, value)| Cow::Borrowed(value))
            }
        }
    }
}

/// The text, as written in a configuration.
impl fmt::Display for TenantSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(name) => write!(f, "path.{name}"),
            Self::Query(name) => write!(f, "query.{name}"),
            Self::Context(name) => write!(f, "context.{name}"),
        }
    }
}
