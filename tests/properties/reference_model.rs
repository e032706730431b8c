//! A reference model of rules: lists instead of trees, texts instead of types, without regard to speed. Both evaluations decide a
//! million random requests, and every difference is an error in one of them.
//!
//! The tests also cover general properties: the order of rules is irrelevant, and a further rule that denies never allows a request
//! that was denied.

mod random;
mod reading;
mod semantics;

use modgud_core::authn::{ApiKey, ApiKeyEntry, Authentication, AuthnError};
use modgud_core::authz::condition::{CallerPresence, Condition, Env};
use modgud_core::authz::{
    Access, AuthzContext, Caller, Case, CrudPermissions, Denial, Enforcement, Entitlements, Fallback, HostPattern,
    ModuleAccess, ModuleName, ModulePrefix, ModuleReading, Modules, Organizations, PathPattern, PathReadings,
    RequestConstraints, Requirement, RouteReference, Rule, RuleName, Rules, TenantSource,
};
use modgud_core::explain::NoopObserver;
use modgud_core::http::method::Method;
use modgud_core::http::request::{Context, Field, Headers, Peer, Request};
use modgud_core::principal::{AuthenticatorName, ClaimMapping, ClaimPath, Principal, RolePermissions, RoleSource};
use modgud_core::time::Timestamp;
use random::Random;
use semantics::{ModelCaller, ModelCredential, ModelRequest, Module, Policy};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// The number of policies, and of requests for each: a million decisions.
const POLICIES: u64 = 200;
const REQUESTS: usize = 2_000;
/// The number of threads that share them.
const THREADS: usize = 2;

/// The outcome of a request: the allowed caller, or the reason of the denial.
type Outcome = Result<&'static str, &'static str>;

#[test]
fn the_reference_model_agrees_about_every_request() {
    let share = |thread: usize| {
        let mut counts = BTreeMap::<&str, u64>::new();
        for seed in (0..POLICIES).skip(thread).step_by(THREADS) {
            let mut random = Random::new(seed);
            let policy = random.policy();
            let (rules, modules) = built(&policy);
            for _ in 0..REQUESTS {
                let request = random.request(&policy);
                let (own, model) = (decided(&rules, modules.as_ref(), &request), policy.decide(&request));
                assert_eq!(own, model, "seed {seed}: {request:#?}\n{policy:#?}");
                *counts.entry(own.map_or_else(|reason| reason, |_| "allowed")).or_default() += 1;
            }
        }
        counts
    };
    let mut reasons = BTreeMap::<&str, u64>::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || share(thread))).collect();
        for (reason, count) in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
            *reasons.entry(reason).or_default() += count;
        }
    });
    let allowed = reasons.get("allowed").copied().unwrap_or_default();
    // A generator that never produces a reason would prove nothing about it.
    let all = POLICIES * REQUESTS as u64;
    assert!(allowed > all / 20, "{allowed} of {all} were allowed");
    for reason in [
        "audience_mismatch",
        "authenticator_not_allowed",
        "client_not_allowed",
        "condition_error",
        "condition_false",
        "context_invalid",
        "credential_missing",
        "issuer_unknown",
        "no_rule",
        "path_ambiguous",
        "permission_missing",
        "role_missing",
        "rule_denied",
        "rule_unknown",
    ] {
        let count = reasons.get(reason).copied().unwrap_or_default();
        assert!(count > all / 5_000, "{reason}: {count} of {all}; {reasons:?}");
    }
}

#[test]
fn the_order_of_rules_is_irrelevant() {
    for seed in 0..POLICIES / 2 {
        let mut random = Random::new(seed);
        let policy = random.policy();
        let mut shuffled = policy.clone();
        random.shuffle(&mut shuffled.rules);
        let (one, other) = (built(&policy), built(&shuffled));
        for _ in 0..REQUESTS / 20 {
            let request = random.request(&policy);
            let outcomes = (decided(&one.0, one.1.as_ref(), &request), decided(&other.0, other.1.as_ref(), &request));
            assert_eq!(outcomes.0, outcomes.1, "seed {seed}: {request:#?}\n{policy:#?}");
        }
    }
}

#[test]
fn one_more_denying_rule_allows_no_further_request() {
    let mut denied = 0;
    for seed in 0..POLICIES / 2 {
        let mut random = Random::new(seed);
        let policy = random.policy();
        let Some(stricter) = random.with_a_denial(&policy) else { continue };
        let (before, after) = (built(&policy), built(&stricter));
        for _ in 0..REQUESTS / 20 {
            let request = random.request(&stricter);
            let outcomes =
                (decided(&before.0, before.1.as_ref(), &request), decided(&after.0, after.1.as_ref(), &request));
            // A request whose route names the new rule was denied before, because the rule did not exist.
            assert!(outcomes.0.is_ok() || outcomes.1.is_err(), "seed {seed}: {outcomes:?} {request:#?}\n{stricter:#?}");
            denied += u64::from(outcomes.0.is_ok() && outcomes.1.is_err());
        }
    }
    assert!(denied > 100, "{denied} were denied by one more rule");
}

/// Builds the rules and access lists of a policy, as the configuration would.
fn built(policy: &Policy) -> (Rules, Option<Modules>) {
    let fallback = if policy.fallback_authenticates { Fallback::Authenticated } else { Fallback::Denied };
    let of_module = |module: &Module| {
        let suffixes = module.suffixes.iter().map(|suffix| (*suffix).into()).collect();
        (ModulePrefix::parse(module.prefix).unwrap(), ModuleReading { case: case(module.folds), suffixes })
    };
    let a_rule_folds = policy.rules.iter().any(|rule| rule.folds);
    let readings = PathReadings::new(policy.modules.iter().map(of_module).collect(), a_rule_folds);
    let mut rules = Rules::reading(fallback, readings.clone());
    for rule in &policy.rules {
        let parsed = |text: &String| PathPattern::parse(text).unwrap().read(case(rule.folds), readings.clone());
        let patterns: Vec<PathPattern> = rule.paths.iter().map(parsed).collect();
        let known = if patterns.is_empty() { vec![PathPattern::default()] } else { patterns.clone() };
        let callers = if rule.access == "public" { CallerPresence::Never } else { CallerPresence::Possible };
        let scope = Env::Rule { callers, patterns: &known };
        let when = rule.when.map(|when| Arc::new(Condition::compile(when.text(), &scope).unwrap()));
        let same_organization = rule.same_organization.map(|position| TenantSource::parse(position, &known).unwrap());
        let made = |text: &str, pattern: &PathPattern| Rule {
            name: RuleName::new(&rule.name),
            access: access(rule.access),
            require: requirement(rule),
            constraints: Some(RequestConstraints {
                pattern: pattern.clone(),
                same_organization: same_organization.clone(),
                when: when.clone(),
            }),
            pattern: text.into(),
            enforcement: Enforcement::Enforced,
            by_name: if rule.allow_by_name { RouteReference::Override } else { RouteReference::Require },
        };
        let methods: Vec<Method<'_>> = rule.methods.iter().map(|text| Method::parse(text).unwrap()).collect();
        for (text, pattern) in rule.paths.iter().zip(&patterns) {
            let hosts: Vec<HostPattern> = rule.hosts.iter().map(|text| HostPattern::parse(text).unwrap()).collect();
            for host in &hosts {
                rules.add(made(text, pattern), Some(host), &methods, pattern).unwrap();
            }
            if hosts.is_empty() {
                rules.add(made(text, pattern), None, &methods, pattern).unwrap();
            }
        }
        if rule.paths.is_empty() {
            rules.add_named(made("", &PathPattern::default()));
        }
    }
    let modules = policy.modules.iter().map(|module| {
        let (prefix, reading) = of_module(module);
        (prefix, reading, list(module))
    });
    (rules, Modules::new(modules.collect()))
}

const fn case(folds: bool) -> Case {
    if folds { Case::Fold } else { Case::Exact }
}

fn list(module: &Module) -> Option<ModuleAccess> {
    let entries = module.access.as_ref()?;
    let mut access = ModuleAccess::new(ModuleName::new(module.prefix));
    for (organization, mask) in entries {
        let organizations = organization.map_or(Organizations::Any, Organizations::One);
        access.allow(organizations, CrudPermissions::from_mask(u64::from(*mask)).unwrap());
    }
    Some(access)
}

fn access(word: &str) -> Access {
    match word {
        "authenticated" => Access::Authenticated,
        "optional" => Access::Optional,
        "public" => Access::Public,
        "preflight" => Access::Preflight,
        "denied" => Access::Denied,
        other => panic!("{other}"),
    }
}

fn texts(words: &[&str]) -> Vec<Box<str>> {
    words.iter().map(|word| (*word).into()).collect()
}

fn requirement(rule: &semantics::Rule) -> Requirement {
    let entitlements = |permissions: &[&str], roles: &[&str], scopes: &[&str]| Entitlements {
        permissions: texts(permissions),
        roles: texts(roles),
        scopes: texts(scopes),
    };
    Requirement {
        authenticators: rule.authenticators.iter().map(|name| AuthenticatorName::new(name)).collect(),
        audiences: texts(&rule.audiences),
        clients: rule.clients.iter().map(|network| network.cidr.parse().unwrap()).collect(),
        all: entitlements(&rule.permissions, &rule.roles, &rule.scopes),
        any: entitlements(&rule.any_permissions, &rule.any_roles, &[]),
    }
}

/// Returns the outcome of the real rules.
fn decided(rules: &Rules, modules: Option<&Modules>, sent: &ModelRequest) -> Outcome {
    let field = |(name, value): &(&'static str, &'static str)| Field { name: name.as_bytes(), value: value.as_bytes() };
    let headers = Headers::new(sent.headers.iter().map(field).collect());
    let (method, target, host) = (sent.method.as_bytes(), sent.target.as_bytes(), sent.host.as_bytes());
    let mut request = Request::parse(method, target, host, headers).unwrap();
    request.peer = Peer { address: sent.sent_client.map(str::as_bytes), ..Peer::default() };
    request.context = Context::new(sent.context.iter().map(|(key, value)| (*key, value.as_str())).collect());
    let outcome = rules.select(&request).and_then(|selection| {
        let authentication = match selection.access() {
            Access::Public | Access::Preflight | Access::Denied => Authentication::NotRequired,
            Access::Authenticated | Access::Optional => authentication(&sent.credential),
        };
        let module = modules.and_then(|modules| modules.constraint(&request));
        let asked = AuthzContext { module: module.as_ref(), request: &request, now: Timestamp::EPOCH };
        selection.authorize(&asked, authentication, &mut NoopObserver)
    });
    match outcome {
        Ok(grant) => Ok(match grant.caller() {
            Caller::Known(_) => "known",
            Caller::Anonymous => "anonymous",
        }),
        Err(Denial { error, .. }) => Err(error.reason().code()),
    }
}

fn authentication(credential: &ModelCredential) -> Authentication {
    match credential {
        ModelCredential::Missing => Authentication::Missing,
        ModelCredential::Invalid => Authentication::Failed(AuthnError::IssuerUnknown),
        ModelCredential::Valid(caller) => Authentication::Authenticated(principal(caller)),
    }
}

/// The claims that [`principal`] writes. The role `root`, which no rule names, grants every permission.
static MAPPING: LazyLock<ClaimMapping> = LazyLock::new(|| mapping(RoleSource::default()));

/// Those of the authenticator whose tokens hold roles as the member names of an object.
static MEMBERS: LazyLock<ClaimMapping> =
    LazyLock::new(|| mapping(RoleSource::Members(ClaimPath::parse("access.roles").unwrap())));

fn mapping(roles: RoleSource) -> ClaimMapping {
    ClaimMapping {
        subject: None,
        organization: Some(ClaimPath::parse("organization").unwrap()),
        roles,
        permissions: Vec::new(),
        scopes: vec![ClaimPath::parse("scopes").unwrap()],
        grants: Arc::new(RolePermissions::new([("root", vec!["*"])])),
        null_strings: Arc::default(),
    }
}

/// Returns a caller as an API key identifies it.
fn principal(caller: &ModelCaller) -> Arc<Principal> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut roles = owned(&caller.roles);
    roles.extend(caller.everything.then(|| "root".to_owned()));
    let mut claims = Map::from_iter([("scopes".to_owned(), Value::from(owned(&caller.scopes)))]);
    claims.extend(caller.organization.map(|name| ("organization".to_owned(), name.into())));
    claims.extend(caller.audiences.as_ref().map(|names| {
        let list = match names.as_slice() {
            [one] => Value::from(*one),
            names => Value::from(owned(names)),
        };
        ("aud".to_owned(), list)
    }));
    claims.extend(caller.level.map(|level| ("level".to_owned(), level.into())));
    let has_members = caller.authenticator == "other";
    if has_members {
        // Every other role is there, too, and is denied.
        let mut members = Map::from_iter(random::WORDS.map(|role| (role.to_owned(), false.into())));
        members.insert("root".to_owned(), Value::Null);
        members.extend(roles.drain(..).map(|role| (role, true.into())));
        claims.insert("access".to_owned(), Value::Object(Map::from_iter([("roles".to_owned(), members.into())])));
    }
    let entry = ApiKeyEntry {
        id: "key",
        subject: Some(caller.subject),
        roles: &roles,
        permissions: &owned(&caller.permissions),
        claims,
        expires: Timestamp::NEVER,
    };
    let mapping = if has_members { &*MEMBERS } else { &*MAPPING };
    ApiKey::new(&AuthenticatorName::new(caller.authenticator), entry, mapping).unwrap().principal
}
