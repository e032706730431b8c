//! A rule: its name, its requirements on callers and requests, and its enforcement. `rules` selects the rule of a request.

use super::condition::Condition;
use super::pattern::PathPattern;
use super::requirement::Requirement;
use super::tenancy::TenantSource;
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::Borrow;
use std::sync::Arc;

/// The name of a rule, as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RuleName(Arc<str>);

impl RuleName {
    /// Creates a name; `config::validate` has checked that it is not empty and unique.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(Arc::from(name))
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Allows lookups of a name by its text.
impl Borrow<str> for RuleName {
    fn borrow(&self) -> &str {
        &self.0
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
    pub narrowing: Option<RequestConstraints>,
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
    pub(super) const fn asks_for_a_caller(self) -> bool {
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
        self.narrowing.as_ref().map(|narrowing| &narrowing.pattern)
    }
}
