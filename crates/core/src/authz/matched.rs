//! What one request is held against: the rule that it is found by, and what its route in Envoy adds, which can only narrow. Which
//! rule a request is found by belongs to `rules`, and what a rule asks for to `authorize`.

use super::context::{RequiredPermissions, RouteOverrides, shown};
use super::router::Layer;
use super::rule::{Access, Enforcement, RouteReference, Rule, RuleName};
use super::rules::{Fallback, RuleMatch, Rules};
use super::{AuthzError, CallerPermit, ModuleConstraint, Permit, authorize};
use crate::authn::Authentication;
use crate::explain::{Observer, Step};
use crate::http::request::Request;
use crate::time::Timestamp;

/// What a request is held against.
#[derive(Debug)]
pub struct MatchedPolicy<'r, 'c> {
    /// The rule that the request is found by; `None`: the fallback.
    found: Option<&'r Rule>,
    /// What that asks of the caller, with what the route adds.
    access: Access,
    named: RouteRule<'r>,
    /// What the route adds.
    permissions: Option<RequiredPermissions<'c>>,
}

/// The rule that the route in Envoy names.
#[derive(Debug, Clone, Copy)]
enum RouteRule<'r> {
    /// None.
    None,
    /// One that has to let the request through, too.
    AlsoRequired(&'r Rule),
    /// That by which the request is found, since it decides alone.
    Overrides,
}

/// What a request is about, beside who is asking.
#[derive(Debug, Clone, Copy)]
pub struct AuthzContext<'q, 'a> {
    /// What the module asks of callers there.
    pub module: Option<&'q ModuleConstraint<'q, 'a>>,
    /// The request.
    pub request: &'q Request<'a>,
    /// The time of the decision.
    pub now: Timestamp,
}

/// A caller who meets what each rule asks of callers.
struct Admitted {
    found: CallerPermit,
    named: Option<CallerPermit>,
}

/// Who did not let a request through, and why.
#[derive(Debug)]
pub struct Denial {
    /// Why.
    pub fault: AuthzError,
    /// Which rule; `None`: it was none.
    pub rule: Option<RuleName>,
}

/// What a request would be held against if the rules that are tried out counted.
#[derive(Debug)]
pub struct ShadowMatch<'r, 'c> {
    /// That.
    pub selection: MatchedPolicy<'r, 'c>,
    /// The rule that is tried out.
    pub rule: &'r RuleName,
}

impl Denial {
    fn of(rule: Option<&Rule>, fault: AuthzError) -> Self {
        Self { fault, rule: rule.map(|rule| rule.name.clone()) }
    }
}

impl Rules {
    /// What a request is held against.
    ///
    /// # Errors
    /// [`Denial`] when that is settled already: no rule and no fallback, a path that can be read in two ways, or a route that
    /// says what is not understood.
    pub fn select<'r, 'c>(&'r self, request: &Request<'c>) -> Result<MatchedPolicy<'r, 'c>, Denial> {
        self.select_of(request, Layer::Enforced)
    }

    /// What the request would be held against if the rules that are tried out counted; `None` when that makes no difference.
    #[must_use]
    pub fn select_shadow<'r, 'c>(&'r self, request: &Request<'c>) -> Option<ShadowMatch<'r, 'c>> {
        if !self.has_shadows() {
            return None;
        }
        let selection = self.select_of(request, Layer::Shadow).ok()?;
        let mut rules = selection.found.into_iter().chain(selection.narrowing());
        let rule = rules.find(|rule| rule.enforcement == Enforcement::Shadow).map(|rule| &rule.name)?;
        Some(ShadowMatch { selection, rule })
    }

    fn select_of<'r, 'c>(&'r self, request: &Request<'c>, layer: Layer) -> Result<MatchedPolicy<'r, 'c>, Denial> {
        let RouteOverrides { rule: name, permissions } =
            RouteOverrides::read(&request.context).map_err(|fault| Denial::of(None, fault))?;
        let named = match name {
            None => None,
            Some(name) => self.named(name, request, layer).map_err(|fault| Denial::of(None, fault))?,
        };
        if let Some(alone) =
            named.filter(|rule| rule.access == Access::Public && rule.by_name == RouteReference::Override)
        {
            let access = with(alone.access, permissions);
            return Ok(MatchedPolicy { found: Some(alone), access, named: RouteRule::Overrides, permissions });
        }
        let found = self.look_up(request, layer);
        self.read_in_one_way(request, layer, found).map_err(|fault| Denial::of(None, fault.into()))?;
        let (access, named, permissions) = match (found, self.fallback()) {
            (RuleMatch::Rule(rule), _) => (rule.access, named, permissions),
            // What asks for a caller is passed over, whether it was found or named.
            (RuleMatch::Preflight(rule), _) => {
                (rule.access, named.filter(|rule| !rule.access.asks_for_a_caller()), None)
            }
            (RuleMatch::None, Fallback::Authenticated) => (Access::Authenticated, named, permissions),
            (RuleMatch::None, Fallback::Denied) => return Err(Denial::of(None, AuthzError::NoRule)),
        };
        let found = found.rule();
        let named = named.filter(|named| found.is_none_or(|found| found.name != named.name));
        let named = named.map_or(RouteRule::None, RouteRule::AlsoRequired);
        Ok(MatchedPolicy { found, access: with(access, permissions), named, permissions })
    }

    /// The rule of a name, for a route that names it; `None` when it is one that does not count in this layer.
    fn named(&self, name: &str, request: &Request<'_>, layer: Layer) -> Result<Option<&Rule>, AuthzError> {
        let unknown = || AuthzError::RuleUnknown(shown(name));
        let rule = self.of_name(name, request).ok_or_else(unknown)?;
        match (rule.enforcement, layer, rule.access) {
            (Enforcement::Shadow, Layer::Enforced, _) => Ok(None),
            // One for preflights is there for nothing else, and narrows none.
            (_, _, Access::Preflight) => Err(unknown()),
            (Enforcement::Enforced, _, _) | (Enforcement::Shadow, Layer::Shadow, _) => Ok(Some(rule)),
        }
    }
}

/// Nobody has permissions who is not known.
fn with(access: Access, permissions: Option<RequiredPermissions<'_>>) -> Access {
    if permissions.is_some() { access.stricter(Access::Authenticated) } else { access }
}

impl<'r> MatchedPolicy<'r, '_> {
    const fn narrowing(&self) -> Option<&'r Rule> {
        match self.named {
            RouteRule::AlsoRequired(rule) => Some(rule),
            RouteRule::None | RouteRule::Overrides => None,
        }
    }

    /// What is asked of the caller, by whoever asks for most.
    #[must_use]
    pub fn access(&self) -> Access {
        self.narrowing().map_or(self.access, |named| self.access.stricter(named.access))
    }

    /// The rule that decides if nothing is refused; `None`: the fallback.
    #[must_use]
    pub fn rule(&self) -> Option<&RuleName> {
        self.found.or(self.narrowing()).map(|rule| &rule.name)
    }

    /// Holds the outcome of authentication, then the request, against everything that is asked for.
    ///
    /// # Errors
    /// [`Denial`]: the first thing that is not as it has to be.
    pub fn authorize(
        &self,
        asked: &AuthzContext<'_, '_>,
        authentication: Authentication,
        observer: &mut impl Observer,
    ) -> Result<Permit, Denial> {
        let AuthzContext { module, request, now } = *asked;
        let admitted = self.admit(module, authentication);
        observer.step(|| {
            let outcome = admitted.as_ref().map_err(|refusal| &refusal.fault);
            Step::of("access", &outcome, format!("`{}` lets the request through", self.access().name()))
        });
        let Admitted { found, named } = admitted?;
        let first = found.narrow(self.found, request, now, observer);
        let first = first.map_err(|fault| Denial::of(self.found, fault))?;
        let Some(named) = named else { return Ok(first) };
        let second = named.narrow(self.narrowing(), request, now, observer);
        Ok(first.and(second.map_err(|fault| Denial::of(self.narrowing(), fault))?))
    }

    /// Holds the outcome of authentication against what each rule asks of callers.
    fn admit(
        &self,
        module: Option<&ModuleConstraint<'_, '_>>,
        authentication: Authentication,
    ) -> Result<Admitted, Denial> {
        let Self { found, access, named: _, permissions } = *self;
        let require = found.map(|rule| &rule.require);
        let Some(named) = self.narrowing() else {
            let admitted = authorize(access, require, permissions, module, authentication);
            let found = admitted.map_err(|fault| Denial::of(found, fault))?;
            return Ok(Admitted { found, named: None });
        };
        // Nobody has been asked for then.
        for (rule, access) in [(found, access), (Some(named), named.access)] {
            if access == Access::Denied {
                return Err(Denial::of(rule, AuthzError::RuleDenied));
            }
        }
        let first = authorize(access, require, permissions, module, authentication.clone());
        let first = first.map_err(|fault| Denial::of(found, fault))?;
        let second = authorize(named.access, Some(&named.require), None, module, authentication);
        let second = second.map_err(|fault| Denial::of(Some(named), fault))?;
        Ok(Admitted { found: first, named: Some(second) })
    }

    /// Every permission that is asked for by name, each once.
    #[must_use]
    pub fn required_permissions(&self) -> Vec<Box<str>> {
        let rules = self.found.into_iter().chain(self.narrowing());
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

    /// Whether the route in Envoy adds something that is to be told.
    pub(crate) const fn is_narrowed(&self) -> bool {
        self.narrowing().is_some() || self.permissions.is_some()
    }

    /// What it adds.
    pub(crate) fn describe_route(&self) -> Step {
        let named = self.narrowing().map(|rule| {
            let (name, access) = (rule.name.as_str(), rule.access.name());
            format!("names the rule `{name}`, access `{access}`, which has to let the request through, too")
        });
        let permissions = self.permissions.map(|all| {
            let all: Vec<String> = all.iter().map(|one| format!("`{one}`")).collect();
            format!("asks for the permissions {}", all.join(", "))
        });
        let all: Vec<String> = named.into_iter().chain(permissions).collect();
        Step::noted("route", format!("in Envoy {}", all.join(", and ")))
    }

    /// The rule that decides alone because the route in Envoy names it.
    pub(crate) fn describe_alone(&self) -> Option<Step> {
        match (self.named, self.found) {
            (RouteRule::Overrides, Some(rule)) => {
                let name = rule.name.as_str();
                let found = format!(
                    "`{name}`, access `{}`; the route in Envoy names it, and it decides alone",
                    rule.access.name()
                );
                Some(Step::noted("rule", found))
            }
            (RouteRule::None | RouteRule::AlsoRequired(_) | RouteRule::Overrides, _) => None,
        }
    }
}
