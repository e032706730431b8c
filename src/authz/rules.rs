//! The rules of a configuration and which of them decides a request. How paths are compared belongs to `router`.

use super::condition::Condition;
use super::host::{ByHost, HostPattern};
use super::pattern::PathPattern;
use super::requirement::Requirement;
use super::router::Router;
use super::tenancy::Tenancy;
use crate::explain::Step;
use crate::method::Method;
use crate::request::Request;
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

/// What a rule asks of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// A good credential.
    Authenticated,
    /// A good credential or none; a bad one is refused.
    Optional,
    /// Nothing: credentials are neither looked at nor changed.
    Public,
    /// Nobody may.
    Denied,
}

/// What happens to a request that no rule matches. It can't be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// A good credential is asked for.
    Authenticated,
    /// Nobody may.
    Denied,
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
    pub narrowing: Option<Narrowing>,
    /// The pattern that leads to it, as the operator wrote it.
    pub pattern: Box<str>,
}

/// What a rule asks of a request that its pattern matches. All of it has to be met.
#[derive(Debug, Clone)]
pub struct Narrowing {
    /// The pattern, which says what the path's parameters are.
    pub pattern: PathPattern,
    /// That the caller belongs to the organization that the request names here.
    pub same_organization: Option<Tenancy>,
    /// A condition.
    pub when: Option<Arc<Condition>>,
}

/// Two rules that can't be told apart: the same requests match both.
#[derive(Debug, PartialEq, Eq)]
pub struct RuleConflict {
    /// The rule that was there first.
    pub with: RuleName,
}

/// All rules, found by request.
#[derive(Debug)]
pub struct Rules {
    routers: ByHost<Router<Rule>>,
    patterns: usize,
    fallback: Fallback,
}

impl Access {
    /// The word for it in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::Optional => "optional",
            Self::Public => "public",
            Self::Denied => "denied",
        }
    }
}

impl Fallback {
    /// The word for it in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::Denied => "denied",
        }
    }
}

impl Rules {
    /// No rules: the fallback decides everything.
    #[must_use]
    pub fn new(fallback: Fallback) -> Self {
        Self { routers: ByHost::default(), patterns: 0, fallback }
    }

    /// Adds a rule for a host (none: every host), some methods (none named: every method) and one path pattern.
    ///
    /// # Errors
    /// [`RuleConflict`] when a rule is there already for the same host, the same pattern and one of the methods.
    pub fn add(
        &mut self,
        rule: Rule,
        host: Option<&HostPattern>,
        methods: &[Method<'_>],
        pattern: &PathPattern,
    ) -> Result<(), RuleConflict> {
        self.routers
            .entry(host)
            .insert(methods, pattern, rule)
            .map_err(|collision| RuleConflict { with: collision.earlier.name.clone() })?;
        self.patterns = self.patterns.saturating_add(1);
        Ok(())
    }

    /// The most specific rule that matches the request: by host, then by path, then by method.
    #[must_use]
    pub fn find(&self, request: &Request<'_>) -> Option<&Rule> {
        self.routers.of(request.host.name()).find_map(|router| router.find(request.method, &request.path))
    }

    /// Which rule decides, and over which less specific ones that match too.
    pub(crate) fn describe(&self, request: &Request<'_>) -> Step {
        let of_host = self.routers.of(request.host.name());
        let matching: Vec<&Rule> = of_host.flat_map(|router| router.find_all(request.method, &request.path)).collect();
        let show = |rule: &&Rule| format!("`{}` by `{}`", rule.name.as_str(), rule.pattern);
        match matching.as_slice() {
            [] => match self.fallback {
                Fallback::Denied => Step::failed("rule", "none matches, and the fallback is `denied`"),
                Fallback::Authenticated => Step::noted("rule", "none matches; the fallback is `authenticated`"),
            },
            [rule] => Step::noted("rule", format!("{}, access `{}`; no other matches", show(rule), rule.access.name())),
            [rule, others @ ..] => {
                let others: Vec<String> = others.iter().map(show).collect();
                let (rule, access) = (show(rule), rule.access.name());
                let found =
                    format!("{rule}, access `{access}`; more specific than {}, which match too", others.join(", "));
                Step::noted("rule", found)
            }
        }
    }

    /// How many patterns lead to a rule.
    #[must_use]
    pub const fn patterns(&self) -> usize {
        self.patterns
    }

    /// What decides when no rule matches.
    #[must_use]
    pub const fn fallback(&self) -> Fallback {
        self.fallback
    }
}
