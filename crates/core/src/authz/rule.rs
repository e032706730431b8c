//! One rule: its name, what it asks of callers and of requests, and what is done about it. Which rule decides a request is told in
//! `rules`.

use super::condition::Condition;
use super::pattern::PathPattern;
use super::requirement::Requirement;
use super::tenancy::TenantSource;
use std::borrow::Borrow;
use std::sync::Arc;

/// The name of a rule, as the operator wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RuleName(Arc<str>);

impl RuleName {
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

/// So that a name is found by its text.
impl Borrow<str> for RuleName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// What a rule asks of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A good credential.
    Authenticated,
    /// A good credential or none; a bad one is refused.
    Optional,
    /// Nothing: credentials are neither looked at nor changed.
    Public,
    /// The same, and the rule is there for CORS preflights only.
    Preflight,
    /// Nobody may.
    Denied,
}

/// Whether what a rule says is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforcement {
    /// It is.
    Enforced,
    /// It is only told what would have been done.
    Shadow,
}

/// What it means for a request that its route in Envoy names a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteReference {
    /// The rule has to let the request through, too.
    Require,
    /// The rule decides alone.
    Override,
}

/// One rule, without the patterns that lead to it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name.
    pub name: RuleName,
    /// What it asks of the caller.
    pub access: Access,
    /// What it asks of a caller who is known.
    pub require: Requirement,
    /// What it asks of the request itself, if anything.
    pub narrowing: Option<RequestConstraints>,
    /// The pattern that leads to it, as the operator wrote it. Empty when only its name does.
    pub pattern: Box<str>,
    /// Whether what it says is done.
    pub enforcement: Enforcement,
    /// What it means that a route names it.
    pub by_name: RouteReference,
}

/// What a rule asks of a request that its pattern matches. All of it has to be met.
#[derive(Debug, Clone)]
pub struct RequestConstraints {
    /// The pattern, which says what the path's parameters are.
    pub pattern: PathPattern,
    /// That the caller belongs to the organization that the request names here.
    pub same_organization: Option<TenantSource>,
    /// A condition.
    pub when: Option<Arc<Condition>>,
}

impl Access {
    /// The word for it in a configuration.
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

    /// Whether somebody has to be asked for. Nobody has to where nobody is let through.
    pub(super) const fn asks_for_a_caller(self) -> bool {
        match self {
            Self::Authenticated | Self::Optional => true,
            Self::Public | Self::Preflight | Self::Denied => false,
        }
    }

    /// That which lets fewer through.
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
    /// The pattern that says what the path's parameters are, where somebody asks for them.
    pub(super) fn parameters(&self) -> Option<&PathPattern> {
        self.narrowing.as_ref().map(|narrowing| &narrowing.pattern)
    }
}
