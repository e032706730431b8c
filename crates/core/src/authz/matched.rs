//! The rule selected for a request, combined with the route's `context_extensions`, which can only restrict access. `rules` selects
//! the rule, and `authorize` checks its requirements.

use super::router::Layer;
use super::rule::{Access, Enforcement, RouteReference, Rule, RuleName};
use super::rules::{Fallback, RuleMatch, Rules};
use super::{AuthzError, CallerPermit, ModuleConstraint, Permit, authorize, held};
use crate::authn::Authentication;
use crate::explain::{Observer, Step};
use crate::http::request::{Context, Request};
use crate::time::Timestamp;
use std::sync::Arc;

/// The policy that a request must meet.
#[derive(Debug)]
pub struct MatchedPolicy<'r, 'c> {
    /// The matching rule; `None` for the fallback.
    found: Option<&'r Rule>,
    /// The access of that rule, combined with the permissions of the route.
    access: Access,
    named: RouteRule<'r>,
    /// The permissions that the route requires.
    permissions: Option<RequiredPermissions<'c>>,
}

/// The rule that the Envoy route names.
#[derive(Debug, Clone, Copy)]
enum RouteRule<'r> {
    /// No rule.
    None,
    /// A rule that must also allow the request.
    AlsoRequired(&'r Rule),
    /// The matched rule itself, which decides alone.
    Overrides,
}

/// The facts of a request, apart from its caller.
#[derive(Debug, Clone, Copy)]
pub struct AuthzContext<'q, 'a> {
    /// The module's access list for this request; `None` without one.
    pub module: Option<&'q ModuleConstraint<'q, 'a>>,
    /// The request.
    pub request: &'q Request<'a>,
    /// The time of the decision.
    pub now: Timestamp,
}

/// The proof that a caller meets each rule's requirements on callers.
struct Admitted {
    found: CallerPermit,
    named: Option<CallerPermit>,
}

/// The denial of a request, with its rule and error.
#[derive(Debug)]
pub struct Denial {
    /// The error.
    pub error: AuthzError,
    /// The rule that denied; `None` if no rule did.
    pub rule: Option<RuleName>,
}

/// The policy that a request would have to meet if shadow rules were enforced.
#[derive(Debug)]
pub struct ShadowMatch<'r, 'c> {
    /// The policy.
    pub selection: MatchedPolicy<'r, 'c>,
    /// The shadow rule; the first of two.
    pub rule: &'r RuleName,
}

impl Denial {
    pub(super) fn of(rule: Option<&Rule>, error: AuthzError) -> Self {
        Self { error, rule: rule.map(|rule| rule.name.clone()) }
    }
}

impl Rules {
    /// Selects the policy that a request must meet.
    ///
    /// # Errors
    /// [`Denial`] if no authentication is needed for it: no rule and no fallback, an ambiguous path, or a route with an invalid
    /// context extension.
    pub fn select<'r, 'c>(&'r self, request: &Request<'c>) -> Result<MatchedPolicy<'r, 'c>, Denial> {
        self.select_of(request, Layer::Enforced)
    }

    /// Selects the policy that would apply if shadow rules were enforced; `None` if that makes no difference.
    #[must_use]
    pub fn select_shadow<'r, 'c>(&'r self, request: &Request<'c>) -> Option<ShadowMatch<'r, 'c>> {
        if !self.has_shadows() {
            return None;
        }
        let selection = self.select_of(request, Layer::Shadow).ok()?;
        let mut rules = selection.found.into_iter().chain(selection.also_required());
        let rule = rules.find(|rule| rule.enforcement == Enforcement::Shadow).map(|rule| &rule.name)?;
        Some(ShadowMatch { selection, rule })
    }

    fn select_of<'r, 'c>(&'r self, request: &Request<'c>, layer: Layer) -> Result<MatchedPolicy<'r, 'c>, Denial> {
        let RouteOverrides { rule: name, permissions } =
            RouteOverrides::read(&request.context).map_err(|error| Denial::of(None, error))?;
        let named = match name {
            None => None,
            Some(name) => self.named(name, request, layer).map_err(|error| Denial::of(None, error))?,
        };
        if let Some(alone) =
            named.filter(|rule| rule.access == Access::Public && rule.by_name == RouteReference::Override)
        {
            let access = with(alone.access, permissions);
            return Ok(MatchedPolicy { found: Some(alone), access, named: RouteRule::Overrides, permissions });
        }
        let found = self.look_up(request, layer);
        self.check_ambiguity(request, layer, found).map_err(|error| Denial::of(None, error.into()))?;
        let (access, named, permissions) = match (found, self.fallback()) {
            (RuleMatch::Rule(rule), _) => (rule.access, named, permissions),
            // Rules that require a caller are skipped, both matched and named ones.
            (RuleMatch::Preflight(rule), _) => (rule.access, named.filter(|rule| !rule.access.requires_caller()), None),
            (RuleMatch::None, Fallback::Authenticated) => (Access::Authenticated, named, permissions),
            (RuleMatch::None, Fallback::Denied) => return Err(Denial::of(None, AuthzError::NoRule)),
        };
        let found = found.rule();
        let named = named.filter(|named| found.is_none_or(|found| found.name != named.name));
        let named = named.map_or(RouteRule::None, RouteRule::AlsoRequired);
        Ok(MatchedPolicy { found, access: with(access, permissions), named, permissions })
    }

    /// Finds the rule that a route names; `None` for a shadow rule in the enforced layer.
    fn named(&self, name: &str, request: &Request<'_>, layer: Layer) -> Result<Option<&Rule>, AuthzError> {
        let unknown = || AuthzError::RuleUnknown(excerpt(name));
        let rule = self.of_name(name, request).ok_or_else(unknown)?;
        match (rule.enforcement, layer, rule.access) {
            (Enforcement::Shadow, Layer::Enforced, _) => Ok(None),
            // A preflight rule serves only preflights, so a route can't name it.
            (_, _, Access::Preflight) => Err(unknown()),
            (Enforcement::Enforced, _, _) | (Enforcement::Shadow, Layer::Shadow, _) => Ok(Some(rule)),
        }
    }
}

/// Requires a caller if the route requires permissions, because only known callers have permissions.
fn with(access: Access, permissions: Option<RequiredPermissions<'_>>) -> Access {
    if permissions.is_some() { access.stricter(Access::Authenticated) } else { access }
}

impl<'r> MatchedPolicy<'r, '_> {
    const fn also_required(&self) -> Option<&'r Rule> {
        match self.named {
            RouteRule::AlsoRequired(rule) => Some(rule),
            RouteRule::None | RouteRule::Overrides => None,
        }
    }

    /// Returns the rules that must allow the request; none for the fallback alone.
    pub(super) fn rules(&self) -> impl Iterator<Item = &'r Rule> {
        self.found.into_iter().chain(self.also_required())
    }

    /// Returns the strictest access of all rules.
    #[must_use]
    pub fn access(&self) -> Access {
        self.also_required().map_or(self.access, |named| self.access.stricter(named.access))
    }

    /// Returns the rule that decides if the request is allowed; `None` for the fallback.
    #[must_use]
    pub fn rule(&self) -> Option<&RuleName> {
        self.found.or(self.also_required()).map(|rule| &rule.name)
    }

    /// Returns true if this is a shadow rule of the policy.
    #[must_use]
    pub fn has_shadow(&self, name: &RuleName) -> bool {
        let mut rules = self.found.into_iter().chain(self.also_required());
        rules.any(|rule| rule.enforcement == Enforcement::Shadow && rule.name == *name)
    }

    /// Checks the client's address, the outcome of authentication, then the request, against the whole policy.
    ///
    /// # Errors
    /// [`Denial`] for the first unmet requirement.
    pub fn authorize(
        &self,
        context: &AuthzContext<'_, '_>,
        authentication: Authentication,
        observer: &mut impl Observer,
    ) -> Result<Permit, Denial> {
        let AuthzContext { module, request, now } = *context;
        self.check_client(request, observer)?;
        let caller = match &authentication {
            Authentication::Authenticated(principal) if observer.keeps_steps() => Some(Arc::clone(principal)),
            Authentication::Authenticated(_)
            | Authentication::Missing
            | Authentication::Failed(_)
            | Authentication::NotRequired => None,
        };
        let admitted = self.admit(module, authentication);
        observer.step(|| match &admitted {
            Ok(_) => Step::passed("access", format!("`{}` allows the request", self.access().name())),
            Err(Denial { error, rule }) => {
                let mut rules = self.also_required().into_iter().chain(self.found);
                let require = rules.find(|one| rule.as_ref() == Some(&one.name)).map(|one| &one.require);
                Step::failed("access", held::describe(error, require, caller.as_deref()))
            }
        });
        let Admitted { found, named } = admitted?;
        let first = found.check_request(self.found, request, now, observer);
        let first = first.map_err(|error| Denial::of(self.found, error))?;
        let Some(named) = named else { return Ok(first) };
        let second = named.check_request(self.also_required(), request, now, observer);
        Ok(first.and(second.map_err(|error| Denial::of(self.also_required(), error))?))
    }

    /// Checks the outcome of authentication against each rule's requirements on callers.
    fn admit(
        &self,
        module: Option<&ModuleConstraint<'_, '_>>,
        authentication: Authentication,
    ) -> Result<Admitted, Denial> {
        let Self { found, access, named: _, permissions } = *self;
        let require = found.map(|rule| &rule.require);
        let Some(named) = self.also_required() else {
            let admitted = authorize(access, require, permissions, module, authentication);
            let found = admitted.map_err(|error| Denial::of(found, error))?;
            return Ok(Admitted { found, named: None });
        };
        // Authentication was skipped if a rule denies all callers, so denials are checked first.
        for (rule, access) in [(found, access), (Some(named), named.access)] {
            if access == Access::Denied {
                return Err(Denial::of(rule, AuthzError::RuleDenied));
            }
        }
        let first = authorize(access, require, permissions, module, authentication.clone());
        let first = first.map_err(|error| Denial::of(found, error))?;
        let second = authorize(named.access, Some(&named.require), None, module, authentication);
        let second = second.map_err(|error| Denial::of(Some(named), error))?;
        Ok(Admitted { found: first, named: Some(second) })
    }

    /// Returns every permission that is required by name, each once.
    #[must_use]
    pub fn required_permissions(&self) -> Vec<Box<str>> {
        let rules = self.found.into_iter().chain(self.also_required());
        let of_rules = rules.flat_map(|rule| &rule.require.all.permissions).map(|one| &**one);
        let of_route = self.permissions.into_iter().flat_map(RequiredPermissions::iter);
        let mut all: Vec<Box<str>> = Vec::new();
        for one in of_rules.chain(of_route) {
            if !all.iter().any(|known| **known == *one) {
                all.push(one.into());
            }
        }
        all
    }

    /// Returns true if the Envoy route adds a requirement.
    pub(crate) const fn is_constrained(&self) -> bool {
        self.also_required().is_some() || self.permissions.is_some()
    }

    /// Describes the requirements that the route adds.
    pub(crate) fn describe_route(&self) -> Step {
        let named = self.also_required().map(|rule| {
            let (name, access) = (rule.name.as_str(), rule.access.name());
            format!("names the rule `{name}`, access `{access}`, which must also allow the request")
        });
        let permissions = self.permissions.map(|all| {
            let all: Vec<String> = all.iter().map(|one| format!("`{one}`")).collect();
            format!("requires the permissions {}", all.join(", "))
        });
        let all: Vec<String> = named.into_iter().chain(permissions).collect();
        Step::noted("route", format!("the Envoy route {}", all.join(", and ")))
    }

    /// Describes the rule that decides alone because the Envoy route names it; `None` without one.
    pub(crate) fn describe_alone(&self) -> Option<Step> {
        match (self.named, self.found) {
            (RouteRule::Overrides, Some(rule)) => {
                let name = rule.name.as_str();
                let found = format!(
                    "`{name}`, access `{}`; the Envoy route names it, and it decides alone",
                    rule.access.name()
                );
                Some(Step::noted("rule", found))
            }
            (RouteRule::None | RouteRule::AlsoRequired(_) | RouteRule::Overrides, _) => None,
        }
    }
}

/// The prefix of modgud's keys. Any key with it must be known, because a typo in a key must not leave a route open.
const PREFIX: &str = "modgud";
/// The key for the name of a rule.
const RULE: &str = "modgud.rule";
/// The key for permissions, separated by spaces.
const REQUIRE_PERMISSION: &str = "modgud.require_permission";
/// The maximum length of a name in a log, in characters. The rest is cut off.
const MAX_EXCERPT_CHARS: usize = 128;

/// The context extensions of a route for modgud.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct RouteOverrides<'c> {
    /// The name of a rule.
    rule: Option<&'c str>,
    /// The permissions that the caller must have.
    permissions: Option<RequiredPermissions<'c>>,
}

/// Permissions separated by spaces; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequiredPermissions<'c>(&'c str);

impl<'c> RequiredPermissions<'c> {
    pub(super) fn iter(self) -> impl Iterator<Item = &'c str> {
        self.0.split(' ').filter(|one| !one.is_empty())
    }
}

impl<'c> RouteOverrides<'c> {
    /// Reads the context extensions.
    ///
    /// # Errors
    /// [`AuthzError::ContextKey`] and [`AuthzError::ContextValue`]: an unknown restriction must not count as a missing one.
    fn read(context: &Context<'c>) -> Result<Self, AuthzError> {
        let mut overrides = Self::default();
        for (key, value) in context.iter() {
            match key {
                RULE => overrides.rule = Some(value),
                REQUIRE_PERMISSION => overrides.permissions = Some(RequiredPermissions(value)),
                _ if is_reserved(key) => return Err(AuthzError::ContextKey(excerpt(key))),
                _ => {}
            }
        }
        if overrides.rule.is_some_and(str::is_empty) {
            return Err(AuthzError::ContextValue(RULE));
        }
        if overrides.permissions.is_some_and(|permissions| permissions.iter().next().is_none()) {
            return Err(AuthzError::ContextValue(REQUIRE_PERMISSION));
        }
        Ok(overrides)
    }
}

fn is_reserved(key: &str) -> bool {
    key.trim_start().get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// Shortens and escapes a text of Envoy's configuration for one line of a log.
pub(super) fn excerpt(text: &str) -> Box<str> {
    text.chars().take(MAX_EXCERPT_CHARS).flat_map(char::escape_debug).collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::{AuthzError, RouteOverrides, excerpt};
    use crate::http::request::Context;

    type Read = Result<(Option<&'static str>, Vec<&'static str>), AuthzError>;

    #[test]
    fn what_begins_like_ours_is_reserved_or_refused() {
        let key = |key: &str| Err(AuthzError::ContextKey(key.into()));
        let value = |key| Err(AuthzError::ContextValue(key));
        let table: [(&[(&str, &str)], Read); 13] = [
            (&[], Ok((None, vec![]))),
            (&[("rule", "a"), ("tenant", "b"), ("", ""), ("mod", "gud")], Ok((None, vec![]))),
            (&[("modgud.rule", "a b")], Ok((Some("a b"), vec![]))),
            (&[("modgud.require_permission", " read  write ")], Ok((None, vec!["read", "write"]))),
            (&[("x", ""), ("modgud.require_permission", "a"), ("modgud.rule", "b")], Ok((Some("b"), vec!["a"]))),
            (&[("modgud.rule", "a"), ("modgud.rules", "b")], key("modgud.rules")),
            (&[("Modgud.Rule", "a")], key("Modgud.Rule")),
            (&[("modgud", "a")], key("modgud")),
            (&[("modgud_rule", "a")], key("modgud_rule")),
            (&[("modgud.require_permission ", "a")], key("modgud.require_permission ")),
            (&[("modgud.rule", "")], value("modgud.rule")),
            (&[("modgud.require_permission", "  ")], value("modgud.require_permission")),
            (&[("modgudé\n", "a")], key("modgudé\\n")),
        ];
        for (entries, expected) in table {
            let read = RouteOverrides::read(&Context::new(entries.to_vec()));
            let permissions = |read: RouteOverrides<'static>| read.permissions.map(|all| all.iter().collect());
            let read = read.map(|read| (read.rule, permissions(read).unwrap_or_default()));
            assert_eq!(read, expected, "{entries:?}");
        }
    }

    #[test]
    fn what_is_shown_is_short_and_plain() {
        assert_eq!(&*excerpt("a\u{1b}[0m"), "a\\u{1b}[0m");
        assert_eq!(excerpt(&"x".repeat(1_000)).len(), 128);
    }
}
