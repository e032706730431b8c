//! The rules of a configuration, and the selection of the rule for a request. `router` compares paths.

use super::condition::Condition;
use super::host::{HostMap, HostPattern};
use super::pattern::PathPattern;
use super::reading::{Breadth, Case, PathReadings, ReadingError};
use super::router::{Layer, MethodMatcher, MethodQuery, Router, Unreachable};
use super::rule::{Access, Enforcement, RequestConstraints, Rule, RuleName, TenantSource};
use crate::explain::Step;
use crate::http::method::Method;
use crate::http::request::Request;
use schemars::JsonSchema;
use serde::Deserialize;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

/// The decision on a request that no rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    /// A valid credential is required.
    Authenticated,
    /// Every request is denied.
    Denied,
}

/// The error of two indistinguishable rules, which match the same requests.
#[derive(Debug, PartialEq, Eq)]
pub struct RuleConflict {
    /// The rule that was added earlier.
    pub with: RuleName,
    /// The pattern of the earlier rule.
    pub pattern: Box<str>,
}

/// All rules, looked up by request, or by the name that an Envoy route gives.
#[derive(Debug)]
pub struct Rules {
    routers: HostMap<Router<Arc<Rule>>>,
    /// Each name with its rules: one per pattern and host, at least one.
    pub(super) named: HashMap<RuleName, Vec<Arc<Rule>>>,
    patterns: usize,
    fallback: Fallback,
    /// The path readings of modules; `None` means as sent.
    readings: Option<Arc<PathReadings>>,
    /// True if a pattern's literal has letters beyond ASCII, which some services fold to ASCII.
    beyond_ascii: bool,
    /// The broadest comparison of letters among all rules.
    widest_case: Case,
    /// True if there is a rule for preflights. Without one, preflights need no lookup.
    preflights: bool,
    /// True if there is a shadow rule. Without one, the shadow layer needs no lookup.
    shadows: bool,
}

/// The rule that a request matches.
#[derive(Debug, Clone, Copy)]
pub(super) enum RuleMatch<'r> {
    /// No rule.
    None,
    /// The most specific rule.
    Rule(&'r Rule),
    /// The most specific rule that allows preflights or denies all callers. A browser sends no credential with a preflight, so
    /// rules that require one are skipped if a preflight rule matches.
    Preflight(&'r Rule),
}

impl<'r> RuleMatch<'r> {
    pub(super) const fn rule(self) -> Option<&'r Rule> {
        match self {
            Self::None => None,
            Self::Rule(rule) | Self::Preflight(rule) => Some(rule),
        }
    }
}

impl Fallback {
    /// Returns the name in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authenticated => "authenticated",
            Self::Denied => "denied",
        }
    }
}

impl Rules {
    /// Creates an empty set: the fallback decides everything.
    #[must_use]
    pub fn new(fallback: Fallback) -> Self {
        Self::reading(fallback, None)
    }

    /// Creates an empty set, for paths as modules read them.
    #[must_use]
    pub fn reading(fallback: Fallback, readings: Option<Arc<PathReadings>>) -> Self {
        Self {
            routers: HostMap::new(Router::new(readings.clone())),
            readings,
            beyond_ascii: false,
            widest_case: Case::Exact,
            named: HashMap::new(),
            patterns: 0,
            fallback,
            preflights: false,
            shadows: false,
        }
    }

    /// Adds a rule for a host, some methods and one path pattern. `None` means every host. An empty list of methods means every
    /// method, or that of preflights for a preflight rule. The order of insertion is irrelevant.
    ///
    /// # Errors
    /// [`RuleConflict`] if an earlier rule has the same host, the same pattern and a common method. A shadow rule does not conflict
    /// with an enforced one.
    pub fn add(
        &mut self,
        rule: Rule,
        host: Option<&HostPattern>,
        methods: &[Method<'_>],
        pattern: &PathPattern,
    ) -> Result<(), RuleConflict> {
        let rule = self.add_named(rule);
        let layer = match rule.enforcement {
            Enforcement::Enforced => Layer::Enforced,
            Enforcement::Shadow => Layer::Shadow,
        };
        let served = match rule.access {
            Access::Preflight => MethodMatcher::Preflight,
            Access::Authenticated | Access::Optional | Access::Public | Access::Denied => {
                MethodMatcher::Methods(methods)
            }
        };
        self.preflights |= rule.access == Access::Preflight;
        self.beyond_ascii |= !pattern.is_ascii();
        if pattern.case() == Case::Fold {
            self.widest_case = Case::Fold;
        }
        let router = self.routers.entry(host, || Router::new(self.readings.clone()));
        router.insert(layer, served, pattern, rule).map_err(|collision| {
            let Rule { name, pattern, .. } = &**collision.earlier;
            RuleConflict { with: name.clone(), pattern: pattern.clone() }
        })?;
        self.patterns = self.patterns.saturating_add(1);
        Ok(())
    }

    /// Adds a rule that only its name leads to.
    pub fn add_named(&mut self, mut rule: Rule) -> Arc<Rule> {
        self.shadows |= rule.enforcement == Enforcement::Shadow;
        rule.name = match self.named.get_key_value(&rule.name) {
            Some((known, _)) => known.clone(),
            None => RuleName::numbered(rule.name.as_str(), self.named.len()),
        };
        let rule = Arc::new(rule);
        self.named.entry(rule.name.clone()).or_default().push(Arc::clone(&rule));
        rule
    }

    /// Returns the names of all rules, in the order in which they were added. The number of each is its position here.
    #[must_use]
    pub fn names(&self) -> Vec<&RuleName> {
        let mut names: Vec<&RuleName> = self.named.keys().collect();
        names.sort_unstable_by_key(|name| name.number());
        names
    }

    /// Returns one rule of each name, in the order in which they were added.
    pub(super) fn first_of_each(&self) -> Vec<&Arc<Rule>> {
        let mut rules: Vec<&Arc<Rule>> = self.named.values().filter_map(|all| all.first()).collect();
        rules.sort_unstable_by_key(|rule| rule.name.number());
        rules
    }

    /// Returns the names of the request headers that conditions read.
    pub fn header_names(&self) -> impl Iterator<Item = &str> {
        self.conditions().flat_map(Condition::header_names)
    }

    /// Returns true if a condition may read the request header of this name, in lower case.
    #[must_use]
    pub fn may_read_header(&self, name: &str) -> bool {
        self.conditions().any(|condition| condition.may_read_header(name))
    }

    /// Returns the names of the rules whose conditions read the context extensions of Envoy's route.
    pub fn reading_context(&self) -> impl Iterator<Item = &str> {
        let reads = |rule: &&Arc<Rule>| {
            let condition = rule.constraints.as_ref().and_then(|constraints| constraints.when.as_deref());
            condition.is_some_and(Condition::reads_context)
        };
        self.named.values().flatten().filter(reads).map(|rule| rule.name.as_str())
    }

    /// Returns true if a rule of this name reads the query.
    #[must_use]
    pub fn reads_query(&self, name: &str) -> bool {
        self.constraints_of(name).any(|constraints| {
            let tenant = matches!(constraints.same_organization, Some(TenantSource::Query(_)));
            tenant || constraints.when.as_deref().is_some_and(Condition::reads_query)
        })
    }

    /// Returns true if a condition of a rule of this name meets a predicate.
    #[must_use]
    pub fn has_condition(&self, name: &str, predicate: impl Fn(&Condition) -> bool) -> bool {
        self.constraints_of(name).any(|constraints| constraints.when.as_deref().is_some_and(&predicate))
    }

    /// Returns true if a rule of this name compares the caller's organization with a context extension that is not known.
    #[must_use]
    pub fn compares_context_beyond(&self, name: &str, is_known: impl Fn(&str) -> bool) -> bool {
        let source = |constraints: &RequestConstraints| match &constraints.same_organization {
            Some(TenantSource::Context(key)) => !is_known(key),
            Some(TenantSource::Path(_) | TenantSource::Query(_)) | None => false,
        };
        self.constraints_of(name).any(source)
    }

    /// Returns true if a preflight rule may match the request, should it be a preflight with headers that are not known.
    #[must_use]
    pub fn may_be_preflight(&self, request: &Request<'_>) -> bool {
        let is_open = self.preflights && request.method.as_str() == "OPTIONS" && !request.is_preflight();
        is_open && self.of_preflight(request, Layer::Enforced, Breadth::Widest).is_some()
    }

    fn constraints_of(&self, name: &str) -> impl Iterator<Item = &RequestConstraints> {
        self.named.get(name).into_iter().flatten().filter_map(|rule| rule.constraints.as_ref())
    }

    fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let constraints = self.named.values().flatten().filter_map(|rule| rule.constraints.as_ref());
        constraints.filter_map(|constraints| constraints.when.as_deref())
    }

    /// Returns the most specific enforced rule that matches the request, by host, then path, then method; `None` if no rule
    /// matches.
    #[must_use]
    pub fn find(&self, request: &Request<'_>) -> Option<&Rule> {
        self.look_up(request, Layer::Enforced).rule()
    }

    /// Returns the routers of all hosts.
    pub(super) const fn hosts(&self) -> &HostMap<Router<Arc<Rule>>> {
        &self.routers
    }

    /// Returns the path readings of modules; `None` means as sent.
    #[must_use]
    pub const fn readings(&self) -> Option<&Arc<PathReadings>> {
        self.readings.as_ref()
    }

    /// Returns [`Case::Fold`] if a rule folds letters, regardless of modules.
    #[must_use]
    pub const fn widest_case(&self) -> Case {
        self.widest_case
    }

    /// Returns the rules that never decide on some host that they are for, each with the rules that take precedence there. Shadow
    /// rules are included if they never would decide.
    #[must_use]
    pub fn unreachable_rules(&self) -> Vec<Unreachable<'_, Arc<Rule>>> {
        self.routers.values().flat_map(Router::unreachable_rules).collect()
    }

    /// Finds the rule of a request in a layer.
    pub(super) fn look_up(&self, request: &Request<'_>, layer: Layer) -> RuleMatch<'_> {
        self.look_up_read(request, layer, Breadth::Sure)
    }

    fn look_up_read(&self, request: &Request<'_>, layer: Layer, breadth: Breadth) -> RuleMatch<'_> {
        if self.preflights
            && request.is_preflight()
            && let Some(rule) = self.of_preflight(request, layer, breadth)
        {
            return RuleMatch::Preflight(rule);
        }
        let mut of_host = self.routers.matching(request.host.name());
        let rule = of_host.find_map(|router| router.find_read(layer, request.method, &request.path, breadth));
        rule.map_or(RuleMatch::None, |rule| RuleMatch::Rule(rule))
    }

    /// Checks that the path of a request has only one reading, or leads to the rule found in every reading.
    pub(super) fn check_ambiguity(
        &self,
        request: &Request<'_>,
        layer: Layer,
        found: RuleMatch<'_>,
    ) -> Result<(), ReadingError> {
        let Some(readings) = &self.readings else { return Ok(()) };
        readings.check(&request.path)?;
        if !self.beyond_ascii && !readings.can_differ(&request.path) {
            return Ok(());
        }
        let same = match (found.rule(), self.look_up_read(request, layer, Breadth::Widest).rule()) {
            (Some(found), Some(other)) => std::ptr::eq(found, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        if same { Ok(()) } else { Err(ReadingError::OtherRule) }
    }

    /// Returns the rule that decides a preflight; `None` if no preflight rule matches.
    fn of_preflight(&self, request: &Request<'_>, layer: Layer, breadth: Breadth) -> Option<&Rule> {
        let matching = self.matching(request, layer, MethodQuery::Preflight, breadth);
        matching.iter().find(|rule| rule.access == Access::Preflight)?;
        matching.into_iter().find(|rule| !rule.access.requires_caller())
    }

    /// Returns every matching rule, the most specific first.
    fn matching(&self, request: &Request<'_>, layer: Layer, wanted: MethodQuery<'_>, breadth: Breadth) -> Vec<&Rule> {
        let of_host = self.routers.matching(request.host.name());
        let all = of_host.flat_map(|router| router.find_all_read(layer, wanted, &request.path, breadth));
        all.map(|rule| &**rule).collect()
    }

    /// Returns the rule of a name, with its most specific pattern that matches the path, regardless of method and host. The pattern
    /// defines the path parameters. If none matches, any pattern is returned, and there are no parameters.
    pub(super) fn of_name(&self, name: &str, request: &Request<'_>) -> Option<&Rule> {
        let all = self.named.get(name)?;
        let matching =
            all.iter().filter(|rule| rule.parameters().is_some_and(|pattern| pattern.matches(&request.path)));
        let found = matching.max_by(|one, other| match (one.parameters(), other.parameters()) {
            (Some(one), Some(other)) => one.specificity().cmp(other.specificity()),
            (Some(_) | None, _) => Ordering::Equal,
        });
        found.or(all.first()).map(|rule| &**rule)
    }

    /// Returns true if the rule of this name is a shadow rule.
    #[must_use]
    pub fn is_shadow(&self, name: &RuleName) -> bool {
        self.named.get(name).and_then(|all| all.first()).is_some_and(|rule| rule.enforcement == Enforcement::Shadow)
    }

    /// Returns true if there is a shadow rule.
    pub(super) const fn has_shadows(&self) -> bool {
        self.shadows
    }

    /// Describes the rule that the request matches, and the less specific ones that also match.
    pub(crate) fn describe(&self, request: &Request<'_>) -> Step {
        let show = |rule: &&Rule| {
            let how = self.reading_notes(rule, request);
            format!("`{}` by `{}`{how}", rule.name.as_str(), rule.pattern)
        };
        match self.look_up(request, Layer::Enforced) {
            RuleMatch::None | RuleMatch::Rule(_) => {}
            RuleMatch::Preflight(rule) => {
                let (rule, access) = (show(&rule), rule.access.name());
                let found =
                    format!("{rule}, access `{access}`; a CORS preflight, which skips rules that require a caller");
                return Step::noted("rule", found);
            }
        }
        match self.matching(request, Layer::Enforced, MethodQuery::Method(request.method), Breadth::Sure).as_slice() {
            [] => match self.fallback {
                Fallback::Denied => Step::failed("rule", "no rule matches; the fallback is `denied`"),
                Fallback::Authenticated => Step::noted("rule", "no rule matches; the fallback is `authenticated`"),
            },
            [rule] => Step::noted("rule", format!("{}, access `{}`; no other matches", show(rule), rule.access.name())),
            [rule, others @ ..] => {
                let others: Vec<String> = others.iter().map(show).collect();
                let (rule, access) = (show(rule), rule.access.name());
                let found =
                    format!("{rule}, access `{access}`; more specific than {}, which also match", others.join(", "));
                Step::noted("rule", found)
            }
        }
    }

    /// Describes the differences between the path as sent and the rule's pattern; empty without any.
    fn reading_notes(&self, rule: &Rule, request: &Request<'_>) -> &'static str {
        let (Some(readings), Ok(pattern)) = (&self.readings, PathPattern::parse(&rule.pattern)) else { return "" };
        match pattern.differences(&request.path, readings) {
            (false, false) => "",
            (true, false) => ", matched with case folded",
            (false, true) => ", matched with its suffix cut off",
            (true, true) => ", matched with case folded and its suffix cut off",
        }
    }

    /// Returns the number of patterns that lead to a rule.
    #[must_use]
    pub const fn patterns(&self) -> usize {
        self.patterns
    }

    /// Returns the fallback, which decides if no rule matches.
    #[must_use]
    pub const fn fallback(&self) -> Fallback {
        self.fallback
    }
}
