//! The rules of a configuration and which of them decides a request. How paths are compared belongs to `router`.

use super::pattern::PathPattern;
use super::router::Router;
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: RuleName,
    /// What it asks of the caller.
    pub access: Access,
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
    router: Router<Rule>,
    patterns: usize,
    fallback: Fallback,
}

impl Rules {
    /// No rules: the fallback decides everything.
    #[must_use]
    pub fn new(fallback: Fallback) -> Self {
        Self { router: Router::default(), patterns: 0, fallback }
    }

    /// Adds a rule for some methods (none named: every method) and one path pattern.
    ///
    /// # Errors
    /// [`RuleConflict`] when a rule is there already for the same pattern and one of the methods.
    pub fn add(&mut self, rule: Rule, methods: &[Method<'_>], pattern: &PathPattern) -> Result<(), RuleConflict> {
        self.router
            .insert(methods, pattern, rule)
            .map_err(|collision| RuleConflict { with: collision.earlier.name.clone() })?;
        self.patterns = self.patterns.saturating_add(1);
        Ok(())
    }

    /// The most specific rule that matches the request.
    #[must_use]
    pub fn find(&self, request: &Request<'_>) -> Option<&Rule> {
        self.router.find(request.method, &request.path)
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
